"""Endpoints: Create, Describe, List, Update, UpdateWeightsAndCapacities, Delete.

A status moves when the engine's endpoint (engine/hosting) has done what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting.endpoint import Endpoint
from sagelab.cloud.engine.hosting.fleet import AnyVariant, Fleet, FleetSpec
from sagelab.cloud.engine.hosting.server import VariantSpec
from sagelab.cloud.engine.hosting.shifting import CREATING, Plan, RollbackFailed, RolledBack, Watch
from sagelab.cloud.engine.images import registry
from sagelab.cloud.errors import InternalServerError, JobError, ValidationException
from sagelab.cloud.resources import (
    checks,
    deployments,
    hosting_rules,
    models,
    scaling_rules,
    serverless_rules,
    vpc_rules,
)
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
from sagelab.cloud.resources.models import Models
from sagelab.cloud.resources.states import Act, Move, Stateful
from sagelab.cloud.store import Document

# Seconds: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
ASYNC_TIMEOUT = 900.0
ENDED = "The local cloud ended while the endpoint was being created; create it again."
CUT_OFF = "The local cloud ended during the deployment of {}, which is undone; update the endpoint again."
MIXED = "UpdateRollbackFailed"


class Endpoints(Stateful[Endpoint]):
    """The family of endpoints of one local cloud."""

    kind = catalog.of_stem("Endpoint")
    needs = (EndpointConfigs, Models)
    summary = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    moves: ClassVar = {
        "Create": Move((), "Creating"),
        "Update": Move(("InService", MIXED), "Updating"),
        "Resize": Move(("InService",), "Updating"),
        "Delete": Move(("InService", MIXED, "Failed"), "Deleting"),
    }

    def __init__(self, cloud: Cloud, configs: EndpointConfigs, models: Models) -> None:
        self.configs, self.models = configs, models
        super().__init__(cloud)

    @operation("CreateEndpoint")
    def create(self, call: Call) -> Params:
        config = self._config(call)
        wanted = self._wanted(call, config)
        facts = {name: call.params[name] for name in ("EndpointName", "EndpointConfigName")}
        facts["PendingDeploymentSummary"] = _pending(Fleet("", wanted, self._context(call)), CREATING, 0.0)
        if plan := call.params.get("DeploymentConfig"):  # for updates; a new endpoint has nothing to replace
            self._plan(call, plan, wanted.variants)
            facts["LastDeploymentConfig"] = plan
        return {"EndpointArn": self.begin(call, facts, partial(self._bring_up, config, wanted))}

    @operation("UpdateEndpoint")
    def update(self, call: Call) -> Params:
        return {"EndpointArn": self.move(call, "Update", partial(self._plan_update, call))}

    @operation("UpdateEndpointWeightsAndCapacities")
    def update_weights(self, call: Call) -> Params:
        return {"EndpointArn": self.move(call, "Resize", partial(self._plan_resize, call))}

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
        given = call.params.get("DeploymentConfig", last)
        config = deployments.keep_capture(self._config(call), endpoint, names)
        serverless_rules.check_update(document, config, given or {})
        wanted = self._wanted(call, config, lambda specs: deployments.keep(specs, endpoint, names))
        hosting_rules.check_instances(sum(spec.count for spec in wanted.all))
        scaling_rules.check_update(self.store, arn, endpoint.instance_types, _types(wanted.variants))
        read = self._plan(call, given or {}, wanted.variants)
        plan = deployments.check_change(
            read, wanted.variants, [one["VariantName"] for one in document["ProductionVariants"]]
        )
        wanted = replace(wanted, variants=deployments.hurry(wanted.variants, plan))
        return {"LastDeploymentConfig": given}, partial(self._replace, config, wanted, plan)

    def _plan_resize(self, call: Call, document: Document) -> tuple[Params, Act]:
        arn, wanted = document["EndpointArn"], call.params["DesiredWeightsAndCapacities"]
        found = document["ProductionVariants"] + document.get("ShadowProductionVariants", [])
        variants = {one["VariantName"]: one for one in found}
        for item in wanted:
            if item["VariantName"] not in variants:
                raise ValidationException(f'Variant "{item["VariantName"]}" is not found on endpoint "{arn}".')
            serverless_rules.check_change(item, variants[item["VariantName"]])
        counts = {name: one.get("DesiredInstanceCount", 0) for name, one in variants.items()}
        checks.unique("Variant name", (item["VariantName"] for item in wanted), "DesiredWeightsAndCapacities")
        for item in wanted:
            counts[item["VariantName"]] = item.get("DesiredInstanceCount", counts[item["VariantName"]])
        hosting_rules.check_instances(sum(counts.values()))
        fleet = self.running[arn].fleet
        sizes = {one.spec.name: len(one.spec.containers) for one in fleet.all} if fleet else {}
        hosting_rules.check_servers(sum(count * sizes.get(name, 1) for name, count in counts.items()))
        return _desired(document, counts), partial(self._resize, wanted)

    # What happens behind a status; each in a thread of its own

    def _bring_up(self, config: Document, wanted: FleetSpec, arn: str, reason: str | None = None) -> None:
        region, name = arn.split(":")[3], arn.rpartition("/")[2]
        endpoint = self.running[arn] = Endpoint(name, self.cloud.engine_context(region))
        endpoint.deploy(wanted)
        self._serve(arn, config, reason)

    def _replace(self, config: Document, wanted: FleetSpec, plan: Plan, arn: str) -> None:
        begun, state = datetime.now(UTC), partial(self.cloud.alarms.state, arn.split(":")[3])

        def tell(stage: str, fleet: Fleet, share: float) -> None:
            words = f"{share:.0%} of the requests{self.cloud.clock.words}"
            pending = _pending(fleet, stage, share, words) | {"StartTime": begun}
            serving = _counted(self.find(arn)["ProductionVariants"], endpoint if share < 1 else None)
            self.change(arn, "Updating", PendingDeploymentSummary=pending, ProductionVariants=serving)

        endpoint = self.running[arn]
        try:
            endpoint.deploy(wanted, plan, Watch(state, tell))
        except (JobError, RolledBack) as error:  # the old variants serve
            facts = _described(endpoint) | {"FailureReason": str(error), "PendingDeploymentSummary": None}
            self.change(arn, "InService", **facts)
        except RollbackFailed as error:
            facts = _described(endpoint) | {"FailureReason": str(error), "PendingDeploymentSummary": None}
            self.change(arn, MIXED, **facts)
        else:
            self._serve(arn, config)

    def _resize(self, wanted: list[Params], arn: str) -> None:
        endpoint, reason = self.running[arn], None
        try:
            endpoint.resize(wanted)
        except JobError as error:
            reason = str(error)
        self.change(arn, "InService", FailureReason=reason, **_described(endpoint))

    def fail(self, arn: str, reason: str, **facts: Any) -> None:
        """As of every resource; no deployment is under way any more."""
        super().fail(arn, reason, PendingDeploymentSummary=None, **facts)

    def _serve(self, arn: str, config: Document, reason: str | None = None) -> None:
        self.running[arn].asynchronous = "AsyncInferenceConfig" in config
        facts: Params = {
            "EndpointConfigName": config["EndpointConfigName"],
            **_described(self.running[arn]),
            "PendingDeploymentSummary": None,
            "FailureReason": reason,
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

    def _context(self, call: Call) -> EngineContext:
        return self.cloud.engine_context(call.region)

    def _plan(self, call: Call, config: Params, specs: list[VariantSpec]) -> Plan:
        state = partial(self.cloud.alarms.state, call.region)
        return deployments.read(config, specs, lambda name: state(name) is not None)

    def _wanted(
        self, call: Call, config: Document, change: Callable[[list[VariantSpec]], list[VariantSpec]] = list
    ) -> FleetSpec:
        """What a configuration asks for. change: what is done to the specs of its variants."""
        notes, asynchronous = hosting_rules.notes(config), "AsyncInferenceConfig" in config
        key = config.get("KmsKeyId")
        variants = [self._spec(call, one, notes, key) for one in config["ProductionVariants"]]
        if asynchronous:
            variants = [replace(spec, timeout=ASYNC_TIMEOUT) for spec in variants]
        shadows = [self._spec(call, one, notes, key) for one in config.get("ShadowProductionVariants", [])]
        hosting_rules.check_servers(sum(spec.count * len(spec.containers) for spec in (*variants, *shadows)))
        shadow = next(iter(change(shadows)), None)
        return FleetSpec(config["EndpointConfigName"], change(variants), shadow, config.get("DataCaptureConfig"))

    def _spec(self, call: Call, variant: Params, notes: list[str], key: str | None) -> VariantSpec:
        model = self.models.named(call, variant["ModelName"])
        serverless_rules.check_model(variant, model)
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
            instance_type=variant.get("InstanceType", serverless_rules.INSTANCE_TYPE),
            count=variant.get("InitialInstanceCount", 0),
            weight=variant["InitialVariantWeight"],
            accelerator=variant.get("AcceleratorType"),
            isolated=model.get("EnableNetworkIsolation", False),
            startup=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", serverless_rules.startup(variant)),
            notes=tuple(notes),
            vpc=self._vpc(call.region, model),
            zones=self._zones(call.region, model),
            serverless=serverless_rules.read(variant),
            volume_key=key,
        )

    def _vpc(self, region: str, model: Document) -> Params | None:
        """Where in a VPC a model is. ValidationException: it is in one zone."""
        vpc: Params | None = model.get("VpcConfig")
        if vpc:
            vpc_rules.check_zones(vpc, self.cloud, region)
        return vpc

    def _zones(self, region: str, model: Document) -> tuple[str, ...]:
        """Those of the model's subnets, in order; none where it has none, or none that there are."""
        wanted = model.get("VpcConfig", {}).get("Subnets")
        if not wanted:
            return ()
        named = [{"Name": "subnet-id", "Values": wanted}]
        found = self.cloud.client("ec2", region).describe_subnets(Filters=named)["Subnets"]
        zones = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in found}
        return tuple(dict.fromkeys(zones[name] for name in wanted if name in zones))

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
        config, pending = self._config(call), document.get("PendingDeploymentSummary")
        reason = CUT_OFF.format(pending["EndpointConfigName"]) if pending else None
        wanted = self._wanted(call, config, lambda specs: [_as_before(spec, document) for spec in specs])
        self._bring_up(config, wanted, arn, reason)


