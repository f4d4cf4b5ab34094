"""Whom a service of moto's would only say that it calls: refused where it is asked for.

A state machine, a rule, a topic, a stream takes any target in AWS's form, and most of them hear nothing. Each
check is given the arguments of a method of moto's, by name (checks.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import JsonRESTError

from sagelab.cloud.errors import InvalidParameterValue, NotImplementedHere

Asked = dict[str, Any]

_UNKNOWN_RESOURCE = (
    "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: The resource provided {} is not recognized. The"
    " value is not a valid resource ARN, or the resource is not available in this region. at {}'"
)
_NO_TARGET = (
    "Parameter {} is not valid. Reason: it is not something that the local cloud's EventBridge can call. Let the"
    " rule put the event in an SQS queue, a log group or another event bus."
)
_NO_SCHEDULE = "A schedule is not something the local cloud can do. Call the target yourself."
_NO_PROTOCOL = (
    "A subscription by {} is not something the local cloud can do. Subscribe an SQS queue or a function."
)
_NO_PHONE = "A message to a telephone is not something the local cloud can do. Publish to a topic."
_NO_FUNCTION = "A call of a Lambda function is not something the local cloud can do. {}"
_CHANGES = ("ProcessingConfiguration", "DataFormatConversionConfiguration", "DynamicPartitioningConfiguration")
_NO_DELIVERY = "Firehose's {} is not something the local cloud can do. Records go to S3, each put as it is."


_FUNCTION = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(:[$A-Za-z0-9_-]+)?")


def check_definition(asked: Asked) -> None:
    """No state of a machine calls SageMaker."""
    try:
        definition = json.loads(asked.get("definition") or "{}")
    except ValueError:
        return  # moto says so
    for path, resource in _resources(definition, ""):
        if "sagemaker:" in resource:
            raise JsonRESTError("InvalidDefinition", _UNKNOWN_RESOURCE.format(resource, path))


def check_rule(asked: Asked) -> None:
    """No rule waits for a time."""
    if asked.get("scheduled_expression"):
        raise NotImplementedHere(_NO_SCHEDULE)


def check_targets(asked: Asked) -> None:
    """Each target of a rule is one that moto delivers to; of "events", an archive has no resource in its ARN."""
    for target in asked["targets"]:
        service, resource = _parts(target.get("Arn"))
        heard = service == "sqs" or (service == "logs" and resource.startswith("log-group:"))
        if not heard and not (service == "events" and (not resource or resource.startswith("event-bus/"))):
            raise NotImplementedHere(_NO_TARGET.format(target.get("Arn")))


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


def check_delivery(asked: Asked) -> None:
    """Records come from who puts them, and go to S3 unchanged."""
    for name, value in asked.items():
        if value and "_destination_" in name and not name.startswith(("s3_", "extended_s3_")):
            raise NotImplementedHere(_NO_DELIVERY.format(f"{name.partition('_destination_')[0]} destination"))
    if asked.get("delivery_stream_type") not in (None, "DirectPut"):
        raise NotImplementedHere(_NO_DELIVERY.format(f"source {asked['delivery_stream_type']}"))
    for kind in ("configuration", "update"):
        for destination in ("s3", "extended_s3"):
            _check_unchanged(asked.get(f"{destination}_destination_{kind}") or {})


def _check_unchanged(destination: dict[str, Any]) -> None:
    for name in _CHANGES:
        if destination.get(name, {}).get("Enabled", name in destination):
            raise NotImplementedHere(_NO_DELIVERY.format(name))
    if destination.get("CompressionFormat", "UNCOMPRESSED") != "UNCOMPRESSED":
        raise NotImplementedHere(_NO_DELIVERY.format("CompressionFormat"))
    if destination.get("S3BackupMode", "Disabled") != "Disabled":
        raise NotImplementedHere(_NO_DELIVERY.format("S3BackupMode"))


def _parts(arn: Any) -> tuple[str, str]:
    """(service, resource) of an ARN, both "" of what is none."""
    parts = str(arn or "").split(":", 5)
    return (parts[2], parts[5]) if len(parts) == 6 else ("", "")


def _resources(state: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, ARN) of each resource that a definition's states call, those of parallel and mapped states too."""
    if isinstance(state, dict):
        if isinstance(state.get("Resource"), str):
            yield f"{path}/Resource", state["Resource"]
        for name, value in state.items():
            yield from _resources(value, f"{path}/{name}")
    elif isinstance(state, list):
        for at, value in enumerate(state):
            yield from _resources(value, f"{path}[{at}]")
