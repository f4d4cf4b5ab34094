"""A data stream of Kinesis's as the source of a function's events: each shard in order, batch by batch.

How far a shard is worked off is kept after each batch, so a kill has a batch done again at the most: at least
once, as AWS has it. https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.functions.destinations import Destinations
from sagelab.cloud.engine.functions.events import Target
from sagelab.cloud.engine.functions.function import Call, Function, Outcome
from sagelab.cloud.engine.functions.pool import CannotStart, Pool, Throttled
from sagelab.cloud.engine.streams import reader
from sagelab.cloud.engine.streams.reader import END, ShardReader
from sagelab.cloud.store import Exists, Missing, Resource, Store

PLACES, OPEN = "event-source-place", "Open"
EVERY, LOOK = 1.0, 10.0  # seconds between two looks into a shard, and at which shards there are
FIRST, LONGEST = 0.5, 60.0  # seconds of the clock before a batch is tried again
LARGEST = 6_000_000  # bytes of an event
COUNT = 10_000  # records of a read
OVERHEAD = 600  # bytes of a record in it, beside its data
FAILED = "PROBLEM: Function call failed"

logger = logging.getLogger("sagelab")


@dataclass(frozen=True)
class Mapping:
    """retries, age: -1 is without end. start: of GetShardIterator. failure: the ARN of a destination."""

    id: str
    source: str
    function: str
    start: dict[str, Any]
    batch: int = 100
    window: int = 0
    retries: int = -1
    age: int = -1
    bisects: bool = False
    reports: bool = False
    failure: str = ""


@dataclass(frozen=True)
class Means:
    """find: what an ARN of a function stands for now. client: of Kinesis, with a function's role. note: counts.
    tell: what came of a mapping last."""

    store: Store
    pool: Pool
    clock: Clock
    find: Callable[[str], Target | None]
    client: Callable[[Function], Any]
    destinations: Destinations
    note: Callable[[Function, float], None]
    tell: Callable[[str, str], None]


@dataclass
class _Batch:
    records: list[dict[str, Any]]
    tries: int = 0


@dataclass
class _Shard:
    """One shard at work."""

    reader: ShardReader
    thread: threading.Thread | None = None
    left: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False


class MappingRun:
    """Reads a stream for a function until it is closed."""

    def __init__(self, mapping: Mapping, means: Means) -> None:
        self.mapping, self._means = mapping, means
        self._closed, self._news = threading.Event(), threading.Event()
        self._shards: dict[str, _Shard] = {}
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"event source {mapping.id}")
        self._thread.start()

    def close(self) -> None:
        """Begin with nothing more. Who waits for its functions ends their environments first."""
        self._closed.set()
        self._news.set()

    def join(self) -> None:
        for one in (self._thread, *(shard.thread for shard in list(self._shards.values()))):
            if one and one is not threading.current_thread():
                one.join(10)

    def _run(self) -> None:
        """Find shards; a child's begins when its parents are worked off."""
        while not self._closed.is_set():
            try:
                self._find()
            except (ClientError, BotoCoreError) as error:
                self._problem(f"PROBLEM: {_words(error)}")
            except Exception:
                if not self._closed.is_set():
                    logger.exception("the event source %s stumbled", self.mapping.id)
            self._news.wait(LOOK if self._shards else EVERY)
            self._news.clear()

    def _find(self) -> None:
        target = self._means.find(self.mapping.function)
        if target is None:
            self._problem(FAILED)
            return
        found = {
            one["ShardId"]: one for one in reader.shards(self._means.client(target.function), self.mapping.source)
        }
        for shard, one in found.items():
            place = self._place(shard)
            parents = [one.get("ParentShardId"), one.get("AdjacentParentShardId")]
            waits = any(parent in found and self._place(str(parent)) != END for parent in parents if parent)
            if shard not in self._shards and place != END and not waits and not self._closed.is_set():
                self._start(shard, place)

    def _start(self, shard: str, place: str) -> None:
        made = ShardReader(self._client, self.mapping.source, shard, self.mapping.start, place)
        one = self._shards[shard] = _Shard(made)
        name = f"event source {self.mapping.id} {shard}"
        one.thread = threading.Thread(target=self._follow, args=(one,), daemon=True, name=name)
        one.thread.start()

    def _client(self) -> Any:
        target = self._means.find(self.mapping.function)
        if target is None:
            raise Missing(self.mapping.function)
        return self._means.client(target.function)

    def _follow(self, shard: _Shard) -> None:
        pause = EVERY
        while not self._closed.is_set():
            try:
                records = self._gather(shard)
                if records:
                    self._work(shard, records)
                elif shard.ended:
                    self._keep(shard, END)
                    self._news.set()  # its children may begin
                    return
                pause = EVERY
            except Exception as error:
                if self._closed.is_set():
                    return
                self._stumble(shard, error)
                pause = min(LONGEST, pause * 2)
                self._closed.wait(pause)

    def _stumble(self, shard: _Shard, error: Exception) -> None:
        """Go back to what was kept. Missing: the function is gone; it may be made anew."""
        if isinstance(error, ClientError | BotoCoreError | Missing):
            self._problem(FAILED if isinstance(error, Missing) else f"PROBLEM: {_words(error)}")
        else:
            logger.exception("the event source %s stumbled", self.mapping.id)
        shard.left, shard.ended = [], False
        shard.reader.back(self._place(shard.reader.shard))

    def _gather(self, shard: _Shard) -> list[dict[str, Any]]:
        """The next batch: as large as it may be, or what the window has brought."""
        until: float | None = None
        while not self._closed.is_set():
            if len(shard.left) < self.mapping.batch and not shard.ended:
                found = shard.reader.read(COUNT)
                shard.left += found.records
                shard.ended = found.ended
            count = _fitting(shard.left[: self.mapping.batch])
            full = count == self.mapping.batch or count < len(shard.left)
            now = time.monotonic()
            if shard.left and until is None:
                until = now + self.mapping.window / self._means.clock.speed
            if full or shard.ended or (until is not None and now >= until):
                batch, shard.left = shard.left[:count], shard.left[count:]
                return batch
            self._closed.wait(EVERY if until is None else min(EVERY, until - now))
        return []

    def _work(self, shard: _Shard, records: list[dict[str, Any]]) -> None:
        """Have the function make something of a batch, of halves of it, or of what it has reported."""
        stack = [_Batch(records)]
        while stack and not self._closed.is_set():
            batch = stack.pop()
            target = self._means.find(self.mapping.function)
            if target is None:
                raise Missing(self.mapping.function)
            outcome = self._call(target, shard, batch)
            if self._closed.is_set() and (outcome is None or outcome.error):
                return
            if outcome is None:
                stack.append(batch)
                continue
            self._judge(target, shard, batch, outcome, stack)

    def _call(self, target: Target, shard: _Shard, batch: _Batch) -> Outcome | None:
        """What came of a call; None: there is no room for one now."""
        event = json.dumps({"Records": [self._record(target.function, shard, one) for one in batch.records]})
        try:
            outcome = self._means.pool.call(
                target.function, Call(event.encode(), self.mapping.function), target.reserved
            )
        except (Throttled, CannotStart):
            self._rest(batch.tries)
            return None
        last = batch.records[-1]["ApproximateArrivalTimestamp"]
        self._means.note(target.function, max(0.0, time.time() - last.timestamp()) * 1000)
        return outcome

    def _judge(self, target: Target, shard: _Shard, batch: _Batch, outcome: Outcome, stack: list[_Batch]) -> None:
        failed = 0 if outcome.error else self._reported(outcome, batch)
        if failed is None:
            self._keep(shard, batch.records[-1]["SequenceNumber"])
            self._problem("OK")
            return
        self._problem(FAILED)
        if failed:
            self._keep(shard, batch.records[failed - 1]["SequenceNumber"])
        left = batch.records[failed:]
        batch.tries += 1
        if why := self._exhausted(batch, left):
            self._give_up(target.function, shard, left, batch.tries, outcome, why)
            self._keep(shard, left[-1]["SequenceNumber"])
        elif self.mapping.bisects and len(left) > 1 and not failed:
            half = len(left) // 2
            stack += [_Batch(left[half:]), _Batch(left[:half])]  # a split is no further try
        else:
            stack.append(_Batch(left, batch.tries))
            self._rest(batch.tries)

    def _reported(self, outcome: Outcome, batch: _Batch) -> int | None:
        """The first record that failed, where the function reports that; None: none did.

        https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
        """
        if not self.mapping.reports:
            return None
        try:
            said = json.loads(outcome.payload)
            rows = said.get("batchItemFailures") if said is not None else None
            if not rows:
                return None
            named = [one["itemIdentifier"] for one in rows]
            known = [one["SequenceNumber"] for one in batch.records]
            return min(known.index(one) for one in named)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return 0  # that is no report: all of it failed

    def _exhausted(self, batch: _Batch, left: list[dict[str, Any]]) -> str:
        mapping, oldest = self.mapping, left[0]["ApproximateArrivalTimestamp"].timestamp()
        if mapping.age >= 0 and self._means.clock.elapsed(oldest) > mapping.age:
            return "RecordAgeExceeded"
        alone = not mapping.bisects or len(left) == 1
        return "RetryAttemptsExhausted" if alone and 0 <= mapping.retries < batch.tries else ""

    def _give_up(
        self, function: Function, shard: _Shard, left: list[dict[str, Any]], tries: int, outcome: Outcome, why: str
    ) -> None:
        if not self.mapping.failure:
            return
        told = _lost(function, self.mapping.source, shard.reader.shard, left)
        told["requestContext"] |= {"condition": why, "approximateInvokeCount": tries}
        told["responseContext"] |= {"functionError": outcome.error} if outcome.error else {}
        self._means.destinations.tell(function, self.mapping.failure, told, success=False)

    def _rest(self, tries: int) -> None:
        pause = min(LONGEST, FIRST * 2.0 ** min(tries, 10))
        self._closed.wait(pause / self._means.clock.speed)

    def _record(self, function: Function, shard: _Shard, one: dict[str, Any]) -> dict[str, Any]:
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": one["PartitionKey"],
                "sequenceNumber": one["SequenceNumber"],
                "data": base64.b64encode(one["Data"]).decode(),
                "approximateArrivalTimestamp": round(one["ApproximateArrivalTimestamp"].timestamp(), 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard.reader.shard}:{one['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": function.role,
            "awsRegion": function.region,
            "eventSourceARN": self.mapping.source,
        }

    # Places

    def _key(self, shard: str) -> str:
        return f"{PLACES}/{self.mapping.id}/{shard}"

    def _place(self, shard: str) -> str:
        with suppress(Missing):
            return str(self._means.store.get(self._key(shard))["Place"])
        return ""

    def _keep(self, shard: _Shard, place: str) -> None:
        key, document = self._key(shard.reader.shard), {"Place": place}
        try:
            self._means.store.add(Resource(key, PLACES, "", self.mapping.id, OPEN, document))
        except Exists:
            self._means.store.change(key, lambda kept: kept.update(document))

    def _problem(self, words: str) -> None:
        self._means.tell(self.mapping.id, words)


def forget(store: Store, mapping: str) -> None:
    """A mapping is deleted, and so are its places."""
    for key, _ in store.with_status(PLACES, OPEN):
        if key.startswith(f"{PLACES}/{mapping}/"):
            with suppress(Missing):
                store.remove(key)


def _fitting(records: list[dict[str, Any]]) -> int:
    """How many of them go into one event."""
    size = 0
    for count, one in enumerate(records):
        size += len(one["Data"]) * 4 // 3 + OVERHEAD
        if size > LARGEST and count:
            return count
    return len(records)


def _lost(function: Function, stream: str, shard: str, left: list[dict[str, Any]]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""
    first, last = (one["ApproximateArrivalTimestamp"] for one in (left[0], left[-1]))
    return {
        "requestContext": {"functionArn": f"{function.base}:{function.version}"},
        "responseContext": {"statusCode": 200, "executedVersion": function.version},
        "version": "1.0",
        "timestamp": _zulu(datetime.now(UTC)),
        "KinesisBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": left[0]["SequenceNumber"],
            "endSequenceNumber": left[-1]["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _zulu(first),
            "approximateArrivalOfLastRecord": _zulu(last),
            "batchSize": len(left),
            "streamArn": stream,
        },
    }


def _zulu(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _words(error: Exception) -> str:
    return str(error)[:300]
