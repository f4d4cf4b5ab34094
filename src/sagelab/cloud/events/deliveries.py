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
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from sagelab.cloud.store import Document, Missing, Resource, Store

KIND, WAITING = "event-delivery", "Waiting"
AT_A_TIME, TOGETHER = 8, 10  # workers; rows that one has at once, as many as a queue takes
ATTEMPTS, AGE = 185, 86400  # AWS's defaults: retries, and seconds
FIRST, LONGEST = 1.0, 900.0  # seconds before the first retry, and at the most before one

logger = logging.getLogger("sagelab")


class Undelivered(Exception):
    """A target did not take it. code: of AWS's for dead letters. again: it may, later."""

    def __init__(self, code: str, message: str, again: bool = False) -> None:
        super().__init__(message)
        self.code, self.again = code, again


Send = Callable[[Document], None]
# Delivers rows, and says of each what was wrong with it.
SendMany = Callable[[list[Document]], list[Undelivered | None]]


class Deliveries:
    """send: delivers a row, or raises Undelivered. many: delivers several that wait at once.

    bury: is told of a row that cannot be, why, and after how many retries of which condition
    (MaximumRetryAttempts, MaximumEventAgeInSeconds, "").
    """

    def __init__(
        self,
        store: Store,
        send: Send,
        bury: Callable[[Document, Undelivered, str], None],
        clock: Callable[[], float] = time.time,
        many: SendMany | None = None,
    ) -> None:
        self._store, self._send, self._bury, self._clock = store, send, bury, clock
        self._many = many or self._each
        self._due: list[tuple[float, int, str]] = []
        self._numbers, self._changed, self._closed = itertools.count(), threading.Condition(), False
        self._room = threading.Semaphore(AT_A_TIME)  # what waits is together for longer where all are busy
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
        while keys := self._next():
            self._room.acquire()
            self._pool.submit(self._deliver, keys)

    def _next(self) -> list[str]:
        """The next rows that are due, once one is; of a crowd several at once. Empty: nothing more is begun."""
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - self._clock() if self._due else None
                if wait is not None and wait <= 0:
                    return list(self._ready(min(TOGETHER, 1 + len(self._due) // AT_A_TIME)))
                self._changed.wait(wait)
        return []

    def _ready(self, count: int) -> Iterator[str]:
        while count and self._due and self._due[0][0] <= self._clock():
            yield heapq.heappop(self._due)[2]
            count -= 1

    def _deliver(self, keys: list[str]) -> None:
        try:
            rows = list(self._rows(keys))
            for (key, row), error in zip(rows, self._many([row for _, row in rows]), strict=True):
                self._settle(key, row, error)
        except Exception:
            logger.exception("%s: tried again at the next start", ", ".join(keys))
        finally:
            self._room.release()

    def _rows(self, keys: list[str]) -> Iterator[tuple[str, Document]]:
        for key in keys:
            with suppress(Missing):
                yield key, self._store.get(key)

    def _each(self, rows: list[Document]) -> list[Undelivered | None]:
        return [self._one(row) for row in rows]

    def _one(self, row: Document) -> Undelivered | None:
        try:
            self._send(row)
        except Undelivered as error:
            return error
        return None

    def _settle(self, key: str, row: Document, error: Undelivered | None) -> None:
        """A row was delivered, or not."""
        if error and (self._closed or self._try_again(key, row, error)):
            return
        with suppress(Missing):
            self._store.remove(key)

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
