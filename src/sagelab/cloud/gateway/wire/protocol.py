"""What an operation is given and what it answers, on the wire: JSON 1.1, rest-json, CBOR, by botocore's models."""

from __future__ import annotations

import json

from botocore.model import OperationModel

from sagelab.cloud.errors import SerializationException
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.wire import cbor, rest, shapes
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.gateway.wire.planes import Operation
from sagelab.cloud.gateway.wire.shapes import Params


def parse(operation: Operation, request: Request) -> Params:
    """The input of an operation. Serialization- or ValidationException: it is not in the model's form."""
    shape = operation.model.input_shape
    if shape is None:
        return {}
    try:
        if operation.rest:
            return rest.parse(operation, shape, request)
        read = cbor.read if operation.cbor else shapes.read
        parsed: Params = shapes.parse_structure(shape, read(request.content()), "")
        return parsed
    except RecursionError:
        raise SerializationException("The request is nested too deeply.") from None


def answer(operation: Operation, output: Params) -> Answer:
    """The answer that carries `output`, in the output shape's form: None members are left out."""
    if operation.cbor:
        return cbor.answer(operation.model, output)
    return rest.answer(operation.model, output) if operation.rest else _json_answer(operation.model, output)


def _json_answer(model: OperationModel, output: Params) -> Answer:
    blank = Answer(200, [("Content-Type", "application/x-amz-json-1.1")])
    shape = model.output_shape
    body = b"" if shape is None else json.dumps(shapes.form(shape, output)).encode()
    return Answer(200, [*blank.headers, ("x-amzn-RequestId", blank.request_id)], body, blank.request_id)
