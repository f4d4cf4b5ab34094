"""Endpoints: Create, Describe, List, Update, UpdateWeightsAndCapacities, Delete.

A status moves when the engine's endpoint (engine/hosting) has done what it says.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.hosting.endpoint import Endpoint
from sagelab.cloud.engine.hosting.server import VariantSpec
from sagelab.cloud.engine.images import registry
from sagelab.cloud.errors import ClientError, InternalServerError, JobError, ServiceError, ValidationException
from sagelab.cloud.resources import deployments, hosting_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
from sagelab.cloud.resources.models import Models
from sagelab.cloud.resources.records import Records
from sagelab.cloud.store import Document, Missing

logger = logging.getLogger("sagelab")

CHANGING = ("Creating", "Updating", "RollingBack", "Deleting")
ENDED = "The local cloud ended while the endpoint was being created; create it again."


class Endpoints(Records):
    """The family of endpoints of one local cloud."""

    kind = catalog.of_stem("Endpoint")
    needs = (EndpointConfigs, Models)
    summary = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")

    def __init__(self, cloud: Cloud, configs: EndpointConfigs, models: Models) -> None:
        super().__init__(cloud)
        self.configs, self.models = configs, models
        self.running: dict[str, Endpoint] = {}
        self._recover()

    @operation("CreateEndpoint")
    def create(self, call: Call) -> Params:
        deployments.read(
            call.params.get("DeploymentConfig", {})
        )  # for updates; a new endpoint has nothing to replace
        config = self._config(call)
        specs = self._specs(call, config)
        name = call.params["EndpointName"]
        document = {
            "EndpointName": name,
            "EndpointConfigName": config["EndpointConfigName"],
            "EndpointStatus": "Creating",
        }
        arn = self.add(call, document, "Creating")
        endpoint = self.running[arn] = Endpoint(name, self.cloud.engine_context(call.region))
        self._work(arn, lambda: self._bring_up(arn, endpoint, config, specs))
        return {"EndpointArn": arn}

    @operation("UpdateEndpoint")
    def update(self, call: Call) -> Params:
        """RetainDeploymentConfig: the last update's plan, unless this one brings its own."""
        names, document = deployments.retained(call.params), self._in_service(call)
        arn, endpoint = document["EndpointArn"], self.running[document["EndpointArn"]]
        last = document.get("LastDeploymentConfig") if call.params.get("RetainDeploymentConfig") else None
        plan = call.params.get("DeploymentConfig", last)
        deployment = deployments.read(plan or {})
        config = deployments.keep_capture(self._config(call), endpoint, names)
        specs = deployments.hurry(deployments.keep(self._specs(call, config), endpoint, names), deployment)
        self._change(arn, EndpointStatus="Updating", LastDeploymentConfig=plan)
        self._work(arn, lambda: self._replace(arn, config, specs, deployment.stay))
        return {"EndpointArn": arn}

    @operation("UpdateEndpointWeightsAndCapacities")
    def update_weights(self, call: Call) -> Params:
        document = self._in_service(call)
        arn, wanted = document["EndpointArn"], call.params["DesiredWeightsAndCapacities"]
        known = {variant["VariantName"] for variant in document["ProductionVariants"]}
        for item in wanted:
            if item["VariantName"] not in known:
                raise ValidationException(f'Variant "{item["VariantName"]}" is not found on endpoint "{arn}".')
            if "ServerlessUpdateConfig" in item:
                raise ValidationException("ServerlessUpdateConfig: the endpoint is not serverless.")
        self._move(arn, "Updating")
        self._work(arn, lambda: self._resize(arn, wanted))
        return {"EndpointArn": arn}

    def delete(self, call: Call) -> Params:
        document = self.describe(call)
        arn = document["EndpointArn"]
        if document["EndpointStatus"] in CHANGING:
            raise ValidationException(f'Cannot update in-progress endpoint "{arn}".')
        self._move(arn, "Deleting")
        self._work(arn, lambda: self._remove(arn))
        return {}

    def close(self) -> None:
        """End every server: the local cloud ends."""
        for endpoint in list(self.running.values()):
            endpoint.close()

    # What happens behind a status; each in a thread of its own

    def _work(self, arn: str, act: Callable[[], None]) -> None:
        threading.Thread(target=self._guarded, args=(arn, act), daemon=True, name=f"change {arn}").start()

    def _guarded(self, arn: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            logger.exception("a change of %s", arn)
            self._fail(arn, str(InternalServerError(f"The local cloud failed: {error!r}")))

    def _bring_up(self, arn: str, endpoint: Endpoint, config: Document, specs: list[VariantSpec]) -> None:
        try:
            endpoint.deploy(specs, config.get("DataCaptureConfig"))
        except JobError as error:
            self.running.pop(arn, None)
            endpoint.close()
            self._fail(arn, str(error))
            return
        self._serve(arn, config)

    def _replace(self, arn: str, config: Document, specs: list[VariantSpec], stay: float) -> None:
        try:
            self.running[arn].deploy(specs, config.get("DataCaptureConfig"), stay)
        except JobError as error:  # the old variants still serve: the endpoint is rolled back
            self._change(arn, EndpointStatus="InService", FailureReason=str(error))
            return
        self._serve(arn, config)

    def _resize(self, arn: str, wanted: list[Params]) -> None:
        endpoint = self.running[arn]
        assert endpoint.fleet
        for item in wanted:
            variant = endpoint.fleet.variants[item["VariantName"]]
            variant.weight = item.get("DesiredWeight", variant.weight)
            try:
                variant.resize(item.get("DesiredInstanceCount", variant.spec.count))
            except JobError as error:
                self._change(arn, EndpointStatus="InService", FailureReason=str(error))
                return
        self._change(arn, EndpointStatus="InService", ProductionVariants=self._variants(endpoint))

    def _remove(self, arn: str) -> None:
        endpoint = self.running.pop(arn, None)
        if endpoint:
            endpoint.close()
        self.store.remove(arn)

    def _serve(self, arn: str, config: Document) -> None:
        facts: Params = {
            "EndpointConfigName": config["EndpointConfigName"],
            "EndpointStatus": "InService",
            "ProductionVariants": self._variants(self.running[arn]),
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
        self._change(arn, **facts)

    def _variants(self, endpoint: Endpoint) -> list[Params]:
        assert endpoint.fleet
        return [
            {
                "VariantName": name,
                "DeployedImages": [{"SpecifiedImage": variant.spec.image, "ResolvedImage": variant.spec.image}],
                "CurrentWeight": variant.weight,
                "DesiredWeight": variant.weight,
                "CurrentInstanceCount": len(variant.servers),
                "DesiredInstanceCount": variant.spec.count,
            }
            for name, variant in endpoint.fleet.variants.items()
        ]

    def _fail(self, arn: str, reason: str) -> None:
        self._change(arn, EndpointStatus="Failed", FailureReason=reason)

    def _move(self, arn: str, status: str) -> None:
        self._change(arn, EndpointStatus=status)

    def _change(self, arn: str, **facts: Any) -> None:
        def edit(document: Document) -> str:
            document |= facts | {"LastModifiedTime": datetime.now(UTC)}
            for name in [name for name, value in document.items() if value is None]:
                del document[name]
            return str(document["EndpointStatus"])

        try:
            self.store.change(arn, edit)
        except Missing:
            logger.warning("%s is gone; its change is not recorded", arn)

    # Reading

    def _in_service(self, call: Call) -> Document:
        document = self.describe(call)
        if document["EndpointStatus"] in CHANGING:
            raise ValidationException(f'Cannot update in-progress endpoint "{document["EndpointArn"]}".')
        if document["EndpointStatus"] != "InService":
            raise ValidationException(
                f'Cannot update endpoint "{document["EndpointArn"]}" in status {document["EndpointStatus"]}.'
            )
        return document

    def _config(self, call: Call) -> Document:
        return self.configs.find(self.configs.arn(call))

    def _specs(self, call: Call, config: Document) -> list[VariantSpec]:
        notes = hosting_rules.notes(config)
        return [self._spec(call, variant, notes) for variant in config["ProductionVariants"]]

    def _spec(self, call: Call, variant: Params, notes: list[str]) -> VariantSpec:
        model = self.models.named(call, variant["ModelName"])
        container = hosting_rules.container_of(model)
        source = hosting_rules.data_source(container) or {}
        image = self.cloud.launcher.images.find(container["Image"], registry.SERVE)
        if "AcceleratorType" in variant and (image is None or image.program):
            raise ValidationException(
                f"Variant {variant['VariantName']}: AcceleratorType is for the TensorFlow images; a container"
                " of your own computes as its `serve` does."
            )
        return VariantSpec(
            name=variant["VariantName"],
            image=container["Image"],
            model_uri=source.get("S3Uri"),
            packed=source.get("CompressionType") == "Gzip",
            role=model["ExecutionRoleArn"],
            instance_type=variant["InstanceType"],
            count=variant["InitialInstanceCount"],
            weight=variant["InitialVariantWeight"],
            accelerator=variant.get("AcceleratorType"),
            environment=container.get("Environment", {}),
            isolated=model.get("EnableNetworkIsolation", False),
            startup=variant.get("ContainerStartupHealthCheckTimeoutInSeconds", 600),
            notes=(*notes, *hosting_rules.model_notes(model)),
        )

    def _recover(self) -> None:
        """Endpoints of before the local cloud ended: what served serves again, with new servers."""
        for arn, document in self.store.with_status(self.kind.arn, "InService", *CHANGING):
            if document["EndpointStatus"] == "Deleting":
                self.store.remove(arn)
            elif document["EndpointStatus"] == "Creating":
                self._fail(arn, str(InternalServerError(ENDED)))
            else:
                self._move(arn, "Updating")
                self._work(arn, partial(self._revive, arn, document))

    def _revive(self, arn: str, document: Document) -> None:
        """Serve what the endpoint served last, by the weights and counts that it had."""
        names = {name: document[name] for name in ("EndpointName", "EndpointConfigName")}
        call = Call("UpdateEndpoint", names, arn.split(":")[3], self.cloud.account, self.cloud.home.caller_arn)
        try:
            config = self._config(call)
            specs = [_as_before(spec, document) for spec in self._specs(call, config)]
        except ServiceError as error:
            self._fail(arn, str(ClientError(error.message)))
            return
        endpoint = self.running[arn] = Endpoint(document["EndpointName"], self.cloud.engine_context(call.region))
        self._bring_up(arn, endpoint, config, specs)


def _as_before(spec: VariantSpec, document: Document) -> VariantSpec:
    """A variant of the configuration with the weight and the count that the endpoint had it at."""
    found = {variant["VariantName"]: variant for variant in document["ProductionVariants"]}[spec.name]
    return replace(spec, weight=found["DesiredWeight"], count=found["DesiredInstanceCount"])
