"""How UpdateEndpoint goes from one configuration to the next: its plan, by AWS's rules, and what it keeps.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from sagelab.cloud.engine.hosting.endpoint import Endpoint
from sagelab.cloud.engine.hosting.server import VariantSpec
from sagelab.cloud.engine.hosting.shifting import Plan
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import checks
from sagelab.cloud.resources.call import Params
from sagelab.cloud.store import Document

RETAINED = ("DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig")
ALL_AT_ONCE, CANARY, LINEAR = "ALL_AT_ONCE", "CANARY", "LINEAR"
COUNTED = "INSTANCE_COUNT"
HALF = 0.5  # of a variant's instances, the most that goes over at a time


def read(config: Params, specs: list[VariantSpec], exists: Callable[[str], bool]) -> Plan:
    """The plan of a DeploymentConfig. ValidationException: it breaks a rule.

    specs: of the variants that are to serve. exists: whether there is an alarm of a name.
    """
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise ValidationException(
            "Only one update policy should be used in the deployment configuration: BlueGreenUpdatePolicy or"
            " RollingUpdatePolicy."
        )
    alarms = [one.get("AlarmName", "") for one in config.get("AutoRollbackConfiguration", {}).get("Alarms", [])]
    checks.unique("Alarm name", alarms, "AutoRollbackConfiguration")
    for name in alarms:
        if not exists(name):
            raise ValidationException(f'Could not find CloudWatch alarm "{name}".')
    plan = _rolling(rolling, specs) if rolling else _blue_green(blue_green or {}, specs)
    return replace(plan, alarms=tuple(alarms))


def check_change(plan: Plan, specs: list[VariantSpec], names: Collection[str]) -> Plan:
    """The plan for an endpoint that has variants of these names. ValidationException: it shifts no traffic there.

    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
    """
    if any(spec.accelerator for spec in specs):  # Elastic Inference: all at once, and nobody looks
        return Plan(stay=plan.stay, limit=plan.limit)
    if len(plan.steps) > 1 and {spec.name for spec in specs} != set(names):
        raise ValidationException(
            "The new endpoint configuration must have the same variant names as the old one for traffic to be"
            " shifted between them."
        )
    return plan


def _blue_green(policy: Params, specs: list[VariantSpec]) -> Plan:
    routing = policy.get("TrafficRoutingConfiguration", {})
    kind = routing.get("Type", ALL_AT_ONCE)
    bake, stay = routing.get("WaitIntervalInSeconds", 0), policy.get("TerminationWaitInSeconds", 0)
    for member, its in (("CanarySize", CANARY), ("LinearStepSize", LINEAR)):
        if (member in routing) != (kind == its):
            raise ValidationException(
                f"TrafficRoutingConfiguration: {member} is needed for {its}, and for it alone."
            )
    steps: tuple[float, ...] = (1.0,)
    if kind == CANARY:
        steps = (_share("CanarySize", routing["CanarySize"], specs, 0, HALF), 1.0)
    elif kind == LINEAR:
        steps = _steps(_share("LinearStepSize", routing["LinearStepSize"], specs, 0.1, HALF))
    return Plan(
        steps, bake, stay, _limit(policy, bake + stay, "WaitIntervalInSeconds and TerminationWaitInSeconds")
    )


def _rolling(policy: Params, specs: list[VariantSpec]) -> Plan:
    if len(specs) > 1:
        raise ValidationException("RollingUpdatePolicy is not for endpoints of several variants.")
    bake, back = policy["WaitIntervalInSeconds"], policy.get("RollbackMaximumBatchSize")
    batch = _share("MaximumBatchSize", policy["MaximumBatchSize"], specs, 0.05, HALF)
    whole = _whole(batch, specs[0].count)
    return Plan(
        _steps(whole),
        bake,
        limit=_limit(policy, bake, "WaitIntervalInSeconds"),
        rolling=True,
        back=_share("RollbackMaximumBatchSize", back, specs, 0, 1) if back else 1.0,
    )


def _whole(share: float, count: int) -> float:
    """The share of as many whole instances, at least one."""
    return max(1, int(share * count + 1e-9)) / count


def _steps(share: float) -> tuple[float, ...]:
    """share, twice the share, ... up to 1."""
    found = [share]
    while found[-1] < 1 - 1e-9:
        found.append(min(1.0, share * (len(found) + 1)))
    return (*found[:-1], 1.0)


def _share(member: str, size: Params, specs: list[VariantSpec], least: float, most: float) -> float:
    """A CapacitySize as a share of a variant's instances. ValidationException: it is too small or too large.

    INSTANCE_COUNT of several variants is measured by the one that has the fewest.
    """
    value, count = size["Value"], min(spec.count for spec in specs)
    counted = size["Type"] == COUNTED
    share = value / (max(count, 1) if counted else 100)
    if not least <= share <= most:
        given = f"{value} of {count} instances" if counted else f"{value}%"
        between = f"{least:.0%} to {most:.0%}" if least else f"less than or equal to {most:.0%}"
        raise ValidationException(
            f"{member}: {given} is not allowed. The value must be {between} of the variant's total instance count."
        )
    return float(share)


def _limit(policy: Params, waits: int, members: str) -> float | None:
    limit: int | None = policy.get("MaximumExecutionTimeoutInSeconds")
    if limit is not None and limit <= waits:
        together = " together" if " and " in members else ""
        raise ValidationException(f"MaximumExecutionTimeoutInSeconds must be longer than {members}{together}.")
    return limit


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
    variants = {one.spec.name: one for one in endpoint.fleet.all} if endpoint.fleet else {}
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
    if "DataCaptureConfig" not in names:
        return config
    return config | {"DataCaptureConfig": endpoint.fleet.capturing if endpoint.fleet else None}


def hurry(specs: list[VariantSpec], plan: Plan) -> list[VariantSpec]:
    """The specs with no more time to start than the plan gives."""
    if plan.limit is None:
        return specs
    left = plan.limit - plan.bake - plan.stay
    return [replace(spec, startup=min(spec.startup, left)) for spec in specs]
