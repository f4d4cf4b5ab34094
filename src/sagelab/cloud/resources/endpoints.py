"""Endpoints: Create, Describe, List, Update, UpdateWeightsAndCapacities, Delete.

A status moves when the engine's endpoint (engine/hosting) has done what it says.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.hosting.endpoint import Endpoint
from sagelab.cloud.engine.hosting.server import VariantSpec
from sagelab.cloud.engine.images import registry
from sagelab.cloud.errors import InternalServerError, JobError, ValidationException
from sagelab.cloud.resources import checks, deployments, hosting_rules, models, scaling_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
from sagelab.cloud.resources.models import Models
from sagelab.cloud.resources.states import Act, Move, Stateful
from sagelab.cloud.store import Document

# Seconds: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
ASYNC_TIMEOUT = 900.0
ENDED = "The local cloud ended while the endpoint was being created; create it again."


class Endpoints(Stateful[Endpoint]):
    """The family of endpoints of one local cloud."""

    kind = catalog.of_stem("Endpoint")
    needs = (EndpointConfigs, Models)
    summary = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    moves: ClassVar = {
        "Create": Move((), "Creating"),
        "Update": Move(("InService",), "Updating"),
        "Delete": Move(("InService", "Failed"), "Deleting"),
    }

    def __init__(self, cloud: Cloud, configs: EndpointConfigs, models: Models) -> None:
        self.configs, self.models = configs, models
        super().__init__(cloud)

    @operation("CreateEndpoint")
    def create(self, call: Call) -> Params:
        deployments.read(
            call.params.get("DeploymentConfig", {})
        )  # for updates; a new endpoint has nothing to replace
        config = self._config(call)
        specs = self._specs(call, config)
        names = {name: call.params[name] for name in ("EndpointName", "EndpointConfigName")}
        return {"EndpointArn": self.begin(call, names, partial(self._bring_up, config, specs))}

    @operation("UpdateEndpoint")
    def update(self, call: Call) -> Params:
        return {"EndpointArn": self.move(call, "Update", partial(self._plan_update, call))}

    @operation("UpdateEndpointWeightsAndCapacities")
    def update_weights(self, call: Call) -> Params:
        return {"EndpointArn": self.move(call, "Update", partial(self._plan_resize, call))}

    def refusal(self, document: Document, move: Move) -> ValidationException:  # noqa: ARG002 - AWS says "update"
        status = document["EndpointStatus"]
        if status in self._between:
            return ValidationException(f'Cannot update in-progress endpoint "{document["EndpointArn"]}".')
        return ValidationException(f'Cannot update endpoint "{document["EndpointArn"]}" in status {status}.')

    # What a call asks for

    def _plan_update(self, call: Call, document: Document) -> tuple[Params, Act]:
        """RetainDeploymentConfig: the last update's plan, unless this one brings its own."""
        arn, names = document["EndpointArn"], deployments.retained(call.params)
        endpoint = self.running[arn]
        last = document.get("LastDeploymentConfig") if call.params.get("RetainDeploymentConfig") else None
        plan = call.params.get("DeploymentConfig", last)
        deployment = deployments.read(plan or {})
        config = deployments.keep_capture(self._config(call), endpoint, names)
        specs = deployments.hurry(deployments.keep(self._specs(call, config), endpoint, names), deployment)
        hosting_rules.check_instances(sum(spec.count for spec in specs))
        scaling_rules.check_update(self.store, arn, endpoint.instance_types, _types(specs))
        return {"LastDeploymentConfig": plan}, partial(self._replace, config, specs, deployment.stay)

    def _plan_resize(self, call: Call, document: Document) -> tuple[Params, Act]:
        arn, wanted = document["EndpointArn"], call.params["DesiredWeightsAndCapacities"]
        counts = {one["VariantName"]: one["DesiredInstanceCount"] for one in document["ProductionVariants"]}
        for item in wanted:
            if item["VariantName"] not in counts:
                raise ValidationException(f'Variant "{item["VariantName"]}" is not found on endpoint "{arn}".')
            if "ServerlessUpdateConfig" in item:
                raise ValidationException("ServerlessUpdateConfig: the endpoint is not serverless.")
        checks.unique("Variant name", (item["VariantName"] for item in wanted), "DesiredWeightsAndCapacities")
        for item in wanted:
            counts[item["VariantName"]] = item.get("DesiredInstanceCount", counts[item["VariantName"]])
        hosting_rules.check_instances(sum(counts.values()))
        fleet = self.running[arn].fleet
        sizes = {name: len(one.spec.containers) for name, one in fleet.variants.items()} if fleet else {}
        hosting_rules.check_servers(sum(count * sizes.get(name, 1) for name, count in counts.items()))
        return {}, partial(self._resize, wanted)

    # What happens behind a status; each in a thread of its own

    def _bring_up(self, config: Document, specs: list[VariantSpec], arn: str) -> None:
        region, name = arn.split(":")[3], arn.rpartition("/")[2]
        endpoint = self.running[arn] = Endpoint(name, self.cloud.engine_context(region))
        endpoint.deploy(specs, config.get("DataCaptureConfig"))
        self._serve(arn, config)

    def _replace(self, config: Document, specs: list[VariantSpec], stay: float, arn: str) -> None:
        try:
            self.running[arn].deploy(specs, config.get("DataCaptureConfig"), stay)
        except JobError as error:  # the old variants still serve: the endpoint is rolled back
            self.change(arn, "InService", FailureReason=str(error))
            return
        self._serve(arn, config)

    def _resize(self, wanted: list[Params], arn: str) -> None:
        endpoint, reason = self.running[arn], None
        try:
            endpoint.resize(wanted)
        except JobError as error:
            reason = str(error)
        self.change(arn, "InService", ProductionVariants=_describe(endpoint), FailureReason=reason)

    def _serve(self, arn: str, config: Document) -> None:
        self.running[arn].asynchronous = "AsyncInferenceConfig" in config
        facts: Params = {
            "EndpointConfigName": config["EndpointConfigName"],
            "ProductionVariants": _describe(self.running[arn]),
            "FailureReason": None,
            "DataCaptureConfig": None,
            "AsyncInferenceConfig": config.get("AsyncInferenceConfig"),
        }
        capture = config.get("DataCaptureConfig")
        if capture:
            facts["DataCaptureConfig"] = {
                "EnableCapture": capture.get("EnableCapture", False),
                "CaptureStatus": "Started" if capture.get("EnableCapture") else "Stopped",
                "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
                "DestinationS3Uri": capture["DestinationS3Uri"],
                "KmsKeyId": capture.get("KmsKeyId", ""),
            }
        self.change(arn, "InService", **facts)

    # Reading

    def _config(self, call: Call) -> Document:
        return self.configs.find(self.configs.arn(call))

    def _specs(self, call: Call, config: Document) -> list[VariantSpec]:
        notes = hosting_rules.notes(config)
        specs = [self._spec(call, variant, notes) for variant in config["ProductionVariants"]]
        hosting_rules.check_servers(sum(spec.count * len(spec.containers) for spec in specs))
        asynchronous = "AsyncInferenceConfig" in config
        return [replace(spec, timeout=ASYNC_TIMEOUT) for spec in specs] if asynchronous else specs

    def _spec(self, call: Call, variant: Params, notes: list[str]) -> VariantSpec:
        model = self.models.named(call, variant["ModelName"])
        containers = models.specs(model, {}, {})
        images = [self.cloud.launcher.images.find(one.image, registry.SERVE) for one in containers]
        if "AcceleratorType" in variant and models.has_many(model):
            raise ValidationException(f"Variant {variant['VariantName']}: AcceleratorType is not for many models.")
        if "AcceleratorType" in variant and all(image is None or image.program for image in images):
            raise ValidationException(
                f"Variant {variant['VariantName']}: AcceleratorType is for the TensorFlow images; a container"
                " of your own computes as its `serve` does."
            )
        return VariantSpec(
            name=variant["VariantName"],
            containers=containers,
            direct=models.is_direct(model),
            role=model["ExecutionRoleArn"],
            instance_type=variant["InstanceType"],
            count=variant["InitialInstanceCount"],
            weight=variant["InitialVariantWeight"],
            accelerator=variant.get("AcceleratorType"),
            isolated=model.get("EnableNetworkIsolation", False),
            startup=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", 600),
            notes=(*notes, *hosting_rules.model_notes(model)),
        )

    def recover(self, arn: str, document: Document) -> None:
        """What served serves again, with new servers."""
        if document["EndpointStatus"] == "Creating":
            self.fail(arn, str(InternalServerError(ENDED)))
            return
        self.change(arn, "Updating")
        self.work(arn, partial(self._revive, document))

    def _revive(self, document: Document, arn: str) -> None:
        """Serve what the endpoint served last, by the weights and counts that it had."""
        names = {name: document[name] for name in ("EndpointName", "EndpointConfigName")}
        call = Call("UpdateEndpoint", names, arn.split(":")[3], self.cloud.account, self.cloud.home.caller_arn)
        config = self._config(call)
        self._bring_up(config, [_as_before(spec, document) for spec in self._specs(call, config)], arn)


def _describe(endpoint: Endpoint) -> list[Params]:
    """The variants of an endpoint, as its Describe has them."""
    assert endpoint.fleet
    return [
        {
            "VariantName": name,
            "DeployedImages": [
                {"SpecifiedImage": one.image, "ResolvedImage": one.image} for one in variant.spec.containers
            ],
            "CurrentWeight": variant.weight,
            "DesiredWeight": variant.weight,
            "CurrentInstanceCount": len(variant.servers),
            "DesiredInstanceCount": variant.spec.count,
        }
        for name, variant in endpoint.fleet.variants.items()
    ]


def _types(specs: list[VariantSpec]) -> dict[str, str]:
    """Variant -> instance type."""
    return {spec.name: spec.instance_type for spec in specs}


def _as_before(spec: VariantSpec, document: Document) -> VariantSpec:
    """A variant of the configuration with the weight and the count that the endpoint had it at."""
    found = {variant["VariantName"]: variant for variant in document["ProductionVariants"]}[spec.name]
    return replace(spec, weight=found["DesiredWeight"], count=found["DesiredInstanceCount"])
