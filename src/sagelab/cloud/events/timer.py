"""The one thread that waits for times: what is due is done once, however late it is noticed.

What would have been due while the local cloud was not running is not made up for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sagelab.cloud.clock import Clock

LONGEST = 60.0  # seconds without a look: the machine's clock may have been put on, or the machine have slept

logger = logging.getLogger("sagelab")


@dataclass(frozen=True)
class Timed:
    """after: when it is due after a time, in epoch seconds; None: never. fire: is told when it was due."""

    after: Callable[[float], float | None]
    fire: Callable[[float], None]


class Timer:
    """look: all that there is to wait for; it is asked again after each `wake` and each firing."""

    def __init__(self, look: Callable[[], Iterable[Timed]], clock: Clock) -> None:
        self._look, self._clock = look, clock
        self._seen, self._closed = clock.now(), False
        self._woken = threading.Event()
        clock.listen(self.wake)
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something new, or the clock was put on."""
        self._woken.set()

    def close(self) -> None:
        self._closed = True
        self.wake()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            wait = self._fire()
            self._woken.wait(wait)
            self._woken.clear()

    def _fire(self) -> float:
        """Do what is due; seconds until something may be again."""
        now, wait = self._clock.now(), LONGEST
        self._seen = min(self._seen, now)  # the clock was fast, and shows the machine's time again
        try:
            for timed in list(self._look()):
                due = timed.after(self._seen)
                if due is not None and due <= now:
                    timed.fire(due)
                    due = timed.after(now)
                if due is not None:
                    wait = min(wait, max(0.0, due - now) / self._clock.speed)
        except Exception:
            if not self._closed:
                logger.exception("what was due is not done")
        self._seen = now
        return wait
