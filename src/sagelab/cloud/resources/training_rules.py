"""What a CreateTrainingJob request must satisfy beyond the service model, and what of it is not done here.

Messages are SageMaker's where it has one for the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from sagelab.algorithms.definitions import TAB, definitions
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.data import pipes
from sagelab.cloud.engine.data.workspace import checkpoint_path, input_mode
from sagelab.cloud.engine.images import registry
from sagelab.cloud.engine.images.registry import Image, Registry
from sagelab.cloud.engine.jobs import distribution, market, metrics
from sagelab.cloud.engine.jobs.market import Market
from sagelab.cloud.errors import ResourceLimitExceeded, ValidationException
from sagelab.cloud.resources import algorithm_rules, checks, torch_rules, traffic_rules
from sagelab.cloud.resources.call import Params

DEFAULT_RUNTIME = 86400
MAX_INSTANCES = 100  # of a processing job on AWS

# Where no checkpoints can lie: in the platform's folders, in the system's, and right in these.
OWN_OF_OPT_ML = ("/opt/ml/code", "/opt/ml/input", "/opt/ml/model", "/opt/ml/output")
OWN_OF_SYSTEM = ("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr")
NOT_ITSELF = ("/", "/opt", "/opt/ml", "/root", "/tmp", "/var", "/var/tmp")

# A feature that would change what the job does: to leave it out would be to pretend.
REFUSED = {
    "SessionChainingConfig": "session chaining",
    "ServerlessJobConfig": "serverless training jobs",
    "ModelPackageConfig": "model packages",
    "MlflowConfig": "MLflow tracking",
}

# A feature around the job, which runs the same without it: the job's log says so.
NOTED = {
    "DebugHookConfig": "SageMaker Debugger saves no tensors here",
    "DebugRuleConfigurations": "SageMaker Debugger's rules are not evaluated here",
    "TensorBoardOutputConfig": "TensorBoard data stays in the job, it is not copied to S3",
    "ExperimentConfig": "the job is not added to an experiment",
    "ProfilerConfig": "the profiler does not run here",
    "ProfilerRuleConfigurations": "the profiler's rules are not evaluated here",
    "RemoteDebugConfig": "there is no remote shell into the job",
    "InfraCheckConfig": "instances are not checked before the job",
}


def check(job: Params, cloud: Cloud) -> None:
    """ValidationException: the request breaks a rule."""
    checks.refused(job, REFUSED)
    define_metrics(job["AlgorithmSpecification"], job.get("HyperParameters", {}), cloud.launcher.images)
    _check_algorithm(job["AlgorithmSpecification"], cloud.launcher.images)
    _check_resources(job)
    traffic_rules.check(job, job["ResourceConfig"].get("InstanceCount", 1), cloud)
    image = cloud.launcher.images.find(job["AlgorithmSpecification"]["TrainingImage"], registry.TRAIN)
    torch_rules.check_training(image, job.get("HyperParameters", {}))
    _check_distribution(job, image)
    algorithm_rules.check_training(image, job)
    _check_times(job)
    _check_channels(job)
    _check_checkpoint_path(job)
    checks.role(job["RoleArn"], cloud)
    _check_data(job, cloud)


def encrypts(job: Params) -> bool:
    """Whether hosts of a job encrypt what goes between them."""
    return traffic_rules.wanted(job, job["ResourceConfig"]["InstanceCount"])


def define_metrics(algorithm: Params, hyperparameters: Params, images: Registry) -> None:
    """A built-in algorithm brings the definitions of its metrics. ValidationException: the request has others.

    So does its image with a script, which may have others.
    """
    image = images.find(algorithm.get("TrainingImage", ""), registry.TRAIN)
    if image is None or not image.algorithm:
        return
    if not registry.is_algorithm(image, hyperparameters):
        algorithm["MetricDefinitions"] = algorithm.get("MetricDefinitions") or definitions(image.algorithm, TAB)
        return
    own = definitions(image.algorithm)
    if algorithm.get("MetricDefinitions") not in (None, [], own):
        raise ValidationException(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request"
            " without specifying metric definitions."
        )
    algorithm["MetricDefinitions"] = own


def notes(job: Params, images: Registry) -> list[str]:
    """A sentence for each thing that the request asks for and this machine does not do."""
    hyperparameters = job.get("HyperParameters", {})
    resources = job["ResourceConfig"]
    found = checks.noted(job, NOTED) + traffic_rules.notes(job, resources.get("InstanceCount", 1))
    if resources.get("KeepAlivePeriodInSeconds"):
        found.append("KeepAlivePeriodInSeconds: a warm Python is kept for every job, as long as it is used")
    for name in distribution.unknown(hyperparameters):
        found.append(f"{name}: no setting of SageMaker's, so no distribution comes of it")
    modes = {input_mode(job, channel) for channel in job.get("InputDataConfig", [])}
    image = images.find(job["AlgorithmSpecification"].get("TrainingImage", ""), registry.TRAIN)
    folders = image is not None and registry.is_algorithm(image, hyperparameters)
    if "Pipe" in modes and folders:
        found.append("Pipe: what the channel's pipe would say is all downloaded before the job starts")
    if (
        "Pipe" in modes
        and folders
        and any("ShuffleConfig" in channel for channel in job.get("InputDataConfig", []))
    ):
        found.append("ShuffleConfig: the order of the objects is not changed")
    return found


def read_market(tags: Mapping[str, str], otherwise: Market) -> Market:
    """The spot market that a job's tags ask for. ValidationException: they are no numbers, or name nothing."""
    try:
        return market.read_tags(tags, otherwise)
    except ValueError as error:
        raise ValidationException(f"Tags {market.PREFIX}...: {error}.") from None


