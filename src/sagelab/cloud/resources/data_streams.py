"""Kinesis's data streams: made, described, resharded, tagged; data_records.py has what is put and read.

https://docs.aws.amazon.com/kinesis/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import secrets
import threading
import uuid
from datetime import UTC, datetime
from functools import partial

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.firehose.measures import Measures
from sagelab.cloud.engine.streams.limits import Limits
from sagelab.cloud.engine.streams.log import BadRange, Log, Shard, sequence
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND, ACTIVE = "data-stream", "ACTIVE"
OWN = "Own"
SHARDS = 500  # of a region
ON_DEMAND, ON_DEMAND_SHARDS = 50, 4
TAGS = 50
DAY, YEAR = 24, 8760  # hours
NOT_HERE = "{} is not something the local cloud's Kinesis can do: {}"


def invalid(message: str) -> Beside:
    return Beside("InvalidArgumentException", message)


class DataStreams(Family):
    """The data streams of one local cloud, each with a log in the home."""

    service = "kinesis"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._lock = threading.Lock()
        self._logs: dict[str, Log] = {}
        self._limits: dict[str, Limits] = {}
        self.measures = Measures(partial(cloud.client, "cloudwatch"), cloud.clock, "AWS/Kinesis", "StreamName")
        known = {document[OWN]["Log"] for _, document in self.store.with_status(KIND, ACTIVE)}
        for name in cloud.home.stream_keys("kinesis"):
            if name not in known:
                Log(cloud.home.stream("kinesis", name)).discard()

    def close(self) -> None:
        with self._lock:
            logs, self._logs = list(self._logs.values()), {}
        for log in logs:
            log.close()
        self.measures.close()

    # Streams

    @operation("CreateStream")
    def create(self, call: Call) -> Params:
        params = call.params
        mode = (params.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED")
        count = params.get("ShardCount", ON_DEMAND_SHARDS if mode == "ON_DEMAND" else 0)
        if mode == "ON_DEMAND" and "ShardCount" in params:
            raise invalid("ShardCount should not be provided for On Demand stream.")
        if not count:
            raise Beside("ValidationException", "ShardCount is required for a provisioned stream.")
        if params.get("WarmThroughputMiBps"):
            raise invalid(NOT_HERE.format("WarmThroughputMiBps", "leave it out."))
        self._check_shards(call, count)
        arn, name = _arn(call, params["StreamName"]), params["StreamName"]
        stream: Document = {
            "StreamName": name,
            "StreamARN": arn,
            "StreamStatus": ACTIVE,
            "StreamModeDetails": {"StreamMode": mode},
            "RetentionPeriodHours": DAY,
            "StreamCreationTimestamp": datetime.now(UTC),
            "MaxRecordSizeInKiB": params.get("MaxRecordSizeInKiB", 1024),
            OWN: {"Log": uuid.uuid4().hex, "Secret": secrets.token_hex(16), "Shards": count},
        }
        try:
            self.store.add(Resource(arn, KIND, call.region, name, ACTIVE, stream), params.get("Tags") or {})
        except Exists:
            words = f"Stream {name} under account {call.account} already exists."
            raise Beside("ResourceInUseException", words) from None
        self.log(stream)
        return {}

    def _check_shards(self, call: Call, more: int) -> None:
        """Beside: a region has too many shards."""
        count = sum(len(self.log(one).open) for one in self.store.documents(KIND, call.region))
        if count + more > SHARDS:
            words = "This request would exceed the shard limit for the account"
            raise Beside(
                "LimitExceededException",
                f"{words} {call.account} in {call.region}. Current shard count for the account: {count}. Limit:"
                f" {SHARDS}. Number of additional shards that would have resulted from this request: {more}.",
            )

    @operation("DeleteStream")
    def delete(self, call: Call) -> Params:
        stream = self.find(call)
        self.store.remove(stream["StreamARN"])
        with self._lock:
            log = self._logs.pop(stream["StreamARN"], None)
            self._limits.pop(stream["StreamARN"], None)
        (log or Log(self.cloud.home.stream("kinesis", stream[OWN]["Log"]))).discard()
        return {}

    @operation("DescribeStream")
    def describe(self, call: Call) -> Params:
        stream = self.find(call)
        start, limit = call.params.get("ExclusiveStartShardId", ""), call.params.get("Limit", 100)
        shards = [one for one in self.log(stream).shards.values() if one.id > start]
        found = _told(stream) | {"Shards": [_shard(one) for one in shards[:limit]]}
        return {"StreamDescription": found | {"HasMoreShards": len(shards) > limit}}

    @operation("DescribeStreamSummary")
    def summary(self, call: Call) -> Params:
        stream = self.find(call)
        found = _told(stream) | {"OpenShardCount": len(self.log(stream).open), "ConsumerCount": 0}
        return {"StreamDescriptionSummary": found | {"MaxRecordSizeInKiB": stream["MaxRecordSizeInKiB"]}}

    @operation("ListStreams")
    def list_streams(self, call: Call) -> Params:
        start = call.params.get("NextToken") or call.params.get("ExclusiveStartStreamName") or ""
        limit = call.params.get("Limit", 100)
        found = sorted(self.store.documents(KIND, call.region), key=lambda one: str(one["StreamName"]))
        found = [one for one in found if one["StreamName"] > start]
        names = ("StreamName", "StreamARN", "StreamStatus", "StreamModeDetails", "StreamCreationTimestamp")
        more = {"NextToken": found[limit - 1]["StreamName"]} if len(found) > limit else {}
        return more | {
            "StreamNames": [one["StreamName"] for one in found[:limit]],
            "HasMoreStreams": len(found) > limit,
            "StreamSummaries": [{name: one[name] for name in names} for one in found[:limit]],
        }

    @operation("ListShards")
    def list_shards(self, call: Call) -> Params:
        params = call.params
        named, _, start = (params.get("NextToken") or "").partition("/")
        if named and ("StreamName" in params or "StreamARN" in params):
            raise invalid("NextToken and StreamName cannot be provided together.")
        stream = self.find(call, named)
        start, limit = start or params.get("ExclusiveStartShardId", ""), params.get("MaxResults", 1000)
        shards = [one for one in self._filtered(stream, params.get("ShardFilter")) if one.id > start]
        more = {"NextToken": f"{stream['StreamName']}/{shards[limit - 1].id}"} if len(shards) > limit else {}
        return {"Shards": [_shard(one) for one in shards[:limit]]} | more

    def _filtered(self, stream: Document, asked: Params | None) -> list[Shard]:
        shards = list(self.log(stream).shards.values())
        kind, since = (asked or {}).get("Type", "FROM_TRIM_HORIZON"), (asked or {}).get("Timestamp")
        if kind == "AT_LATEST":
            return [one for one in shards if one.ended is None]
        if kind == "AFTER_SHARD_ID":
            return [one for one in shards if one.id > (asked or {}).get("ShardId", "")]
        if kind in ("FROM_TIMESTAMP", "AT_TIMESTAMP"):
            if since is None:
                raise invalid(f"A Timestamp is needed for the filter {kind}.")
            return [one for one in shards if one.closed is None or one.closed >= since.timestamp()]
        return shards

    @operation("DescribeLimits")
    def limits(self, call: Call) -> Params:
        streams = list(self.store.documents(KIND, call.region))
        demand = [one for one in streams if one["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"]
        return {
            "ShardLimit": SHARDS,
            "OpenShardCount": sum(len(self.log(one).open) for one in streams),
            "OnDemandStreamCount": len(demand),
            "OnDemandStreamCountLimit": ON_DEMAND,
        }

    # Changes

    @operation("IncreaseStreamRetentionPeriod")
    def keep_longer(self, call: Call) -> Params:
        return self._retain(call, lambda before, hours: hours >= before)

    @operation("DecreaseStreamRetentionPeriod")
    def keep_shorter(self, call: Call) -> Params:
        return self._retain(call, lambda before, hours: hours <= before)

    def _retain(self, call: Call, fits: object) -> Params:
        stream, hours = self.find(call), call.params["RetentionPeriodHours"]
        before = stream["RetentionPeriodHours"]
        if not DAY <= hours <= YEAR or not callable(fits) or not fits(before, hours):
            words = f"Requested retention period ({hours} hours) for stream {stream['StreamName']} cannot be"
            longer = call.operation.startswith("Increase")
            side = "shorter than existing" if longer and hours < before else "longer than existing"
            if not DAY <= hours <= YEAR:
                raise invalid(f"Minimum allowed retention period is {DAY} hours, and the maximum {YEAR} hours.")
            raise invalid(f"{words} {side} retention period ({before} hours).")
        self.store.change(stream["StreamARN"], lambda one: one.update({"RetentionPeriodHours": hours}))
        return {}

    @operation("SplitShard")
    def split(self, call: Call) -> Params:
        stream = self.find(call)
        self._check_shards(call, 1)
        self._reshard(call, stream, call.params["ShardToSplit"], int(call.params["NewStartingHashKey"]))
        return {}

    @operation("MergeShards")
    def merge(self, call: Call) -> Params:
        stream, now = self.find(call), self.cloud.clock.real()
        one, other = (self.shard(stream, call.params[name]) for name in ("ShardToMerge", "AdjacentShardToMerge"))
        try:
            self.log(stream).merge(one.number, other.number, now)
        except (BadRange, KeyError):
            words = f"Shards {one.id} and {other.id} in stream {stream['StreamName']} under account {call.account}"
            raise invalid(f"{words} are not an adjacent pair of shards eligible for merging") from None
        return {}

    def _reshard(self, call: Call, stream: Document, shard_id: str, start: int) -> None:
        shard = self.shard(stream, shard_id)
        try:
            self.log(stream).split(shard.number, start, self.cloud.clock.real())
        except KeyError:
            words = (
                f"Shard {shard.id} in stream {stream['StreamName']} under account {call.account} has already been"
            )
            raise invalid(f"{words} merged or split, and thus is not eligible for merging or splitting.") from None
        except BadRange as error:
            words = (
                f"{error} in stream {stream['StreamName']} under account {call.account} is not both greater than"
            )
            raise invalid(
                f"{words} one plus the shard's StartingHashKey and less than its EndingHashKey."
            ) from None

    @operation("UpdateShardCount")
    def reshard(self, call: Call) -> Params:
        stream, wanted = self.find(call), call.params["TargetShardCount"]
        log, now = self.log(stream), self.cloud.clock.real()
        count = len(log.open)
        if wanted not in (count, 2 * count) and 2 * wanted != count:
            words = "the number of open shards can be doubled or halved (SplitShard and MergeShards do the rest)."
            raise invalid(NOT_HERE.format(f"UpdateShardCount from {count} to {wanted}", words))
        if wanted == 2 * count:
            self._check_shards(call, count)
            for one in log.open:
                log.split(one.number, (one.low + one.high) // 2 + 1, now)
        elif wanted != count:
            opened = log.open
            for one, other in zip(opened[::2], opened[1::2], strict=True):
                log.merge(one.number, other.number, now)
        return {
            "StreamName": stream["StreamName"],
            "StreamARN": stream["StreamARN"],
            "CurrentShardCount": count,
            "TargetShardCount": wanted,
        }

    @operation("UpdateStreamMode")
    def change_mode(self, call: Call) -> Params:
        stream = self.find(call)
        details = {"StreamMode": call.params["StreamModeDetails"]["StreamMode"]}
        self.store.change(stream["StreamARN"], lambda one: one.update({"StreamModeDetails": details}))
        return {}

    @operation("UpdateMaxRecordSize")
    def change_size(self, call: Call) -> Params:
        stream, size = self.find(call), call.params["MaxRecordSizeInKiB"]
        self.store.change(stream["StreamARN"], lambda one: one.update({"MaxRecordSizeInKiB": size}))
        return {}

    # Consumers and what is refused

    @operation("ListStreamConsumers")
    def consumers(self, call: Call) -> Params:
        self.find(call)
        return {"Consumers": []}

    @operation("RegisterStreamConsumer")
    def register(self, call: Call) -> Params:
        self.find(call)
        raise invalid(NOT_HERE.format("Enhanced fan-out", "read the stream with GetRecords."))

    @operation("SubscribeToShard")
    def subscribe(self, _call: Call) -> Params:
        raise invalid(NOT_HERE.format("Enhanced fan-out (SubscribeToShard)", "read the stream with GetRecords."))

    @operation("StartStreamEncryption")
    def encrypt(self, call: Call) -> Params:
        self.find(call)
        raise invalid(NOT_HERE.format("Encryption of a stream at rest", "encrypt the data before they are put."))

    @operation("EnableEnhancedMonitoring")
    def monitor(self, call: Call) -> Params:
        self.find(call)
        raise invalid(NOT_HERE.format("Metrics of single shards", "those of the stream are in CloudWatch."))

    # Tags

    @operation("AddTagsToStream")
    def add_tags(self, call: Call) -> Params:
        return self._tag(self.find(call), call.params["Tags"])

    @operation("TagResource")
    def tag(self, call: Call) -> Params:
        return self._tag(self.find(call, member="ResourceARN"), call.params["Tags"])

    def _tag(self, stream: Document, tags: dict[str, str]) -> Params:
        if len(self.store.tags(stream["StreamARN"]).keys() | tags.keys()) > TAGS:
            raise invalid("Failed to add tags to the stream because the maximum number of tags was exceeded.")
        self.store.tag(stream["StreamARN"], tags)
        return {}

    @operation("RemoveTagsFromStream")
    def remove_tags(self, call: Call) -> Params:
        self.store.untag(self.find(call)["StreamARN"], call.params["TagKeys"])
        return {}

    @operation("UntagResource")
    def untag(self, call: Call) -> Params:
        self.store.untag(self.find(call, member="ResourceARN")["StreamARN"], call.params["TagKeys"])
        return {}

    @operation("ListTagsForStream")
    def list_tags(self, call: Call) -> Params:
        start, limit = call.params.get("ExclusiveStartTagKey", ""), call.params.get("Limit", TAGS)
        rows = [one for one in self._tags(self.find(call)) if one["Key"] > start]
        return {"Tags": rows[:limit], "HasMoreTags": len(rows) > limit}

    @operation("ListTagsForResource")
    def tags_of(self, call: Call) -> Params:
        return {"Tags": self._tags(self.find(call, member="ResourceARN"))}

    def _tags(self, stream: Document) -> list[Params]:
        found = sorted(self.store.tags(stream["StreamARN"]).items())
        return [{"Key": key, "Value": value} for key, value in found]

    # For data_records.py

    def find(self, call: Call, name: str = "", member: str = "StreamARN") -> Document:
        """The stream that a request names, by its ARN or its name. Beside: there is none."""
        for refused in ("StreamId", "DryRun", "WarmThroughputMiBps"):
            if call.params.get(refused):
                raise invalid(NOT_HERE.format(refused, "leave it out."))
        arn = call.params.get(member)
        name = name or call.params.get("StreamName") or ""
        if not arn and not name:
            raise invalid("Either StreamName or StreamARN has to be given.")
        if arn and name and arn.rpartition("/")[2] != name:
            raise invalid("StreamName and StreamARN are of two streams.")
        try:
            return self.store.get(arn or _arn(call, name))
        except Missing:
            named = name or str(arn).rpartition("/")[2]
            words = f"Stream {named} under account {call.account} not found."
            raise Beside("ResourceNotFoundException", words) from None

    def log(self, stream: Document) -> Log:
        """Its records."""
        arn = stream["StreamARN"]
        with self._lock:
            if arn not in self._logs:
                file = self.cloud.home.stream("kinesis", stream[OWN]["Log"])
                self._logs[arn] = Log(file, stream[OWN]["Shards"])
            return self._logs[arn]

    def limits_of(self, stream: Document) -> Limits:
        with self._lock:
            return self._limits.setdefault(stream["StreamARN"], Limits())

    def shard(self, stream: Document, named: str) -> Shard:
        """A shard by its id. Beside: there is none."""
        found = next((one for one in self.log(stream).shards.values() if one.id == named), None)
        if found is None:
            account = stream["StreamARN"].split(":")[4]
            words = f"Could not find shard {named} in stream {stream['StreamName']} under account {account}."
            raise Beside("ResourceNotFoundException", words)
        return found


def _arn(call: Call, name: str) -> str:
    return f"arn:aws:kinesis:{call.region}:{call.account}:stream/{name}"


def _told(stream: Document) -> Params:
    names = ("StreamName", "StreamARN", "StreamStatus", "StreamModeDetails", "RetentionPeriodHours")
    found = {name: stream[name] for name in (*names, "StreamCreationTimestamp")}
    return found | {"EnhancedMonitoring": [{"ShardLevelMetrics": []}], "EncryptionType": "NONE"}


def _shard(one: Shard) -> Params:
    parents = (("ParentShardId", one.parent), ("AdjacentParentShardId", one.adjacent))
    ends = {"EndingSequenceNumber": sequence(one.ended + 1, one.number)} if one.ended is not None else {}
    return {
        "ShardId": one.id,
        "HashKeyRange": {"StartingHashKey": str(one.low), "EndingHashKey": str(one.high)},
        "SequenceNumberRange": {"StartingSequenceNumber": sequence(one.began, one.number), **ends},
        **{name: f"shardId-{number:012d}" for name, number in parents if number is not None},
    }
