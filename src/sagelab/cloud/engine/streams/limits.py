"""What a shard takes and gives in a second.

https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
"""

from __future__ import annotations

import threading

from sagelab.cloud.engine.firehose.throughput import Bucket

RECORDS, BYTES = 1000.0, 1 << 20  # that are put, a second
READS, READ_BYTES, READ_MOST = 5.0, 2 << 20, 10 << 20  # calls and bytes that are read; bytes of one call


class Limits:
    """Of the shards of one stream."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._written: dict[int, tuple[Bucket, Bucket]] = {}
        self._read: dict[int, tuple[Bucket, Bucket]] = {}

    def put(self, shard: int, size: int) -> bool:
        """Whether a shard takes a record now; if so, it counts."""
        with self._lock:
            made = (Bucket(RECORDS, RECORDS), Bucket(BYTES, BYTES))
            records, taken = self._written.setdefault(shard, made)
            records.fill()
            taken.fill()
            # A record that is larger than a second's bytes is taken by a shard that has them all.
            if records.left < 1 or taken.left < min(size, BYTES):
                return False
            records.left -= 1
            taken.left -= size
            return True

    def read(self, shard: int) -> bool:
        """Whether a shard is read now; if so, it counts."""
        with self._lock:
            calls, given = self._read.setdefault(shard, (Bucket(READS, READS), Bucket(READ_BYTES, READ_MOST)))
            calls.fill()
            given.fill()
            if calls.left < 1 or given.left <= 0:
                return False
            calls.left -= 1
            return True

    def given(self, shard: int, size: int) -> None:
        """So many bytes were read."""
        with self._lock:
            self._read[shard][1].left -= size
