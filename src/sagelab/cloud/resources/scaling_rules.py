"""What Application Auto Scaling may be asked for here, in AWS's words where they are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.engine.scaling import records, steps, tracking
from sagelab.cloud.engine.scaling.records import CONCURRENCY, CONFIGURATIONS, INSTANCES, NAMESPACE, STEPS, TRACKING
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.events.schedules import Schedule
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Params
from sagelab.cloud.store import Document, Store

TARGETS, POLICIES, ACTIONS = 500, 50, 200  # of an account, and of a target
PAGE = 50
_COMPONENT = "sagemaker:inference-component:DesiredCopyCount"
_UNSUPPORTED = "Unsupported service namespace, resource type or scalable dimension"


def invalid(why: str) -> Beside:
    return Beside("ValidationException", why)


def check_named(params: Params) -> records.Variant:
    """The variant that a request is about. Beside: it is about something that nothing here scales."""
    namespace, dimension = params["ServiceNamespace"], params["ScalableDimension"]
    if namespace != NAMESPACE:
        raise invalid(f"Service namespace {namespace}: the local cloud scales variants of endpoints alone.")
    if dimension == _COMPONENT:
        raise invalid(f"{dimension}: the local cloud has no inference components; scale a variant ({INSTANCES}).")
    try:
        variant = records.Variant.of(params["ResourceId"])
    except ValueError:
        raise invalid(_UNSUPPORTED) from None
    if dimension not in (INSTANCES, CONCURRENCY):
        raise invalid(_UNSUPPORTED)
    return variant


def named(params: Params) -> str:
    """A target in the words of ObjectNotFoundException."""
    where = f"service namespace: {params['ServiceNamespace']}, resource ID: {params['ResourceId']}"
    return f"{where}, scalable dimension: {params['ScalableDimension']}"


def check_bounds(target: Document) -> None:
    """Beside: the bounds of a target are none."""
    for member, word in (("MinCapacity", "minimum"), ("MaxCapacity", "maximum")):
        if target.get(member) is None:
            raise invalid(f"{word.title()} capacity is required to register a scalable target.")
        if target[member] < 1:
            raise invalid(f"The {word} capacity of a variant is at least 1: no endpoint here scales to zero.")
    if target["MinCapacity"] > target["MaxCapacity"]:
        raise invalid("Maximum capacity cannot be less than minimum capacity.")


def check_policy(policy: Document, others: list[Document]) -> None:
    """Beside: a policy is none, or does not go with the others of its target."""
    kind = policy["PolicyType"]
    if kind == "PredictiveScaling":
        raise invalid("PredictiveScaling: the local cloud makes no forecasts, and nor does AWS for SageMaker.")
    wrong = [one for one in CONFIGURATIONS.values() if one in policy and one != CONFIGURATIONS[kind]]
    if wrong or "PredictiveScalingPolicyConfiguration" in policy or CONFIGURATIONS[kind] not in policy:
        raise invalid(f"A policy of type {kind} has a {CONFIGURATIONS[kind]}, and no other configuration.")
    configuration = policy[CONFIGURATIONS[kind]]
    _check_seconds(configuration)
    try:
        if kind == STEPS:
            steps.check(configuration)
        else:
            tracking.check(configuration, policy["ScalableDimension"])
    except ValueError as error:
        raise invalid(str(error)) from None
    if kind == TRACKING:
        measured = tracking.measured(configuration)
        tracked = (one[CONFIGURATIONS[TRACKING]] for one in others if one["PolicyType"] == TRACKING)
        if measured in map(tracking.measured, tracked):
            raise invalid("Only one TargetTrackingScaling policy for a given metric specification is allowed.")


def _check_seconds(configuration: Document) -> None:
    for name in ("Cooldown", "ScaleInCooldown", "ScaleOutCooldown", "MinAdjustmentMagnitude"):
        if (configuration.get(name) or 0) < 0:
            raise invalid(f"{name} must not be negative.")


def check_action(action: Document, now: float) -> None:
    """Beside: a scheduled action is none. now: on the clock."""
    if "Schedule" not in action:
        raise invalid("Schedule is required to create a scheduled action.")
    bounds = action.get("ScalableTargetAction") or {}
    if not {"MinCapacity", "MaxCapacity"} & set(bounds):
        raise invalid("At least one of minimum capacity and maximum capacity should be provided")
    least, most = bounds.get("MinCapacity", 1), bounds.get("MaxCapacity", bounds.get("MinCapacity", 1))
    check_bounds({"MinCapacity": least, "MaxCapacity": most})
    try:
        schedule = Schedule(action["Schedule"], action.get("Timezone") or "UTC")
    except ValueError as error:
        raise invalid(str(error)) from None
    if schedule.at is not None and schedule.at <= now:
        raise invalid(f"The schedule {action['Schedule']} is in the past.")
    if "EndTime" in action and action["EndTime"].timestamp() <= max(now, _start(action)):
        raise invalid("The end time must be after the start time and in the future.")


def _start(action: Document) -> float:
    return action["StartTime"].timestamp() if "StartTime" in action else 0.0


def check_update(store: Store, arn: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """ValidationException: an update of an endpoint removes a variant that is scaled, or gives it another type.

    before, after: variant -> instance type. https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
    """
    scaled = {records.Variant.of(one["ResourceId"]).name for one in records.targets_of_endpoint(store, arn)}
    changed = sorted(name for name in scaled & set(before) if after.get(name) != before[name])
    if changed:
        raise ValidationException(
            f"The variant(s) {json.dumps(changed)[1:-1]} must be deregistered as scalable target with AutoScaling"
            " before they can be removed or have their instance type updated."
        )


def page(call: Call, member: str, rows: list[Document]) -> Params:
    """A page of rows, as every Describe here has it. Beside: no such page, or a page of no such size."""
    size, token = call.params.get("MaxResults") or PAGE, call.params.get("NextToken")
    if not 1 <= size <= PAGE:
        raise invalid(f"MaxResults must be between 1 and {PAGE}.")
    try:
        place = listing.read_token(token)
    except ValidationException:
        place = ("", "")
    if place is not None and (not isinstance(place[0], int) or place[1] != member or place[0] < 0):
        raise Beside("InvalidNextTokenException", "The next token is invalid.")
    start = int(place[0]) if place else 0
    more = listing.write_token((start + size, member)) if start + size < len(rows) else None
    shown = [records.told(row) for row in rows[start : start + size]]
    return {member: shown} | ({"NextToken": more} if more else {})


def fits(document: Document, params: Params, **lists: str) -> bool:
    """Whether a document is one that a Describe asks for. lists: a member of the request -> of the document."""
    plain = all(document[name] == params[name] for name in records.NAMED if name in params)
    return plain and all(document[own] in params[name] for name, own in lists.items() if params.get(name))


def of(params: Params) -> Params:
    """What names a target in a request."""
    return {name: params[name] for name in records.NAMED}


def now() -> Any:
    return datetime.now(UTC)
