"""Pipelines as tests make them: real ones, whose steps are real jobs of a shell command."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.cloud import processing
from tests.cloud.jobs import ROLE, Jobs
from tests.waiting import until

GOING = ("Executing", "Stopping")


def step(name: str, kind: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "Arguments": arguments} | more


def shell(name: str, command: str, *outputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A Processing step that runs a shell command."""
    arguments = processing.request(command)
    del arguments["ProcessingJobName"]
    if outputs:
        arguments["ProcessingOutputConfig"] = {"Outputs": list(outputs)}
    return step(name, "Processing", arguments, **more)


def get(name: str) -> dict[str, str]:
    return {"Get": name}


def definition(*steps: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> str:
    return json.dumps(
        {"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters or [], "Steps": list(steps)}
    )


@dataclass
class Pipelines:
    """Makes pipelines and waits for their executions."""

    jobs: Jobs
    made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sagemaker = self.jobs.sagemaker

    def create(self, text: str, **more: Any) -> str:
        """The name of a new pipeline."""
        name = f"pipeline-{uuid.uuid4().hex[:12]}"
        request = {"PipelineName": name, "PipelineDefinition": text, "RoleArn": ROLE} | more
        self.sagemaker.create_pipeline(**request)
        return name

    def start(self, name: str, **more: Any) -> str:
        """The ARN of a new execution."""
        return str(self.sagemaker.start_pipeline_execution(PipelineName=name, **more)["PipelineExecutionArn"])

    def describe(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        return found

    def wait(self, arn: str) -> dict[str, Any]:
        """The description of an execution at its end."""
        return until(lambda: self.describe(arn), lambda found: found["PipelineExecutionStatus"] not in GOING)

    def run(self, *steps: dict[str, Any], **more: Any) -> str:
        """The ARN of an execution that has ended, of a pipeline of these steps."""
        arn = self.start(self.create(definition(*steps, **more)))
        self.wait(arn)
        return arn

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        """Each step by its name, in the order in which they began."""
        found = self.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
        return {one["StepName"]: one for one in found["PipelineExecutionSteps"]}

    def statuses(self, arn: str) -> dict[str, str]:
        return {name: one["StepStatus"] for name, one in self.steps(arn).items()}

    def wait_step(self, arn: str, name: str, status: str = "Executing") -> dict[str, Any]:
        return until(lambda: self.steps(arn), lambda steps: steps.get(name, {}).get("StepStatus") == status)[name]
