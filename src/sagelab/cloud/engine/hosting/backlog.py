"""What waits for an endpoint's answer: worked in turn, so many at a time."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

logger = logging.getLogger("sagelab")


class Backlog:
    """Keys that are worked by `act`, each in a thread, at most `limit()` at a time.

    Whoever adds keys keeps them elsewhere: what is not done when it closes is there for the next one.
    changed: is told how many wait or are under way, whenever that changes.
    """

    def __init__(
        self, act: Callable[[str], None], limit: Callable[[], int], changed: Callable[[int], None]
    ) -> None:
        self._act, self._limit, self._changed = act, limit, changed
        self._lock, self._closed = threading.Lock(), False
        self._waiting: deque[str] = deque()
        self._under_way = 0

    def add(self, keys: Iterable[str]) -> None:
        with self._lock:
            self._waiting.extend(keys)
        self._fill()

    def close(self) -> None:
        """Begin with nothing more."""
        with self._lock:
            self._closed = True

    def _fill(self) -> None:
        limit = self._limit()
        with self._lock:
            while self._waiting and self._under_way < limit and not self._closed:
                key = self._waiting[0]
                threading.Thread(target=self._work, args=[key], daemon=True, name=key).start()
                self._waiting.popleft()
                self._under_way += 1
            self._changed(len(self._waiting) + self._under_way)

    def _work(self, key: str) -> None:
        try:
            self._act(key)
        except Exception:
            logger.exception("%s is done again at the next start", key)
        with self._lock:
            self._under_way -= 1
        self._fill()
