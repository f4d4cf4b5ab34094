"""What a request to start or to retry an execution must satisfy, beyond the service model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sagelab.cloud.engine.pipelines.definition import BadDefinition, Definition
from sagelab.cloud.engine.pipelines.values import Plan, Record
from sagelab.cloud.errors import ConflictException, ValidationException
from sagelab.cloud.resources import checks
from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.records import OWN
from sagelab.cloud.store import Document


def parameters(definition: Definition, given: Iterable[Params]) -> dict[str, Any]:
    """The values of all parameters. ValidationException: one is missing, unknown or of another type."""
    given = list(given)
    checks.unique("Parameter", (one["Name"] for one in given), "PipelineParameters")
    values = {name: one.default for name, one in definition.parameters.items()}
    for one in given:
        if one["Name"] not in definition.parameters:
            raise ValidationException(f"Parameters [{one['Name']}] are not defined in the pipeline definition.")
        try:
            values[one["Name"]] = definition.parameters[one["Name"]].read(one["Value"])
        except BadDefinition as error:
            raise ValidationException(f"{error}.") from None
    if missing := [name for name, value in values.items() if value is None]:
        raise ValidationException(f"Parameters {missing} do not have default values and are not provided.")
    return values


def write(value: Any) -> str:
    """A parameter's value as the API tells it."""
    return value if isinstance(value, str) else json.dumps(value)


def check_selected(plan: Plan, taken: dict[str, Record]) -> None:
    """ValidationException: a selective execution names no step, or would read what nobody has."""
    steps = plan.definition.steps
    for name in sorted(plan.selected or ()):
        if name not in steps:
            raise ValidationException(f"SelectedSteps: {name} is no step of the pipeline.")
        lacking = steps[name].reads - (plan.selected or frozenset()) - taken.keys()
        if lacking:
            raise ValidationException(
                f"SelectedSteps: {name} reads {', '.join(sorted(lacking))}, which is neither selected nor a step"
                " that succeeded in SourcePipelineExecutionArn."
            )


def check_retry(job: Document) -> None:
    """ConflictException, ValidationException: an execution cannot be tried again."""
    status = job["PipelineExecutionStatus"]
    if status not in ("Failed", "Stopped"):
        raise ConflictException(
            f"Only executions that are Failed or Stopped can be retried; this one is {status}."
        )
    for name, record in job[OWN]["Steps"].items():
        if record["Type"] == "Fail" and record["Status"] == "Failed":
            raise ValidationException(f"The execution ended by its Fail step {name} and cannot be retried.")
