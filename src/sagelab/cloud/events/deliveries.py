"""What is to be delivered, kept in the store from before it is promised until a target has it, or nobody will.

So it outlives the local cloud: what was under way at its end is delivered again, as AWS's "at least once" has it.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from sagelab.cloud.store import Document, Missing, Resource, Store

KIND, WAITING = "event-delivery", "Waiting"
AT_A_TIME = 8
ATTEMPTS, AGE = 185, 86400  # AWS's defaults: retries, and seconds
FIRST, LONGEST = 1.0, 900.0  # seconds before the first retry, and at the most before one

logger = logging.getLogger("sagelab")


class Undelivered(Exception):
    """A target did not take it. code: of AWS's for dead letters. again: it may, later."""

    def __init__(self, code: str, message: str, again: bool = False) -> None:
        super().__init__(message)
        self.code, self.again = code, again


class Deliveries:
    """send: delivers a row, or raises Undelivered. bury: is told of a row that cannot be, why, and after how many
    retries of which condition (MaximumRetryAttempts, MaximumEventAgeInSeconds, "")."""

    def __init__(
        self,
        store: Store,
        send: Callable[[Document], None],
        bury: Callable[[Document, Undelivered, str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._send, self._bury, self._clock = store, send, bury, clock
        self._due: list[tuple[float, int, str]] = []
        self._numbers, self._changed, self._closed = itertools.count(), threading.Condition(), False
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="delivery")
        for key, row in store.with_status(KIND, WAITING):
            self._put(row["Due"], key)
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)
        self._thread.start()

    def add(self, rows: Iterable[Document]) -> None:
        """Keep rows ("Target", "Region" and what `send` reads) and deliver them at once."""
        for row in rows:
            key, now = f"{KIND}/{uuid.uuid4()}", self._clock()
            row = row | {"Key": key, "Made": now, "Due": now, "Retries": 0}
            self._store.add(Resource(key, KIND, row["Region"], key, WAITING, row))
            self._put(now, key)

    def wake(self) -> None:
        """The clock was put on."""
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """Begin nothing more; what is not delivered is after the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _put(self, due: float, key: str) -> None:
        with self._changed:
            heapq.heappush(self._due, (due, next(self._numbers), key))
            self._changed.notify()

    def _run(self) -> None:
        while (key := self._next()) is not None:
            self._pool.submit(self._deliver, key)

    def _next(self) -> str | None:
        """The next row that is due, once it is; None: nothing more is begun."""
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - self._clock() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None

    def _deliver(self, key: str) -> None:
        try:
            row = self._store.get(key)
            try:
                self._send(row)
            except Undelivered as error:
                if self._closed or self._try_again(key, row, error):
                    return
            self._store.remove(key)
        except Missing:
            return
        except Exception:
            logger.exception("%s is tried again at the next start", key)

    def _try_again(self, key: str, row: Document, error: Undelivered) -> bool:
        """Whether a row is to be delivered again; if not, its dead letter is written."""
        policy = row["Target"].get("RetryPolicy") or {}
        now, exhausted = self._clock(), ""
        due = now + min(LONGEST, FIRST * 2 ** min(row["Retries"], 20)) * random.uniform(0.5, 1)
        if error.again:
            if row["Retries"] >= policy.get("MaximumRetryAttempts", ATTEMPTS):
                exhausted = "MaximumRetryAttempts"
            elif due - row["Made"] > policy.get("MaximumEventAgeInSeconds", AGE):
                exhausted = "MaximumEventAgeInSeconds"
            else:
                facts = {"Retries": row["Retries"] + 1, "Due": due}
                self._store.change(key, lambda kept: kept.update(facts))
                self._put(due, key)
                return True
        logger.warning("an event does not reach %s: %s (%s)", row["Target"]["Arn"], error, error.code)
        self._bury(row, error, exhausted)
        return False
