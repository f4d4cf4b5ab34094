"""Would AWS take what the labs send? Checks a record of their requests against what AWS's own tables say.

    SAGELAB_RECORD=requests.jsonl PYTHONPATH=tests/clients/recorder sagelab exec -- ...
    python tools/validity.py requests.jsonl     check it

The first makes a record of what a command sends. Each request of SageMaker's control plane must be valid by
botocore's model (names, lengths, patterns, and its enumerations, which hold the instance types), name images that
the SDK's tables have in that region, for the processor that the instance has, and keep the rules between its
members. Where AWS would answer otherwise than the local cloud, it is listed, and a notebook must say so. Exit code
1: a fault.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any

import botocore.session

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.gateway.wire.validation import validate

ROOT = Path(__file__).resolve().parent.parent
URI = re.compile(
    r"(?P<registry>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z.]+/(?P<repository>[^:]+):(?P<tag>\S+)"
)
GPU = re.compile(r"ml\.(p\d|g\d)")
TABLES = ("tensorflow", "sklearn", "neo-tensorflow", "xgboost", "linear-learner")
# What AWS answers otherwise than the local cloud, a member or an operation, and the words of a notebook for it.
DIFFERENT = {
    "AcceleratorType": "has taken no new customers",
    "CreateCompilationJob": "Neo takes TensorFlow up to 2.9",
}

Record = dict[str, Any]


def main() -> None:
    records = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    found = [fault for record in records for fault in faults(record)]
    texts = [path.read_text() for path in ROOT.glob("notebooks/*.ipynb")]
    unsaid = [f"no notebook says that AWS differs: {name}" for name in unsaid_differences(records, texts)]
    for line in sorted({*found, *unsaid}):
        print(line, file=sys.stderr)
    for name in sorted(differences(records)):
        print(f"AWS answers otherwise, and a notebook says so: {name}")
    print(f"{len(records)} requests of {len({r['operation'] for r in records})} operations looked at")
    sys.exit(1 if found or unsaid else 0)


def faults(record: Record) -> list[str]:
    """What AWS would refuse of a request that the local cloud took, a sentence each."""
    if record["service"] != "sagemaker" or record["error"]:
        return []
    where, params = record["operation"], record["params"]
    found = [*_model_faults(where, params), *_image_faults(params), *_rule_faults(params)]
    return [f"{where}: {fault}" for fault in found]


def differences(records: list[Record]) -> set[str]:
    """The members and operations in use that AWS answers otherwise than the local cloud."""
    used = {name for record in records for name, _ in _members(record["params"])}
    return (used | {record["operation"] for record in records}) & set(DIFFERENT)


def unsaid_differences(records: list[Record], texts: list[str]) -> list[str]:
    """Those of the differences that no notebook tells."""
    plain = [" ".join(re.sub(r'\\n",|"', " ", text).split()) for text in texts]
    return [name for name in sorted(differences(records)) if not any(DIFFERENT[name] in text for text in plain)]


def _model_faults(operation: str, params: dict[str, Any]) -> Iterator[str]:
    shape = _model().operation_model(operation).input_shape
    if shape is None:
        return
    unknown = set(params) - set(shape.members)
    if unknown:
        yield f"no such members: {', '.join(sorted(unknown))}"
        return
    try:
        validate(shape, params)
    except ValidationException as error:
        yield error.message


def _image_faults(params: dict[str, Any]) -> Iterator[str]:
    types = [value for name, value in _members(params) if name == "InstanceType"]
    for _, value in _members(params):
        found = URI.fullmatch(value) if isinstance(value, str) else None
        if found and not _in_tables(found["registry"], found["region"], found["repository"], found["tag"]):
            yield f"the SDK's tables have no image {value} in that region"
        if found and "-gpu" in found["tag"] and not all(GPU.match(kind) for kind in types):
            yield f"{value} is for GPUs, {', '.join(types)} has none"


def _in_tables(registry: str, region: str, repository: str, tag: str) -> bool:
    return any(
        row.get("repository") == repository
        and row.get("registries", {}).get(region) == registry
        and re.match(rf"{re.escape(version)}(?!\d)|{re.escape(version[:-2])}-", tag)
        for version, row in _rows()
    )


def _rule_faults(params: dict[str, Any]) -> Iterator[str]:
    stopping = params.get("StoppingCondition", {})
    if params.get("EnableManagedSpotTraining"):
        wait = stopping.get("MaxWaitTimeInSeconds", 0)
        if wait < stopping.get("MaxRuntimeInSeconds", 86400):
            yield "managed spot training needs a MaxWaitTimeInSeconds of at least MaxRuntimeInSeconds"
    elif "MaxWaitTimeInSeconds" in stopping:
        yield "MaxWaitTimeInSeconds is for managed spot training"
    for tag in params.get("Tags", []):
        if tag["Key"].lower().startswith("aws:"):
            yield f"the tag key {tag['Key']} is AWS's own"


def _members(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of every member at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _members(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _members(inner, name)


@cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("sagemaker")


@cache
def _rows() -> list[tuple[str, dict[str, Any]]]:
    """Every row of the SDK's tables of images, of any scope."""
    own = [file for file in files("sagemaker-core") or [] if "image_uri_config" in str(file)]
    tables = [json.loads(Path(str(file.locate())).read_text()) for file in own if file.stem in TABLES]
    scopes = [scope for table in tables for scope in (table, *table.values()) if isinstance(scope, dict)]
    return [row for scope in scopes for row in scope.get("versions", {}).items()]


if __name__ == "__main__":
    main()
