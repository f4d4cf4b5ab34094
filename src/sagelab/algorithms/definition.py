"""How a built-in algorithm's metrics and what may be tuned of it are written down; definitions.py has them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

LOSS, SCORE = "<loss>", "<score>"
RUNNING = (
    ("train:progress", r"#progress_metric: host=\S+, completed (\S+) %"),
    ("train:throughput", r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"),
)


def quality(name: str, printed: str, kind: str, epoch: bool = False) -> tuple[str, str]:
    """A metric and its expression. printed: its name in a line, as an expression, with the channel before it."""
    number = r"epoch=\S+, " if epoch else ""
    return name, rf"#quality_metric: host=\S+, {number}{printed} {kind}=(\S+)"


def each(channels: Iterable[str], metrics: dict[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """metrics: name -> (as it is printed, kind), each in every channel."""
    return [
        quality(f"{channel}:{name}", f"{channel} {printed}", kind)
        for channel in channels
        for name, (printed, kind) in metrics.items()
    ]


def objectives(found: Iterable[tuple[str, str]], *channels: str) -> tuple[str, ...]:
    """The names of those metrics that are of one of these channels, and so may be a tuning job's own."""
    names = (name for name, _ in found if not name.endswith(":final"))
    return tuple(name for name in names if name.partition(":")[0] in channels)


@dataclass(frozen=True)
class Range:
    """The widest range of a hyperparameter that a tuning job may search. whole: of whole numbers."""

    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Definition:
    """metrics: (name, expression). objectives: those of them that a tuning job may have as its own; all if empty.
    tunable: a Range, or the values of a categorical one. gpu: it trains on types with a GPU alone. checkpoints: it
    leaves some, and goes on from them."""

    metrics: tuple[tuple[str, str], ...]
    objectives: tuple[str, ...] = ()
    tunable: dict[str, Range | tuple[str, ...]] = field(default_factory=dict)
    gpu: bool = False
    checkpoints: bool = True
