"""What models and endpoint configurations must satisfy beyond the service model, and what of it is not done here.

Messages are SageMaker's where it has one for the case.
"""

from __future__ import annotations

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.images import registry
from sagelab.cloud.engine.images.registry import Image, Registry
from sagelab.cloud.errors import ResourceLimitExceeded, ValidationException
from sagelab.cloud.resources import checks, serverless_rules, torch_rules
from sagelab.cloud.resources.call import Params

# Every instance is a model server of its own on this one machine, or a row of them.
MAX_INSTANCES, MAX_CONTAINERS, MAX_SERVERS = 20, 15, 60
MANY = ("tensorflow", "scikit-learn", "xgboost", "pytorch", "huggingface")  # model servers that do
# Built-in algorithms that do: https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-support.html
MANY_OF = tuple(f"sagelab.algorithms.{name}" for name in ("knn", "linear_learner", "randomcutforest"))
DIRECT, SPARK_ML = "Direct", "sagemaker-sparkml-serving"

# Features that would change what an endpoint does: to leave them out would be to pretend.
CONTAINER_REFUSED = {
    "InferenceSpecificationName": "specifications of no model package",
    "AdditionalModelDataSources": "additional model data",
    "ContainerMetricsConfig": "a container's own metrics",
}
SOURCE_REFUSED = {
    "HubAccessConfig": "models from a private hub",
    "ManifestS3Uri": "manifests of model data",
    "ManifestEtag": "manifests of model data",
    "ETag": "a check of the model data's ETag",
}
CONFIG_REFUSED = {
    "ExplainerConfig": "explanations by Clarify",
    "ExecutionRoleArn": "inference components, which it is for",
    "VpcConfig": "inference components, which it is for",
    "EnableNetworkIsolation": "inference components, which it is for (a model has an EnableNetworkIsolation too)",
    "CrossRegionTrafficConfig": "traffic to other regions",
}
VARIANT_REFUSED = {
    "InstancePools": "instance pools",
    "VariantInstanceProvisionTimeoutInSeconds": "instance pools, which it is for",
    "CapacityReservationConfig": "reserved capacity",
    "AcceleratorPartitionLayouts": "partitions of a GPU",
}
ROUTING = ("LEAST_OUTSTANDING_REQUESTS", "RANDOM")

# Features around an endpoint, which serves the same without them: its log says so.
CONFIG_NOTED = {
    "MetricsConfig": "the endpoint has the metrics of every endpoint, at their usual pace",
}
VARIANT_NOTED = {
    "VolumeSizeInGB": "the disk is this machine's",
    "CoreDumpConfig": "no core dump is kept when a container crashes",
    "EnableSSMAccess": "there is no remote shell into an instance",
    "InferenceAmiVersion": "the instance is this machine, whatever its image",
}


def check_model(model: Params, containers: list[Params], cloud: Cloud) -> None:
    """ValidationException: the request breaks a rule. containers: what it runs, those of packages among them."""
    for container in containers:
        _check_container(container, cloud.launcher.images)
    _check_row(model, containers)
    if "ExecutionRoleArn" not in model:
        raise checks.missing("executionRoleArn")
    checks.role(model["ExecutionRoleArn"], cloud)
    for container in containers:
        if source := data_source(container):
            place = checks.location("Model data", source["S3Uri"])
            prefix = source["S3DataType"] == "S3Prefix" or is_many(container)
            if not checks.has_objects(cloud.client("s3"), place, prefix):
                raise ValidationException(f"Could not find model data at {source['S3Uri']}.")


def _check_row(model: Params, containers: list[Params]) -> None:
    """The containers go together."""
    if len(containers) > MAX_CONTAINERS:
        raise ValidationException(
            f"A model has at most {MAX_CONTAINERS} containers, those of its packages counted; it has"
            f" {len(containers)}."
        )
    direct = model.get("InferenceExecutionConfig", {}).get("Mode") == DIRECT
    many = sum(is_many(one) for one in containers)
    if many > 1:
        raise ValidationException("Only one container of Mode MultiModel can be in a row.")
    if many and direct:
        raise ValidationException(
            "InferenceExecutionConfig: the local cloud does not ask a container of Mode MultiModel directly."
        )
    if len(containers) == 1:
        if direct:
            raise ValidationException("InferenceExecutionConfig: Mode Direct is for models of several containers.")
        return
    named = [one for one in containers if one.get("ContainerHostname")]
    if named and len(named) < len(containers):
        raise ValidationException(
            "If you specify a ContainerHostname for one container of a model, you must specify it for every one."
        )
    if direct and not named:
        raise ValidationException(
            "InferenceExecutionConfig: Mode Direct needs a ContainerHostname of each container."
        )
    checks.unique("ContainerHostname", hostnames(containers), "Containers")


