"""A policy with its text and its name, so that IAM's simulator can say which statement decided.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_Statement.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sagelab.cloud.gateway.auth.policies import Policy, read

Place = tuple[int, int]  # line and column, from 1
Span = tuple[Place, Place]

_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class Source:
    """name: as the simulator has it, "PolicyInputList.1", "role_NAME_POLICY", "AdministratorAccess"."""

    name: str
    text: str

    @cached_property
    def policy(self) -> Policy:
        return read(self.text)

    @cached_property
    def spans(self) -> list[Span]:
        """Where each statement begins, after the bracket or comma before it, and ends."""
        return [(_place(self.text, start), _place(self.text, end)) for start, end in _statements(self.text)]


Held = tuple[list[Source], list[Source] | None]  # the policies of somebody, and the boundary, if there is one


def _statements(text: str) -> list[tuple[int, int]]:
    """The offsets of the statements of a document that is known to be JSON."""
    found: list[tuple[int, int]] = []
    at = _skip(text, 0) + 1
    while text[_skip(text, at)] != "}":
        name, at = json.JSONDecoder().raw_decode(text, _skip(text, at))
        at = _skip(text, at) + 1
        value = _skip(text, at)
        inside = list(_elements(text, value)) if text[value] == "[" else [(at, _end(text, value))]
        at = _skip(text, _end(text, value))
        if name == "Statement":
            found = inside
        at += text[at] == ","
    return found


def _elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    at += 1
    while text[_skip(text, at)] != "]":
        end = _end(text, _skip(text, at))
        yield at, end
        at = _skip(text, end)
        at += text[at] == ","


def _end(text: str, at: int) -> int:
    """Where a value ends that begins there."""
    return json.JSONDecoder().raw_decode(text, at)[1]


def _skip(text: str, at: int) -> int:
    """The next place that is no blank."""
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _place(text: str, at: int) -> Place:
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
