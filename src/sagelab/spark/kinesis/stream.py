"""One stream, read with GetRecords at the pace that a shard allows.

https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sagelab.spark.kinesis.offsets import AT, Offset, ready

PAUSE = 0.2  # seconds between two reads of a shard: five a second
REST = 0.5  # between two looks whether there is something new
FIRST, GROWTH, LONGEST, TRIES = 0.25, 1.6, 5.0, 15  # waits of a reader that comes too often
PAGE, BATCH = 10_000, 100_000  # records of one read, and of a shard in a batch
BUSY = ("ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException")
_AWS = ".amazonaws.com"


@dataclass(frozen=True)
class Settings:
    """stream: its name, or its ARN. position: as it is asked for. most: records of a shard in a batch."""

    stream: str
    position: str = "LATEST"
    region: str | None = None
    endpoint: str | None = None
    keys: tuple[str, str] | None = None
    most: int = BATCH
    strict: bool = False

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Settings:
        """Of a reader's options: EMR's begin with "kinesis.". ValueError: it cannot be read so."""
        given = {name.lower().removeprefix("kinesis."): value for name, value in options.items()}
        if given.get("consumertype", "GetRecords").lower() != "getrecords" or "fanoutconsumerarn" in given:
            raise ValueError(
                "Enhanced fan-out (SubscribeToShard) is not something the local cloud's Kinesis can do: read the"
                " stream with kinesis.consumerType GetRecords."
            )
        for name in ("stsrolearn", "awsstsrolearn", "credentialproviderclass"):
            if name in given:
                raise ValueError(f"{name} is not something the local cloud can do: a job reads with its own role")
        if given.get("metadatacommittertype", "HDFS").upper() != "HDFS":
            raise ValueError("kinesis.metadataCommitterType: how far a stream is read is in the checkpoint here")
        stream = given.get("streamarn") or given.get("streamname")
        if not stream:
            raise ValueError("kinesis.streamName is needed: the name of the stream")
        keys = (given["awsaccesskeyid"], given["awssecretkey"]) if "awsaccesskeyid" in given else None
        return cls(
            stream,
            given.get("startingposition", "LATEST"),
            given.get("region") or given.get("kinesisregion"),
            given.get("endpointurl"),
            keys,
            int(given.get("maxfetchrecordspershard", BATCH)),
            given.get("failondataloss", "false").lower() == "true",
        )


@dataclass(frozen=True)
class Page:
    """is_last: of what there is now. is_end: of the shard."""

    records: list[dict[str, Any]]
    is_last: bool
    is_end: bool
    iterator: str | None


class Stream:
    """client: of boto3, by default as the settings have it."""

    def __init__(self, settings: Settings, client: Any = None) -> None:
        self.settings, self._client = settings, client or _client(settings)
        named = settings.stream
        self.name = named.rpartition("/")[2] if named.startswith("arn:") else named
        self._read: dict[str, float] = {}  # shard -> when it was read last
        self._iterators: dict[str, tuple[str | None, str]] = {}  # shard -> after which number an iterator is

    def shards(self, position: list[Any]) -> list[dict[str, Any]]:
        """Those that have records after a position, with their parents."""
        wanted: dict[str, Any] = {"Type": "FROM_TRIM_HORIZON"}
        if position[0] == AT:
            wanted = {"Type": "FROM_TIMESTAMP", "Timestamp": position[1]}
        found, more = [], {"StreamName": self.name, "ShardFilter": wanted}
        while True:
            page = self._ask("list_shards", **more)
            found += page["Shards"]
            if not page.get("NextToken"):
                return found
            more = {"NextToken": page["NextToken"]}

    def look(self, start: Offset) -> Offset:
        """How far it can be read now."""
        known = dict(start["shards"])
        there = self.shards(start["position"])
        for key in ready(there, known):
            self._wait(key, REST)
            known[key] = self._look(key, known.get(key, {}).get("after"), start["position"])
        listed = {one["ShardId"] for one in there}
        kept = {key: known[key] for key in sorted(known) if key in listed and any(known[key].values())}
        return start | {"shards": kept}

    def _look(self, shard: str, after: str | None, position: list[Any]) -> dict[str, Any]:
        """What an offset has of a shard: every number is read, and a task reads the records that they are of."""
        left, before = self.settings.most, self._iterators.pop(shard, None)
        begin = before[1] if before and before[0] == after else None
        for page in self.pages(shard, after, position, self.settings.most, begin):
            if page.records:
                after = page.records[-1]["SequenceNumber"]
                left -= len(page.records)
            if page.is_end:
                return {"after": after, "done": True}
            if page.is_last or left <= 0:
                if page.iterator:
                    self._iterators[shard] = (after, page.iterator)
                break
        return {"after": after, "done": False}

    def records(self, shard: str, after: str | None, end: str, position: list[Any]) -> Iterator[dict[str, Any]]:
        """What lies between two numbers. LookupError: some of it is gone, where that is no small matter."""
        for page in self.pages(shard, after, position):
            for one in page.records:
                if int(one["SequenceNumber"]) > int(end):
                    return
                yield one
                if one["SequenceNumber"] == end:
                    return
            if page.is_last or page.is_end:
                break
        if self.settings.strict:
            raise LookupError(f"records of {shard} of stream {self.name} up to {end} are gone")

    def pages(
        self, shard: str, after: str | None, position: list[Any], most: int = 1 << 62, iterator: str | None = None
    ) -> Iterator[Page]:
        """From after a number or, without one, from a position on; so many records at the most."""
        iterator = iterator or self._iterator(shard, after, position)
        while iterator and most > 0:
            self._wait(shard, PAUSE)
            try:
                found = self._ask("get_records", ShardIterator=iterator, Limit=min(PAGE, most))
            except self._client.exceptions.ExpiredIteratorException:
                iterator = self._iterator(shard, after, position)
                continue
            records, iterator = found["Records"], found.get("NextShardIterator")
            after, most = (records[-1]["SequenceNumber"] if records else after), most - len(records)
            yield Page(records, not found.get("MillisBehindLatest"), iterator is None, iterator)

    def _iterator(self, shard: str, after: str | None, position: list[Any]) -> str:
        more: dict[str, Any] = {"ShardIteratorType": position[0]}
        if after is not None:
            more = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        elif position[0] == AT:
            more["Timestamp"] = position[1]
        found = self._ask("get_shard_iterator", StreamName=self.name, ShardId=shard, **more)
        return str(found["ShardIterator"])

    def _wait(self, shard: str, pause: float) -> None:
        """Until a shard was not read for so long."""
        left = self._read.get(shard, 0.0) + pause - time.monotonic()
        if left > 0:
            time.sleep(left)
        self._read[shard] = time.monotonic()

    def _ask(self, call: str, **asked: Any) -> Any:
        """botocore's ClientError: it is refused, or the stream is too busy for too long."""
        import botocore.exceptions

        pause, left = FIRST, TRIES
        while True:
            try:
                return getattr(self._client, call)(**asked)
            except botocore.exceptions.ClientError as error:
                if not left or error.response["Error"]["Code"] not in BUSY:
                    raise
            time.sleep(pause)
            pause, left = min(pause * GROWTH, LONGEST), left - 1


def _client(settings: Settings) -> Any:
    import boto3

    arn = settings.stream.split(":")
    region = settings.region or (arn[3] if len(arn) > 3 else None)
    place: dict[str, Any] = {"region_name": region} if region else {}
    # An address of AWS's leads to the local cloud, as all of AWS does here.
    if settings.endpoint and not (
        "AWS_ENDPOINT_URL" in os.environ and settings.endpoint.rstrip("/").endswith(_AWS)
    ):
        place["endpoint_url"] = settings.endpoint
    if settings.keys:
        place |= dict(zip(("aws_access_key_id", "aws_secret_access_key"), settings.keys, strict=True))
    return boto3.client("kinesis", **place)
