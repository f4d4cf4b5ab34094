"""What of moto's services really happens: the table services.toml, asked before moto runs anything.

moto is a library of test doubles: much of it answers "done" and does nothing. What that is stands in the table,
for the version of moto that it names; what is not in the table is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from sagelab.cloud.errors import NotImplementedHere

EXECUTED, RECORD, REFUSED = "executed", "record", "refused"

_UNKNOWN = "docs/operations.md says what it can."
_TABLE = tomllib.loads(resources.files(__package__).joinpath("services.toml").read_text())
MOTO: str = _TABLE.pop("moto")
_PLAIN: tuple[str, ...] = tuple(_TABLE.pop("plain").lower().split())


@dataclass(frozen=True)
class Verdict:
    """kind: EXECUTED, RECORD or REFUSED. why: a sentence, of what is refused. known: the table has it."""

    kind: str
    why: str = ""
    known: bool = True


@dataclass(frozen=True)
class _Rule:
    """pattern: of operations' names, in lower case; a `*` stands for anything."""

    pattern: str
    verdict: Verdict


def services() -> list[str]:
    """Every service in the table, by the name of its package in moto."""
    return list(_TABLE)


@lru_cache(maxsize=8192)
def verdict(service: str, operation: str) -> Verdict:
    """What becomes of an operation, in AWS's spelling or one of moto's ("SubmitJob", "submit_job")."""
    row, name = _TABLE.get(service, {}), operation.lower().replace("_", "")
    if why := row.get("why"):
        return Verdict(REFUSED, why)
    fitting = [rule for rule in _rules(service) if fnmatchcase(name, rule.pattern)]
    if fitting:
        return max(fitting, key=lambda rule: len(rule.pattern)).verdict
    if "default" in row and name.startswith(_PLAIN):
        return Verdict(row["default"])
    return Verdict(REFUSED, _UNKNOWN, known=False)


def whole(service: str) -> str | None:
    """Why a service is refused as a whole; None where it is not. One that the table does not have is refused."""
    why: str | None = _TABLE.get(service, {"why": _UNKNOWN}).get("why")
    return why


def check_service(service: str) -> None:
    """NotImplementedHere: nothing of a service is done."""
    if why := whole(service):
        raise _refusal(service, why)


def check(service: str, operation: str) -> None:
    """NotImplementedHere: moto would say of an operation that it was done, and nothing would be."""
    found = verdict(service, operation)
    if found.kind == REFUSED:
        raise _refusal(operation, found.why)


def type_refusal(kind: str, service: str | None) -> str | None:
    """Why CloudFormation's type `kind`, which `service` makes, is refused; None where it is not."""
    for name, row in _TABLE.items():
        for group in row.get("refused", []):
            if any(fnmatchcase(kind, pattern) for pattern in group.get("types", "").split()):
                return str(group["why"])
        if name == service and "why" in row:
            return str(row["why"])
    return None


@cache
def _rules(service: str) -> tuple[_Rule, ...]:
    return tuple(_read(_TABLE.get(service, {})))


def _read(row: dict[str, Any]) -> Iterator[_Rule]:
    for kind in (EXECUTED, RECORD):
        yield from (_Rule(pattern, Verdict(kind)) for pattern in row.get(kind, "").lower().split())
    for group in row.get("refused", []):
        found = Verdict(REFUSED, group["why"])
        yield from (_Rule(pattern, found) for pattern in group["operations"].lower().split())


def _refusal(what: str, why: str) -> NotImplementedHere:
    return NotImplementedHere(f"{what} is not something the local cloud can do. {why}")
