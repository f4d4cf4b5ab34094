"""The ranges that a tuning job searches: what Optuna draws from, and the text that a job gets.

Scaling as AWS has it:
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Values = dict[str, str]

LINEAR, LOGARITHMIC, REVERSE = "Linear", "Logarithmic", "ReverseLogarithmic"
WIDE = 100  # a range over two orders of magnitude or more is one that Auto searches on a logarithmic scale


@dataclass(frozen=True)
class Numbers:
    """A range of integers or of real numbers, both ends included. scaling: LINEAR, LOGARITHMIC or REVERSE."""

    name: str
    low: float
    high: float
    scaling: str
    integer: bool = False

    @property
    def size(self) -> int | None:
        """How many values there are; None where there is no end to them."""
        if self.integer or self.low == self.high:
            return int(self.high - self.low) + 1
        return None

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.integer:
            return IntDistribution(int(self.low), int(self.high), log=self.scaling == LOGARITHMIC)
        if self.scaling == REVERSE:  # what is drawn is the distance to 1
            return FloatDistribution(1 - self.high, 1 - self.low, log=True)
        return FloatDistribution(self.low, self.high, log=self.scaling == LOGARITHMIC)

    def write(self, drawn: Any) -> str:
        """The hyperparameter's text for what Optuna has drawn."""
        if self.integer:
            return str(int(drawn))
        value = 1 - drawn if self.scaling == REVERSE else drawn
        return repr(float(min(max(value, self.low), self.high)))

    def read(self, text: str) -> Any:
        """What Optuna would have drawn for a text; None where the range does not have it."""
        try:
            value = float(text)
        except ValueError:
            return None
        if not self.low <= value <= self.high or (self.integer and not value.is_integer()):
            return None
        if self.integer:
            return int(value)
        return 1 - value if self.scaling == REVERSE else value

    def texts(self) -> Iterator[str]:
        """Every value, where they can be counted."""
        if not self.integer:
            return iter([self.write(self.low)])
        return (str(value) for value in range(int(self.low), int(self.high) + 1))


@dataclass(frozen=True)
class Choices:
    """A categorical range."""

    name: str
    values: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.values)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def write(self, drawn: Any) -> str:
        return str(drawn)

    def read(self, text: str) -> Any:
        return text if text in self.values else None

    def texts(self) -> Iterator[str]:
        return iter(self.values)


Range = Numbers | Choices


@dataclass(frozen=True)
class Space:
    """The ranges of one definition of training jobs."""

    ranges: tuple[Range, ...]

    @property
    def size(self) -> int | None:
        """How many combinations there are; None where there is no end to them."""
        sizes = [each.size for each in self.ranges]
        return None if None in sizes else math.prod(size for size in sizes if size)

    def distributions(self) -> dict[str, BaseDistribution]:
        return {each.name: each.distribution() for each in self.ranges}

    def write(self, drawn: dict[str, Any]) -> Values:
        """The hyperparameters for what Optuna has drawn."""
        return {each.name: each.write(drawn[each.name]) for each in self.ranges}

    def read(self, values: Values) -> dict[str, Any] | None:
        """What Optuna would have drawn for these hyperparameters; None where one is missing or out of range."""
        drawn = {each.name: each.read(values[each.name]) for each in self.ranges if each.name in values}
        complete = len(drawn) == len(self.ranges) and None not in drawn.values()
        return drawn if complete else None

    def combinations(self) -> Iterator[Values]:
        """Every combination, the last range changing fastest; for a space that has a size."""
        names = [each.name for each in self.ranges]
        for texts in itertools.product(*(list(each.texts()) for each in self.ranges)):
            yield dict(zip(names, texts, strict=True))


def read_space(ranges: dict[str, Any]) -> Space:
    """The API's ParameterRanges, which must be right (resources/tuning_rules.py checks them)."""
    numbers = [
        _read_numbers(item, integer)
        for kind, integer in (("IntegerParameterRanges", True), ("ContinuousParameterRanges", False))
        for item in ranges.get(kind, [])
    ]
    choices = [
        Choices(item["Name"], tuple(item["Values"])) for item in ranges.get("CategoricalParameterRanges", [])
    ]
    return Space((*numbers, *choices))


def _read_numbers(item: dict[str, str], integer: bool) -> Numbers:
    low, high = float(item["MinValue"]), float(item["MaxValue"])
    scaling = item.get("ScalingType", "Auto")
    return Numbers(item["Name"], low, high, choose_scaling(low, high) if scaling == "Auto" else scaling, integer)


def choose_scaling(low: float, high: float) -> str:
    """What Auto means here: logarithmic for positive numbers over two orders of magnitude or more."""
    return LOGARITHMIC if low > 0 and high / low >= WIDE else LINEAR
