"""Small things that scripts use."""

from __future__ import annotations

from pathlib import Path


def parse_accept(accept: str) -> list[str]:
    """The types that an Accept header names, without their parameters."""
    return [part.partition(";")[0].strip() for part in accept.split(",")]


def read_file(path: str, mode: str = "r") -> str | bytes:
    """What a file has."""
    file = Path(path)
    return file.read_bytes() if "b" in mode else file.read_text()
