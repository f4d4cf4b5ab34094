"""What runs on this machine, by its command line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def running(mark: str) -> dict[int, str]:
    """The processes whose command line has `mark`: their ids, and it."""
    found: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            found[int(entry.parent.name)] = entry.read_text(errors="replace")
    return {pid: command for pid, command in found.items() if mark in command}
