"""Events that functions are to make something of without anybody waiting: kept, tried again, and passed on.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import heapq
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.engine.functions.destinations import Destinations
from sagelab.cloud.engine.functions.function import Call, Function, Outcome
from sagelab.cloud.engine.functions.pool import CannotStart, Pool, Throttled
from sagelab.cloud.store import Missing, Resource, Store

logger = logging.getLogger("sagelab")

KIND, WAITING = "function-event", "Waiting"
AT_A_TIME = 10  # events that are worked on; each has a thread
ATTEMPTS, AGE = 2, 21_600  # retries, and seconds until an event is too old, where a function says nothing else
PAUSES = (60.0, 120.0)  # seconds before the first and the second retry
SLOWEST = 300.0  # seconds between two tries of what is throttled, which begin with one


@dataclass(frozen=True)
class Asked:
    """How a function wants its events treated. retries, age: None is AWS's.

    success, failure: ARNs of destinations. dead_letters: the ARN of a queue or topic.
    """

    retries: int | None = None
    age: int | None = None
    success: str = ""
    failure: str = ""
    dead_letters: str = ""


@dataclass(frozen=True)
class Target:
    """What an event goes to. reserved: calls at a time."""

    function: Function
    reserved: int | None
    asked: Asked


@dataclass
class Event:
    """arn: of the function, as it was named. payload: JSON. born, due: epoch seconds. tries: calls that failed."""

    arn: str
    payload: str
    client: dict[str, Any] | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    born: float = field(default_factory=time.time)
    due: float = 0.0
    tries: int = 0
    throttled: int = 0


class EventQueue:
    """find: what an ARN stands for now; None where it is gone."""

    def __init__(
        self, store: Store, pool: Pool, find: Callable[[str], Target | None], destinations: Destinations
    ) -> None:
        self._store, self._pool, self._find, self._destinations = store, pool, find, destinations
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: list[tuple[float, str]] = []
        self._under_way = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def resume(self) -> None:
        """Take up what was kept when the local cloud ended."""
        rows = self._store.with_status(KIND, WAITING)
        for key, row in rows:
            self._await(key, float(row["due"]))

    def add(self, event: Event) -> None:
        """Keep an event; its function is called soon."""
        key = f"{KIND}/{event.request_id}"
        region, name = event.arn.split(":")[3], event.arn.split(":")[6]
        self._store.add(Resource(key, KIND, region, name, WAITING, asdict(event)))
        self._await(key, event.due)

    def close(self) -> None:
        """Begin with nothing more; what is kept is done after the next start."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def _await(self, key: str, due: float) -> None:
        with self._lock:
            heapq.heappush(self._waiting, (due, key))
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, daemon=True, name="events of functions")
                self._thread.start()
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._ready():
                    if self._closed:
                        return
                    busy = self._under_way >= AT_A_TIME or not self._waiting
                    self._changed.wait(None if busy else max(0.01, self._waiting[0][0] - time.time()))
                _, key = heapq.heappop(self._waiting)
                self._under_way += 1
            threading.Thread(target=self._work, args=[key], daemon=True, name=key).start()

    def _ready(self) -> bool:
        """Whether there is something to begin with; with the lock."""
        due = bool(self._waiting) and self._waiting[0][0] <= time.time()
        return due and self._under_way < AT_A_TIME and not self._closed

    def _work(self, key: str) -> None:
        try:
            self._try(key)
        except Exception:
            logger.exception("%s is done again at the next start", key)
        finally:
            with self._lock:
                self._under_way -= 1
                self._changed.notify_all()

    def _try(self, key: str) -> None:
        """One call for an event; its row goes when there is none to be made any more."""
        try:
            event = Event(**self._store.get(key))
        except Missing:
            return
        target = self._find(event.arn)
        if target is None:
            self._store.remove(key)
            return
        age = AGE if target.asked.age is None else target.asked.age
        if time.time() - event.born > age:
            self._end(key, event, target, None, "EventAgeExceeded")
            return
        call = Call(event.payload.encode(), event.arn, event.client, event.request_id)
        try:
            outcome = self._pool.call(target.function, call, target.reserved)
        except (Throttled, CannotStart):
            event.throttled += 1
            self._later(key, event, min(SLOWEST, 2.0 ** min(event.throttled - 1, 20)))
            return
        self._judge(key, event, target, outcome)

    def _judge(self, key: str, event: Event, target: Target, outcome: Outcome) -> None:
        if self._closed and outcome.error:
            return  # maybe only because the local cloud ends: it is called again
        event.tries += 1
        retries = ATTEMPTS if target.asked.retries is None else target.asked.retries
        if not outcome.error:
            self._end(key, event, target, outcome, "Success")
        elif event.tries > retries:
            self._end(key, event, target, outcome, "RetriesExhausted")
        else:
            self._later(key, event, PAUSES[min(event.tries, len(PAUSES)) - 1])

    def _later(self, key: str, event: Event, pause: float) -> None:
        event.due = time.time() + pause

        def note(row: dict[str, Any]) -> None:
            row.update(asdict(event))

        self._store.change(key, note)
        self._await(key, event.due)

    def _end(self, key: str, event: Event, target: Target, outcome: Outcome | None, how: str) -> None:
        """Tell whom the function wants told, and forget the event."""
        asked = target.asked
        destination = asked.success if how == "Success" else asked.failure
        if destination:
            record = _record(event, target.function, outcome, how)
            self._destinations.tell(target.function, destination, record, success=how == "Success")
        if asked.dead_letters and how != "Success":
            self._destinations.bury(target.function, asked.dead_letters, event.payload, event.request_id, outcome)
        self._store.remove(key)


def _record(event: Event, function: Function, outcome: Outcome | None, how: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": now,
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": f"{function.base}:{function.version}",
            "condition": how,
            "approximateInvokeCount": event.tries,
        },
        "requestPayload": json.loads(event.payload),
    }
    if outcome:
        context = {"statusCode": 200, "executedVersion": function.version}
        record["responseContext"] = context | ({"functionError": outcome.error} if outcome.error else {})
        record["responsePayload"] = json.loads(outcome.payload)
    return record
