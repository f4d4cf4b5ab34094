"""What a CreateProcessingJob request must satisfy beyond the service model, and what of it is not done here.

The rules of paths: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.images import runtimes
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import training_rules
from sagelab.cloud.resources.call import Params

INPUTS = "/opt/ml/processing/"
NOTED = {
    "VpcConfig": "the job runs on this machine's network, not in the VPC",
    "EnableInterContainerTrafficEncryption": "hosts are on one machine, their traffic does not leave it",
}


def check(job: Params, clients: Any, account: str) -> None:
    """ValidationException: the request breaks a rule. clients: service -> boto3 client to the front door."""
    application = job["AppSpecification"]
    runtimes.check_processing_image(application["ImageUri"])
    if not application.get("ContainerEntrypoint"):
        raise ValidationException(
            "AppSpecification: the local cloud has no images with an entry point of their own; give"
            " ContainerEntrypoint, as the SDKs' processors do."
        )
    _check_cluster(job["ProcessingResources"]["ClusterConfig"])
    for source in job.get("ProcessingInputs", []):
        _check_input(source)
    for output in job.get("ProcessingOutputConfig", {}).get("Outputs", []):
        _check_output(output)
    _check_names(job)
    training_rules.check_role(job["RoleArn"], clients("iam"), account)


def notes(job: Params) -> list[str]:
    """A sentence for each thing that the request asks for and this machine does not do."""
    network = job.get("NetworkConfig", {})
    found = [f"{name}: {why}" for name, why in NOTED.items() if network.get(name)]
    if job["ProcessingResources"]["ClusterConfig"].get("VolumeKmsKeyId"):
        found.append("VolumeKmsKeyId: the job's folder is not encrypted")
    if job.get("ExperimentConfig"):
        found.append("ExperimentConfig: the job is not added to an experiment")
    return found


def _check_cluster(cluster: Params) -> None:
    if cluster.get("InstancePreferences"):
        raise ValidationException(
            "InstancePreferences: the local cloud has one machine; give InstanceType and InstanceCount."
        )
    if not cluster.get("InstanceType"):
        raise ValidationException("ClusterConfig: InstanceType is needed.")


def _check_input(source: Params) -> None:
    where = f"Input {source['InputName']}: "
    if source.get("AppManaged") or source.get("DatasetDefinition"):
        raise ValidationException(
            f"{where}the local cloud fills inputs from S3 itself; it does no AppManaged or DatasetDefinition."
        )
    given = source.get("S3Input")
    if not given:
        raise ValidationException(f"{where}S3Input is needed.")
    if given.get("S3InputMode", "File") != "File" or given.get("S3CompressionType", "None") != "None":
        raise ValidationException(
            f"{where}the local cloud has S3InputMode File, not Pipe (nor Gzip, which needs it)."
        )
    _check_path(where, given.get("LocalPath"))
    _check_uri(where, given["S3Uri"])


def _check_output(output: Params) -> None:
    where = f"Output {output['OutputName']}: "
    if output.get("AppManaged") or output.get("FeatureStoreOutput"):
        raise ValidationException(
            f"{where}the local cloud uploads outputs to S3 itself; it does no AppManaged ones."
        )
    given = output.get("S3Output")
    if not given:
        raise ValidationException(f"{where}S3Output is needed.")
    _check_path(where, given.get("LocalPath"))
    _check_uri(where, given["S3Uri"])


def _check_names(job: Params) -> None:
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    for member, key, items in (("ProcessingInputs", "InputName", job.get("ProcessingInputs", [])),
                               ("Outputs", "OutputName", outputs)):  # fmt: skip
        for name, count in Counter(item[key] for item in items).items():
            if count > 1:
                raise ValidationException(f"{key} {name} is used more than once in {member}.")


def _check_path(where: str, path: str | None) -> None:
    if not path:
        raise ValidationException(f"{where}LocalPath is needed.")
    if not path.startswith(INPUTS) or ".." in PurePosixPath(path).parts:
        raise ValidationException(f"{where}LocalPath {path} must be an absolute path that begins with {INPUTS}")


def _check_uri(where: str, uri: str) -> None:
    try:
        channels.locate(uri)
    except ValueError as error:
        raise ValidationException(f"{where}{error}.") from None
