"""Copies of requests for a shadow variant, which are asked behind the client's back.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-shadow-deployment.html
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

WORKERS = 4  # requests that a shadow has under way at a time
WAITING, BYTES = 200, 64 << 20  # that wait for it at the most; what is more is dropped

Copied = TypeVar("Copied")


class Mirror(Generic[Copied]):
    """Gives copies to `ask`, which must not raise, in threads of its own.

    share: of the requests that are copied, from 0 to 1, asked anew for each. dropped: copies for which there was
    no room, because the shadow is too slow.
    """

    def __init__(self, name: str, ask: Callable[[Copied], None], share: Callable[[], float]) -> None:
        self._ask, self._share, self._closed = ask, share, False
        self._waiting: queue.Queue[tuple[Copied, int] | None] = queue.Queue()
        self._lock, self._bytes, self.dropped = threading.Lock(), 0, 0
        for number in range(WORKERS):
            threading.Thread(target=self._work, daemon=True, name=f"{name} {number}").start()

    def take(self, request: Copied, size: int) -> None:
        """Copy a request, by chance; nobody waits for its answer. size: its bytes."""
        if random.random() >= self._share():
            return
        with self._lock:
            if self._closed or self._waiting.qsize() >= WAITING or self._bytes + size > BYTES:
                self.dropped += 1
                return
            self._bytes += size
            self._waiting.put((request, size))

    def close(self) -> None:
        """Copy nothing more; what waits is dropped."""
        with self._lock:
            self._closed = True
        for _ in range(WORKERS):
            self._waiting.put(None)

    def _work(self) -> None:
        while (found := self._waiting.get()) is not None:
            request, size = found
            if not self._closed:
                self._ask(request)
            with self._lock:
                self._bytes -= size
