"""What went wrong in a function, as AWS's Python runtime says it."""

from __future__ import annotations

import importlib
import json
import traceback
from types import TracebackType
from typing import Any

# Whose frames are not the user's.
OWN = (__file__.rpartition("/")[0], importlib.__file__, "<frozen importlib")


class FunctionFault(Exception):
    """Something that the runtime itself finds wrong. kind: AWS's name of it ("Runtime.HandlerNotFound")."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind, self.trace = kind, trace or []


def describe(error: BaseException, request_id: str) -> dict[str, Any]:
    """The JSON that a caller gets for an error."""
    kind, trace = type(error).__name__, _frames(error.__traceback__)
    if isinstance(error, FunctionFault):
        kind, trace = error.kind, error.trace
    return {"errorMessage": _text(error), "errorType": kind, "requestId": request_id, "stackTrace": trace}


def encode(described: dict[str, Any]) -> bytes:
    return json.dumps(described).encode()


def log_text(described: dict[str, Any]) -> str:
    """The same for the log: one event of several lines."""
    lines = [f"[ERROR] {described['errorType']}: {described['errorMessage']}"]
    if described["stackTrace"]:
        lines += ["Traceback (most recent call last):", *described["stackTrace"]]
    return "\n".join(line.rstrip("\n") for line in lines)


def _frames(trace: TracebackType | None) -> list[str]:
    return traceback.format_list([one for one in traceback.extract_tb(trace) if not one.filename.startswith(OWN)])


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"a {type(error).__name__} that has no text"
