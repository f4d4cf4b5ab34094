"""The targets that act, and how each is called: through the front door, with a role's rights or by its own policy.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.session import get_session

from sagelab.cloud.context import EVENTS, SCHEDULER
from sagelab.cloud.events import inputs
from sagelab.cloud.events.deliveries import Undelivered
from sagelab.cloud.store import Document

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

# Whether a resource's policy lets a service do something to it for a source: (service, action, ARN, ARN). None: it
# is not there.
Takes = Callable[[str, str, str, str], bool | None]
# Puts an event on another bus: (event, bus's ARN, hops that it has behind it).
Put = Callable[[Document, str, int], None]

# A target of Scheduler's alone: any call of an API, with the Input for its parameters.
UNIVERSAL = re.compile(r"arn:aws:scheduler:::aws-sdk:([a-z0-9]+):([A-Za-z]+)")
TOGETHER = 200_000  # characters of a batch for a queue
HOPS = 4  # buses that an event may come through: two that send to each other would have it for ever
_SERVICES = {"sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs"}  # SDK's name -> botocore's
_THROTTLED = ("Throttl", "TooManyRequests", "LimitExceeded", "RequestLimit", "SlowDown", "ServiceUnavailable")
_FORBIDDEN = ("AccessDenied", "Unauthorized", "NotAuthorized", "InvalidClientTokenId")
_ABSENT = ("NotFound", "NonExistent", "DoesNotExist", "NoSuch")

logger = logging.getLogger("sagelab")


def kind_of(arn: Any) -> str:
    """What a target is: a service's name in its ARN ("sqs", "states"); "" where it cannot act."""
    parts = str(arn or "").split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        return ""
    service, resource = parts[2], parts[5]
    starts = {
        "sqs": "",
        "sns": "",
        "lambda": "function:",
        "states": "stateMachine:",
        "sagemaker": "pipeline/",
        "codepipeline": "",
        "logs": "log-group:",
        "events": "event-bus/",
        "kinesis": "stream/",
        "firehose": "deliverystream/",
        "glue": "workflow/",
    }
    return service if service in starts and resource.startswith(starts[service]) and resource else ""


