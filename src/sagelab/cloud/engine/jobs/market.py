"""The spot market of the local cloud: when a job's capacity is taken away, and how long it waits for new one.

On AWS that depends on what others ask for. Here it is drawn with a seed, so that two jobs on the same market lose
their capacity after the same time of training, and an experiment can be repeated. The market of a local cloud is
set in one place (`sagelab spot set`); a job's own is set by its tags. On AWS such tags say nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

PREFIX = "sagelab:spot-"
INTERRUPT = f"{PREFIX}interrupt"  # put on a running job with the value NOW, it takes the capacity away at once
NOW = "now"
MOST = 1e6


@dataclass(frozen=True)
class Market:
    """What the weather is like.

    rate: interruptions an hour of training, on average; 0 for none. wait: seconds until there is capacity again,
    on average. seed: the same seed, the same draws. interruptions: the most that it interrupts one job.
    notice: seconds between SIGTERM and SIGKILL, 120 as EC2 gives.
    """

    rate: float = 120.0
    wait: float = 6.0
    seed: int = 16
    interruptions: int = 2
    notice: float = 120.0

    def tags(self) -> dict[str, str]:
        """The same as tags of a job."""
        return {f"{PREFIX}{name}": f"{value:g}" for name, value in asdict(self).items()}

    def describe(self) -> str:
        """The same in a sentence."""
        if not self.rate or not self.interruptions:
            return "the spot market of the local cloud interrupts nobody"
        return (
            f"the spot market of the local cloud interrupts a job {self.rate:g} times an hour of training, at most"
            f" {self.interruptions} times; new capacity comes after {self.wait:g} s (averages, seed {self.seed})"
        )


def change(market: Market, facts: Mapping[str, str]) -> Market:
    """A market with some facts changed: name as in Market -> number as text. ValueError: one sentence."""
    found: dict[str, float | int] = {}
    for name, text in facts.items():
        if name not in asdict(market):
            raise ValueError(f"a spot market has no {name!r}; it has {', '.join(asdict(market))}")
        found[name] = _read_number(name, text, whole=isinstance(getattr(Market, name), int))
    return replace(market, **found)  # type: ignore[arg-type]


def read_tags(tags: Mapping[str, str], otherwise: Market) -> Market:
    """The market that a job's tags ask for. ValueError: one sentence."""
    facts = {key.removeprefix(PREFIX): value for key, value in tags.items() if key.startswith(PREFIX)}
    facts.pop(INTERRUPT.removeprefix(PREFIX), None)
    return change(otherwise, facts)


class Draws:
    """What one job meets on a market: intervals of training and waits, in turn."""

    def __init__(self, market: Market) -> None:
        self._market, self._left = market, market.interruptions
        self._random = random.Random(market.seed)

    def interval(self) -> float:
        """Seconds of training until the capacity is taken away; inf where it never is."""
        if not self._market.rate or self._left <= 0:
            return math.inf
        return self._random.expovariate(self._market.rate / 3600)

    def interrupt(self) -> None:
        """Count an interruption of the market's own."""
        self._left -= 1

    def wait(self) -> float:
        """Seconds until there is capacity again."""
        return self._random.uniform(0.5, 1.5) * self._market.wait


def _read_number(name: str, text: str, whole: bool) -> float | int:
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= MOST:
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{name} of a spot market is {kind} from 0 to {MOST:,.0f}, not {text!r}")
    return number
