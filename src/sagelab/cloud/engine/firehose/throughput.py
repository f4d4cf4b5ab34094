"""How much a delivery stream takes: AWS's quota of a region, and what is saved up of it.

https://docs.aws.amazon.com/firehose/latest/dev/limits.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

LARGE = ("us-east-1", "us-west-2", "eu-west-1")
SAVED = 20.0  # seconds of its quota that a stream may have at once: AWS lets short peaks pass


@dataclass
class Bucket:
    """So many a second, of which some may be saved up."""

    rate: float
    most: float
    clock: Callable[[], float] = time.monotonic
    left: float = field(init=False)
    seen: float = field(init=False)

    def __post_init__(self) -> None:
        self.left, self.seen = self.most, self.clock()

    def fill(self) -> None:
        now = self.clock()
        self.left = min(self.most, self.left + (now - self.seen) * self.rate)
        self.seen = now


class Quota:
    """Of one stream."""

    def __init__(self, records: float, size: float, saved: float = SAVED) -> None:
        self._records, self._bytes = Bucket(records, records * saved), Bucket(size, size * saved)
        self._lock = threading.Lock()

    @classmethod
    def of(cls, region: str) -> Quota:
        return cls(500_000, 5 << 20) if region in LARGE else cls(100_000, 1 << 20)

    def take(self, count: int, size: int) -> bool:
        """Whether there is room for one more."""
        return self.share([size] * count) == count

    def share(self, sizes: Sequence[int]) -> int:
        """How many of some records there is room for, the first of them; it is theirs."""
        with self._lock:
            self._records.fill()
            self._bytes.fill()
            taken = 0
            for size in sizes:
                if self._records.left < 1 or self._bytes.left < size:
                    break
                self._records.left -= 1
                self._bytes.left -= size
                taken += 1
            return taken
