"""A statement in Hive's words, word by word.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sagelab.lake import errors

_TOKEN = re.compile(
    r"""\s+|--[^\n]*|/\*.*?\*/|(?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")|(?P<name>`[^`]*`|[A-Za-z_][\w$\-]*)"""
    r"""|(?P<number>\d+(?:\.\d+)?)|(?P<mark><=|>=|!=|<>|.)""",
    re.S,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "0": "\0", "b": "\b"}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass
class Name:
    """database: "" where none is named."""

    database: str
    table: str


class Reader:
    """A cursor over the tokens of one statement."""

    def __init__(self, sql: str) -> None:
        self.sql, self.tokens, self.at = sql, tokens_of(sql), 0

    def fault(self, what: str = "") -> errors.QueryFault:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        start = token.start if token else len(self.sql)
        line, column = place(self.sql, start)
        shown = token.text if token else "<EOF>"
        reason = f"line {line}:{column}: {what or f'mismatched input {shown!r}'}"
        return errors.QueryFault(f"FAILED: ParseException {reason}", errors.SYNTAX)

    def peek(self, *words: str) -> bool:
        """Whether these words come next."""
        coming = self.tokens[self.at : self.at + len(words)]
        return [one.text.lower() for one in coming if one.kind != "string"] == [word.lower() for word in words]

    def take(self, *words: str) -> bool:
        found = self.peek(*words)
        self.at += len(words) if found else 0
        return found

    def need(self, *words: str) -> None:
        if not self.take(*words):
            raise self.fault()

    def next(self) -> Token:
        if self.at >= len(self.tokens):
            raise self.fault()
        self.at += 1
        return self.tokens[self.at - 1]

    @property
    def done(self) -> bool:
        return self.at >= len(self.tokens)

    def word(self) -> str:
        """A name, in small letters."""
        token = self.next()
        if token.kind == "mark":
            self.at -= 1
            raise self.fault()
        return token.text.strip('`"').lower()

    def name(self) -> Name:
        first = self.word()
        if self.take("."):
            second = self.word()
            if self.take("."):
                return Name(second, self.word())
            return Name(first, second)
        return Name("", first)

    def text(self) -> str:
        token = self.next()
        if token.kind != "string":
            self.at -= 1
            raise self.fault()
        return unquote(token.text)

    def value(self) -> str:
        token = self.next()
        if token.kind == "string":
            return unquote(token.text)
        if token.text == "-":
            return "-" + self.next().text
        return token.text

    def end(self) -> None:
        self.take(";")
        if not self.done:
            raise self.fault()

    def pairs(self) -> dict[str, str]:
        """('a'='b', 'c'='d')."""
        self.need("(")
        found = {}
        while not self.take(")"):
            key = self.value()
            self.need("=")
            found[key] = self.value()
            self.take(",")
        return found


def tokens_of(sql: str) -> list[Token]:
    found = []
    for match in _TOKEN.finditer(sql):
        if match.lastgroup:
            found.append(Token(match.lastgroup, match[0], match.start(), match.end()))
    return found


def place(sql: str, at: int) -> tuple[int, int]:
    """(line, column) of a character, from 1 on."""
    before = sql[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def unquote(text: str) -> str:
    """What a text in quotes says, with Hive's escapes."""
    inner = text[1:-1].replace(text[0] * 2, text[0])
    inner = re.sub(
        r"\\(?:u([0-9A-Fa-f]{4})|([0-7]{3}))", lambda m: chr(int(m[1], 16) if m[1] else int(m[2], 8)), inner
    )
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), inner)
