"""Records in frames, as RecordIO and TFRecord have them: an object of a batch transform, cut into payloads.

A single record goes to the model without its frame, several go with theirs:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TransformInput.html
https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

MAGIC = 0xCED7230A  # of RecordIO
LENGTH, WHOLE, LAST = (1 << 29) - 1, 0, 3  # of the second word: the bytes, and above them which part it is

Record = tuple[bytes, bytes]  # with its frame, and without it


def _tf_records(body: bytes) -> Iterator[Record]:
    """A length, its checksum, the bytes and their checksum. struct.error, ValueError: it is none."""
    at = 0
    while at < len(body):
        (size,) = struct.unpack_from("<Q", body, at)
        end = at + 16 + size
        if end > len(body):
            raise ValueError("its last record is cut off")
        yield body[at:end], body[at + 12 : end - 4]
        at = end


def _record_io(body: bytes) -> Iterator[Record]:
    """A magic word, a length, the bytes up to a multiple of four; a record may be in several such parts."""
    at = begin = 0
    parts: list[bytes] = []
    while at < len(body):
        magic, word = struct.unpack_from("<II", body, at)
        size = word & LENGTH
        end = at + 8 + size + (-size) % 4
        if magic != MAGIC or end > len(body):
            raise ValueError("a record does not begin where it must, or is cut off")
        parts.append(body[at + 8 : at + 8 + size])
        at = end
        if word >> 29 in (WHOLE, LAST):
            yield body[begin:at], struct.pack("<I", MAGIC).join(parts)
            begin, parts = at, []


READ: dict[str, Callable[[bytes], Iterator[Record]]] = {"RecordIO": _record_io, "TFRecord": _tf_records}


def payloads(body: bytes, kind: str, single: bool, limit: int) -> Iterator[bytes]:
    """The payloads of an object. limit: bytes of one, 0: any.

    ValueError: it is none of the kind, or a record is too large.
    """
    group: list[bytes] = []
    size = 0
    try:
        for framed, record in READ[kind](body):
            one = record if single else framed
            if limit and len(one) > limit:
                raise ValueError(f"a record has {len(one):,} bytes, more than MaxPayloadInMB allows")
            if group and (single or (limit and size + len(one) > limit)):
                yield b"".join(group)
                group, size = [], 0
            group.append(one)
            size += len(one)
    except struct.error:
        raise ValueError("its last record is cut off") from None
    if group:
        yield b"".join(group)
