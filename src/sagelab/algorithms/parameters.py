"""The hyperparameters of a built-in algorithm: texts that become values, in their ranges, or the user's error.

The words are those of https://github.com/aws/sagemaker-xgboost-container.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sagelab.algorithms.job import UserError

Read = Callable[[str], Any]


@dataclass(frozen=True)
class Parameter:
    """read: makes its value of a text; ValueError: the text is none. fits: whether a value is in its range, which
    is `range` in words. required: a job cannot do without it."""

    read: Read
    fits: Callable[[Any], bool] = lambda _: True
    range: str = ""
    required: bool = False


def integer(low: float = -math.inf, high: float = math.inf, *, required: bool = False) -> Parameter:
    """A whole number from low to high."""
    return Parameter(int, lambda value: low <= value <= high, _interval(low, high), required)


def number(low: float = -math.inf, high: float = math.inf, *, inside: str = "[]") -> Parameter:
    """A number between two. inside: "(" and ")" leave an end out."""

    def fits(value: float) -> bool:
        above = value > low if inside[0] == "(" else value >= low
        return above and (value < high if inside[1] == ")" else value <= high)

    return Parameter(float, fits, _interval(low, high, inside))


def choice(*values: str) -> Parameter:
    """One of these words."""
    return Parameter(str, lambda value: value in values, str(list(values)))


def words(*values: str, fits: Callable[[str], bool] | None = None) -> Parameter:
    """A list of these words, with commas between them. fits: which words there are, where they are not listed."""
    good = fits or (lambda word: word in values)
    return Parameter(_words, lambda found: bool(found) and all(map(good, found)), str(list(values)))


def literal(kind: type) -> Parameter:
    """What Python writes so: "(1, -1)", "[[0, 1], [2, 3]]"."""

    def read(text: str) -> Any:
        try:
            found = ast.literal_eval(text)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise ValueError(text) from None
        if not isinstance(found, kind):
            raise ValueError(text)
        return found

    return Parameter(read)


def read(sent: Mapping[str, str], known: Mapping[str, Parameter], aliases: Mapping[str, str]) -> dict[str, Any]:
    """The values of a job's hyperparameters by their own names. UserError: one is missing, unknown or no good."""
    named = {aliases.get(name, name): text for name, text in sent.items() if not name.startswith("sagemaker_")}
    for name, parameter in known.items():
        if parameter.required and name not in named:
            raise UserError(f"Missing required hyperparameter: {name}")
    found = {}
    for name, text in named.items():
        if name not in known:
            raise UserError(f"Extraneous hyperparameter found: {name}")
        try:
            found[name] = known[name].read(text.strip())
        except ValueError:
            raise UserError(f"Hyperparameter {name}: could not parse value") from None
        if not known[name].fits(found[name]):
            raise UserError(f"Hyperparameter {name}: {text} is not in {known[name].range}")
    return found


def _words(text: str) -> list[str]:
    return [
        word.strip() for word in text.strip("[] ").replace("'", "").replace('"', "").split(",") if word.strip()
    ]


def _interval(low: float, high: float, inside: str = "[]") -> str:
    return f"{inside[0]}{low:g}, {high:g}{inside[1]}"
