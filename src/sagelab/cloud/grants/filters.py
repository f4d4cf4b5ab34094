"""The row filter of a data cells filter: read word by word, and written anew as SQL that can say nothing else.

https://docs.aws.amazon.com/lake-formation/latest/dg/partiql-support.html
"""

from __future__ import annotations

import re

DEEPEST = 40
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")+"|`[^`]+`)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"""|(?P<word>[A-Za-z_][\w$]*)|(?P<mark><=|>=|<>|!=|[=<>(),.+-]))"""
)
_COMPARES = ("=", "<>", "!=", "<", ">", "<=", ">=")
_RESERVED = frozenset("and or not in like between is null true false date timestamp escape".split())


def sql(expression: str, columns: frozenset[str]) -> tuple[str, frozenset[str]]:
    """The expression as SQL, and the columns in it. ValueError: it is none, or names no column of the table."""
    reader = _Reader(expression, columns)
    found = reader.either(0)
    if reader.tokens:
        raise reader.fault()
    return found, frozenset(reader.used)


class _Reader:
    """tokens: what is still to come, the next at the end."""

    def __init__(self, text: str, columns: frozenset[str]) -> None:
        self.tokens = _tokens(text)[::-1]
        self._columns, self.used = columns, set[str]()

    def fault(self) -> ValueError:
        shown = self.tokens[-1][1] if self.tokens else "<EOF>"
        return ValueError(f"mismatched input '{shown}'")

    def either(self, depth: int) -> str:
        return self._joined("or", depth, self._both)

    def _both(self, depth: int) -> str:
        return self._joined("and", depth, self._not)

    def _joined(self, word: str, depth: int, part: object) -> str:
        assert callable(part)
        parts = [part(depth + 1)]
        while self._take(word):
            parts.append(part(depth + 1))
        return parts[0] if len(parts) == 1 else "(" + f" {word.upper()} ".join(parts) + ")"

    def _not(self, depth: int) -> str:
        if depth > DEEPEST:
            raise ValueError("the expression is nested too deeply")
        if self._take("not"):
            return f"(NOT {self._not(depth + 1)})"
        if self._take("("):
            inner = self.either(depth + 1)
            self._need(")")
            return f"({inner})"
        return self._predicate()

    def _predicate(self) -> str:
        left = self._operand()
        if self._take("is"):
            word = "IS NOT NULL" if self._take("not") else "IS NULL"
            self._need("null")
            return f"({left} {word})"
        turned = "NOT " if self._take("not") else ""
        if self._take("in"):
            self._need("(")
            values = [self._literal()]
            while self._take(","):
                values.append(self._literal())
            self._need(")")
            return f"({left} {turned}IN ({', '.join(values)}))"
        if self._take("like"):
            return f"({left} {turned}LIKE {self._literal()})"
        if self._take("between"):
            low = self._literal()
            self._need("and")
            return f"({left} {turned}BETWEEN {low} AND {self._literal()})"
        if not turned and self.tokens and self.tokens[-1][1] in _COMPARES:
            return f"({left} {self.tokens.pop()[1]} {self._operand()})"
        if not turned and left in ("TRUE", "FALSE"):
            return left
        raise self.fault()

    def _operand(self) -> str:
        kind, text = self.tokens[-1] if self.tokens else ("", "")
        if kind == "quoted" or (kind == "word" and text.lower() not in _RESERVED):
            return self._column()
        return self._literal()

    def _column(self) -> str:
        name = self._name()
        if name not in self._columns:
            raise ValueError(f"Column '{name}' cannot be resolved")
        self.used.add(name)
        found = _identifier(name)
        while self._take("."):
            found = f"struct_extract({found}, {_text(self._name())})"
        return found

    def _name(self) -> str:
        kind, text = self.tokens.pop() if self.tokens else ("", "")
        if kind == "word":
            return text.lower()
        if kind == "quoted":
            return text[1:-1].replace('""', '"').lower()
        raise ValueError(f"mismatched input '{text or '<EOF>'}'")

    def _literal(self) -> str:
        if not self.tokens:
            raise self.fault()
        kind, text = self.tokens.pop()
        word = text.lower()
        if kind == "string":
            return _text(text[1:-1].replace("''", "'"))
        if kind == "number":
            return text
        if text == "-" and self.tokens and self.tokens[-1][0] == "number":
            return f"-{self.tokens.pop()[1]}"
        if kind == "word" and word in ("true", "false"):
            return word.upper()
        if kind == "word" and word in ("date", "timestamp") and self.tokens and self.tokens[-1][0] == "string":
            return f"CAST({self._literal()} AS {word.upper()})"
        raise ValueError(f"mismatched input '{text}'")

    def _take(self, word: str) -> bool:
        """The next token, taken if it is this one."""
        if self.tokens and self.tokens[-1][0] in ("word", "mark") and self.tokens[-1][1].lower() == word:
            self.tokens.pop()
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise self.fault()


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at, text = [], 0, text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"mismatched input '{text[at : at + 20]}'")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return found


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
