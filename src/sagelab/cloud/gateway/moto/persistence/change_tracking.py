"""Which buckets, objects and uploads of S3 a request changed.

moto's S3 notes it here while it works, in the thread that answers the request. What other threads change (moto
delivers some things in the background) is noted for whoever writes next.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


class Item(NamedTuple):
    """kind: "bucket" (its settings), "object" (name: its key) or "upload" (name: its id)."""

    kind: str
    bucket: str
    name: str = ""


@dataclass
class ChangeTracking:
    """changed: there is something new about it. looked_up: there may be, if the request was one that changes.

    reached: other services, by moto's names for them, that S3 has told something.
    """

    changed: set[Item] = field(default_factory=set)
    looked_up: set[Item] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)


class _Local(threading.local):
    changes: ChangeTracking | None = None


_local, _strays = _Local(), ChangeTracking()


def noted() -> ChangeTracking:
    """Where this thread notes what it changes."""
    return _strays if _local.changes is None else _local.changes


@contextmanager
def recording() -> Iterator[ChangeTracking]:
    """Notes what this thread changes in the block."""
    before, _local.changes = _local.changes, ChangeTracking()
    try:
        yield _local.changes
    finally:
        _local.changes = before


def strays() -> set[Item]:
    """What threads without a request changed since the last call."""
    taken, _strays.changed = _strays.changed, set()
    _strays.looked_up.clear()
    return taken
