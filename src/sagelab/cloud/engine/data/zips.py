"""Zip files of strangers: what one says of its members is in memory, and has a limit.

https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from typing import IO

INDEX = 8 << 20  # bytes that are read at once: all that it says of its members are
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What one that is none, or is damaged, makes of zipfile.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    RecursionError,
)


class Bounded(io.BufferedReader):
    """A zip file as zipfile is to read it: never more than INDEX bytes at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(INDEX + 1 if size is None or size < 0 else min(size, INDEX + 1))
        if len(found) > INDEX:
            raise zipfile.BadZipFile(f"more than {INDEX} bytes at once")
        return found


def read(file: IO[bytes], name: str, most: int) -> bytes:
    """A member of an open zip file, as far as `most` bytes. One of BROKEN: it is none, or has no such member."""
    with Bounded(io.FileIO(os.dup(file.fileno()))) as bounded, zipfile.ZipFile(bounded) as archive:
        if archive.getinfo(name).compress_type not in METHODS:
            raise zipfile.BadZipFile(f"{name} is packed in a way that is not read here")
        with archive.open(name) as member:
            return member.read(most)
