"""The Lambda function of a delivery stream: what it is given, what it may answer, and who fails.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.engine.firehose.failures import PROCESSING, Failure
from sagelab.cloud.engine.firehose.settings import Function, Settings
from sagelab.cloud.engine.firehose.spool import Record

LARGEST = 6_000_000  # bytes of a request or an answer
OVERHEAD = 300  # bytes of a record beside its data
RESULTS = ("Ok", "Dropped", "ProcessingFailed")
KEYS = 50  # partition keys of a record
_OUTPUT = (
    "Check your function and make sure the output is in required format. In addition to that, make sure the"
    " processed records contain valid result status of Dropped, Ok, or ProcessingFailed"
)
_REFUSED = {
    "AccessDenied": (
        "Lambda.InvokeAccessDenied",
        "Access was denied. Ensure that the access policy allows access to the Lambda function.",
    ),
    "AccessDeniedException": (
        "Lambda.InvokeAccessDenied",
        "Access was denied. Ensure that the access policy allows access to the Lambda function.",
    ),
    "ResourceNotFoundException": (
        "Lambda.ResourceNotFound",
        "The specified Lambda function does not exist. Use a different function that does exist.",
    ),
    "TooManyRequestsException": (
        "Lambda.InvokeLimitExceeded",
        "The Lambda concurrent execution limit is exceeded. Increase the concurrent execution limit.",
    ),
}


class Failed(Exception):
    """A call came to nothing. again: another may not."""

    def __init__(self, code: str, message: str, again: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.again = code, message, again


@dataclass(frozen=True)
class Made:
    """A record that is to be delivered, with its partition keys by namespace."""

    record: Record
    keys: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class Outcome:
    """What came of records. dropped: records that the function wants to be forgotten."""

    made: list[Made] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    dropped: int = 0


# Calls a function with an event, and waits a while before a further try; what it answers.
Invoke = Callable[[Function, bytes], bytes]


def transform(
    settings: Settings, function: Function, records: Sequence[Record], invoke: Invoke, rest: Callable[[int], None]
) -> Outcome:
    """invoke: Failed, where it came to nothing. rest: is called before each retry, with the number of tries."""
    outcome = Outcome()
    for batch in _batches(records, function.size):
        _one(settings, function, batch, invoke, rest, outcome)
    return outcome


def _batches(records: Sequence[Record], size: int) -> Iterator[list[Record]]:
    """By the bytes of the data, and of what they are in base64."""
    batch: list[Record] = []
    data = encoded = 0
    for record in records:
        length = len(record.data)
        more = length * 4 // 3 + OVERHEAD
        if batch and (data + length > size or encoded + more > LARGEST):
            yield batch
            batch, data, encoded = [], 0, 0
        batch.append(record)
        data, encoded = data + length, encoded + more
    if batch:
        yield batch


def _one(
    settings: Settings,
    function: Function,
    batch: list[Record],
    invoke: Invoke,
    rest: Callable[[int], None],
    outcome: Outcome,
) -> None:
    event, tries = _event(settings, batch), 0
    while True:
        tries += 1
        try:
            _take(batch, _answered(invoke(function, event)), function, outcome)
            return
        except Failed as error:
            if error.again and tries <= function.retries:
                rest(tries)
                continue
            more = {"lambdaArn": function.arn}
            outcome.failures += [Failure(one, PROCESSING, error.code, error.message, tries, more) for one in batch]
            return


def _event(settings: Settings, batch: list[Record]) -> bytes:
    told: dict[str, Any] = {
        "invocationId": str(uuid.uuid4()),
        "deliveryStreamArn": settings.arn,
        "region": settings.region,
        "records": [_record(one) for one in batch],
    }
    if settings.source:
        told["sourceKinesisStreamArn"] = settings.source["KinesisStreamARN"]
    return json.dumps(told).encode()


def _id(record: Record) -> str:
    return f"{record.number:056d}"


def _record(record: Record) -> dict[str, Any]:
    arrived = int(record.arrived * 1000)
    told: dict[str, Any] = {"recordId": _id(record), "approximateArrivalTimestamp": arrived}
    told["data"] = base64.b64encode(record.data).decode()
    if record.facts:
        told["kinesisRecordMetadata"] = {
            "sequenceNumber": record.facts["sequence"],
            "subsequenceNumber": 0,
            "partitionKey": record.facts["key"],
            "shardId": record.facts["shard"],
            "approximateArrivalTimestamp": arrived,
        }
    return told


def _answered(answer: bytes) -> dict[str, dict[str, Any]]:
    """By its id, what is answered of each record. Failed: that is no answer."""
    try:
        found = json.loads(answer)
        rows = found["records"]
        made = {str(one["recordId"]): one for one in rows}
    except (ValueError, RecursionError, KeyError, TypeError):
        raise Failed("Lambda.FunctionError", _OUTPUT, again=True) from None
    if len(made) != len(rows):
        words = "Multiple records were returned with the same record ID. Ensure that the Lambda function returns"
        raise Failed("Lambda.DuplicatedRecordId", f"{words} unique record IDs for each record.")
    return made


def _take(batch: list[Record], answered: dict[str, dict[str, Any]], by: Function, outcome: Outcome) -> None:
    if any(_id(one) not in answered for one in batch):
        words = "One or more record Ids were not returned. Ensure that the Lambda function returns all received"
        raise Failed("Lambda.MissingRecordId", f"{words} record Ids.")
    more = {"lambdaArn": by.arn}
    for record in batch:
        told = answered[_id(record)]
        result = told.get("result")
        if result == "Dropped":
            outcome.dropped += 1
        elif result == "ProcessingFailed":
            words = "ProcessingFailed status set for record"
            outcome.failures.append(Failure(record, PROCESSING, "Lambda.ProcessingFailedStatus", words, 1, more))
        elif result == "Ok" and (data := _data(told)) is not None:
            outcome.made.append(Made(replace(record, data=data), _keys(told)))
        else:
            outcome.failures.append(Failure(record, PROCESSING, "Lambda.FunctionError", _OUTPUT, 1, more))


def _data(told: dict[str, Any]) -> bytes | None:
    """What the record has become; None: it is no text in base64."""
    try:
        return base64.b64decode(told["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None


def _keys(told: dict[str, Any]) -> dict[str, dict[str, str]]:
    metadata = told.get("metadata")
    found = metadata.get("partitionKeys") if isinstance(metadata, dict) else None
    if not isinstance(found, dict):
        return {}
    pairs = [(str(name), str(value)) for name, value in list(found.items())[:KEYS] if value is not None]
    return {"partitionKeyFromLambda": {name: text for name, text in pairs if text.isprintable()}}


def call(client: Callable[[], Any], function: Function, event: bytes) -> bytes:
    """What a function answers. client: of Lambda, with the rights of a role. Failed: nothing."""
    try:
        answer = client().invoke(FunctionName=function.arn, Payload=event)
    except ClientError as error:
        raise _refused(error) from None
    except BotoCoreError as error:
        raise Failed("Lambda.ConnectionFailure", str(error), again=True) from None
    payload: bytes = answer["Payload"].read(LARGEST + 1)
    if answer.get("FunctionError"):
        words = "The Lambda function was successfully invoked but it returned an error result."
        raise Failed("Lambda.FunctionError", words, again=True)
    return payload


def _refused(error: ClientError) -> Failed:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if error.operation_name == "AssumeRole":
        words = (
            "Access was denied. Ensure that the trust policy for the provided IAM role allows Firehose to assume"
        )
        return Failed("Lambda.AssumeRoleAccessDenied", f"{words} the role.", again=True)
    code, message = _REFUSED.get(code, (f"Lambda.{code}", message))
    return Failed(code, message, again=True)
