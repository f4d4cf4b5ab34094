"""Many times of answers in little room: a count a bucket, so that an hour of load is held like a second of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

WIDTH = 1.02  # a bucket ends where this many times its beginning does: what is read is off by 1 % at the most
LEAST = 0.001  # milliseconds


class Latencies:
    """Times in milliseconds. counts: bucket -> how many. total: their sum."""

    def __init__(self, counts: Mapping[int, int] | None = None, total: float = 0.0) -> None:
        self.counts, self.total = Counter(counts or {}), total

    def add(self, milliseconds: float) -> None:
        """Take one time."""
        self.counts[round(math.log(max(milliseconds, LEAST), WIDTH))] += 1
        self.total += milliseconds

    def take(self, others: Latencies) -> None:
        """Take all that others have."""
        self.counts.update(others.counts)
        self.total += others.total

    def __len__(self) -> int:
        return self.counts.total()

    @property
    def mean(self) -> float:
        """Milliseconds; 0 where there are none."""
        return self.total / len(self) if self.counts else 0.0

    def percentile(self, share: float) -> float:
        """The time within which this share of them came, in milliseconds; 0 where there are none. share: 0.95."""
        left = math.ceil(share * len(self))
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return float(WIDTH**bucket)
        return 0.0

    def values(self, most: int) -> tuple[list[float], list[float]]:
        """Times and how often each came, so many at the most: neighbours are put together where there are more."""
        buckets = sorted(self.counts)
        step = max(1, math.ceil(len(buckets) / most))
        groups = [buckets[start : start + step] for start in range(0, len(buckets), step)]
        times = [float(WIDTH ** group[len(group) // 2]) for group in groups]
        return times, [float(sum(self.counts[bucket] for bucket in group)) for group in groups]

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return {"counts": list(self.counts.items()), "total": self.total}