def market_notes(job: Params, tags: Mapping[str, str]) -> list[str]:
    """A sentence where the tags ask for a spot market and the job is on none."""
    if job["EnableManagedSpotTraining"] or not any(key.startswith(market.PREFIX) for key in tags):
        return []
    return [f"{market.PREFIX}...: the job does not train on spot, so nothing interrupts it"]


def _check_algorithm(algorithm: Params, images: Registry) -> None:
    if not algorithm.get("TrainingImage"):
        raise ValidationException(
            "The local cloud runs jobs by their TrainingImage; algorithms by AlgorithmName need AWS."
        )
    images.check(algorithm["TrainingImage"], registry.TRAIN)
    metric_definitions = algorithm.get("MetricDefinitions", [])
    checks.unique("Metric name", (item["Name"] for item in metric_definitions), "MetricDefinitions")
    for item in metric_definitions:
        try:
            metrics.compile_expression(item["Regex"])
        except ValueError as error:
            raise ValidationException(
                f"Invalid regex {item['Regex']!r} for metric {item['Name']}: {error}"
            ) from None


def _check_distribution(job: Params, image: Image | None) -> None:
    hyperparameters = job.get("HyperParameters", {})
    for name, what in distribution.REFUSED.items():
        if distribution.is_on(hyperparameters, name):
            raise ValidationException(f"{name}: the local cloud has no GPUs, and so not {what}.")
    toolkit = (
        image is not None and image.program is None and "ContainerEntrypoint" not in job["AlgorithmSpecification"]
    )
    if toolkit and distribution.is_on(hyperparameters, distribution.MPI):
        raise ValidationException(
            f"{distribution.MPI}: the local cloud has no MPI, which joins a job's hosts by SSH, and so no Horovod."
            ' distribution={"multi_worker_mirrored_strategy": {"enabled": True}} of the SageMaker SDK has'
            " TensorFlow up to 2.15 train on several hosts."
        )


def _check_resources(job: Params) -> None:
    resources = job.get("ResourceConfig")
    if not resources or "InstanceType" not in resources or "InstanceCount" not in resources:
        raise ValidationException(
            "ResourceConfig: the local cloud needs InstanceType and InstanceCount (InstanceGroups need AWS)."
        )
    checks.positive(resources["InstanceCount"], "resourceConfig.instanceCount")
    checks.positive(resources.get("VolumeSizeInGB"), "resourceConfig.volumeSizeInGB")
    checks.volume_key("VolumeKmsKeyId", resources.get("VolumeKmsKeyId"), [resources["InstanceType"]])
    if resources["InstanceCount"] > MAX_INSTANCES:
        raise ResourceLimitExceeded(
            f"The local cloud runs at most {MAX_INSTANCES} instances for a job, processes of this machine."
        )


