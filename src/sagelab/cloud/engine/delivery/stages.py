"""Who is in which stage of a pipeline: one execution at a time, and of those that wait the newest."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Stages:
    """The stages of one pipeline."""

    def __init__(self) -> None:
        self._inside: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self._changed = threading.Condition()

    def enter(self, stage: str, execution: str, goes_on: Callable[[], bool]) -> bool:
        """Wait for a stage's turn; False: a newer execution waits in its place, or the execution is to end."""
        with self._changed:
            self._waiting[stage] = execution
            self._changed.notify_all()
            while stage in self._inside and self._waiting.get(stage) == execution and goes_on():
                self._changed.wait()
            if self._waiting.get(stage) != execution or not goes_on():
                return False
            del self._waiting[stage]
            self._inside[stage] = execution
            return True

    def leave(self, stage: str, execution: str) -> None:
        """Let the next one in."""
        with self._changed:
            if self._inside.get(stage) == execution:
                del self._inside[stage]
            self._changed.notify_all()

    def look(self) -> None:
        """Whoever waits looks whether it is to end."""
        with self._changed:
            self._changed.notify_all()