def _described(endpoint: Endpoint) -> Params:
    """The variants of an endpoint, as its Describe has them."""
    fleet = endpoint.fleet
    assert fleet
    shadow = [_describe(fleet.shadow)] if fleet.shadow else None
    variants = [_describe(variant) for variant in fleet.variants.values()]
    return {"ProductionVariants": variants, "ShadowProductionVariants": shadow}


def _counted(variants: list[Params], endpoint: Endpoint | None) -> list[Params]:
    """Variants as they were described, with the servers that an endpoint has of them now."""
    fleet = endpoint.fleet if endpoint else None
    counts = {one.spec.name: len(one.servers) for one in fleet.all} if fleet else {}
    return [
        one
        if "CurrentServerlessConfig" in one
        else one | {"CurrentInstanceCount": counts.get(one["VariantName"], 0)}
        for one in variants
    ]


def _describe(variant: AnyVariant) -> Params:
    return {
        "VariantName": variant.spec.name,
        "DeployedImages": [
            {"SpecifiedImage": one.image, "ResolvedImage": one.image} for one in variant.spec.containers
        ],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        **_capacity(variant),
    }


def _desired(document: Document, counts: dict[str, int]) -> Params:
    """The variants that a document has, with the instances that they are to have: told while they come."""
    members = ("ProductionVariants", "ShadowProductionVariants")
    return {
        member: [one | {"DesiredInstanceCount": counts[one["VariantName"]]} for one in document[member]]
        for member in members
        if document.get(member)
    }


