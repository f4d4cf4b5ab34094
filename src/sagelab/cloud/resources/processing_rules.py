"""What a CreateProcessingJob request must satisfy beyond the service model, and what of it is not done here.

The rules of paths: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
"""

from __future__ import annotations

from pathlib import PurePosixPath

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.images import registry
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import checks, spark_rules, traffic_rules
from sagelab.cloud.resources.call import Params

INPUTS = "/opt/ml/processing/"


def check_image(application: Params, cloud: Cloud, without: str) -> None:
    """ValidationException: no processing job runs the image; in the words `without`: it has no entry point."""
    cloud.launcher.images.check(application["ImageUri"], registry.PROCESS)
    image = cloud.launcher.images.find(application["ImageUri"], registry.PROCESS)
    if not application.get("ContainerEntrypoint") and not registry.has_entry_point(image):
        raise ValidationException(without)


def check(job: Params, cloud: Cloud) -> None:
    """ValidationException: the request breaks a rule."""
    application = job["AppSpecification"]
    check_image(
        application,
        cloud,
        "AppSpecification: of the images here those of Model Monitor, Clarify and Spark alone have an entry point"
        " of their own; give ContainerEntrypoint, as the SDKs' processors do.",
    )
    spark_rules.check(application, cloud)
    cluster = job["ProcessingResources"]["ClusterConfig"]
    _check_cluster(cluster)
    traffic_rules.check(job.get("NetworkConfig", {}), cluster.get("InstanceCount", 1), cloud)
    for source in job.get("ProcessingInputs", []):
        _check_input(source)
    for output in job.get("ProcessingOutputConfig", {}).get("Outputs", []):
        _check_output(output)
    _check_names(job)
    checks.role(job["RoleArn"], cloud)


def encrypts(job: Params) -> bool:
    """Whether hosts of a job encrypt what goes between them."""
    hosts = job["ProcessingResources"]["ClusterConfig"].get("InstanceCount", 1)
    return traffic_rules.wanted(job.get("NetworkConfig", {}), hosts)


def notes(job: Params) -> list[str]:
    """A sentence for each thing that the request asks for and this machine does not do."""
    network = job.get("NetworkConfig", {})
    cluster = job["ProcessingResources"]["ClusterConfig"]
    found = traffic_rules.notes(network, cluster["InstanceCount"])
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
    checks.volume_key("VolumeKmsKeyId", cluster.get("VolumeKmsKeyId"), [cluster["InstanceType"]])


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
    checks.location(f"{where}S3Uri", given["S3Uri"])


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
    checks.location(f"{where}S3Uri", given["S3Uri"])


def _check_names(job: Params) -> None:
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    checks.unique("InputName", (each["InputName"] for each in job.get("ProcessingInputs", [])), "ProcessingInputs")
    checks.unique("OutputName", (each["OutputName"] for each in outputs), "Outputs")


def _check_path(where: str, path: str | None) -> None:
    if not path:
        raise ValidationException(f"{where}LocalPath is needed.")
    if not path.startswith(INPUTS) or ".." in PurePosixPath(path).parts:
        raise ValidationException(f"{where}LocalPath {path} must be an absolute path that begins with {INPUTS}")
