"""What is to be done for targets: for each one after the other, for several at the same time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

Do = Callable[[str, Mapping[str, Any]], None]

ENDING = 10.0  # seconds that what is under way has to notice that the local cloud ends

logger = logging.getLogger("sagelab")


class Lanes:
    """do: is given a target, and all that has come for it since, by its keys; the last of a key counts."""

    def __init__(self, do: Do) -> None:
        self._do, self._lock, self.closed = do, threading.Lock(), False
        self._waiting: dict[str, dict[str, Any]] = {}
        self._threads: dict[str, threading.Thread] = {}

    def put(self, target: str, key: str, item: Any) -> None:
        """Do something for a target, once what is under way for it is done."""
        with self._lock:
            if self.closed:
                return
            waiting = self._waiting.setdefault(target, {})
            waiting[key] = item
            if target not in self._threads:
                thread = threading.Thread(target=self._run, args=(target,), daemon=True, name=f"scale {target}")
                self._threads[target] = thread
                thread.start()

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        with self._lock:
            self.closed, threads = True, list(self._threads.values())
        for thread in threads:
            thread.join(ENDING)

    def _run(self, target: str) -> None:
        while (items := self._next(target)) is not None:
            try:
                self._do(target, items)
            except Exception:
                if not self.closed:
                    logger.exception("scaling %s", target)

    def _next(self, target: str) -> Mapping[str, Any] | None:
        with self._lock:
            items = self._waiting.pop(target, None)
            if items is None or self.closed:
                del self._threads[target]
                return None
            return items