def hostnames(containers: list[Params]) -> list[str]:
    """The names of a model's containers: their own, or by their places."""
    return [one.get("ContainerHostname") or f"container-{number}" for number, one in enumerate(containers, 1)]


def containers_of(model: Params) -> list[Params]:
    """The containers of a model, PrimaryContainer or Containers. ValidationException: it has both, or none."""
    several: list[Params] = model.get("Containers", [])
    if bool(several) == ("PrimaryContainer" in model):
        raise ValidationException("Give a model either a PrimaryContainer or Containers.")
    return several or [model["PrimaryContainer"]]


def data_source(container: Params) -> Params | None:
    """The S3DataSource of a container's model data (S3Uri, S3DataType, CompressionType), however it was given.

    None: the container has none.
    """
    url = container.get("ModelDataUrl")
    plain = {"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"}
    source: Params | None = container.get("ModelDataSource", {}).get("S3DataSource")
    if url and source and source != plain:
        raise ValidationException("Give a container either a ModelDataUrl or a ModelDataSource.")
    return source or (plain if url else None)


def check_config(config: Params, cloud: Cloud) -> None:
    """ValidationException, ResourceLimitExceeded: the request breaks a rule. Its models are not looked for."""
    checks.refused(config, CONFIG_REFUSED)
    variants, shadows = config["ProductionVariants"], config.get("ShadowProductionVariants", [])
    for number, variant in enumerate(variants, 1):
        _check_variant(variant, f"productionVariants.{number}")
    for number, variant in enumerate(shadows, 1):
        _check_variant(variant, f"shadowProductionVariants.{number}")
    serverless_rules.check_config(config)
    if shadows:
        _check_shadows(config)
    _check_together(variants, shadows)
    checks.volume_key("KmsKeyId", config.get("KmsKeyId"), (one.get("InstanceType") for one in variants))
    if "DataCaptureConfig" in config:
        checks.bucket("DestinationS3Uri", config["DataCaptureConfig"]["DestinationS3Uri"], cloud)
    if "AsyncInferenceConfig" in config:
        _check_async(config["AsyncInferenceConfig"]["OutputConfig"], cloud)


def check_instances(total: int) -> None:
    """ResourceLimitExceeded: the variants of an endpoint together have more instances than this machine runs."""
    if total > MAX_INSTANCES:
        raise ResourceLimitExceeded(
            f"The local cloud runs at most {MAX_INSTANCES} instances for an endpoint, processes of this machine;"
            f" the variants ask for {total}."
        )


def check_servers(total: int) -> None:
    """ResourceLimitExceeded: the containers of an endpoint's instances are more than this machine runs."""
    if total > MAX_SERVERS:
        raise ResourceLimitExceeded(
            f"The local cloud runs at most {MAX_SERVERS} containers for an endpoint, each a process of this"
            f" machine on each instance; the variants ask for {total}."
        )


def notes(config: Params) -> list[str]:
    """A sentence for each thing that a configuration asks for and this machine does not do."""
    found = checks.noted(config, CONFIG_NOTED)
    for variant in (*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])):
        found += [f"variant {variant['VariantName']}, {note}" for note in checks.noted(variant, VARIANT_NOTED)]
        found += serverless_rules.notes(variant)
    return found


