"""A zip file that says much of little, and what reading it takes."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


def crowded() -> list[bytes]:
    """The parts of one with a million members of no bytes: 46 MB that swell to a gigabyte of objects."""
    facts = (20, 3, 20, *(0,) * 8, 1, *(0,) * 6)  # a name of one letter
    member = struct.pack("<4s4B4H3L5H2L", b"PK\x01\x02", *facts)
    index = (member + b"a") * 1_000_000
    return [index, struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, len(index), 0, 0)]


@contextmanager
def peak() -> Iterator[list[int]]:
    """The most bytes of Python's that were there at a time in the block."""
    found = [0]
    tracemalloc.start()
    try:
        yield found
    finally:
        found[0] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
