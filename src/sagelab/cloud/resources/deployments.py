"""How UpdateEndpoint goes from one configuration to the next: what it keeps, and how long the old servers stay.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sagelab.cloud.engine.hosting.endpoint import Endpoint
from sagelab.cloud.engine.hosting.server import VariantSpec
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Params
from sagelab.cloud.store import Document

RETAINED = ("DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig")
ALL_AT_ONCE = "ALL_AT_ONCE"


@dataclass(frozen=True)
class Deployment:
    """The plan of an update.

    stay: seconds that the old servers go on after the new ones took over. timeout: seconds in which the new ones
    must answer, or None.
    """

    stay: float = 0.0
    timeout: float | None = None


def read(config: Params) -> Deployment:
    """The plan of a DeploymentConfig: blue/green, all at once. ValidationException: another one."""
    if "RollingUpdatePolicy" in config:
        raise ValidationException("RollingUpdatePolicy: the local cloud does blue/green updates only.")
    if config.get("AutoRollbackConfiguration", {}).get("Alarms"):
        raise ValidationException("AutoRollbackConfiguration: the local cloud does not watch alarms.")
    policy = config.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", {})
    if (kind := routing.get("Type", ALL_AT_ONCE)) != ALL_AT_ONCE:
        raise ValidationException(
            f"TrafficRoutingConfiguration: the local cloud shifts traffic {ALL_AT_ONCE}, not {kind}."
        )
    stay = routing.get("WaitIntervalInSeconds", 0) + policy.get("TerminationWaitInSeconds", 0)
    timeout = policy.get("MaximumExecutionTimeoutInSeconds")
    if timeout is not None and timeout <= stay:
        raise ValidationException(
            "MaximumExecutionTimeoutInSeconds must be longer than WaitIntervalInSeconds and"
            " TerminationWaitInSeconds together."
        )
    return Deployment(stay, None if timeout is None else timeout - stay)


def retained(params: Params) -> frozenset[str]:
    """Which properties of its variants an endpoint keeps over an update, of RETAINED."""
    left_out = {one["VariantPropertyType"] for one in params.get("ExcludeRetainedVariantProperties", [])}
    if params.get("RetainAllVariantProperties"):
        return frozenset(RETAINED) - left_out
    if left_out:
        raise ValidationException(
            "ExcludeRetainedVariantProperties is for updates that have RetainAllVariantProperties."
        )
    return frozenset()


def keep(specs: list[VariantSpec], endpoint: Endpoint, names: frozenset[str]) -> list[VariantSpec]:
    """The specs with what `names` keeps of the variants that serve now, by their names."""
    variants = endpoint.fleet.variants if endpoint.fleet else {}
    found = []
    for spec in specs:
        old = variants.get(spec.name)
        if old and "DesiredInstanceCount" in names and not (old.spec.serverless or spec.serverless):
            spec = replace(spec, count=old.spec.count)
        if old and "DesiredWeight" in names:
            spec = replace(spec, weight=old.weight)
        found.append(spec)
    return found


def keep_capture(config: Document, endpoint: Endpoint, names: frozenset[str]) -> Document:
    """The configuration with the data capture that the endpoint has now, where that is kept."""
    return config | {"DataCaptureConfig": endpoint.capturing} if "DataCaptureConfig" in names else config


def hurry(specs: list[VariantSpec], deployment: Deployment) -> list[VariantSpec]:
    """The specs with no more time to start than the plan gives."""
    if deployment.timeout is None:
        return specs
    return [replace(spec, startup=min(spec.startup, deployment.timeout)) for spec in specs]
