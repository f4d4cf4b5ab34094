"""Lambda's event source mappings in the chain: kept in the store, and at work from there on.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from sagelab.cloud.context import FUNCTIONS
from sagelab.cloud.engine.firehose.measures import Measures
from sagelab.cloud.engine.functions import mappings
from sagelab.cloud.engine.functions.destinations import Destinations
from sagelab.cloud.engine.functions.function import Function
from sagelab.cloud.engine.functions.mappings import Mapping, MappingRun, Means
from sagelab.cloud.errors import ConflictException, FunctionNotFound, InvalidFunctionValue, NotImplementedHere
from sagelab.cloud.gateway.auth import functions
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.functions import FunctionAccess
from sagelab.cloud.gateway.wire import shapes, validation
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.store import Document, Missing, Resource

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

KIND, ENABLED, DISABLED = "event-source-mapping", "Enabled", "Disabled"
PATH = "/2015-03-31/event-source-mappings"
OPERATIONS = tuple(f"{verb}EventSourceMapping" for verb in ("Create", "Get", "Update", "Delete"))
OPERATIONS += ("ListEventSourceMappings",)
OWN = "Own"
_KEPT = (
    *("BatchSize", "MaximumBatchingWindowInSeconds", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts"),
    *("BisectBatchOnFunctionError", "DestinationConfig", "FunctionResponseTypes"),
)
_TAKEN = (*_KEPT, "FunctionName", "EventSourceArn", "Enabled", "StartingPosition", "StartingPositionTimestamp")
_USUAL: Document = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {"OnFailure": {}},
    "FunctionResponseTypes": [],
    "ParallelizationFactor": 1,
    "TumblingWindowInSeconds": 0,
}
_DENIED = (
    "Cannot access stream {}. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream,"
    " ListShards, and ListStreams Actions on your stream in IAM."
)
_NOT_HERE = "{} of an event source is not something the local cloud can do."
_NO_SOURCE = "An event source {} is not something the local cloud can read: Kinesis streams are."


class EventSources:
    """A handler of the chain, and the mappings that run."""

    def __init__(self, cloud: Cloud, access: FunctionAccess) -> None:
        self._cloud, self._store, self._access = cloud, cloud.store, access
        self._lock, self._runs = threading.Lock(), dict[str, MappingRun]()
        self._said: dict[str, str] = {}
        context_of = partial(cloud.engine_context, by=FUNCTIONS)
        self._measures = Measures(partial(cloud.client, "cloudwatch"), cloud.clock, "AWS/Lambda", "FunctionName")
        self._means = Means(
            cloud.store, access.pool, cloud.clock, access.target, self._kinesis, Destinations(context_of),
            self._note, self._tell,
        )  # fmt: skip

    def start(self) -> None:
        """Go on where each mapping was."""
        for _, document in self._store.with_status(KIND, ENABLED):
            self._run(document)

    def close(self) -> None:
        """Read nothing more; calls that are under way are not waited for."""
        with self._lock:
            runs, self._runs = list(self._runs.values()), {}
        for run in runs:
            run.close()

    def end(self) -> None:
        self._measures.close()

    def answer(self, context: Context) -> Answer | None:
        """The answer to a request about mappings; None where it is about something else."""
        if context.service != "lambda" or context.operation not in OPERATIONS:
            return None
        key = context.request.path.removeprefix(PATH).strip("/")
        asked = self._asked(context, key)
        if context.operation == "ListEventSourceMappings":
            return _answer(200, self._list(context))
        if context.operation == "CreateEventSourceMapping":
            return _answer(202, self._create(context, asked))
        document = self._find(context, key)
        if context.operation == "UpdateEventSourceMapping":
            document = self._update(context, document, asked)
        if context.operation == "DeleteEventSourceMapping":
            self._stop(key)
            with suppress(Missing):
                self._store.remove(_arn(context, key))
            mappings.forget(self._store, key)
            document["State"] = "Deleting"
        return _answer(200 if context.operation.startswith("Get") else 202, self._told(document))

    def _asked(self, context: Context, key: str) -> Document:
        """Of a request's body. ValidationException: it is none of the model."""
        if context.operation[:6] not in ("Create", "Update"):
            return {}
        shape = self._model.operation_model(context.operation).input_shape
        found: Document = shapes.parse(shape, shapes.read_object(context.request.content()), "")
        validation.validate(shape, found | ({"UUID": key} if key else {}))
        for name, value in found.items():
            plain = (name, value) in (("ParallelizationFactor", 1), ("TumblingWindowInSeconds", 0))
            if name not in _TAKEN and not plain and value not in ({}, [], None):
                raise NotImplementedHere(_NOT_HERE.format(name))
        return found

    @cached_property
    def _model(self) -> ServiceModel:
        return ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")

    def _create(self, context: Context, asked: Document) -> Document:
        source = asked.get("EventSourceArn") or ""
        if source.split(":")[2:3] != ["kinesis"] or not asked.get("EventSourceArn"):
            raise NotImplementedHere(_NO_SOURCE.format(source or "without an ARN"))
        arn, function = self._function(context, asked["FunctionName"])
        start = _start(asked)
        known = [one for _, one in self._all() if one["FunctionArn"] == arn and one["EventSourceArn"] == source]
        if known:
            words = f'The event source arn ("{source}") and function ("{function.name}") provided mapping already'
            raise _conflict(f"{words} exists. Please update or delete the existing mapping {known[0]['UUID']}")
        self._check_stream(function, source)
        key, now = str(uuid.uuid4()), datetime.now(UTC)
        document = _USUAL | {name: asked[name] for name in _KEPT if name in asked}
        document |= {"UUID": key, "EventSourceArn": source, "FunctionArn": arn, "LastModified": now}
        document |= {"StartingPosition": asked["StartingPosition"], "StateTransitionReason": "User action"}
        document |= {"State": ENABLED if asked.get("Enabled", True) else DISABLED}
        document |= {"EventSourceMappingArn": _arn(context, key), OWN: {"Start": start or now}}
        if "StartingPositionTimestamp" in asked:
            document["StartingPositionTimestamp"] = asked["StartingPositionTimestamp"]
        _check(document)
        self._store.add(Resource(_arn(context, key), KIND, context.region, key, document["State"], document))
        if document["State"] == ENABLED:
            self._run(document)
        return self._told(document)

    def _update(self, context: Context, document: Document, asked: Document) -> Document:
        change = {name: asked[name] for name in _KEPT if name in asked}
        if "FunctionName" in asked:
            change["FunctionArn"], function = self._function(context, asked["FunctionName"])
            self._check_stream(function, document["EventSourceArn"])
        if "Enabled" in asked:
            change["State"] = ENABLED if asked["Enabled"] else DISABLED
        _check(document | change)

        def edit(kept: Document) -> str:
            kept |= change | {"LastModified": datetime.now(UTC)}
            return str(kept["State"])

        self._stop(document["UUID"])
        changed = self._store.change(_arn(context, document["UUID"]), edit)
        if changed["State"] == ENABLED:
            self._run(changed)
        return changed

    def _list(self, context: Context) -> Document:
        asked = context.request.parameters
        found = [one for _, one in self._all() if one["EventSourceMappingArn"].split(":")[3] == context.region]
        if "EventSourceArn" in asked:
            found = [one for one in found if one["EventSourceArn"] == asked["EventSourceArn"]]
        if "FunctionName" in asked:
            named = functions.read(asked["FunctionName"], context.where)
            found = [one for one in found if one["FunctionArn"] == named.arn]
        return {"EventSourceMappings": [self._told(one) for one in found]}

    def _all(self) -> list[tuple[str, Document]]:
        return self._store.with_status(KIND, ENABLED, DISABLED)

    def _find(self, context: Context, key: str) -> Document:
        try:
            return self._store.get(_arn(context, key))
        except Missing:
            raise FunctionNotFound("The resource you requested does not exist.", Type="User") from None

    def _function(self, context: Context, name: str) -> tuple[str, Function]:
        """The ARN that is mapped to, and the function that it stands for now."""
        named = functions.read(name, context.where)
        return named.arn, self._access.find(named).function

    def _check_stream(self, function: Function, source: str) -> None:
        """InvalidFunctionValue: the function's role may not read it, or it is not there."""
        name = source.rpartition("/")[2]
        if not self._store.has(source):
            account = source.split(":")[4]
            raise InvalidFunctionValue(f"Stream not found: {name} under account {account}.")
        try:
            client = self._kinesis(function)
            page = client.list_shards(StreamARN=source)["Shards"]
            where = {"StreamARN": source, "ShardId": page[0]["ShardId"], "ShardIteratorType": "LATEST"}
            token = client.get_shard_iterator(**where)["ShardIterator"]
            client.get_records(ShardIterator=token, Limit=1, StreamARN=source)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ProvisionedThroughputExceededException":
                raise InvalidFunctionValue(_DENIED.format(source)) from None

    def _kinesis(self, function: Function) -> Any:
        return self._cloud.client_as(function.role, "kinesis", function.region, by=FUNCTIONS)

    def _run(self, document: Document) -> None:
        with self._lock:
            self._runs[document["UUID"]] = MappingRun(_mapping(document), self._means)

    def _stop(self, key: str) -> None:
        with self._lock:
            run = self._runs.pop(key, None)
        if run:
            run.close()
            run.join()

    def _note(self, function: Function, age: float) -> None:
        self._measures.note(function.region, function.name, IteratorAge=age)

    def _tell(self, key: str, words: str) -> None:
        self._said[key] = words

    def _told(self, document: Document) -> Document:
        found = {name: value for name, value in document.items() if name != OWN}
        return found | {"LastProcessingResult": self._said.get(document["UUID"], "No records processed")}


