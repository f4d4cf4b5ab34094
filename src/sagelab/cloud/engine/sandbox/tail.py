"""The end of what a process prints: read, so that it never waits for a reader, and told when it has gone wrong."""

from __future__ import annotations

import os

KEPT = 2000  # bytes


class Tail:
    """The last bytes of a pipe."""

    def __init__(self) -> None:
        self._held = bytearray()

    def drain(self, pipe: int) -> None:
        """Read a pipe to its end, and close it."""
        with os.fdopen(pipe, "rb", buffering=0) as output:
            while content := output.read(1 << 16):
                self._held += content
                del self._held[:-KEPT]

    def said(self, otherwise: str = "") -> str:
        """What ends a sentence about it: a colon and the last line, or this where nothing was printed."""
        lines = self._held.decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]}" if lines else otherwise
