"""A backend of moto as bytes, and back. What a backend says of other backends is their name, not their content.

Only what this process wrote itself, in a folder that its user alone can write, is ever read back.
"""

from __future__ import annotations

import io
import pickle
import threading
import weakref
from collections import defaultdict
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from moto.backends import get_backend
from moto.core.base_backend import AccountSpecificBackend, BackendDict, BaseBackend

_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_NAMED = (BaseBackend, AccountSpecificBackend, BackendDict)
_PRIVATE = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)
_FORMERLY = "sagelab.cloud.gateway.kept."


def dump(state: Any, root: BaseBackend | None = None) -> bytes:
    """root: the one backend whose content may be in it. TypeError, pickle.PicklingError: it cannot be kept."""
    buffer = io.BytesIO()
    _Pickler(buffer, root).dump(state)
    return buffer.getvalue()


def load(data: bytes) -> Any:
    return _Unpickler(io.BytesIO(data)).load()


def backends(service: Any) -> Any:
    """moto's backends of a service, by account and region. service: moto's own name of it."""
    return get_backend(service)


def service_of(backend: type) -> str:
    """moto's own name of the service that a class of backends belongs to."""
    path = next(kind.__module__ for kind in backend.__mro__ if kind.__module__.startswith("moto."))
    return path.split(".")[1]


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, root: BaseBackend | None) -> None:
        super().__init__(buffer, protocol=5)
        self._root = root

    def reducer_override(self, value: Any) -> Any:
        """Unlike persistent_id not asked of texts, numbers and plain containers, which took thrice as long."""
        kind: Any = type(value)
        if not _is_unlike(kind):
            return NotImplemented
        if name := self._name(value):
            return _find, name
        if isinstance(value, _LOCKS):
            return (threading.RLock if isinstance(value, _LOCKS[1]) else threading.Lock), ()
        if isinstance(value, defaultdict) and (make := value.default_factory) and make.__name__ == "<lambda>":
            return defaultdict, (type(make()),), None, None, iter(value.items())
        if isinstance(value, weakref.WeakValueDictionary):
            return weakref.WeakValueDictionary, (dict(value),)
        if isinstance(value, _PRIVATE):
            return _private_key, (_pem(value),)
        return NotImplemented

    def _name(self, value: Any) -> tuple[str, ...]:
        """Of a backend, or of those of a service; none of anything else."""
        if isinstance(value, BaseBackend) and value is not self._root:
            return service_of(type(value)), value.account_id, value.region_name
        if isinstance(value, AccountSpecificBackend):
            return service_of(value.backend), value.account_id
        return (service_of(value.backend),) if isinstance(value, BackendDict) else ()


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, name: Any) -> Any:
        """What a home of before they were calls has in place of backends."""
        return _find(*name)

    def find_class(self, module: str, name: str) -> Any:
        """A home of before this package had its name says the old one."""
        if module.startswith(_FORMERLY):
            module = f"{__package__}.{module.removeprefix(_FORMERLY)}"
        return super().find_class(module, name)


@cache  # a put asks it of two hundred values of a dozen kinds
def _is_unlike(kind: type) -> bool:
    """Whether values of a kind are kept as something else than what pickle makes of them."""
    return issubclass(kind, (*_NAMED, *_LOCKS, defaultdict, weakref.WeakValueDictionary, *_PRIVATE))


def _find(service: str, *path: str) -> Any:
    """The backends of a service, those of an account, or the one of a region."""
    found = backends(service)
    for part in path:
        found = found[part]
    return found


def _pem(key: Any) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem: bytes = key.private_bytes(encoding, form, serialization.NoEncryption())
    return pem


def _private_key(pem: bytes) -> Any:
    return serialization.load_pem_private_key(pem, None)
