"""The JSONPath of a batch transform's filters: the part of it that SageMaker supports, and nothing more.

    $            all                    $.name  $['name']          a member
    $.*          all members            $['a','b']                 several: an object of them
    $[2] $[-1]   an element             $[0,2] $[1:] $[0,5:]       several: a list of them

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html#data-processing-operators
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

NAME = re.compile(r"\.([A-Za-z_][\w-]*)")
EVERY = re.compile(r"\.\*|\[\*\]")
NAMES = re.compile(r"\.?\[('[^']+'(?:\s*,\s*'[^']+')*)\]")
ELEMENTS = re.compile(r"\[\s*((?:-?\d+|-?\d*:-?\d*)(?:\s*,\s*(?:-?\d+|-?\d*:-?\d*))*)\s*\]")

Step = Callable[[Any], Any]


class NotFound(Exception):
    """A record does not have what the expression names."""


class Expression:
    """A compiled expression. ValueError: it is none that SageMaker supports."""

    def __init__(self, text: str) -> None:
        self.text, self._steps = text, _compile(text)

    @property
    def whole(self) -> bool:
        """Whether it is `$`: all of the record."""
        return not self._steps

    def select(self, record: Any) -> Any:
        """The part of a record that it names. NotFound: the record does not have it."""
        try:
            for step in self._steps:
                record = step(record)
        except (KeyError, IndexError, TypeError, AttributeError):
            raise NotFound(f"{self.text} is not in the record") from None
        return record


def _compile(text: str) -> list[Step]:
    if not text.startswith("$"):
        raise ValueError(f"{text!r} is not a JSONPath: it begins with $")
    steps, at = [], 1
    while at < len(text):
        for pattern, make in ((NAME, _member), (EVERY, _every), (NAMES, _members), (ELEMENTS, _elements)):
            if found := pattern.match(text, at):
                steps.append(make(found))
                at = found.end()
                break
        else:
            raise ValueError(f"{text[at:]!r} in {text!r} is no JSONPath operator of a batch transform")
    return steps


def _member(found: re.Match[str]) -> Step:
    name = found[1]
    return lambda record: record[name]


def _every(_: re.Match[str]) -> Step:
    return lambda record: list(record.values()) if isinstance(record, dict) else list(record)


def _members(found: re.Match[str]) -> Step:
    names = re.findall(r"'([^']+)'", found[1])
    if len(names) == 1:
        return lambda record: record[names[0]]
    return lambda record: {name: record[name] for name in names}


def _elements(found: re.Match[str]) -> Step:
    parts = [part.strip() for part in found[1].split(",")]
    if len(parts) == 1 and ":" not in parts[0]:
        return lambda record: _as_list(record)[int(parts[0])]
    return lambda record: _several(_as_list(record), parts)


def _several(record: list[Any], parts: list[str]) -> list[Any]:
    """What the parts choose, each element once: steps that double a record would fill the memory."""
    chosen = [index for part in parts for index in _indices(len(record), part)]
    if len(set(chosen)) < len(chosen):
        raise NotFound("the filter chooses an element of the record twice")
    return [record[index] for index in chosen]


def _indices(length: int, part: str) -> Iterable[int]:
    if ":" not in part:
        return [range(length)[int(part)]]
    start, _, end = part.partition(":")
    return range(length)[int(start) if start else None : int(end) if end else None]


def _as_list(record: Any) -> list[Any]:
    if not isinstance(record, list):
        raise TypeError(record)
    return record
