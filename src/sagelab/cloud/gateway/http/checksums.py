"""The checksums of S3 that can be computed here, of content however large.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from botocore.httpchecksum import BaseChecksum, Crc32Checksum, Sha1Checksum, Sha256Checksum

from sagelab.cloud.errors import NotImplementedHere

_KINDS: dict[str, type[BaseChecksum]] = {"CRC32": Crc32Checksum, "SHA1": Sha1Checksum, "SHA256": Sha256Checksum}


def known(algorithm: str) -> bool:
    """algorithm: "CRC32", in whatever case."""
    return algorithm.upper() in _KINDS


def begin(algorithm: str) -> BaseChecksum:
    """The checksum of nothing yet. NotImplementedHere: it is one that cannot be computed here."""
    if not known(algorithm):
        raise NotImplementedHere(
            f"The local cloud cannot compute the checksum {algorithm}; send its value, or use {', '.join(_KINDS)}."
        )
    return _KINDS[algorithm.upper()]()


def compute(body: bytes | Iterable[bytes], algorithm: str, encode_base64: bool = True) -> bytes:
    """The checksum of a body, whole or in parts. NotImplementedHere: it is one that cannot be computed here."""
    checksum = begin(algorithm)
    for part in [body] if isinstance(body, bytes) else body:
        checksum.update(part)
    digest: bytes = checksum.digest()
    return base64.b64encode(digest) if encode_base64 else digest
