"""What serverless endpoints must satisfy, and what excludes them.

https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html has the exclusions; of AWS's messages
only the form is known.
"""

from __future__ import annotations

from sagelab.cloud.engine.hosting.server import Serverless
from sagelab.cloud.engine.hosting.serverless import MOST
from sagelab.cloud.engine.images.neo import is_neo
from sagelab.cloud.errors import ResourceLimitExceeded, ValidationException
from sagelab.cloud.resources.call import Params
from sagelab.cloud.store import Document

MEMORIES = (1024, 2048, 3072, 4096, 5120, 6144)
ALLOWED = ("VariantName", "ModelName", "InitialVariantWeight", "ServerlessConfig")  # of a variant
ALL_AT_ONCE = "ALL_AT_ONCE"
STARTUP = 180.0  # seconds to download the model and answer /ping
INSTANCE_TYPE = "serverless capacity"  # in the place of one, where it is only said
CONFIG_EXCLUDED = {
    "DataCaptureConfig": "data capture",
    "AsyncInferenceConfig": "asynchronous inference",
    "ShadowProductionVariants": "shadow variants",
    "ExplainerConfig": "explanations by Clarify",
}


def is_serverless(config: Params) -> bool:
    """Whether an endpoint configuration has a serverless variant."""
    variants = [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]
    return any("ServerlessConfig" in variant for variant in variants)


def check_variant(variant: Params) -> None:
    """ValidationException, ResourceLimitExceeded: its ServerlessConfig is none, or not all that is asked for."""
    where, config = f"Variant {variant['VariantName']}: ", variant["ServerlessConfig"]
    for name in variant:
        if name not in ALLOWED:
            raise ValidationException(f"{where}{name} is not supported for serverless endpoints.")
    if config["MemorySizeInMB"] not in MEMORIES:
        raise ValidationException(
            f"{where}MemorySizeInMB must be one of {', '.join(map(str, MEMORIES))},"
            f" not {config['MemorySizeInMB']}."
        )
    check_concurrency(config, where)


def check_concurrency(config: Params, where: str = "") -> None:
    """ValidationException, ResourceLimitExceeded: more is provisioned than may be used, or than runs here."""
    provisioned = config.get("ProvisionedConcurrency", 0)
    if provisioned > config["MaxConcurrency"]:
        raise ValidationException(
            f"{where}ProvisionedConcurrency ({provisioned}) must be less than or equal to MaxConcurrency"
            f" ({config['MaxConcurrency']})."
        )
    if provisioned > MOST:
        raise ResourceLimitExceeded(
            f"{where}the local cloud keeps at most {MOST} environments of a serverless variant, processes of this"
            f" machine; ProvisionedConcurrency asks for {provisioned}."
        )


def check_config(config: Params) -> None:
    """ValidationException: a configuration with a serverless variant asks for what excludes it."""
    if not is_serverless(config):
        return
    if len(config["ProductionVariants"]) > 1:
        raise ValidationException("A serverless endpoint has one production variant.")
    for name, what in CONFIG_EXCLUDED.items():
        if config.get(name):
            raise ValidationException(f"{name}: {what} is not supported for serverless endpoints.")


def check_model(variant: Params, model: Document) -> None:
    """ValidationException: a serverless variant has a model that excludes it."""
    if "ServerlessConfig" not in variant:
        return
    where = f"Variant {variant['VariantName']}, model {model['ModelName']}: "
    containers = model.get("Containers") or [model["PrimaryContainer"]]
    excluded = {
        "VpcConfig": bool(model.get("VpcConfig")),
        "EnableNetworkIsolation": bool(model.get("EnableNetworkIsolation")),
        "An inference pipeline": len(containers) > 1,
        "A multi-model container": any(each.get("Mode") == "MultiModel" for each in containers),
        "A model that Neo compiled": any(is_neo(each.get("Image", "")) for each in containers),
    }
    for what, asked in excluded.items():
        if asked:
            raise ValidationException(f"{where}{what} is not supported for serverless endpoints.")


def check_update(document: Document, config: Document, deployment: Params) -> None:
    """ValidationException: an endpoint with instances is to become a serverless one, or one goes there by steps.

    deployment: the DeploymentConfig.
    """
    now = [variant for variant in document.get("ProductionVariants", []) if "CurrentServerlessConfig" in variant]
    if is_serverless(config) and not now:
        raise ValidationException(
            f'Cannot update endpoint "{document["EndpointArn"]}": a real-time endpoint cannot be updated to a'
            " serverless endpoint."
        )
    routing = deployment.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if is_serverless(config) and (
        "RollingUpdatePolicy" in deployment or routing.get("Type", ALL_AT_ONCE) != ALL_AT_ONCE
    ):
        raise ValidationException(
            f"DeploymentConfig: the traffic of a serverless endpoint is shifted {ALL_AT_ONCE} only."
        )


def check_change(item: Params, variant: Params) -> None:
    """ValidationException: UpdateEndpointWeightsAndCapacities asks a variant for what it does not have.

    variant: as the endpoint's description has it.
    """
    where = f"Variant {item['VariantName']}: "
    if "CurrentServerlessConfig" not in variant:
        if "ServerlessUpdateConfig" in item:
            raise ValidationException(f"{where}ServerlessUpdateConfig is for serverless variants.")
        return
    if "DesiredInstanceCount" in item:
        raise ValidationException(f"{where}DesiredInstanceCount is not supported for serverless endpoints.")
    check_concurrency(variant["DesiredServerlessConfig"] | item.get("ServerlessUpdateConfig", {}), where)


def notes(variant: Params) -> list[str]:
    """A sentence for what a serverless variant asks for and this machine does not do."""
    most = variant.get("ServerlessConfig", {}).get("MaxConcurrency", 0)
    if most <= MOST:
        return []
    name = variant["VariantName"]
    return [f"variant {name}, MaxConcurrency {most}: this machine runs at most {MOST} environments of a variant"]


def read(variant: Params) -> Serverless | None:
    """The plan of a variant of a configuration; None: it has instances."""
    return plan(variant["ServerlessConfig"]) if "ServerlessConfig" in variant else None


def startup(variant: Params) -> float:
    """Seconds in which a server of it must answer /ping, where it does not say so itself."""
    return STARTUP if "ServerlessConfig" in variant else 600.0


def plan(config: Params, proven: bool = False) -> Serverless:
    """The plan of a ServerlessConfig. proven: it has started before."""
    most, provisioned = config["MaxConcurrency"], config.get("ProvisionedConcurrency", 0)
    return Serverless(config["MemorySizeInMB"], most, provisioned, proven)


def describe(plan: Serverless) -> Params:
    """What DescribeEndpoint has of a serverless variant, in place of numbers of instances."""
    config = {"MemorySizeInMB": plan.memory, "MaxConcurrency": plan.most}
    if plan.provisioned:
        config["ProvisionedConcurrency"] = plan.provisioned
    return {"CurrentServerlessConfig": config, "DesiredServerlessConfig": config}
