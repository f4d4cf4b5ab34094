"""How far a stream is read: what a checkpoint keeps, and which shards come next.

An offset is {"position": where the stream was begun, "shards": {id: {"after": sequence number, "done": bool}}}. Of
a shard that is in none, the position counts: so it stands in every offset, with the time where it was LATEST.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

Offset = dict[str, Any]
AT, BEGINNING = "AT_TIMESTAMP", "TRIM_HORIZON"
_NAMED = {"trim_horizon": BEGINNING, "earliest": BEGINNING}
_TIME = re.compile(
    r"(?:AT_TIMESTAMP\s+)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))", re.IGNORECASE
)
_WRONG = "{!r} is no starting position: LATEST, TRIM_HORIZON, EARLIEST and AT_TIMESTAMP 2026-01-31T12:00:00Z are"


def position(text: str, now: float) -> list[Any]:
    """Where a stream is begun: [TRIM_HORIZON], or [AT_TIMESTAMP, seconds since 1970]. ValueError: nowhere."""
    name = text.strip().lower()
    if name == "latest":
        return [AT, now]
    if name in _NAMED:
        return [_NAMED[name]]
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise ValueError(_WRONG.format(text))
    try:
        return [AT, datetime.fromisoformat(found[1]).astimezone(UTC).timestamp()]
    except ValueError:
        raise ValueError(_WRONG.format(text)) from None


def ready(shards: Iterable[dict[str, Any]], known: dict[str, Any]) -> list[str]:
    """The shards that may be read: not those that are read to their end, nor those with a parent that is not."""
    there = {str(one["ShardId"]): one for one in shards}

    def is_open(parent: str | None) -> bool:
        return parent in there and not known.get(str(parent), {}).get("done")

    parents = ("ParentShardId", "AdjacentParentShardId")
    return [
        key
        for key, one in sorted(there.items())
        if not known.get(key, {}).get("done") and not any(is_open(one.get(name)) for name in parents)
    ]


def ranges(start: Offset, end: Offset) -> list[tuple[str, str | None, str]]:
    """(shard, after which, up to which sequence number) of what lies between two offsets."""
    before = start.get("shards", {})
    found = []
    for key, state in sorted(end["shards"].items()):
        after = before.get(key, {}).get("after")
        if state["after"] is not None and state["after"] != after:
            found.append((key, after, state["after"]))
    return found