class Targets:
    """Calls the targets of one local cloud."""

    def __init__(self, cloud: Cloud, takes: Takes, put: Put) -> None:
        self._cloud, self._takes, self._put = cloud, takes, put
        self._calls: dict[str, Callable[[Document, str], None]] = {
            "sqs": self._send,
            "sns": self._publish,
            "lambda": self._invoke,
            "states": self._execute,
            "sagemaker": self._start_pipeline,
            "codepipeline": self._start_delivery,
            "logs": self._log,
            "events": self._pass_on,
            "kinesis": self._put_record,
            "firehose": self._put_in_delivery_stream,
            "glue": self._notify,
        }

    def deliver(self, row: Document) -> None:
        """Give a row's event to its target. Undelivered: it does not take it."""
        try:
            text = _rendered(row)
        except (inputs.TooLarge, ValueError) as error:
            raise Undelivered("INVALID_JSON", str(error)) from None
        if row["Service"] == SCHEDULER:
            text = _in_context(text, row)
        try:
            self._calls.get(kind_of(row["Target"]["Arn"]), self._ask_api)(row, text)
        except ClientError as error:
            raise _undelivered(error) from None
        except BotoCoreError as error:
            raise Undelivered("CONNECTION_FAILURE", str(error), again=True) from None

    def deliver_all(self, rows: list[Document]) -> list[Undelivered | None]:
        """Give rows' events to their targets, those of one queue together; what was wrong with each."""
        found: list[Undelivered | None] = [None] * len(rows)
        queues: dict[tuple[str, ...], list[int]] = {}
        for at, row in enumerate(rows):
            target = row["Target"]
            group = (target.get("SqsParameters") or {}).get("MessageGroupId") or ""
            together = kind_of(target["Arn"]) == "sqs" and row["Service"] == EVENTS and not group
            alone = () if together else (str(at),)
            place = (target["Arn"], target.get("RoleArn") or "", row["Source"], *alone)
            queues.setdefault(place, []).append(at)
        for numbers in queues.values():
            several = [rows[at] for at in numbers]
            answers = self._send_all(several) if len(several) > 1 else [self._try(several[0])]
            for at, answer in zip(numbers, answers, strict=True):
                found[at] = answer
        return found

    def _try(self, row: Document) -> Undelivered | None:
        try:
            self.deliver(row)
        except Undelivered as error:
            return error
        return None

    def _send_all(self, rows: list[Document]) -> list[Undelivered | None]:
        """Events of one rule for one queue; one by one where they are no batch of SQS's."""
        try:
            texts = [_rendered(row) for row in rows]
            if sum(map(len, texts)) > TOGETHER:
                return [self._try(row) for row in rows]
            client, arn = self._target(rows[0], "sqs", "sqs:SendMessage")
            entries = [{"Id": str(at), "MessageBody": text} for at, text in enumerate(texts)]
            answer = client.send_message_batch(QueueUrl=self._url(arn), Entries=entries)
        except Exception:  # it is found out of which one, and what it means
            return [self._try(row) for row in rows]
        found: list[Undelivered | None] = [None] * len(rows)
        for one in answer.get("Failed", []):
            words = f"{one['Code']}: {one.get('Message', '')}"
            found[int(one["Id"])] = Undelivered("SDK_CLIENT_ERROR", words, again=not one["SenderFault"])
        return found

    def bury(self, row: Document, error: Undelivered, exhausted: str) -> None:
        """Put an event that cannot be delivered in its target's dead letter queue, if that has one."""
        queue = (row["Target"].get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return
        scheduled = row["Service"] == SCHEDULER
        told = {
            "SCHEDULE_ARN" if scheduled else "RULE_ARN": row["Source"],
            "EXECUTION_ID": _name_of(row) if scheduled else "",
            "TARGET_ARN": row["Target"]["Arn"],
            "ERROR_CODE": error.code,
            "ERROR_MESSAGE": str(error)[:1024],
            "RETRY_ATTEMPTS": str(row["Retries"]),
            "EXHAUSTED_RETRY_CONDITION": exhausted,
        }
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items() if value}
        try:
            role = row["Target"].get("RoleArn") if row["Service"] != EVENTS else None
            client = self._client(row, "sqs", "sqs:SendMessage", queue, role)
            client.send_message(QueueUrl=self._url(queue), MessageBody=row["Event"], MessageAttributes=attributes)
        except (Undelivered, ClientError, BotoCoreError) as trouble:
            logger.warning("the dead letter queue %s does not take an event: %s", queue, trouble)

    def _client(self, row: Document, service: str, action: str, arn: str, role: str | None) -> Any:
        """A client for one call of a resource. Undelivered: there is no role, nor does its policy allow it."""
        region = arn.split(":")[3] or row["Region"]
        if role:
            return self._cloud.client_as(role, service, region, by=row["Service"])
        taken = self._takes(row["Service"], action, arn, row["Source"])
        if taken is None:
            raise Undelivered("NO_RESOURCE", f"{arn} does not exist.")
        if not taken:
            words = f"The policy of {arn} does not let {row['Service']} do {action} for {row['Source']}."
            raise Undelivered("NO_PERMISSIONS", words)
        return self._cloud.client(service, region)

    def _target(self, row: Document, service: str, action: str) -> tuple[Any, str]:
        target = row["Target"]
        return self._client(row, service, action, target["Arn"], target.get("RoleArn")), target["Arn"]

    def _url(self, queue: str) -> str:
        *_, account, name = queue.split(":")
        return f"{self._cloud.url}/{account}/{name}"

    def _send(self, row: Document, text: str) -> None:
        client, arn = self._target(row, "sqs", "sqs:SendMessage")
        group = (row["Target"].get("SqsParameters") or {}).get("MessageGroupId")
        client.send_message(
            QueueUrl=self._url(arn), MessageBody=text, **({"MessageGroupId": group} if group else {})
        )

    def _publish(self, row: Document, text: str) -> None:
        client, arn = self._target(row, "sns", "sns:Publish")
        client.publish(TopicArn=arn, Message=text)

    def _invoke(self, row: Document, text: str) -> None:
        client, arn = self._target(row, "lambda", "lambda:InvokeFunction")
        client.invoke(FunctionName=arn, InvocationType="Event", Payload=text.encode())

    def _execute(self, row: Document, text: str) -> None:
        client, arn = self._target(row, "stepfunctions", "states:StartExecution")
        # Of the row: what is delivered twice after a kill is one execution.
        client.start_execution(stateMachineArn=arn, input=text, name=_name_of(row))

    def _start_pipeline(self, row: Document, _text: str) -> None:
        client, arn = self._target(row, "sagemaker", "sagemaker:StartPipelineExecution")
        event = json.loads(row["Event"])
        given = (row["Target"].get("SageMakerPipelineParameters") or {}).get("PipelineParameterList") or []
        values = [{"Name": one["Name"], "Value": _value(one["Value"], event)} for one in given]
        client.start_pipeline_execution(
            PipelineName=arn, ClientRequestToken=_name_of(row), PipelineParameters=values
        )

    def _put_record(self, row: Document, text: str) -> None:
        client, arn = self._target(row, "kinesis", "kinesis:PutRecord")
        given = row["Target"].get("KinesisParameters") or {}
        path = given.get("PartitionKeyPath")
        key = given.get("PartitionKey") or (_value(path, json.loads(row["Event"])) if path else _name_of(row))
        client.put_record(StreamARN=arn, Data=text.encode(), PartitionKey=key[:256] or "-")

    def _put_in_delivery_stream(self, row: Document, text: str) -> None:
        client, arn = self._target(row, "firehose", "firehose:PutRecord")
        client.put_record(DeliveryStreamName=arn.rpartition("/")[2], Record={"Data": text.encode()})

    def _start_delivery(self, row: Document, _text: str) -> None:
        client, arn = self._target(row, "codepipeline", "codepipeline:StartPipelineExecution")
        client.start_pipeline_execution(name=arn.rpartition(":")[2], clientRequestToken=_name_of(row))

    def _notify(self, row: Document, _text: str) -> None:
        """A workflow of Glue's, which waits for events. Its role needs an action that is no call."""
        arn, role = row["Target"]["Arn"], row["Target"].get("RoleArn")
        if not role or not self._takes(role, "glue:NotifyEvent", arn, row["Source"]):
            raise Undelivered("NO_PERMISSIONS", f"{role} may not do glue:NotifyEvent on {arn}.")
        if not self._cloud.notify_workflow(arn, str(json.loads(row["Event"])["id"])):
            raise Undelivered("NO_RESOURCE", f"{arn} is no workflow with a trigger for events.")

    def _log(self, row: Document, text: str) -> None:
        arn = row["Target"]["Arn"].removesuffix(":*")
        role = row["Target"].get("RoleArn")
        client = self._client(row, "logs", "logs:PutLogEvents", f"{arn}:*", role)
        group, stream = arn.split(":", 6)[6], str(uuid.uuid5(uuid.NAMESPACE_URL, row["Source"]))
        with suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_stream(logGroupName=group, logStreamName=stream)
        line = {"timestamp": round(time.time() * 1000), "message": _line(text)}
        client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[line])

    def _pass_on(self, row: Document, text: str) -> None:
        if row["Service"] == SCHEDULER:
            self._put_entry(row, text)
            return
        if row["Hops"] >= HOPS:
            raise Undelivered("THIRD_ACCOUNT_HOP_DETECTED", f"The event has come through {HOPS} event buses.")
        role, arn = row["Target"].get("RoleArn"), row["Target"]["Arn"]
        if role and not self._takes(role, "events:PutEvents", arn, row["Source"]):
            raise Undelivered("NO_PERMISSIONS", f"{role} may not put events on {arn}.")
        self._put(json.loads(row["Event"]), arn, row["Hops"] + 1)

    def _put_entry(self, row: Document, text: str) -> None:
        given = row["Target"]["EventBridgeParameters"]
        entry = {"Source": given["Source"], "DetailType": given["DetailType"], "Detail": text}
        client, arn = self._target(row, "events", "events:PutEvents")
        (answer,) = client.put_events(Entries=[entry | {"EventBusName": arn}])["Entries"]
        if "ErrorCode" in answer:
            raise Undelivered("SDK_CLIENT_ERROR", f"{answer['ErrorCode']}: {answer.get('ErrorMessage', '')}")

    def _ask_api(self, row: Document, text: str) -> None:
        """Call what a universal target names."""
        found = UNIVERSAL.fullmatch(row["Target"]["Arn"])
        service, action = found.groups() if found else ("", "")
        service = _SERVICES.get(service, service)
        if not found or service not in get_session().get_available_services():
            raise Undelivered("NO_RESOURCE", f"{row['Target']['Arn']} names no API.")
        client, _ = self._target(row, service, "")
        name, params = xform_name(action), json.loads(text) if row["Target"].get("Input") else {}
        if name not in client.meta.method_to_api_mapping or not isinstance(params, dict):
            raise Undelivered("INVALID_PARAMETER", f"{service} has no operation {action} for such an input.")
        try:
            getattr(client, name)(**params)
        except (ParamValidationError, TypeError) as error:
            raise Undelivered("INVALID_PARAMETER", str(error)) from None


