"""MXNet's RecordIO: pictures with their labels in one file (`im2rec` writes it). Not RecordIO-protobuf.

A record begins with a magic number and its length, of which the highest three bits tell that it is a part of one
(https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading). Its content is a header (how many
labels, one label, two ids), more labels where there are several, and the picture.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from sagelab.algorithms.job import UserError

MAGIC = 0xCED7230A
HEAD, IMAGE_HEAD = struct.Struct("<II"), struct.Struct("<IfQQ")
WHOLE, FIRST, MIDDLE, LAST = range(4)  # what a record is of one: magic numbers inside of it divide it
LARGEST = 1 << 28  # bytes of one record
MOST_LABELS = 1 << 16

_BROKEN = "The RecordIO file {} cannot be read: it ends inside a record."


class Source(Protocol):
    """A file, a pipe, or a memory."""

    def read(self, size: int, /) -> bytes: ...


def read(source: Source, name: str) -> Iterator[bytes]:
    """The content of each record. UserError: they are none, or one is cut off."""
    parts: list[bytes] = []
    while head := _all_of(source, HEAD.size, name, at_start=True):
        magic, word = HEAD.unpack(head)
        kind, size = word >> 29, word & (1 << 29) - 1
        if magic != MAGIC:
            raise UserError(f"{name} is not in RecordIO format: a record does not begin as one.")
        if size + sum(map(len, parts)) > LARGEST:
            raise UserError(f"The RecordIO file {name} has a record of more than {LARGEST} bytes.")
        content = _all_of(source, size, name)
        _all_of(source, -size % 4, name)
        if (kind in (MIDDLE, LAST)) != bool(parts) or kind > LAST:
            raise UserError(f"The RecordIO file {name} has a part of a record out of its order.")
        parts.append(content)
        if kind in (WHOLE, LAST):
            yield HEAD.pack(MAGIC, 0)[:4].join(parts)
            parts = []
    if parts:
        raise UserError(_BROKEN.format(name))


def unpack(record: bytes, name: str) -> tuple[Any, memoryview]:
    """(labels, picture) of one record: float32 (labels,), and the picture's bytes. UserError: it is not one."""
    if len(record) < IMAGE_HEAD.size:
        raise UserError(f"The RecordIO file {name} has a record without an image header.")
    count, label, _, _ = IMAGE_HEAD.unpack_from(record)
    after = IMAGE_HEAD.size + 4 * count
    if count > MOST_LABELS or after > len(record):
        raise UserError(f"The RecordIO file {name} has a record with more labels than it is long.")
    labels = np.frombuffer(record, "<f4", count, IMAGE_HEAD.size) if count else np.array([label], np.float32)
    if not np.isfinite(labels).all():
        raise UserError(f"The RecordIO file {name} has a label that is not a number.")
    return labels, memoryview(record)[after:]


def _all_of(source: Source, size: int, name: str, *, at_start: bool = False) -> bytes:
    """So many bytes. at_start: there may be none any more."""
    parts, missing = [], size
    while missing and (part := source.read(min(missing, 1 << 20))):
        parts.append(part)
        missing -= len(part)
    if missing and (parts or not at_start):
        raise UserError(_BROKEN.format(name))
    return b"".join(parts)
