"""Where the names in an execution's expressions have their values: its parameters, itself, its steps, S3."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions
from botocore import xform_name

from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.pipelines import loops, quality_checks
from sagelab.cloud.engine.pipelines.definition import Definition, StepSpec
from sagelab.cloud.engine.pipelines.expressions import BadExpression
from sagelab.cloud.engine.pipelines.kinds import ELSEWHERE, KINDS, files_of, placed

Record = dict[str, Any]
Clients = Callable[[str], Any]  # service -> a client with the rights of the pipeline's role
LARGEST_FILE = 1 << 20  # bytes of a JSON file that is read for a value
MAX_DEPTH = 200


@dataclass(frozen=True)
class Plan:
    """One execution as it was asked for. parallel: steps at a time; None: any. selected: None: all of them."""

    arn: str
    pipeline: str  # its ARN
    started: datetime
    definition: Definition
    parameters: dict[str, Any]
    parallel: int | None = None
    selected: frozenset[str] | None = None
    unrolled: dict[str, StepSpec] = field(default_factory=dict)  # what loops have made, by their names

    @property
    def steps(self) -> dict[str, StepSpec]:
        """Every step by its name, those of loops last."""
        return self.definition.steps | self.unrolled

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def name(self) -> str:
        return self.pipeline.rpartition("/")[2]


@dataclass
class Values:
    """The Scope (expressions.py) of one execution. records: of its steps, by their names."""

    plan: Plan
    records: dict[str, Record]
    clients: Clients
    _described: dict[str, Any] = field(default_factory=dict)

    def parameter(self, name: str) -> Any:
        try:
            return self.plan.parameters[name]
        except KeyError:
            raise BadExpression(f"the parameter {name} has no value") from None

    def variable(self, name: str) -> Any:
        plan = self.plan
        values = {
            "PipelineName": plan.name,
            "PipelineArn": plan.pipeline,
            "PipelineExecutionId": plan.id,
            "PipelineExecutionArn": plan.arn,
            "StartDateTime": _time(plan.started),
            "CurrentDateTime": _time(datetime.now(UTC)),
        }
        if name not in values:
            raise BadExpression(f"Execution.{name} is not a variable that the local cloud knows")
        return values[name]

    def properties(self, step: str) -> Any:
        record = self.records.get(step, {})
        if record.get("Status") != "Succeeded":
            raise BadExpression(f"step {step} has no properties: it did not succeed")
        kind = record["Type"]
        if kind in ("Callback", "Lambda"):
            return {"OutputParameters": record.get("Outputs", {})}
        if kind == "Condition":
            return {"Outcome": "True" if record.get("Outcome") else "False"}
        if kind == "Cleanup":
            return {}
        if kind == "ForEach":
            return loops.properties(self.plan.definition.steps[step], record, self.properties)
        if kind in quality_checks.BASELINES:
            return quality_checks.properties(record["Check"])
        if step not in self._described:
            self._described[step] = describe(self.clients, kind, record["Arn"])
        return self._described[step]

    def file(self, step: str, name: str) -> Any:
        found = self.plan.steps[step].files[name]
        places = dict(files_of(self.properties(step)))
        if found.output not in places:
            raise BadExpression(f"step {step} has no output {found.output}, in which {name} would be")
        return self.read(placed(places[found.output], found.path))

    def read(self, uri: str) -> Any:
        try:
            place = channels.locate(uri)
            answer = self.clients("s3").get_object(Bucket=place.bucket, Key=place.key)
            if answer["ContentLength"] > LARGEST_FILE:
                raise BadExpression(f"{uri} has more than {LARGEST_FILE} bytes")
            with answer["Body"] as body:
                return json.loads(body.read(LARGEST_FILE))
        except (botocore.exceptions.ClientError, botocore.exceptions.ParamValidationError) as error:
            raise BadExpression(f"{uri} cannot be read: {error}") from None
        except BadExpression:
            raise
        except (ValueError, RecursionError):
            raise BadExpression(f"{uri} is not a JSON file in S3") from None


def describe(clients: Clients, kind: str, arn: str) -> Any:
    """What Describe tells of a step's job. botocore's ClientError: it is not there."""
    if kind in ELSEWHERE:
        return ELSEWHERE[kind].describe(clients(ELSEWHERE[kind].SERVICE), arn)
    row = KINDS[kind]
    named = arn if kind == "RegisterModel" else arn.rpartition("/")[2]
    found = getattr(clients("sagemaker"), xform_name(f"Describe{row.stem}"))(**{row.name: named})
    found.pop("ResponseMetadata", None)
    return found


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
