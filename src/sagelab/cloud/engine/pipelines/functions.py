"""Steps that call a function of Lambda: the step's arguments are its event, members of its answer its outputs.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-lambda
"""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.pipelines.expressions import BadExpression

TYPES = ("String", "Integer", "Float", "Boolean")
PROGRAMS = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)


class CallFailed(Exception):
    """A call came to nothing that a step can use; `str()` is its FailureReason."""


def read_outputs(step: str, given: Any) -> dict[str, str]:
    """The type of each output of a step, by its name. BadExpression: a definition has it in another form."""
    if not isinstance(given, list | None) or not all(isinstance(one, dict) for one in given or []):
        raise BadExpression(f"step {step}: OutputParameters must be a list of objects")
    found = {}
    for one in given or []:
        name, kind = one.get("OutputName"), one.get("OutputType")
        if not isinstance(name, str) or kind not in TYPES:
            raise BadExpression(
                f"step {step}: an output has an OutputName and an OutputType of {', '.join(TYPES)}"
            )
        found[name] = kind
    return found


def call(client: Any, arn: str, arguments: dict[str, Any], outputs: dict[str, str]) -> dict[str, Any]:
    """What a function returns for each output. CallFailed: it returns none, or something else.

    client: of Lambda, with the rights of the pipeline's role.
    """
    try:
        answer = client.invoke(FunctionName=arn, Payload=json.dumps(arguments))
        with answer["Payload"] as body:
            text = body.read()
    except PROGRAMS as error:
        said = getattr(error, "response", {}).get("Error", {}).get("Message", str(error))
        raise CallFailed(f"ClientError: Failed to invoke lambda function {arn}. Error Details: {said}") from None
    if answer.get("FunctionError"):
        raise CallFailed(
            f"ClientError: Lambda function {arn} has failed. Error Details: {text.decode('utf-8', 'replace')}"
        )
    found = json.loads(text)
    if outputs and not isinstance(found, dict):
        raise CallFailed(f"ClientError: Lambda function {arn} must return an object with the step's outputs.")
    return {name: _output(arn, name, kind, found) for name, kind in outputs.items()}


def _output(arn: str, name: str, kind: str, found: dict[str, Any]) -> Any:
    """One member of what a function returned: text, a number or a truth value, as the step says.

    AWS's own examples return a number and call it a String.
    """
    if name not in found:
        raise CallFailed(f"ClientError: Lambda function {arn} did not return the output {name}.")
    value = found[name]
    if kind == "String" and isinstance(value, int | float) and not isinstance(value, bool):
        value = json.dumps(value)
    fits = {
        "String": isinstance(value, str),
        "Integer": isinstance(value, int) and not isinstance(value, bool),
        "Float": isinstance(value, int | float) and not isinstance(value, bool),
        "Boolean": isinstance(value, bool),
    }[kind]
    if not fits:
        raise CallFailed(f"ClientError: output {name} of the Lambda function {arn} is not of the type {kind}.")
    return value