def _pending(fleet: Fleet, stage: str, share: float, words: str = "") -> Params:
    """A PendingDeploymentSummary: a fleet that is to serve, in a stage, with a share of the requests."""
    now = datetime.now(UTC)
    status = {"Status": stage, "StartTime": now} | ({"StatusMessage": words} if words else {})

    def describe(variant: AnyVariant) -> Params:
        facts = {"CurrentWeight": variant.weight * share, "VariantStatus": [status]}
        if variant.spec.serverless:
            return _describe(variant) | facts
        facts["DesiredInstanceCount"] = fleet.wanted.named(variant.spec.name).count
        return _describe(variant) | facts | {"InstanceType": variant.spec.instance_type}

    found: dict[str, Any] = {"EndpointConfigName": fleet.config, "StartTime": now}
    found["ProductionVariants"] = [describe(variant) for variant in fleet.variants.values()]
    return found | ({"ShadowProductionVariants": [describe(fleet.shadow)]} if fleet.shadow else {})


def _capacity(variant: AnyVariant) -> Params:
    if plan := variant.spec.serverless:
        return serverless_rules.describe(plan)
    return {"CurrentInstanceCount": len(variant.servers), "DesiredInstanceCount": variant.spec.count}


def _types(specs: list[VariantSpec]) -> dict[str, str]:
    """Variant -> instance type."""
    return {spec.name: spec.instance_type for spec in specs}


def _as_before(spec: VariantSpec, document: Document) -> VariantSpec:
    """A variant of the configuration with the weight and the count that the endpoint had it at."""
    variants = document["ProductionVariants"] + document.get("ShadowProductionVariants", [])
    found = {variant["VariantName"]: variant for variant in variants}[spec.name]
    if spec.serverless:  # it is asleep; that it can start was seen when it was created
        return replace(spec, serverless=serverless_rules.plan(found["DesiredServerlessConfig"], proven=True))
    return replace(spec, weight=found["DesiredWeight"], count=found["DesiredInstanceCount"])
