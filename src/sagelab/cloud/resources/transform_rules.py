"""What a CreateTransformJob request must satisfy beyond the service model, and what of it is not done here.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
"""

from __future__ import annotations

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs import batches
from sagelab.cloud.engine.jobs.jsonpath import Expression
from sagelab.cloud.errors import ResourceLimitExceeded, ValidationException
from sagelab.cloud.resources import checks
from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.hosting_rules import MAX_INSTANCES

MAX_MB = 100  # of one payload, and of all that an instance is sent at one time
DEFAULTS: Params = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": "MultiRecord"}


def check(job: Params, role: str, cloud: Cloud) -> None:
    """ValidationException, ResourceLimitExceeded: the request breaks a rule. role: the model's."""
    if job.get("DataCaptureConfig"):
        raise ValidationException("DataCaptureConfig: the local cloud captures data of endpoints only.")
    _check_input(job["TransformInput"])
    _check_sizes(job)
    _check_processing(job)
    resources = job["TransformResources"]
    checks.volume_key("VolumeKmsKeyId", resources.get("VolumeKmsKeyId"), [resources["InstanceType"]])
    if resources["InstanceCount"] > MAX_INSTANCES:
        raise ResourceLimitExceeded(
            f"The local cloud runs at most {MAX_INSTANCES} instances for a job, processes of this machine."
        )
    checks.data(job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"], role, cloud)
    checks.bucket("S3OutputPath", job["TransformOutput"]["S3OutputPath"], cloud)


def defaults(job: Params) -> Params:
    """What a request leaves open, as Describe tells it."""
    found = {name: job.get(name, value) for name, value in DEFAULTS.items()}
    found["MaxConcurrentTransforms"] = found["MaxConcurrentTransforms"] or 1
    source = {"CompressionType": "None", "SplitType": "None"} | job["TransformInput"]
    return {
        **found,
        "TransformInput": source,
        "TransformOutput": {"AssembleWith": "None"} | job["TransformOutput"],
        "DataProcessing": {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
        | job.get("DataProcessing", {}),
    }


def notes(job: Params) -> list[str]:
    """A sentence for each thing that the request asks for and this machine does not do."""
    resources = job["TransformResources"]
    found = []
    if resources.get("TransformAmiVersion"):
        found.append("TransformAmiVersion: the instance is this machine, whatever its image")
    if job.get("ExperimentConfig"):
        found.append("ExperimentConfig: the job is not added to an experiment")
    return found


def _check_input(source: Params) -> None:
    kind = source["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile"):
        raise ValidationException(f"TransformInput: the local cloud has S3Prefix and ManifestFile, not {kind}.")


def _check_sizes(job: Params) -> None:
    given = DEFAULTS | job
    size, at_once = given["MaxPayloadInMB"], given["MaxConcurrentTransforms"]
    if size > MAX_MB:
        raise ValidationException(f"MaxPayloadInMB must not be greater than {MAX_MB}.")
    if size * at_once > MAX_MB:
        raise ValidationException(
            f"The product of MaxConcurrentTransforms ({at_once}) and MaxPayloadInMB ({size}) must not be greater"
            f" than {MAX_MB} MB."
        )


def _check_processing(job: Params) -> None:
    how = job.get("DataProcessing", {})
    for name in ("InputFilter", "OutputFilter"):
        try:
            Expression(how.get(name, "$"))
        except ValueError as error:
            raise ValidationException(f"{name}: {error}.") from None
    given = job["TransformInput"].get("ContentType", "").partition(";")[0].strip().lower()
    asked = how.get("JoinSource", "None") == "Input" or any(
        how.get(name, "$") != "$" for name in ("InputFilter", "OutputFilter")
    )
    if asked and given not in batches.KINDS:
        raise ValidationException(
            f"DataProcessing is for the content types {', '.join(batches.KINDS)}, not for {given or 'none'}."
        )