def _check_container(container: Params, images: Registry) -> None:
    checks.refused(container, CONTAINER_REFUSED)
    if container.get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc":
        raise ValidationException("ImageConfig: the local cloud has no registry in a VPC to take an image from.")
    if not container.get("Image"):
        raise ValidationException("The container has no Image.")
    if SPARK_ML in container["Image"]:
        raise ValidationException(
            f"The image {container['Image']} serves MLeap bundles of Spark ML, which the local cloud has no"
            " reader for: convert the pipeline to ONNX and serve it by a script, of scikit-learn's image for one."
        )
    images.check(container["Image"], registry.SERVE)
    image = images.find(container["Image"], registry.SERVE)
    torch_rules.check_serving(image, container.get("Environment", {}))
    if is_many(container):
        _check_many(container, image)
        return
    if container.get("MultiModelConfig"):
        raise ValidationException("MultiModelConfig is for a container of Mode MultiModel.")
    source = data_source(container)
    if source is None:
        _check_has_model(container, images)
        return
    checks.refused(source, SOURCE_REFUSED, "ModelDataSource.")
    if source["S3DataType"] == "S3Prefix" and source["CompressionType"] == "Gzip":
        raise ValidationException("ModelDataSource: CompressionType Gzip is for S3DataType S3Object, one archive.")
    if source["S3DataType"] == "S3Prefix" and not source["S3Uri"].endswith("/"):
        raise ValidationException(f"ModelDataSource: the prefix {source['S3Uri']} must end with a slash.")


def is_many(container: Params) -> bool:
    """Whether a container has many models, of which an invocation names one."""
    return container.get("Mode") == "MultiModel"


def _check_many(container: Params, image: Image | None) -> None:
    several = image is not None and (image.server in MANY or image.algorithm in MANY_OF)
    if image and not image.program and not several:
        raise ValidationException(f"The image {container['Image']} does not serve many models (Mode MultiModel).")
    if container.get("ModelDataSource") or not container.get("ModelDataUrl"):
        raise ValidationException(
            "A container of Mode MultiModel needs a ModelDataUrl: the prefix of its models' archives in S3."
        )


def _check_has_model(container: Params, images: Registry) -> None:
    """Without model data, the image must bring its model itself."""
    image = images.find(container["Image"], registry.SERVE)
    if image is None or image.program is None:
        raise ValidationException(
            "The container has neither ModelDataUrl nor ModelDataSource, and the images that the local cloud"
            " runs hold no model of their own."
        )


def _check_shadows(config: Params) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html"""
    for name in ("ProductionVariants", "ShadowProductionVariants"):
        if len(config[name]) > 1:
            raise ValidationException(
                f"{name}: with ShadowProductionVariants, you can only specify one variant for ProductionVariants"
                " and one variant for ShadowProductionVariants."
            )
    if "AsyncInferenceConfig" in config:
        raise ValidationException("ShadowProductionVariants are not for asynchronous endpoints.")


def _check_variant(variant: Params, path: str) -> None:
    where = f"Variant {variant['VariantName']}: "
    checks.refused(variant, VARIANT_REFUSED, where)
    if not variant.get("ModelName"):
        raise ValidationException(
            f"{where}a ModelName is needed; the local cloud does not do inference components, which are made"
            " on a variant without one."
        )
    if "ServerlessConfig" in variant:
        serverless_rules.check_variant(variant)
        return
    for name in ("InstanceType", "InitialInstanceCount"):
        if name not in variant:
            raise checks.missing(f"{path}.member.{name[0].lower()}{name[1:]}")
    if variant.get("ManagedInstanceScaling", {}).get("Status") == "ENABLED":
        raise ValidationException(f"{where}the local cloud does not do ManagedInstanceScaling.")
    strategy = variant.get("RoutingConfig", {}).get("RoutingStrategy", ROUTING[0])
    if strategy not in ROUTING:
        raise ValidationException(f"{where}the local cloud routes by {' or '.join(ROUTING)}, not by {strategy}.")


def _check_together(variants: list[Params], shadows: list[Params]) -> None:
    names = [variant["VariantName"] for variant in (*variants, *shadows)]
    checks.unique(
        "Variant name", names, "ProductionVariants" + (" and ShadowProductionVariants" if shadows else "")
    )
    if not any(variant.get("InitialVariantWeight", 1) for variant in variants):
        raise ValidationException("The InitialVariantWeight of at least one variant must be greater than 0.")
    check_instances(sum(variant.get("InitialInstanceCount", 0) for variant in (*variants, *shadows)))


def _check_async(output: Params, cloud: Cloud) -> None:
    if output.get("NotificationConfig"):
        raise ValidationException(
            "AsyncInferenceConfig.NotificationConfig: the local cloud sends no notifications."
        )
    for name in ("S3OutputPath", "S3FailurePath"):
        if name in output:
            checks.bucket(name, output[name], cloud)