def _mapping(document: Document) -> Mapping:
    start = document[OWN]["Start"]
    return Mapping(
        document["UUID"],
        document["EventSourceArn"],
        document["FunctionArn"],
        {"ShardIteratorType": "TRIM_HORIZON"}
        if start == "TRIM_HORIZON"
        else {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": start},
        document["BatchSize"],
        document["MaximumBatchingWindowInSeconds"],
        document["MaximumRetryAttempts"],
        document["MaximumRecordAgeInSeconds"],
        document["BisectBatchOnFunctionError"],
        "ReportBatchItemFailures" in document["FunctionResponseTypes"],
        ((document["DestinationConfig"] or {}).get("OnFailure") or {}).get("Destination", ""),
    )


def _start(asked: Document) -> Any:
    """TRIM_HORIZON, a time, or None: from now on."""
    kind = asked.get("StartingPosition")
    if kind is None:
        words = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint:"
        raise InvalidFunctionValue(f"{words} Member must not be null.")
    if kind == "AT_TIMESTAMP" and "StartingPositionTimestamp" not in asked:
        raise InvalidFunctionValue("StartingPositionTimestamp must be specified for AT_TIMESTAMP.")
    return {"LATEST": None, "TRIM_HORIZON": kind}.get(kind, asked.get("StartingPositionTimestamp"))


def _check(document: Document) -> None:
    """InvalidFunctionValue: the members do not go together."""
    if document["BatchSize"] > 10_000:
        raise InvalidFunctionValue("Batch size is too large.")
    if 0 <= document["MaximumRecordAgeInSeconds"] < 60:
        raise InvalidFunctionValue("MaximumRecordAgeInSeconds must be -1, or between 60 and 604800.")
    failure = ((document["DestinationConfig"] or {}).get("OnFailure") or {}).get("Destination", "")
    if failure and failure.split(":")[2:3] not in (["sqs"], ["sns"]):
        raise NotImplementedHere(_NOT_HERE.format("A destination other than a queue or a topic"))


def _conflict(words: str) -> ConflictException:
    error = ConflictException(words)
    error.code, error.status = "ResourceConflictException", 409
    return error


def _answer(status: int, document: Document) -> Answer:
    return Answer(status, [("Content-Type", "application/json")], json.dumps(document, default=_epoch).encode())


def _epoch(value: Any) -> float:
    return float(value.timestamp())


def _arn(context: Context, key: str) -> str:
    return f"arn:aws:lambda:{context.where}:event-source-mapping:{key}"
