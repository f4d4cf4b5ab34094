"""A function as the engine runs it, what it is called with, and what comes of a call."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

LATEST = "$LATEST"


@dataclass(frozen=True)
class Function:
    """One version of a function: two that are equal can share environments.

    arn: with the version, but for $LATEST. package, layers: digests of zip files (packages.py). timeout: seconds.
    memory, storage: MB, the second of /tmp. reserved: calls at a time that all versions together may have.
    """

    arn: str
    name: str
    version: str
    region: str
    runtime: str
    handler: str
    role: str
    package: str
    layers: tuple[str, ...] = ()
    timeout: int = 3
    memory: int = 128
    storage: int = 512
    environment: tuple[tuple[str, str], ...] = ()
    log_group: str = ""

    @property
    def group(self) -> str:
        """Where its log is."""
        return self.log_group or f"/aws/lambda/{self.name}"

    @property
    def base(self) -> str:
        """Its ARN without a version."""
        return ":".join(self.arn.split(":")[:7])


@dataclass(frozen=True)
class Call:
    """payload: JSON. arn: by which it was called, an alias's among them. client: the client context."""

    payload: bytes
    arn: str
    client: dict[str, Any] | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Outcome:
    """What came of a call. error: "Unhandled", or "" where the handler returned. log: its last 4 KB."""

    payload: bytes
    error: str = ""
    log: bytes = b""


def failure(kind: str, message: str) -> bytes:
    """What the caller of a function gets that did not end by itself."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
