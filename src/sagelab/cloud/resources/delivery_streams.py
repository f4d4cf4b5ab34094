"""Firehose's delivery streams: what is put into them is on disk before it is acknowledged, and goes to S3.

https://docs.aws.amazon.com/firehose/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from botocore.exceptions import ClientError

from sagelab.cloud.context import FIREHOSE, Cloud
from sagelab.cloud.engine.firehose import settings
from sagelab.cloud.engine.firehose.complaints import Complaints, explain
from sagelab.cloud.engine.firehose.delivery import Delivery, Gone
from sagelab.cloud.engine.firehose.measures import Measures
from sagelab.cloud.engine.firehose.settings import Settings
from sagelab.cloud.engine.firehose.source import Source
from sagelab.cloud.engine.firehose.spool import Spool
from sagelab.cloud.engine.firehose.throughput import Quota
from sagelab.cloud.resources import delivery_stream_rules as rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.delivery_stream_rules import invalid
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND, ACTIVE = "delivery-stream", "ACTIVE"
DIRECT, OF_STREAM = "DirectPut", "KinesisStreamAsSource"
DESTINATION = "destinationId-000000000001"
OWN = "Own"
MOST = 50  # streams of a region: AWS has 5,000, each of which would be a thread here
BATCH = 4 << 20  # bytes of a PutRecordBatch
TAGS = 50
HOPED = ("iam", "s3", "glue", "lambda", "kms", "logs")  # whose changes may let a failed delivery succeed
_SLOW = "Slow down."


class DeliveryStreams(Family):
    """The delivery streams of one local cloud, each with a spool in the home."""

    service = "firehose"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._lock = threading.Lock()
        self._works: dict[str, Delivery] = {}
        self._quotas: dict[str, Quota] = {}
        self._sources: dict[str, Source] = {}
        self._settings: dict[str, Settings] = {}
        self._measures = Measures(partial(cloud.client, "cloudwatch"), cloud.clock)
        cloud.listen(self._on_change)
        self._sweep()
        for arn, _ in self.store.with_status(KIND, ACTIVE):
            self._work(arn)  # it goes on with what was kept

    def _sweep(self) -> None:
        """Spools of no stream go: a kill came between the removal of one and of the other."""
        known = {document[OWN]["Spool"] for _, document in self.store.with_status(KIND, ACTIVE)}
        for name in self.cloud.home.stream_keys("firehose"):
            if name not in known:
                Spool(self.cloud.home.stream("firehose", name)).discard()

    @operation("CreateDeliveryStream")
    def create(self, call: Call) -> Params:
        params = call.params
        kind = params.get("DeliveryStreamType", DIRECT)
        asked = self._destination(params, "Configuration")
        source = self._source(call, kind)
        told = rules.describe(asked)
        if params.get("DeliveryStreamEncryptionConfigurationInput"):
            raise rules.refused(
                "Encryption of a stream at rest", "leave it out; S3 encrypts objects with KMS's keys."
            )
        for role in {told["RoleARN"], *self._other_roles(told)}:
            self._check_role(call, role)
        if len(list(self.store.documents(KIND, call.region))) >= MOST:
            raise Beside("LimitExceededException", f"You have reached the limit of {MOST} Firehose streams here.")
        stream = _document(call, told, source)
        arn = stream["DeliveryStreamARN"]
        tags = {one["Key"]: one.get("Value") or "" for one in params.get("Tags") or []}
        try:
            self.store.add(Resource(arn, KIND, call.region, params["DeliveryStreamName"], ACTIVE, stream), tags)
        except Exists:
            words = f"Firehose {params['DeliveryStreamName']} under accountId {call.account} already exists"
            raise Beside("ResourceInUseException", words) from None
        self._work(arn)
        return {"DeliveryStreamARN": arn}

    def _destination(self, params: Params, ending: str) -> Params:
        given = [name for name in params if name.endswith(f"Destination{ending}")]
        if len(given) != 1:
            raise invalid("Exactly one destination configuration is supported for a Firehose")
        (name,) = given
        if name not in (f"S3Destination{ending}", f"ExtendedS3Destination{ending}"):
            what = name.removesuffix(f"Destination{ending}")
            raise rules.refused(f"The destination {what}", "S3 is (ExtendedS3DestinationConfiguration).")
        found: Params = params[name]
        return found

    def _source(self, call: Call, kind: str) -> Params | None:
        given = call.params.get("KinesisStreamSourceConfiguration")
        if kind not in (DIRECT, OF_STREAM):
            raise rules.refused(f"The source {kind}", "DirectPut and KinesisStreamAsSource are.")
        if (kind == OF_STREAM) != bool(given):
            raise invalid("KinesisStreamSourceConfig is only applicable for KinesisStreamAsSource stream type.")
        if not given:
            return None
        self._check_role(call, given["RoleARN"])
        if not self.store.has(given["KinesisStreamARN"]):
            name = given["KinesisStreamARN"].rpartition("/")[2]
            raise Beside("ResourceNotFoundException", f"Stream {name} under account {call.account} not found.")
        return {**given, "DeliveryStartTimestamp": datetime.now(UTC)}

    def _other_roles(self, told: Params) -> set[str]:
        backup = told.get("S3BackupDescription") or {}
        return {backup["RoleARN"]} if told.get("S3BackupMode") == "Enabled" else set()

    def _check_role(self, call: Call, role: str) -> None:
        """Beside: Firehose may not take on a role."""
        asked = {"RoleArn": role, "RoleSessionName": "firehose", "ExternalId": call.account}
        try:
            self.cloud.assuming(FIREHOSE, call.region).assume_role(**asked)
        except ClientError:
            raise invalid(f"Firehose is unable to assume role {role}. Please check the role provided.") from None

    @operation("DescribeDeliveryStream")
    def describe(self, call: Call) -> Params:
        stream = self._find(call)
        found = {name: value for name, value in stream.items() if name != OWN}
        if call.params.get("ExclusiveStartDestinationId", "") >= DESTINATION:
            found["Destinations"] = []
        return {"DeliveryStreamDescription": found}

    @operation("ListDeliveryStreams")
    def list_names(self, call: Call) -> Params:
        kind, start = (
            call.params.get("DeliveryStreamType"),
            call.params.get("ExclusiveStartDeliveryStreamName", ""),
        )
        names = sorted(
            one["DeliveryStreamName"]
            for one in self.store.documents(KIND, call.region)
            if (not kind or one["DeliveryStreamType"] == kind) and one["DeliveryStreamName"] > start
        )
        limit = call.params.get("Limit", 10)
        return {"DeliveryStreamNames": names[:limit], "HasMoreDeliveryStreams": len(names) > limit}

    @operation("DeleteDeliveryStream")
    def delete(self, call: Call) -> Params:
        stream = self._find(call)
        arn = stream["DeliveryStreamARN"]
        with suppress(Missing):
            self.store.remove(arn)
        with self._lock:
            work = self._works.pop(arn, None)
            self._settings.pop(arn, None)
            self._quotas.pop(arn, None)
            source = self._sources.pop(arn, None)
        if source:
            source.close()
        if work:
            work.close()
            work.spool.discard()
        return {}

    @operation("UpdateDestination")
    def update(self, call: Call) -> Params:
        params, stream = call.params, self._find(call)
        if params["DestinationId"] != DESTINATION:
            raise invalid(f"Destination Id {params['DestinationId']} not found")
        asked = self._destination(params, "Update")
        before = stream["Destinations"][0]["ExtendedS3DestinationDescription"]
        told = rules.describe(asked, before)
        for role in {told["RoleARN"], *self._other_roles(told)}:
            self._check_role(call, role)

        def edit(document: Document) -> None:
            if document["VersionId"] != params["CurrentDeliveryStreamVersionId"]:
                words = f"Cannot update firehose: {params['DeliveryStreamName']} since the current version id:"
                given = params["CurrentDeliveryStreamVersionId"]
                words = f"{words} {document['VersionId']} and specified version id: {given} do not match"
                raise Beside("ConcurrentModificationException", words)
            document |= {
                "VersionId": str(int(document["VersionId"]) + 1),
                "LastUpdateTimestamp": datetime.now(UTC),
            }
            document["Destinations"] = [_described(told)]

        self.store.change(stream["DeliveryStreamARN"], edit)
        with self._lock:
            self._settings.pop(stream["DeliveryStreamARN"], None)
        work = self._work(stream["DeliveryStreamARN"])
        work.wake()
        work.hope()
        return {}

    @operation("StartDeliveryStreamEncryption")
    def encrypt(self, call: Call) -> Params:
        self._find(call)
        raise rules.refused("Encryption of a stream at rest", "S3 encrypts objects with KMS's keys.")

    @operation("StopDeliveryStreamEncryption")
    def stop_encryption(self, call: Call) -> Params:
        self._find(call)
        return {}  # it is not encrypted

    # Records

    @operation("PutRecord")
    def put(self, call: Call) -> Params:
        stream, work = self._taking(call)
        data = call.params["Record"]["Data"]
        self._note(stream, "PutRecord", [data])
        if work.full or not self._quota(stream).take(1, len(data)):
            self._measure(stream, ThrottledRecords=1)
            raise Beside("ServiceUnavailableException", _SLOW)
        (number,) = work.add([(data, {})])
        self._count(stream, [data])
        return {"RecordId": _record_id(stream, number), "Encrypted": False}

    @operation("PutRecordBatch")
    def put_batch(self, call: Call) -> Params:
        stream, work = self._taking(call)
        records = [one["Data"] for one in call.params["Records"]]
        if sum(map(len, records)) > BATCH:
            raise invalid("Records size exceeds 4 MB limit")
        self._note(stream, "PutRecordBatch", records)
        quota = self._quota(stream)
        taken = [] if work.full else records[: quota.share([len(one) for one in records])]
        numbers = work.add([(one, {}) for one in taken]) if taken else []
        self._count(stream, taken)
        answers: list[Params] = [{"RecordId": _record_id(stream, number)} for number in numbers]
        lost = len(records) - len(taken)
        if lost:
            self._measure(stream, ThrottledRecords=lost)
        answers += [{"ErrorCode": "ServiceUnavailableException", "ErrorMessage": _SLOW}] * lost
        return {"FailedPutCount": lost, "Encrypted": False, "RequestResponses": answers}

    def _taking(self, call: Call) -> tuple[Document, Delivery]:
        """The stream that a record is put into. Beside: there is none, or it takes none."""
        stream = self._find(call)
        if stream["DeliveryStreamType"] != DIRECT:
            words = f"This operation is not permitted on {stream['DeliveryStreamType']} delivery stream type."
            raise invalid(words)
        return stream, self._work(stream["DeliveryStreamARN"])

    def _note(self, stream: Document, name: str, records: list[bytes]) -> None:
        size = sum(map(len, records))
        counted = {f"{name}__Requests": 1, f"{name}__Bytes": size, f"{name}__Records": len(records)}
        if name == "PutRecord":
            del counted["PutRecord__Records"]
        self._measure(stream, IncomingPutRequests=1, **counted)

    def _count(self, stream: Document, records: list[bytes]) -> None:
        self._measure(stream, IncomingRecords=len(records), IncomingBytes=sum(map(len, records)))

    def _measure(self, stream: Document, **values: float) -> None:
        region = stream["DeliveryStreamARN"].split(":")[3]
        self._measures.note(region, stream["DeliveryStreamName"], **values)

    def _quota(self, stream: Document) -> Quota:
        arn = stream["DeliveryStreamARN"]
        with self._lock:
            return self._quotas.setdefault(arn, Quota.of(arn.split(":")[3]))

    # Tags

    @operation("TagDeliveryStream")
    def tag(self, call: Call) -> Params:
        arn = self._find(call)["DeliveryStreamARN"]
        given = {one["Key"]: one.get("Value") or "" for one in call.params["Tags"]}
        if len(self.store.tags(arn).keys() | given.keys()) > TAGS:
            raise Beside("LimitExceededException", f"A Firehose stream can have {TAGS} tags at most.")
        self.store.tag(arn, given)
        return {}

    @operation("UntagDeliveryStream")
    def untag(self, call: Call) -> Params:
        self.store.untag(self._find(call)["DeliveryStreamARN"], call.params["TagKeys"])
        return {}

    @operation("ListTagsForDeliveryStream")
    def tags(self, call: Call) -> Params:
        start, limit = call.params.get("ExclusiveStartTagKey", ""), call.params.get("Limit", TAGS)
        found = sorted(self.store.tags(self._find(call)["DeliveryStreamARN"]).items())
        rows = [{"Key": key, "Value": value} for key, value in found if key > start]
        return {"Tags": rows[:limit], "HasMoreTags": len(rows) > limit}

    # At work

    def close(self) -> None:
        with self._lock:
            works, sources = list(self._works.values()), list(self._sources.values())
        for source in sources:
            source.close()
        for work in works:
            work.close()
            work.spool.close()
        self._measures.close()

    def _work(self, arn: str) -> Delivery:
        """What delivers for a stream, made when it is first asked for. Beside: the stream is gone."""
        with self._lock:
            work = self._works.get(arn)
            if work is None:
                try:
                    stream = self.store.get(arn)
                except Missing:
                    raise _unknown(arn.rpartition("/")[2], arn.split(":")[4]) from None
                work = self._works[arn] = self._made(arn, stream)
                if told := (stream.get("Source") or {}).get("KinesisStreamSourceDescription"):
                    self._sources[arn] = self._reading(arn, work, told)
            return work

    def _made(self, arn: str, stream: Document) -> Delivery:
        region, name = arn.split(":")[3], stream["DeliveryStreamName"]
        spool = Spool(self.cloud.home.stream("firehose", stream[OWN]["Spool"]))
        note = partial(self._measures.note, region, name)
        context = self.cloud.engine_context(region, FIREHOSE)
        return Delivery(name, spool, partial(self._now, arn), context, note)

    def _reading(self, arn: str, work: Delivery, told: Params) -> Source:
        region = told["KinesisStreamARN"].split(":")[3]
        client = partial(self.cloud.client_as, told["RoleARN"], "kinesis", region, FIREHOSE)
        complaints = Complaints(self.cloud.engine_context(arn.split(":")[3], FIREHOSE))

        def complain(error: Exception) -> None:
            complaints.say(self._now(arn), *explain(error, "Kinesis"))

        return Source(work, told["KinesisStreamARN"], told["DeliveryStartTimestamp"], client, complain)

    def _now(self, arn: str) -> Settings:
        """The settings of a stream. Gone: it is deleted."""
        found = self._settings.get(arn)
        if found is None:
            try:
                found = self._settings[arn] = settings.read(self.store.get(arn))
            except Missing:
                raise Gone from None
        return found

    def _on_change(self, service: str, _: str) -> None:
        if service in HOPED:
            for work in list(self._works.values()):
                work.hope()

    def _find(self, call: Call) -> Document:
        name = call.params["DeliveryStreamName"]
        try:
            return self.store.get(_arn(call, name))
        except Missing:
            raise _unknown(name, call.account) from None


def _unknown(name: str, account: str) -> Beside:
    return Beside("ResourceNotFoundException", f"Firehose {name} under account {account} not found.")


def _document(call: Call, told: Params, source: Params | None) -> Document:
    """A new stream."""
    params = call.params
    found = {"DirectPutSourceDescription": params.get("DirectPutSourceConfiguration")}
    found |= {"KinesisStreamSourceDescription": source}
    found = {name: value for name, value in found.items() if value}
    return {
        "DeliveryStreamName": params["DeliveryStreamName"],
        "DeliveryStreamARN": _arn(call, params["DeliveryStreamName"]),
        "DeliveryStreamStatus": ACTIVE,
        "DeliveryStreamEncryptionConfiguration": {"Status": "DISABLED"},
        "DeliveryStreamType": params.get("DeliveryStreamType", DIRECT),
        "VersionId": "1",
        "CreateTimestamp": datetime.now(UTC),
        **({"Source": found} if found else {}),
        "Destinations": [_described(told)],
        "HasMoreDestinations": False,
        OWN: {"Spool": uuid.uuid4().hex},
    }


def _described(told: Params) -> Params:
    plain = ("RoleARN", "BucketARN", "Prefix", "ErrorOutputPrefix", "BufferingHints", "CompressionFormat")
    names = (*plain, "EncryptionConfiguration", "CloudWatchLoggingOptions")
    return {
        "DestinationId": DESTINATION,
        "S3DestinationDescription": {name: told[name] for name in names if name in told},
        "ExtendedS3DestinationDescription": told,
    }


def _record_id(stream: Document, number: int) -> str:
    return f"{stream[OWN]['Spool']}{number:024d}"


def _arn(call: Call, name: str) -> str:
    return f"arn:aws:firehose:{call.region}:{call.account}:deliverystream/{name}"
