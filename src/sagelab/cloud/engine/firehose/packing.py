"""Records as the content of an object: one after the other, and compressed."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterable

BLOCK = 256 << 10  # bytes of one of Hadoop's


def pack(parts: Iterable[bytes], compression: str, name: str) -> bytes:
    """name: of the object, which is that of the one file in a zip."""
    content = b"".join(parts)
    if compression == "GZIP":
        return gzip.compress(content, 6, mtime=0)
    if compression == "ZIP":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return out.getvalue()
    if compression == "HADOOP_SNAPPY":
        return b"".join(_blocks(content))
    return content


def _blocks(content: bytes) -> Iterable[bytes]:
    """Hadoop's: the length of a block and of what it is compressed, in four bytes each, and that."""
    import pyarrow

    for at in range(0, len(content), BLOCK):
        block = content[at : at + BLOCK]
        packed = pyarrow.compress(block, codec="snappy", asbytes=True)
        yield len(block).to_bytes(4, "big") + len(packed).to_bytes(4, "big") + packed
