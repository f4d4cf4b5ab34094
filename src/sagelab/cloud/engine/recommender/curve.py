"""What the levels of a load have shown, and where the curve of invocations begins to flatten.

AWS takes its numbers from where that happens first:
https://docs.aws.amazon.com/sagemaker/latest/dg/inference-recommender-interpret-results.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sagelab.cloud.engine.recommender.latencies import Latencies

MINUTE = 60.0
GAIN = 1.1  # times as many invocations, without which more users have brought nothing
FLAT = 2  # levels in a row that brought nothing, after which the instance has reached its capacity
BUSY = 0.3  # of a core, at which the load generator itself may be what limits


@dataclass
class Window:
    """One level of load. seconds: real ones. client, model: times as the users, and as SageMaker, saw them.

    cpu: percent of what the instance may use. memory: percent of this machine's, or of a serverless environment's.
    generator: the share of a core that the users themselves took. setup: seconds that a serverless environment
    took to start, the slowest of them.
    """

    users: int
    seconds: float = 0.0
    requests: int = 0
    errors: int = 0
    client: Latencies = field(default_factory=Latencies)
    model: Latencies = field(default_factory=Latencies)
    cpu: float = 0.0
    memory: float = 0.0
    generator: float = 0.0
    setup: float = 0.0
    error: str = ""

    @property
    def per_minute(self) -> float:
        """Invocations that were answered well, in a real minute."""
        return MINUTE * (self.requests - self.errors) / self.seconds if self.seconds else 0.0

    @property
    def latencies(self) -> Latencies:
        """Those of the model; where nothing of it was heard, those of the users."""
        return self.model if self.model.counts else self.client


@dataclass(frozen=True)
class Limits:
    """When a load has shown enough. invocations: a minute. share: the percentile of `milliseconds`, 0.95."""

    invocations: int | None = None
    share: float = 0.95
    milliseconds: int | None = None
    until_flat: bool = True

    def keeps(self, window: Window) -> bool:
        """Whether the model answers within its threshold."""
        return self.milliseconds is None or window.latencies.percentile(self.share) <= self.milliseconds

    def reached(self, windows: Sequence[Window]) -> str | None:
        """Why no more users are tried, in words; None: they are."""
        last = windows[-1]
        if self.invocations is not None and last.per_minute >= self.invocations:
            return f"MaxInvocations: {last.per_minute:,.0f} a minute"
        if not self.keeps(last):
            found = last.latencies.percentile(self.share)
            return f"ModelLatencyThresholds: P{self.share * 100:.0f} is {found:,.1f} ms"
        if self.until_flat and is_flat(windows):
            return f"FlatInvocations: more than {knee(windows).users} users bring no more invocations"
        return None


def knee(windows: Sequence[Window]) -> Window:
    """The first level after which none brings noticeably more invocations."""
    best = max(window.per_minute for window in windows)
    return next(window for window in windows if window.per_minute * GAIN >= best)


def is_flat(windows: Sequence[Window]) -> bool:
    """Whether the last levels, each of more users than the one before, brought nothing."""
    if len(windows) <= FLAT:
        return False
    *before, base = windows[: len(windows) - FLAT]
    most = max(window.per_minute for window in (*before, base))
    later = windows[len(windows) - FLAT :]
    grows = all(one.users < other.users for one, other in zip((base, *later), later, strict=False))
    return grows and all(window.per_minute <= most * GAIN for window in later)


def chosen(windows: Sequence[Window], limits: Limits) -> Window:
    """The level that the numbers are taken from: of those that keep the threshold, if any does."""
    return knee([window for window in windows if limits.keeps(window)] or windows[:1])