def _check_times(job: Params) -> None:
    stopping = job.get("StoppingCondition", {})
    runtime, wait = stopping.get("MaxRuntimeInSeconds", DEFAULT_RUNTIME), stopping.get("MaxWaitTimeInSeconds")
    checks.days(stopping)
    if "MaxPendingTimeInSeconds" in stopping:
        raise ValidationException("MaxPendingTimeInSeconds can be specified only with a training plan.")
    if not job.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise ValidationException(
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
            )
    elif wait is None or wait < runtime:
        raise ValidationException(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to"
            f" MaxRuntimeInSeconds ({runtime}) when EnableManagedSpotTraining is set to true"
        )


def _check_checkpoint_path(job: Params) -> None:
    """It is a folder that the platform and the system leave to the job."""
    if "CheckpointConfig" not in job:
        return
    text = checkpoint_path(job)
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or not _is_free(path):
        raise ValidationException(
            f"Invalid CheckpointConfig.LocalPath {text!r}. It must be an absolute path to a folder that neither"
            " SageMaker nor the system uses, such as /opt/ml/checkpoints."
        )


def _check_channels(job: Params) -> None:
    configs = job.get("InputDataConfig", [])
    checks.unique("Channel name", (channel["ChannelName"] for channel in configs), "InputDataConfig")
    for channel in configs:
        _check_channel(channel, input_mode(job, channel))


def _check_channel(channel: Params, mode: str) -> None:
    name = channel["ChannelName"]
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        _check_file_system(channel, mode)
        return
    if mode == "Pipe":
        if source["S3DataType"] == pipes.AUGMENTED and not source.get("AttributeNames"):
            raise ValidationException(
                f"Channel {name}: AttributeNames is required for an augmented manifest file."
            )
        return
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise ValidationException(f"Channel {name}: S3DataType {source['S3DataType']} is for Pipe mode.")
    for option, plain in (("CompressionType", "None"), ("RecordWrapperType", "None")):
        if channel.get(option, plain) != plain:
            raise ValidationException(f"Channel {name}: {option} {channel[option]} is for Pipe mode.")
    if channel.get("ShuffleConfig"):
        raise ValidationException(f"Channel {name}: ShuffleConfig is for Pipe mode.")


def _check_file_system(channel: Params, mode: str) -> None:
    """A channel that is a folder of a file system is mounted as it is."""
    name = channel["ChannelName"]
    if "FileSystemDataSource" not in channel["DataSource"]:
        raise ValidationException(
            f"Channel {name}: DataSource needs an S3DataSource or a FileSystemDataSource; nothing else is here."
        )
    if mode != "File":
        raise ValidationException(f"Channel {name}: a FileSystemDataSource has InputMode File, not {mode}.")
    for option, plain in (("CompressionType", "None"), ("RecordWrapperType", "None")):
        if channel.get(option, plain) != plain:
            raise ValidationException(f"Channel {name}: {option} {channel[option]} is for an S3DataSource.")
    if channel.get("ShuffleConfig"):
        raise ValidationException(f"Channel {name}: ShuffleConfig is for an S3DataSource.")


def _is_free(path: PurePosixPath) -> bool:
    if str(path) in NOT_ITSELF or any(path.is_relative_to(folder) for folder in OWN_OF_OPT_ML):
        return False
    return path.parts[1] not in OWN_OF_SYSTEM and not path.is_relative_to("/opt/sagelab")


def _check_data(job: Params, cloud: Cloud) -> None:
    checks.bucket("OutputDataConfig.S3OutputPath", job["OutputDataConfig"]["S3OutputPath"], cloud)
    if "CheckpointConfig" in job:
        checks.bucket("CheckpointConfig.S3Uri", job["CheckpointConfig"]["S3Uri"], cloud)
    for channel in job.get("InputDataConfig", []):
        if source := channel["DataSource"].get("S3DataSource"):
            checks.data(source["S3Uri"], job["RoleArn"], cloud)
        elif "VpcConfig" not in job:
            raise ValidationException(
                f"Channel {channel['ChannelName']}: a job needs a VpcConfig that reaches its FileSystemDataSource."
            )
