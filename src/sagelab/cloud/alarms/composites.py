"""Composite alarms: a rule over the states of other alarms, read and worked out when one of these changes.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-combining.html
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.alarms.alarms import COMPOSITE, Alarms
from sagelab.cloud.alarms.evaluate import ALARM, OK, STATES, stamp
from sagelab.cloud.store import Document

CHILDREN, PARENTS, ELEMENTS, DEEPEST = 100, 150, 500, 100
_TOKEN = re.compile(r"\s*(?:(?P<quoted>\"(?:[^\"\\]|\\.)*\")|(?P<sign>[()])|(?P<word>[^\s()\"]+))")


class RuleError(ValueError):
    """A rule is none; it says why."""


@dataclass(frozen=True)
class Node:
    """kind: AND, OR, NOT, TRUE, FALSE, or a state, that the alarm `name` is in."""

    kind: str
    parts: tuple[Node, ...] = ()
    name: str = ""


def parse(text: str) -> Node:
    """RuleError: the text is no rule, or one over the limits."""
    reader = _Reader(text)
    found = reader.whole()
    if len(set(children(found))) > CHILDREN:
        raise RuleError(f"a rule has at most {CHILDREN} alarms")
    return found


def children(node: Node) -> list[str]:
    """The names of the alarms that a rule is about, in order."""
    return list(dict.fromkeys(one.name for one in _leaves(node) if one.name))


def holds(node: Node, state: Callable[[str], str | None]) -> bool:
    """Whether a rule is true. state: of an alarm, by its name."""
    if node.kind == "AND":
        return all(holds(part, state) for part in node.parts)
    if node.kind == "OR":
        return any(holds(part, state) for part in node.parts)
    if node.kind == "NOT":
        return not holds(node.parts[0], state)
    return node.kind == "TRUE" or (node.kind in STATES and state(node.name) == node.kind)


class Composites:
    """Works out the composite alarms of `alarms`, again when one of their children has changed."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._changed: deque[Document] = deque()
        self._turn = threading.Lock()
        alarms.follow(self.on_change)

    def on_change(self, child: Document) -> None:
        """An alarm has changed its state, and perhaps one that is about it, and so on."""
        for one in self._alarms.held():
            self._alarms.release(one["AlarmArn"])
        self._changed.append(child)
        if self._turn.acquire(blocking=False):
            try:
                while self._changed:
                    self._look(self._changed.popleft())
            finally:
                self._turn.release()

    def first(self, document: Document, verb: str) -> None:
        """A composite alarm was just created or updated."""
        rule = parse(document["AlarmRule"])
        state = self._state(document["Region"], rule)
        reason = f"{document['AlarmArn']} was {verb} and its alarm rule evaluates to {state}"
        if state != document["StateValue"]:
            self._alarms.move(
                document["AlarmArn"], state, reason, self._triggering(document["Region"], rule, None)
            )

    def _look(self, child: Document) -> None:
        region = child["Region"]
        for parent in self._alarms.all(region):
            if parent["Type"] != COMPOSITE:
                continue
            rule = parse(parent["AlarmRule"])
            if (
                child["AlarmName"] in children(rule)
                and (state := self._state(region, rule)) != parent["StateValue"]
            ):
                at = datetime.fromtimestamp(child["StateUpdatedTimestamp"].timestamp(), UTC)
                when = at.strftime("%A %d %B, %Y %H:%M:%S UTC")
                reason = f"{child['AlarmArn']} transitioned to {child['StateValue']} at {when}"
                facts = self._triggering(region, rule, None if state == ALARM else child)
                self._alarms.move(parent["AlarmArn"], state, reason + self._alarms.clock.words, facts)

    def _state(self, region: str, rule: Node) -> str:
        return ALARM if holds(rule, lambda name: self._alarms.state(region, name)) else OK

    def _triggering(self, region: str, rule: Node, child: Document | None) -> dict[str, Any]:
        """StateReasonData. child: the one that changed; None: all that are as the rule has them."""
        found = [child] if child else []
        for leaf in () if child else _leaves(rule):
            document = self._alarms.find(region, leaf.name) if leaf.name else None
            if document and document["StateValue"] == leaf.kind and document not in found:
                found.append(document)
        return {"triggeringAlarms": [_told(one) for one in found]}


def _told(document: Document) -> dict[str, Any]:
    state = {"value": document["StateValue"], "timestamp": stamp(document["StateUpdatedTimestamp"].timestamp())}
    return {"arn": document["AlarmArn"], "state": state}


def _leaves(node: Node) -> Iterator[Node]:
    waiting = deque([node])
    while waiting:
        one = waiting.popleft()
        waiting.extendleft(reversed(one.parts))
        if not one.parts:
            yield one


class _Reader:
    """OR binds less than AND, AND less than NOT."""

    def __init__(self, text: str) -> None:
        self._tokens, self._at, self._depth, self._elements = list(_tokens(text)), 0, 0, 0

    def whole(self) -> Node:
        found = self._either()
        if self._at < len(self._tokens):
            raise RuleError(f"{self._tokens[self._at]} is not expected")
        return found

    def _either(self) -> Node:
        return self._joined("OR", lambda: self._joined("AND", self._negated))

    def _joined(self, word: str, read: Callable[[], Node]) -> Node:
        parts = [read()]
        while self._is(word):
            parts.append(read())
        return Node(word, tuple(parts)) if len(parts) > 1 else parts[0]

    def _negated(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise RuleError("it is nested too deeply")
        found = Node("NOT", (self._negated(),)) if self._is("NOT") else self._condition()
        self._depth -= 1
        return found

    def _condition(self) -> Node:
        self._elements += 1
        if self._elements > ELEMENTS:
            raise RuleError(f"a rule has at most {ELEMENTS} elements")
        token = self._next()
        if token == "(":
            found = self._either()
            self._expect(")")
            return found
        word = token.upper()
        if word in ("TRUE", "FALSE"):
            return Node(word)
        if word not in STATES:
            raise RuleError(f"{token} is none of {', '.join(STATES)}, TRUE, FALSE and NOT")
        self._expect("(")
        name = self._name()
        return Node(word, name=name)

    def _name(self) -> str:
        """A name or an ARN, in quotes or to the closing bracket."""
        words = []
        while (token := self._next()) != ")":
            if token == "(":
                raise RuleError("( is not expected in the name of an alarm")
            words.append(token)
        name = " ".join(words)
        if name.startswith('"') and len(words) == 1:
            name = re.sub(r"\\(.)", r"\1", name[1:-1])
        name = name.split(":", 6)[-1] if name.startswith("arn:") else name
        if not name:
            raise RuleError("the name of an alarm is missing")
        return name

    def _is(self, word: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at].upper() == word
        self._at += found
        return found

    def _next(self) -> str:
        if self._at == len(self._tokens):
            raise RuleError("it is not complete")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if (found := self._next()) != sign:
            raise RuleError(f"{sign} is expected, not {found}")


def _tokens(text: str) -> Iterator[str]:
    place, text = 0, text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise RuleError(f"character {place + 1} is not expected")
        yield str(found[str(found.lastgroup)])
        place = found.end()
