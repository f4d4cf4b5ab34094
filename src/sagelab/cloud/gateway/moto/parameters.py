"""The parameters of a request to one of moto's services, and the elements of its answer, by botocore's models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore import parsers
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError, Shape
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.utils import get_service_model

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.moto import routes
from sagelab.cloud.gateway.moto.metrics import CloudWatchRequest
from sagelab.cloud.gateway.wire import shapes
from sagelab.cloud.gateway.wire.faults import Answer

Told = tuple[Mapping[str, Any], Shape | None]

# The name that requests are signed for -> botocore's model, where that is not the name itself.
_MODELS = {
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
    "email": "ses",
    "elasticloadbalancing": "elbv2",
    "elasticmapreduce": "emr",
    "elasticfilesystem": "efs",
}
_NOTHING: Told = ({}, None)


def of_request(request: Request, service: str, operation: str) -> Told:
    """What a request gives its operation, and the shape of it; no shape where no model is at hand."""
    model = _model(service, operation)
    shape = model.input_shape if model is not None else None
    if service == "monitoring":
        return CloudWatchRequest(request).params, shape
    if request.target:
        return _object(request.content()), shape
    if request.form.get("Action"):
        if model is None or shape is None:
            return {name: value for name, value in request.form.items() if name not in ("Action", "Version")}, None
        kind = "ec2" if service == "ec2" else "query"
        given = {"values": request.form, "body": b"", "headers": {}, "method": "POST", "url_path": "/"}
        return PROTOCOL_PARSERS[kind](model).parse(given), shape
    return routes.labels_of(request, service) | request.parameters | _object(request.content()), shape


def of_answer(answer: Answer, service: str, operation: str) -> Told:
    """What an answer says, and the shape of it."""
    model = _model(service, operation)
    shape = model.output_shape if model is not None else None
    if not answer.body or model is None or shape is None:
        return _NOTHING
    if answer.body.lstrip()[:1] == b"{":
        return _object(answer.body), shape
    if answer.body.lstrip()[:1] != b"<":
        return _NOTHING
    protocol = (
        "ec2" if service == "ec2" else "query" if "query" in str(model.service_model.protocol) else "rest-xml"
    )
    whole = {"body": answer.body, "headers": dict(answer.headers), "status_code": answer.status}
    found: dict[str, Any] = parsers.create_parser(protocol).parse(whole, shape)
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}, shape


def check_types(request: Request, service: str, operation: str) -> None:
    """SerializationException: a member of a JSON body is not of its type, which moto does not look at.

    To be asked when moto has crashed over a request: what it takes more kindly than AWS stays as it is.
    """
    model = _model(service, operation)
    shape = model.input_shape if model is not None else None
    if shape is not None and "json" in str(model.service_model.protocol) and "payload" not in shape.serialization:
        with suppress(ValidationException):  # a member that is unknown, which those services pass over
            shapes.parse_structure(shape, shapes.read_object(request.content()), "")


def _model(service: str, operation: str) -> Any:
    """The model of an operation, None where there is none."""
    try:
        return get_service_model(_MODELS.get(service, service)).operation_model(operation)
    except (UnknownServiceError, OperationNotFoundError):
        return None


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