def _rendered(row: Document) -> str:
    return inputs.render(row["Target"], json.loads(row["Event"]), row["Source"], row["Ingested"])


def _in_context(text: str, row: Document) -> str:
    """The input of a schedule, with what it may say of itself.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    values = {
        "schedule-arn": row["Source"],
        "scheduled-time": row["Due at"],
        "execution-id": _name_of(row),
        "attempt-number": str(row["Retries"] + 1),
    }
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def _name_of(row: Document) -> str:
    return str(row["Key"].rpartition("/")[2])


def _value(given: str, event: Document) -> str:
    """The value of a parameter: as it is given, or the part of the event that it names."""
    if not given.startswith("$."):
        return given
    found = inputs.select(given, event)
    return found if isinstance(found, str) else json.dumps(found)


def _line(text: str) -> str:
    """What a log has of an input: a template may make {"timestamp": ..., "message": ...}."""
    made = json.loads(text) if text.startswith("{") else None
    return str(made["message"]) if isinstance(made, dict) and made.keys() == {"timestamp", "message"} else text


def _undelivered(error: ClientError) -> Undelivered:
    """What an answer of the front door means for a delivery."""
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    message = f"{code}: {error.response['Error'].get('Message', '')}"
    if code.startswith(_THROTTLED) or status in (429, 503):
        return Undelivered("THROTTLING", message, again=True)
    if status >= 500:
        return Undelivered("SDK_CLIENT_ERROR", message, again=True)
    if any(part in code for part in _FORBIDDEN):
        return Undelivered("NO_PERMISSIONS", message)
    return Undelivered("NO_RESOURCE" if any(part in code for part in _ABSENT) else "SDK_CLIENT_ERROR", message)
