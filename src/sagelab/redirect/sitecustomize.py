"""Makes STS follow AWS_ENDPOINT_URL: both SageMaker SDKs name AWS's STS endpoint outright.

Every other client finds the local cloud by AWS_ENDPOINT_URL alone. The SDKs ask STS for the account with an
explicit `endpoint_url`, which would reach for the internet, so the one function of botocore that makes
clients drops that endpoint again. Python runs this file by itself in every process that has its folder on
PYTHONPATH: it imports nothing but the standard library, costs about a millisecond, and afterwards runs the
`sitecustomize` it hides, if there is one.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

TYPE_CHECKING = False  # importing `typing` would cost more than all the rest
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

TARGET = "botocore.session"
AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def install() -> None:
    """Redirect botocore in this process, now or once it is imported. Calling it again changes nothing."""
    if TARGET in sys.modules:
        _redirect(sys.modules[TARGET])
    elif not any(getattr(finder, "redirects", None) == TARGET for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds botocore.session as anyone would, and has it redirected once it has run."""

    redirects = TARGET

    def find_spec(self, name: str, path: Any = None, _: ModuleType | None = None) -> ModuleSpec | None:
        if name != TARGET:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            _redirect_after(spec.loader)
        return spec


def _redirect_after(loader: Any) -> None:
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        load(module)
        _redirect(module)

    loader.exec_module = exec_module


def _redirect(module: Any) -> None:
    create = module.Session.create_client
    if getattr(create, "redirects", None):
        return

    def create_client(self: Any, service_name: str, *args: Any, **options: Any) -> Any:
        if service_name == "sts" and "AWS_ENDPOINT_URL" in os.environ and _is_aws(options.get("endpoint_url")):
            options["endpoint_url"] = None
        return create(self, service_name, *args, **options)

    create_client.redirects = TARGET  # type: ignore[attr-defined]
    create_client.__doc__, create_client.__wrapped__ = create.__doc__, create  # type: ignore[attr-defined]
    module.Session.create_client = create_client


def _is_aws(url: str | None) -> bool:
    from urllib.parse import urlsplit

    return (urlsplit(url or "").hostname or "").endswith(AWS_HOSTS)


def _run_hidden() -> None:
    """Run the sitecustomize that this one stands in front of."""
    here = os.path.dirname(os.path.abspath(__file__))
    spec = PathFinder.find_spec("sitecustomize", [p for p in sys.path if os.path.abspath(p) != here])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(_module_of(spec))


def _module_of(spec: ModuleSpec) -> ModuleType:
    from importlib.util import module_from_spec

    return module_from_spec(spec)


if __name__ == "sitecustomize":
    install()
    _run_hidden()
