"""The master key of a home: what the keys of its files, and the keys that KMS holds, are encrypted with.

It is a file that its owner alone can read. A copy of the home without it tells nothing of what is under it;
whoever can read the user's files can read it too.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sagelab.cloud.errors import HomeDamaged

FILE = "master.key"
_SIZE, _NONCE = 32, 12
_ADVICE = (
    "Put a copy of it back: without it the objects of S3 and the keys of KMS cannot be read."
    " `sagelab reset` begins without them."
)


class Unreadable(Exception):
    """What was wrapped is not there any more as it was, or was wrapped for something else."""


class Wrapping:
    """A key of 32 bytes that wraps short secrets, each for one thing alone."""

    def __init__(self, key: bytes) -> None:
        self._aes = AESGCM(key)

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """context: what it is for, which is told again to unwrap it."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._aes.encrypt(nonce, secret, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unreadable: it was wrapped by another key, for something else, or is changed."""
        try:
            return self._aes.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], context)
        except (InvalidTag, ValueError):
            raise Unreadable("a wrapped key cannot be unwrapped") from None


class Master(Wrapping):
    """The master key of a home's folder; made with the first call there. HomeDamaged: it is no key."""

    def __init__(self, folder: Path) -> None:
        file = folder / FILE
        if not file.exists():
            _write(file, secrets.token_bytes(_SIZE))
        key = file.read_bytes()
        if len(key) != _SIZE:
            raise HomeDamaged(file, "is damaged", _ADVICE)
        super().__init__(key)
        self.fingerprint = hashlib.sha256(b"sagelab master key" + key).hexdigest()[:32]


def check(folder: Path, fingerprint: str | None) -> None:
    """HomeDamaged: the master key is not that which a home's data were encrypted with. None: none were."""
    file = folder / FILE
    if fingerprint is not None and not file.exists():
        raise HomeDamaged(file, "is missing, though this home has had it", _ADVICE)
    if file.exists() and Master(folder).fingerprint != (fingerprint or Master(folder).fingerprint):
        raise HomeDamaged(file, "is another one than the data of this home were encrypted with", _ADVICE)


def _write(file: Path, key: bytes) -> None:
    """As one step, so that a kill leaves a whole key or none."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(key)
    draft.replace(file)
