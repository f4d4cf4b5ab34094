"""The answer of a script that serves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Response:
    """A body and its content type: `mimetype`, or as it was called first, `accept`."""

    response: bytes | str = b""
    accept: str | None = None
    status: int = 200
    mimetype: str | None = None

    def __post_init__(self) -> None:
        self.mimetype = self.mimetype or self.accept or "application/json"
