"""Metric maths, read: text becomes a tree of bounded size, and nothing is carried out here.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

LONGEST = 2048  # characters
DEEPEST, MOST = 40, 400  # brackets in brackets, and nodes of a tree
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)|(?P<name>[A-Za-z_]\w*)"
    r"|\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>()\[\],]))",
    re.ASCII,
)
# How tightly operators bind, the loosest first.
_BINDING = (("OR", "||"), ("AND", "&&"), ("==", "!=", "<=", ">=", "<", ">"), ("+", "-"), ("*", "/"))
_ONE_NAME = {"||": "OR", "&&": "AND"}


T = TypeVar("T")


class MathError(ValueError):
    """An expression is none, or cannot be worked out; it says why."""


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Text:
    value: str


@dataclass(frozen=True)
class Name:
    """Of a metric, of another expression, or a word such as REPEAT."""

    value: str


@dataclass(frozen=True)
class Listed:
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Call:
    """A function, or an operator by its sign; "neg" is the minus of one operand."""

    name: str
    arguments: tuple[Node, ...]


Node = Number | Text | Name | Listed | Call


def parse(text: str) -> Node:
    """The tree of an expression. MathError: it is none."""
    if len(text) > LONGEST:
        raise MathError(f"An expression has at most {LONGEST} characters")
    return _Parser(list(_tokens(text))).whole()


def names(node: Node) -> set[str]:
    """Every name in a tree that is no function's."""
    return {one.value for one in _all(node) if isinstance(one, Name)}


def calls(node: Node) -> set[str]:
    """The functions and operators in a tree."""
    return {one.name for one in _all(node) if isinstance(one, Call)}


def _all(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, Call | Listed):
            waiting.extend(one.arguments if isinstance(one, Call) else one.items)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise MathError(f"Invalid syntax at character {place + 1}")
        kind = str(found.lastgroup)
        yield ("text" if kind in ("double", "single") else kind), str(found[kind])
        place = found.end()


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at, self._depth, self._nodes = tokens, 0, 0, 0

    def whole(self) -> Node:
        found = self._operation(0)
        if self._at < len(self._tokens):
            raise MathError(f"Invalid syntax at {self._tokens[self._at][1]}")
        return found

    def _operation(self, level: int) -> Node:
        """Operands of one level and tighter ones, from left to right."""
        if level == len(_BINDING):
            return self._signed()
        found = self._operation(level + 1)
        while (sign := self._peek()) in _BINDING[level]:
            self._at += 1
            found = self._call(_ONE_NAME.get(sign, sign), found, self._operation(level + 1))
        return found

    def _signed(self) -> Node:
        if self._peek() == "-":
            self._at += 1
            return self._call("neg", self._deeper(self._signed))
        return self._power()

    def _power(self) -> Node:
        base = self._operand()
        if self._peek() == "^":
            self._at += 1
            return self._call("^", base, self._deeper(self._signed))
        return base

    def _operand(self) -> Node:
        kind, value = self._next()
        if kind == "number":
            return Number(float(value))
        if kind == "text":
            return Text(value)
        if kind == "name":
            if self._peek() == "(":
                self._at += 1
                return self._call(value, *self._deeper(lambda: self._several(")")))
            return Name(value)
        if value == "(":
            found = self._deeper(lambda: self._operation(0))
            self._expect(")")
            return found
        if value == "[":
            return Listed(self._deeper(lambda: self._several("]")))
        raise MathError(f"Invalid syntax at {value}")

    def _several(self, end: str) -> tuple[Node, ...]:
        """Operands with commas between them, to the closing bracket."""
        if self._peek() == end:
            self._at += 1
            return ()
        found = [self._operation(0)]
        while self._peek() == ",":
            self._at += 1
            found.append(self._operation(0))
        self._expect(end)
        return tuple(found)

    def _call(self, name: str, *arguments: Node) -> Call:
        self._nodes += 1
        if self._nodes > MOST:
            raise MathError(f"An expression has at most {MOST} operations")
        return Call(name, arguments)

    def _deeper(self, read: Callable[[], T]) -> T:
        self._depth += 1
        if self._depth > DEEPEST:
            raise MathError("The expression is nested too deeply")
        found = read()
        self._depth -= 1
        return found

    def _peek(self) -> str:
        kind, value = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        return "" if kind in ("text", "number") else value

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise MathError("Invalid syntax: the expression is not complete")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise MathError(f"Invalid syntax: {sign} is missing")
