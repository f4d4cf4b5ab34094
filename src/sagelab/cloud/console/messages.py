"""What the page sends, as JSON: whatever cannot be handed on as it is is refused before anybody looks at it."""

from __future__ import annotations

import json
import math
from typing import Any

from sagelab.cloud.console.calls import CallRefused

DEPTH = 64  # lists and objects within each other: no call of AWS's nests as deeply
INVALID = "InvalidRequest"


def parse(content: bytes) -> dict[str, Any]:
    """The JSON object of a request; an empty one where it is another value. CallRefused: it is no sound JSON."""
    try:
        found = json.loads(content, object_pairs_hook=_object)
        _check(found)
    except RecursionError:
        raise CallRefused(INVALID, "The request is nested too deeply.") from None
    except ValueError as error:
        raise CallRefused(INVALID, f"The request is not valid JSON: {_printable(str(error))}.") from None
    return found if isinstance(found, dict) else {}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _check(value: Any) -> None:
    """RecursionError: it is too deep. ValueError: a number that is none, or half of a surrogate pair."""
    level = [value]
    for _ in range(DEPTH):
        texts = [one for one in level if isinstance(one, str)]
        texts += [name for one in level if isinstance(one, dict) for name in one]
        "".join(texts).encode()
        if any(isinstance(one, float) and not math.isfinite(one) for one in level):
            raise ValueError("a number is not finite")
        level = [inner for one in level if isinstance(one, dict | list) for inner in _within(one)]
        if not level:
            return
    raise RecursionError


def _within(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()
