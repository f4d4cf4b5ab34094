"""Batch transform jobs: Create, Describe, List, Stop."""

from __future__ import annotations

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.hosting.server import VariantSpec
from sagelab.cloud.engine.jobs.transform import LOG_GROUP, TransformRun
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import models, transform_rules
from sagelab.cloud.resources.call import Call, Params
from sagelab.cloud.resources.jobs import Jobs
from sagelab.cloud.resources.models import Models
from sagelab.cloud.store import Document

BATCH = {"SAGEMAKER_BATCH": "true"}  # what a container is told in a batch transform
DEFAULT_TIMEOUT = 600  # seconds for one invocation: ModelClientConfig.InvocationsTimeoutInSeconds


class TransformJobs(Jobs):
    """The family of transform jobs of one local cloud."""

    kind = catalog.of_stem("TransformJob")
    needs = (Models,)
    summary = ("FailureReason",)
    untold = ("LastModifiedTime",)

    def __init__(self, cloud: Cloud, models: Models) -> None:
        super().__init__(cloud)
        self.models = models

    def check(self, call: Call) -> None:
        model = self.models.named(call, call.params["ModelName"])
        if models.is_direct(model) or models.has_many(model):
            raise ValidationException(
                f"A batch transform job cannot say for which of model {call.params['ModelName']}'s containers or"
                " models it is: it needs a model of one container or of a row (InferenceExecutionConfig Serial)."
            )
        transform_rules.check(call.params, model["ExecutionRoleArn"], self.cloud)

    def defaults(self, params: Params) -> Params:
        return transform_rules.defaults(params)

    def make_run(self, job: Document, tags: dict[str, str]) -> TransformRun:  # noqa: ARG002
        arn = job["TransformJobArn"]
        spec, context = self._spec(job, arn), self.cloud.engine_context(arn.split(":")[3])
        return TransformRun(job, spec, context, lambda step: self.report(arn, step))

    def _spec(self, job: Document, arn: str) -> VariantSpec:
        """The job's model servers, as a variant of an endpoint has them."""
        where = ":".join(arn.split(":")[3:5])
        model = self.models.find(self.models.kind.arn_of(job["ModelName"], where))
        resources = job["TransformResources"]
        return VariantSpec(
            name=job["TransformJobName"],
            containers=models.specs(model, BATCH, job.get("Environment", {})),
            role=model["ExecutionRoleArn"],
            instance_type=resources["InstanceType"],
            count=resources["InstanceCount"],
            weight=1,
            isolated=model.get("EnableNetworkIsolation", False),
            notes=tuple(transform_rules.notes(job)),
            vpc=model.get("VpcConfig"),
            timeout=job.get("ModelClientConfig", {}).get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT),
            log_group=LOG_GROUP,
            volume_key=resources.get("VolumeKmsKeyId"),
        )
