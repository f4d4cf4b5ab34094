"""Whom a service of moto's would only say that it calls: refused where it is asked for.

A state machine, a rule, a topic, a stream takes any target in AWS's form, and most of them hear nothing. Each
check is given the arguments of a method of moto's, by name (checks.py).
"""

from __future__ import annotations

import re
from typing import Any

from moto.core.exceptions import JsonRESTError

from sagelab.cloud.errors import InvalidParameterValue, NotImplementedHere
from sagelab.cloud.events import inputs
from sagelab.cloud.events.targets import kind_of

Asked = dict[str, Any]

_NO_TARGET = (
    "Parameter {} is not valid. Reason: it is not something that the local cloud's EventBridge can call. Its"
    " targets are SQS queues, SNS topics, Lambda functions, state machines, SageMaker's pipelines, log groups,"
    " event buses, Kinesis streams, Firehose's and workflows of Glue."
)
_NO_ROLE = "RoleArn is required for target {}."
_NO_QUEUE = "Parameter {} is not valid. Reason: a dead letter queue is a standard SQS queue of the same region."
_TOO_MANY = "The requested resource exceeds the maximum number allowed."
_TARGETS = 5  # of a rule
_NO_PROTOCOL = (
    "A subscription by {} is not something the local cloud can do. Subscribe an SQS queue or a function."
)
_NO_PHONE = "A message to a telephone is not something the local cloud can do. Publish to a topic."
_NO_FUNCTION = "A call of a Lambda function is not something the local cloud can do. {}"

_FUNCTION = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(:[$A-Za-z0-9_-]+)?")


def check_targets(asked: Asked) -> None:
    """Each target of a rule is one that is called, with what it is called by; an archive is moto's own."""
    rule, ids = asked["self"], {target["Id"] for target in asked["targets"]}
    if len(ids | {target["Id"] for target in rule.targets}) > _TARGETS:
        raise JsonRESTError("LimitExceededException", _TOO_MANY)
    for target in asked["targets"]:
        arn, kind = str(target.get("Arn")), kind_of(target.get("Arn"))
        if not kind and not (arn.endswith(":::") and rule.managed_by):
            raise NotImplementedHere(_NO_TARGET.format(arn))
        if kind in ("states", "sagemaker", "kinesis", "firehose", "glue") and not target.get("RoleArn"):
            raise JsonRESTError("ValidationException", _NO_ROLE.format(arn))
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue and not _is_dead_letters(queue, rule.region_name):
            raise JsonRESTError("ValidationException", _NO_QUEUE.format(queue))
        if not arn.endswith(":::"):
            _check_input(target)


def _is_dead_letters(queue: str, region: str) -> bool:
    return kind_of(queue) == "sqs" and queue.split(":")[3] == region and not queue.endswith(".fifo")


def _check_input(target: Asked) -> None:
    try:
        inputs.check(target)
    except ValueError as error:
        raise JsonRESTError("ValidationException", str(error)) from None


def check_subscription(asked: Asked) -> None:
    if asked["protocol"] == "lambda" and _FUNCTION.fullmatch(str(asked["endpoint"])) is None:
        raise InvalidParameterValue("Invalid parameter: Lambda endpoint ARN")
    if asked["protocol"] not in ("sqs", "lambda"):
        raise NotImplementedHere(_NO_PROTOCOL.format(asked["protocol"]))


def check_publication(asked: Asked) -> None:
    if asked.get("phone_number"):
        raise NotImplementedHere(_NO_PHONE)


def check_log_filter(asked: Asked) -> None:
    if _parts(asked["destination_arn"])[0] == "lambda":
        raise NotImplementedHere(_NO_FUNCTION.format("Send the log to a Kinesis stream or to Firehose."))


def _parts(arn: Any) -> tuple[str, str]:
    """(service, resource) of an ARN, both "" of what is none."""
    parts = str(arn or "").split(":", 5)
    return (parts[2], parts[5]) if len(parts) == 6 else ("", "")
