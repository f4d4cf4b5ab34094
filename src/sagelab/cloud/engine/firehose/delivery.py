"""One delivery stream at work: it takes records, waits until its buffer is full or old enough, and delivers.

A thread of the stream's own makes objects and puts them, in order; what S3 does not take is tried again until it
does, or until the stream is deleted. AWS gives up after 24 hours.
https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.firehose import making, transform
from sagelab.cloud.engine.firehose.complaints import Complaints, explain
from sagelab.cloud.engine.firehose.host import Found, RecordsHost
from sagelab.cloud.engine.firehose.making import DATA, ERRORS, Means
from sagelab.cloud.engine.firehose.schema import Schemas
from sagelab.cloud.engine.firehose.settings import Function, Place, Settings
from sagelab.cloud.engine.firehose.spool import Parcel, Spool
from sagelab.cloud.errors import JobError

logger = logging.getLogger("sagelab")

SOONEST = 1.0  # seconds in which a buffer gathers that is to have none
FIRST, LONGEST = 1.0, 60.0  # seconds of the clock before a failed delivery is tried again
ROOM = 2 << 30  # bytes that a stream may hold
LAST = 5.0  # seconds that an end waits for what is under way
RESERVE = 0.25  # real seconds between two tries that something in the account's services has prompted

Note = Callable[..., None]


class Gone(Exception):
    """The stream is deleted."""


class Closing(Exception):
    """The local cloud ends: what was under way is done after the next start."""


class Delivery:
    """settings: of the stream as it is now. Gone: it is none any more. note: counts, by name."""

    def __init__(
        self, name: str, spool: Spool, settings: Callable[[], Settings], context: EngineContext, note: Note
    ) -> None:
        self.name, self.spool, self._settings, self._context, self._note = name, spool, settings, context, note
        self._clock = context.clock
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._failing, self._again, self._tried = 0, 0.0, 0.0
        self._since: dict[int, float] = {}  # parcel -> when it was tried first
        self._host: RecordsHost | None = None
        self._complaints = Complaints(context)
        self._schemas = Schemas(context)
        self._thread: threading.Thread | None = None
        self._clock.listen(self.wake)
        if spool.held.count or spool.held.parcels:
            self._start()

    def measure(self, **values: float) -> None:
        """Count what happened just now."""
        self._note(**values)

    @property
    def full(self) -> bool:
        """Whether it holds all that it may."""
        held = self.spool.held
        return held.size + held.parcel_bytes >= ROOM

    def add(
        self, records: Sequence[tuple[bytes, dict[str, Any]]], places: Sequence[tuple[str, str]] = ()
    ) -> list[int]:
        """Keep records; they are delivered by and by. sqlite3.OperationalError: they cannot be kept."""
        numbers = self.spool.add(time.time(), records, places)
        self._start()
        return numbers

    def wake(self) -> None:
        """The clock was put on, or the stream has changed."""
        with self._changed:
            self._changed.notify_all()

    def hope(self) -> None:
        """Something that it may have waited for has changed: what failed is tried again."""
        if self._failing:
            with self._changed:
                self._again = min(self._again, self._tried + RESERVE)
                self._changed.notify_all()

    def close(self) -> None:
        """Deliver nothing more; what is held stays."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
            if self._host:
                self._host.kill()
            thread = self._thread
        if thread and thread is not threading.current_thread():
            thread.join(LAST)

    def _start(self) -> None:
        with self._changed:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, daemon=True, name=f"firehose {self.name}")
                self._thread.start()
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while (wait := self._wait()) > 0:
                    self._changed.wait(min(wait, 3600.0))
                if self._closed.is_set():
                    return
            try:
                self._tried = time.time()
                self._step()
                self._failing = 0
            except (Closing, Gone):
                return
            except Exception as error:
                if self._closed.is_set():
                    return
                self._stumble(error)

    def _wait(self) -> float:
        """Real seconds until there is something to do; with the lock."""
        held, now = self.spool.held, time.time()
        if self._closed.is_set():
            return 0.0
        if not held.count and not held.parcels:
            return 3600.0
        if self._failing and self._again > now:
            return self._again - now
        if held.parcels:
            return 0.0
        try:
            settings = self._settings()
        except Gone:
            return 3600.0
        if held.size >= settings.size:
            return 0.0
        left = max(settings.interval, SOONEST) - self._clock.elapsed(held.oldest)
        return max(0.0, left) / self._clock.speed

    def _stumble(self, error: Exception) -> None:
        if isinstance(error, JobError):  # its host's packages cannot be had
            logger.warning("the delivery stream %s: %s", self.name, error)
        elif not isinstance(error, ClientError | BotoCoreError):
            logger.exception("the delivery stream %s stumbled", self.name)
        pause = min(LONGEST, FIRST * 2.0 ** min(self._failing, 10))
        self._failing += 1
        self._again = time.time() + pause / self._clock.speed

    def _step(self) -> None:
        """Put what is made, or make more."""
        settings = self._settings()
        if self.spool.held.parcels:
            self._put_all(settings)
            return
        records = self.spool.take(settings.size)
        if not records:
            return
        means = Means(self._ask, self._invoke, self._rest, lambda: self._columns(settings), self._note)
        parcels = making.make(settings, records, means)
        self._go_on()
        self._tell(settings, parcels)
        self.spool.settle(records[-1].number, parcels)

    def _tell(self, settings: Settings, parcels: list[Parcel]) -> None:
        """Of what failed, a line in the stream's log."""
        for one in parcels:
            if one.facts["kind"] == ERRORS:
                self._complaints.of_parcel(settings, one)

    # Putting

    def _put_all(self, settings: Settings) -> None:
        """Each parcel once. The last error, where one was not taken."""
        failed, number = None, 0
        while (parcel := self.spool.parcel(number)) is not None:
            self._go_on()
            number = parcel.number
            place = settings.backup if parcel.facts["kind"] == making.BACKUP else settings.place
            try:
                self._put(settings, place or settings.place, parcel)
            except (ClientError, BotoCoreError) as error:
                failed = error
                self._refused(settings, parcel, error)
        if failed:
            raise failed

    def _put(self, settings: Settings, place: Place, parcel: Parcel) -> None:
        facts = parcel.facts
        client = self._context.client_as(place.role, "s3")
        client.put_object(Bucket=place.bucket, Key=facts["key"], Body=parcel.body, **place.seal)
        self.spool.swap(parcel)
        self._since.pop(parcel.number, None)
        start = "BackupToS3" if facts["kind"] == making.BACKUP else "DeliveryToS3"
        late = max(0.0, time.time() - facts["oldest"])
        measured = {"Bytes": len(parcel.body), "Records": facts["records"], "Success": 1, "DataFreshness": late}
        if settings.partitioned and facts["kind"] == DATA:
            measured["ObjectCount"] = 1
        self._note(**{f"{start}__{name}": value for name, value in measured.items()})

    def _refused(self, settings: Settings, parcel: Parcel, error: Exception) -> None:
        """S3 does not take a parcel. That of a partition is put aside, once it was tried for long enough."""
        start = "BackupToS3" if parcel.facts["kind"] == making.BACKUP else "DeliveryToS3"
        late = max(0.0, time.time() - parcel.facts["oldest"])
        self._note(**{f"{start}__Success": 0, f"{start}__DataFreshness": late})
        self._complaints.say(settings, *explain(error))
        since = self._since.setdefault(parcel.number, time.time())
        instead = parcel.facts.get("instead")
        if instead and self._clock.elapsed(since) >= settings.retry:
            aside = Parcel({**parcel.facts, "key": instead, "kind": ERRORS, "instead": ""}, parcel.body)
            self.spool.swap(parcel, [aside])
            self._since.pop(parcel.number, None)

    # Making

    def _go_on(self) -> None:
        """Closing: the local cloud ends, or the stream does."""
        if self._closed.is_set():
            raise Closing

    def _ask(self, asked: dict[str, Any], records: list[bytes]) -> Found:
        host = RecordsHost(f"firehose-{self.name}-{time.monotonic_ns()}", self._context)
        with self._changed:
            self._host = host
        try:
            self._go_on()
            return host.run(asked, records)
        finally:
            with self._changed:
                self._host = None
            self._go_on()

    def _invoke(self, function: Function, event: bytes) -> bytes:
        began = time.monotonic()
        try:
            answer = transform.call(lambda: self._context.client_as(function.role, "lambda"), function, event)
        except transform.Failed as error:
            self._go_on()
            self._note(ExecuteProcessing__Success=0)
            self._complaints.say(self._settings(), error.code, error.message)
            raise
        spent = (time.monotonic() - began) * 1000
        self._note(ExecuteProcessing__Duration=spent, ExecuteProcessing__Success=1)
        return answer

    def _rest(self, tries: int) -> None:
        """Wait before a function is called again."""
        pause = min(LONGEST, FIRST * 2.0 ** (tries - 1)) / self._clock.speed
        with self._changed:
            self._changed.wait_for(self._closed.is_set, pause)
        self._go_on()

    def _columns(self, settings: Settings) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        try:
            return self._schemas.columns(settings)
        except (ClientError, BotoCoreError) as error:
            self._complaints.say(settings, *explain(error, "DataFormatConversion"))
            raise
