"""Compilation jobs (SageMaker Neo): Create, Describe, List, Stop, Delete.

What they share with other kinds is in jobs.py; this one's statuses are in capitals.
"""

from __future__ import annotations

from sagelab import catalog
from sagelab.cloud.engine.compilation.run import CompilationRun
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.errors import ResourceNotFound, ServiceError
from sagelab.cloud.resources import compilation_rules
from sagelab.cloud.resources.call import Call, Params
from sagelab.cloud.resources.jobs import Jobs
from sagelab.cloud.store import Document

PLATFORM = {
    "Os": "CompilationTargetPlatformOs",
    "Arch": "CompilationTargetPlatformArch",
    "Accelerator": "CompilationTargetPlatformAccelerator",
}


class CompilationJobs(Jobs):
    """The family of compilation jobs of one local cloud."""

    kind = catalog.of_stem("CompilationJob")
    taken = (
        "Compilation job names must be unique within an AWS account and region, and a compilation job with"
        " this name already exists"
    )
    summary = ("CompilationStartTime",)

    def check(self, call: Call) -> None:
        compilation_rules.check(call.params, self.cloud)

    def defaults(self, params: Params) -> Params:
        """The members that AWS's Describe always has are empty until there is something to say."""
        condition = {"MaxRuntimeInSeconds": compilation_rules.DEFAULT_RUNTIME} | params["StoppingCondition"]
        return {"StoppingCondition": condition, "FailureReason": "", "ModelArtifacts": {"S3ModelArtifacts": ""}}

    def make_run(self, job: Document, tags: dict[str, str]) -> CompilationRun:  # noqa: ARG002
        arn, cache = job["CompilationJobArn"], self.cloud.home.path / "cache"
        context = self.cloud.engine_context(arn.split(":")[3])
        order = compilation_rules.read_order(job)
        return CompilationRun(order, context, cache, lambda step: self.report(arn, step))

    def unknown(self, name: str) -> ServiceError:
        return ResourceNotFound(f"Compilation job {name} does not exist.")

    def row(self, job: Document) -> Params:
        found, output = super().row(job), job["OutputConfig"]
        if "TargetDevice" in output:
            found["CompilationTargetDevice"] = output["TargetDevice"]
        platform = output.get("TargetPlatform", {})
        return found | {PLATFORM[part]: value for part, value in platform.items()}

    def status_of(self, step: Step) -> str:
        return step.status.upper()
