"""Processing jobs: Create, Describe, List, Stop, Delete."""

from __future__ import annotations

from sagelab import catalog
from sagelab.cloud.engine.jobs.processing import ProcessingRun
from sagelab.cloud.resources import processing_rules, vpc_rules
from sagelab.cloud.resources.call import Call, Params
from sagelab.cloud.resources.jobs import Jobs
from sagelab.cloud.store import Document

DEFAULT_RUNTIME = {"MaxRuntimeInSeconds": 86400}


class ProcessingJobs(Jobs):
    """The family of processing jobs of one local cloud."""

    kind = catalog.of_stem("ProcessingJob")
    summary = ("FailureReason", "ExitMessage")

    def check(self, call: Call) -> None:
        processing_rules.check(call.params, self.cloud)
        network = call.params.get("NetworkConfig", {})
        encrypted = processing_rules.encrypts(call.params)
        vpc_rules.check(network.get("VpcConfig"), self.cloud, call.region, encrypted)

    def defaults(self, params: Params) -> Params:
        cluster = {"InstanceCount": 1} | params["ProcessingResources"]["ClusterConfig"]
        return {
            "StoppingCondition": DEFAULT_RUNTIME | params.get("StoppingCondition", {}),
            "ProcessingResources": {"ClusterConfig": cluster},
        }

    def make_run(self, job: Document, tags: dict[str, str]) -> ProcessingRun:  # noqa: ARG002
        arn, notes = job["ProcessingJobArn"], processing_rules.notes(job)
        context = self.cloud.engine_context(arn.split(":")[3])
        return ProcessingRun(job, notes, context, lambda step: self.report(arn, step))
