"""The key by which CloudTrail signs its digests: of this home alone, made when it is first needed.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-custom-validation.html
"""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

ALGORITHM, BITS = "SHA256withRSA", 2048
VALID = 3_650 * 86_400  # seconds


@dataclass(frozen=True)
class PublicKey:
    """value: PKCS #1, DER. since: epoch seconds."""

    value: bytes
    since: float

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.value).hexdigest()[:32]


class Signer:
    """file: where the key lies, readable by its owner alone."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._key: RSAPrivateKey | None = None

    def sign(self, text: str) -> str:
        """The signature of a text, in hexadecimal."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        return self._private().sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()

    def public(self) -> PublicKey:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        value = self._private().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        return PublicKey(value, self._file.stat().st_mtime)

    def _private(self) -> RSAPrivateKey:
        """ValueError: the file is damaged."""
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        with self._lock:
            if self._key is None:
                if not self._file.exists():
                    self._write(rsa.generate_private_key(65_537, BITS))
                found = load_pem_private_key(self._file.read_bytes(), None)
                if not isinstance(found, rsa.RSAPrivateKey):
                    raise ValueError(f"{self._file} has no RSA key")
                self._key = found
            return self._key

    def _write(self, key: RSAPrivateKey) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        draft = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        draft.replace(self._file)
