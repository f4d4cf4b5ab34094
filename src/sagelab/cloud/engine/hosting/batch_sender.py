"""What gathers while an endpoint serves, and goes out in the background a little later."""

from __future__ import annotations

import threading
from collections.abc import Callable


class BatchSender:
    """Calls `send` so many seconds after the first `wake`, in a thread of its own, and once more when closed.

    pause: how many, asked each time. send: takes what has gathered; it must not raise.
    """

    def __init__(self, name: str, pause: Callable[[], float], send: Callable[[], None]) -> None:
        self._pause, self._send, self._closed = pause, send, False
        self._news, self._hurry = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)
        self._thread.start()

    def wake(self, hurry: bool = False) -> None:
        """There is something to send; with `hurry`, now."""
        self._news.set()
        if hurry:
            self._hurry.set()

    def close(self) -> None:
        """Send the rest, and end."""
        self._closed = True
        self.wake(hurry=True)
        self._thread.join(10)

    def _run(self) -> None:
        while not self._closed:
            self._news.wait()
            self._hurry.wait(self._pause())
            self._news.clear()
            self._hurry.clear()
            self._send()
        self._send()
