"""Records of Kinesis's data streams: put into shards by their keys, and read in order.

https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.streams import iterators
from sagelab.cloud.engine.streams.iterators import GOOD, BadIterator, Iterator
from sagelab.cloud.engine.streams.limits import READ_MOST
from sagelab.cloud.engine.streams.log import TOP, Entry, Log, Shard, hash_of, place
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.data_streams import OWN, DataStreams, invalid
from sagelab.cloud.store import Document

MOST = 10 << 20  # bytes of a PutRecords
COUNT = 10_000  # records of a GetRecords
TIDY = 60.0  # seconds between two looks for what is older than a stream keeps
_EXCEEDED = "ProvisionedThroughputExceededException"


class DataRecords(Family):
    """What is in the data streams of one local cloud."""

    service = "kinesis"
    needs: ClassVar[tuple[type[Family], ...]] = (DataStreams,)

    def __init__(self, cloud: Cloud, streams: DataStreams) -> None:
        super().__init__(cloud)
        self._streams = streams
        self._tidied: dict[str, float] = {}

    @operation("PutRecord")
    def put(self, call: Call) -> Params:
        stream = self._streams.find(call)
        (entry,) = self._add(call, stream, [call.params])
        self._count(stream, [entry], PutRecord__Success=float(isinstance(entry, Entry)))
        if isinstance(entry, str):
            raise Beside(_EXCEEDED, entry)
        return {"ShardId": _id(entry.shard), "SequenceNumber": entry.sequence}

    @operation("PutRecords")
    def put_many(self, call: Call) -> Params:
        stream, records = self._streams.find(call), call.params["Records"]
        if sum(len(one["Data"]) + len(one.get("PartitionKey", "").encode()) for one in records) > MOST:
            raise invalid("Records size exceeds 10 MB limit")
        entries = self._add(call, stream, records)
        lost = sum(isinstance(one, str) for one in entries)
        good = len(entries) - lost
        told = {"TotalRecords": len(entries), "SuccessfulRecords": good, "ThrottledRecords": lost}
        self._count(stream, entries, **{f"PutRecords__{name}": float(value) for name, value in told.items()})
        answers = [
            {"ErrorCode": _EXCEEDED, "ErrorMessage": one}
            if isinstance(one, str)
            else {"ShardId": _id(one.shard), "SequenceNumber": one.sequence}
            for one in entries
        ]
        return {"FailedRecordCount": lost, "Records": answers}

    def _add(self, call: Call, stream: Document, records: Sequence[Params]) -> list[Entry | str]:
        """What became of each record: an entry, or words on why it is not taken now."""
        log, limits = self._streams.log(stream), self._streams.limits_of(stream)
        most, refused = stream["MaxRecordSizeInKiB"] << 10, dict[int, str]()
        taken: list[tuple[int, str, bytes]] = []
        hashes = [_hash(one, most, at, call.operation) for at, one in enumerate(records, 1)]
        for at, one in enumerate(records):
            shard = log.shard_of(hashes[at])
            if limits.put(shard.number, len(one["Data"]) + len(one["PartitionKey"].encode())):
                taken.append((hashes[at], one["PartitionKey"], one["Data"]))
            else:
                refused[at] = (
                    f"Rate exceeded for shard {shard.id} in stream {stream['StreamName']} under account"
                    f" {call.account}."
                )
        entries = iter(log.add(self.cloud.clock.real(), taken) if taken else ())
        self._tidy(stream, log)
        return [refused[at] if at in refused else next(entries) for at in range(len(records))]

    def _count(self, stream: Document, entries: Sequence[Entry | str], **more: float) -> None:
        kept = [one for one in entries if isinstance(one, Entry)]
        size = sum(len(one.data) for one in kept)
        lost = len(entries) - len(kept)
        counted = {"IncomingRecords": len(kept), "IncomingBytes": size, "WriteProvisionedThroughputExceeded": lost}
        self._note(stream, **counted, **more)

    def _note(self, stream: Document, **values: float) -> None:
        self._streams.measures.note(stream["StreamARN"].split(":")[3], stream["StreamName"], **values)

    @operation("GetShardIterator")
    def iterator(self, call: Call) -> Params:
        stream, params = self._streams.find(call), call.params
        shard, log = self._streams.shard(stream, params["ShardId"]), self._streams.log(stream)
        after = self._after(stream, shard, log, params)
        made = Iterator(stream["StreamName"], shard.number, after, self.cloud.clock.real())
        return {"ShardIterator": made.token(stream[OWN]["Secret"])}

    def _after(self, stream: Document, shard: Shard, log: Log, params: Params) -> int:
        """The number after which is read. Beside: where that is, is not said."""
        kind = params["ShardIteratorType"]
        if kind == "LATEST":
            return log.last()
        if kind == "TRIM_HORIZON":
            return 0
        if kind == "AT_TIMESTAMP":
            if "Timestamp" not in params:
                raise invalid("Must specify timestamp parameter in order to get an iterator of type AT_TIMESTAMP.")
            return log.before(shard.number, params["Timestamp"].timestamp())
        text = params.get("StartingSequenceNumber")
        if not text:
            raise invalid(f"Must specify StartingSequenceNumber with an iterator of type {kind}.")
        try:
            number, of = place(text)
        except ValueError:
            of = -1
        if of != shard.number:
            words = f"StartingSequenceNumber {text} used in GetShardIterator on shard {shard.id} in stream"
            raise invalid(
                f"{words} {stream['StreamName']} under account {stream['StreamARN'].split(':')[4]} is invalid"
                " because it did not come from this stream."
            )
        return number - 1 if kind == "AT_SEQUENCE_NUMBER" else number

    @operation("GetRecords")
    def get(self, call: Call) -> Params:
        token, now = call.params["ShardIterator"], self.cloud.clock.real()
        stream, found = self._read(call, token)
        if now - found.made > GOOD:
            raise Beside("ExpiredIteratorException", found.age_words(now))
        log, limits = self._streams.log(stream), self._streams.limits_of(stream)
        shard = log.shards.get(found.shard)
        if shard is None:
            raise invalid("The shard of the iterator is gone.")
        if not limits.read(shard.number):
            self._note(stream, ReadProvisionedThroughputExceeded=1)
            words = f"Rate exceeded for shard {shard.id} in stream {stream['StreamName']} under account"
            raise Beside(_EXCEEDED, f"{words} {call.account}.")
        self._tidy(stream, log)
        entries = log.read(shard.number, found.after, call.params.get("Limit", COUNT), READ_MOST)
        limits.given(shard.number, sum(len(one.data) for one in entries))
        return self._answer(stream, log, shard, found, entries, now)

    def _answer(
        self, stream: Document, log: Log, shard: Shard, found: Iterator, entries: list[Entry], now: float
    ) -> Params:
        after = entries[-1].number if entries else found.after
        newest = log.newest(shard.number)
        behind = max(0.0, now - entries[-1].arrived) if entries and newest != entries[-1].arrived else 0.0
        size = sum(len(one.data) for one in entries)
        age = max((now - one.arrived for one in entries), default=0.0) * 1000
        measured = {"Records": len(entries), "Bytes": size, "Success": 1, "IteratorAgeMilliseconds": age}
        self._note(stream, **{f"GetRecords__{name}": float(value) for name, value in measured.items()})
        told: Params = {"Records": [_record(one) for one in entries], "MillisBehindLatest": int(behind * 1000)}
        if shard.ended is not None and not log.read(shard.number, after, 1, 1):
            told["ChildShards"] = [_child(one) for one in _children(log, shard.number)]
        else:
            following = Iterator(found.stream, found.shard, after, now)
            told["NextShardIterator"] = following.token(stream[OWN]["Secret"])
        return told

    def _read(self, call: Call, token: str) -> tuple[Document, Iterator]:
        """The stream of an iterator, and where it stands. Beside: it is none."""
        name = iterators.stream_of(token)
        try:
            stream = self._streams.find(call, name)
            return stream, iterators.read(token, stream[OWN]["Secret"])
        except BadIterator:
            pass
        except Beside as error:
            if name:
                raise error
        raise invalid("Invalid ShardIterator.")

    def _tidy(self, stream: Document, log: Log) -> None:
        """Forget, once in a while, what is older than the stream keeps."""
        clock = self.cloud.clock
        if clock.now() - self._tidied.get(stream["StreamARN"], 0.0) >= TIDY:
            self._tidied[stream["StreamARN"]] = clock.now()
            log.trim(clock.ago(stream["RetentionPeriodHours"] * 3600))


def _hash(record: Params, most: int, at: int, operation: str) -> int:
    """The hash key of a record. Beside: it is too large, or has an impossible one."""
    where = f"records.{at}.member." if operation == "PutRecords" else ""
    if len(record["Data"]) > most:
        words = (
            f"1 validation error detected: Value at '{where}data' failed to satisfy constraint: Member must have"
        )
        raise Beside("ValidationException", f"{words} length less than or equal to {most}.")
    if "PartitionKey" not in record:
        words = f"1 validation error detected: Value null at '{where}partitionKey' failed to satisfy constraint:"
        raise Beside("ValidationException", f"{words} Member must not be null")
    if "ExplicitHashKey" not in record:
        return hash_of(record["PartitionKey"])
    found = int(record["ExplicitHashKey"])
    if found > TOP:
        words = "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was"
        raise invalid(f"{words} {found}")
    return found


def _id(number: int) -> str:
    return f"shardId-{number:012d}"


def _record(one: Entry) -> Params:
    return {
        "SequenceNumber": one.sequence,
        "ApproximateArrivalTimestamp": datetime.fromtimestamp(one.arrived, UTC),
        "Data": one.data,
        "PartitionKey": one.key,
    }


def _children(log: Log, number: int) -> list[Shard]:
    return [one for one in log.shards.values() if number in (one.parent, one.adjacent)]


def _child(one: Shard) -> Params:
    parents = [_id(number) for number in (one.parent, one.adjacent) if number is not None]
    hashes = {"StartingHashKey": str(one.low), "EndingHashKey": str(one.high)}
    return {"ShardId": one.id, "ParentShards": parents, "HashKeyRange": hashes}
