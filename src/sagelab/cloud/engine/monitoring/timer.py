"""One thread that says when something is due. The clock is given, so that tests need not wait for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

logger = logging.getLogger("sagelab")

LONGEST = 60.0  # seconds of sleep, so that a clock that was set is noticed


class Timer:
    """Calls `fire` with a key and the time that was set, once that has come.

    clock: the time, aware. The thread begins with the first key.
    """

    def __init__(self, fire: Callable[[str, datetime], None], clock: Callable[[], datetime]) -> None:
        self._fire, self.clock = fire, clock
        self._due: dict[str, datetime] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def set(self, key: str, due: datetime | None) -> None:
        """Fire for a key at this time, and at no other; None: not at all."""
        with self._changed:
            self._due.pop(key, None)
            if due is not None:
                self._due[key] = due
            if self._thread is None and self._due and not self._closed:
                self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)
                self._thread.start()
            self._changed.notify()

    def tick(self) -> None:
        """Fire for what is due."""
        now = self.clock()
        with self._changed:
            due = sorted((time, key) for key, time in self._due.items() if time <= now)
            for _, key in due:
                del self._due[key]
        for time, key in due:
            try:
                self._fire(key, time)
            except Exception:  # of one, which is not to end the others
                logger.exception("what was due for %s", key)

    def close(self) -> None:
        """Fire no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            self.tick()
            with self._changed:
                first = min(self._due.values(), default=None)
                left = (first - self.clock()).total_seconds() if first else None
                if not self._closed and (left is None or left > 0):
                    self._changed.wait(None if left is None else min(left, LONGEST))
