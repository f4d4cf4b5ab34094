"""The AWS CLI command that equals a call of the API, to copy."""

from __future__ import annotations

import json
import shlex
from typing import Any

from botocore import xform_name

CLI_NAMES = {"s3": "s3api"}
ANSWERS_INTO_A_FILE = {"InvokeEndpoint": "answer.json", "GetObject": "object"}
BREAK = " \\\n    "

Params = dict[str, Any]


def command(service: str, operation: str, params: Params) -> str:
    """`aws SERVICE OPERATION --name value ...`, quoted for a POSIX shell, an option a line.

    A Create, and whatever else is nested deeply, reads better as the JSON it is: --cli-input-json.
    """
    words = f"aws {CLI_NAMES.get(service, service)} {xform_name(operation, '-')}"
    if operation.startswith("Create") and any(isinstance(value, dict | list) for value in params.values()):
        options = [f"--cli-input-json {shlex.quote(json.dumps(params, indent=2))}"]
    else:
        options = [_option(name, value) for name, value in params.items()]
    if operation in ANSWERS_INTO_A_FILE:
        options.append(ANSWERS_INTO_A_FILE[operation])
    return BREAK.join([words, *options]) if len(options) > 1 else " ".join([words, *options])


def sent(client: Any, operation: str, described: Params) -> Params:
    """What of a description the Create `operation` takes: the configuration as it was sent."""
    members = client.meta.service_model.operation_model(operation).input_shape.members
    return {name: described[name] for name in members if name in described}


def _option(name: str, value: Any) -> str:
    flag = xform_name(name, "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    if name == "Body":
        return "--body fileb://request.json"
    if isinstance(value, dict | list) and not all(isinstance(each, str) for each in value):
        return f"--{flag} {shlex.quote(json.dumps(value))}"
    if isinstance(value, list):
        return f"--{flag} {' '.join(shlex.quote(each) for each in value)}"
    return f"--{flag} {shlex.quote(json.dumps(value) if isinstance(value, dict) else str(value))}"
