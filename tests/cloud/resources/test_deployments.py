"""DeploymentConfigs as plans, and those that break one of AWS's rules."""

from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.engine.hosting.server import ContainerSpec, VariantSpec
from sagelab.cloud.engine.hosting.shifting import Plan
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import deployments


def specs(*counts: int, accelerator: str | None = None) -> list[VariantSpec]:
    container = ContainerSpec("image", None)
    return [
        VariantSpec(f"v{number}", (container,), "role", "ml.c5.large", count, 1.0, accelerator=accelerator)
        for number, count in enumerate(counts, 1)
    ]


def size(value: int, kind: str = "CAPACITY_PERCENT") -> dict[str, Any]:
    return {"Type": kind, "Value": value}


def blue_green(kind: str, wait: int = 0, policy: dict[str, Any] | None = None, **routing: Any) -> dict[str, Any]:
    """A DeploymentConfig. policy: more of its BlueGreenUpdatePolicy."""
    routed = {"Type": kind, "WaitIntervalInSeconds": wait, **routing}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routed, **(policy or {})}}


def rolling(batch: dict[str, Any], wait: int = 0, **policy: Any) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": batch, "WaitIntervalInSeconds": wait, **policy}}


def read(config: dict[str, Any], *counts: int) -> Plan:
    return deployments.read(config, specs(*counts or (3,)), lambda name: name == "there")


@pytest.mark.parametrize(
    ("config", "count", "steps"),
    [
        ({}, 1, (1.0,)),
        (blue_green("ALL_AT_ONCE"), 1, (1.0,)),
        (blue_green("CANARY", CanarySize=size(30)), 1, (0.3, 1.0)),
        (blue_green("CANARY", CanarySize=size(1, "INSTANCE_COUNT")), 4, (0.25, 1.0)),
        (blue_green("LINEAR", LinearStepSize=size(30)), 1, (0.3, 0.6, 0.9, 1.0)),
        (blue_green("LINEAR", LinearStepSize=size(1, "INSTANCE_COUNT")), 3, (0.333, 0.667, 1.0)),
        (rolling(size(1, "INSTANCE_COUNT")), 2, (0.5, 1.0)),
        (rolling(size(50)), 3, (0.333, 0.667, 1.0)),
        (rolling(size(5)), 1, (1.0,)),
    ],
)
def test_traffic_goes_over_by_these_steps(config: dict[str, Any], count: int, steps: tuple[float, ...]) -> None:
    assert tuple(round(step, 3) for step in read(config, count).steps) == steps


def test_waits_limits_and_alarms_are_the_plans() -> None:
    policy = {"TerminationWaitInSeconds": 120, "MaximumExecutionTimeoutInSeconds": 1800}
    config = blue_green("CANARY", 300, policy, CanarySize=size(30))
    config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": "there"}]}
    plan = read(config)
    assert (plan.bake, plan.stay, plan.limit, plan.alarms, plan.rolling) == (300, 120, 1800, ("there",), False)
    found = read(rolling(size(34), 60, RollbackMaximumBatchSize=size(1, "INSTANCE_COUNT")))
    assert (found.bake, found.rolling, round(found.back, 3)) == (60, True, 0.333)


def alarms(*names: str) -> dict[str, Any]:
    return {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in names]}}


@pytest.mark.parametrize(
    ("config", "counts", "words"),
    [
        (blue_green("ALL_AT_ONCE") | rolling(size(50)), (2,), "Only one update policy should be used"),
        (blue_green("CANARY"), (2,), "CanarySize is needed for CANARY, and for it alone"),
        (blue_green("LINEAR", CanarySize=size(10)), (2,), "CanarySize is needed for CANARY, and for it alone"),
        (blue_green("LINEAR"), (2,), "LinearStepSize is needed for LINEAR"),
        (
            blue_green("CANARY", CanarySize=size(51)),
            (2,),
            "51% is not allowed. The value must be less than or equal",
        ),
        (blue_green("CANARY", CanarySize=size(1, "INSTANCE_COUNT")), (1,), "CanarySize: 1 of 1 instances is not"),
        (
            blue_green("LINEAR", LinearStepSize=size(9)),
            (2,),
            "The value must be 10% to 50% of the variant's total",
        ),
        (
            blue_green("LINEAR", LinearStepSize=size(1, "INSTANCE_COUNT")),
            (20,),
            "1 of 20 instances is not allowed",
        ),
        (rolling(size(4)), (2,), "MaximumBatchSize: 4% is not allowed. The value must be 5% to 50%"),
        (rolling(size(2, "INSTANCE_COUNT")), (3,), "MaximumBatchSize: 2 of 3 instances"),
        (rolling(size(50), RollbackMaximumBatchSize=size(101)), (2,), "RollbackMaximumBatchSize: 101%"),
        (rolling(size(50)), (1, 1), "not for endpoints of several variants"),
        (rolling(size(50), 600, MaximumExecutionTimeoutInSeconds=600), (2,), "must be longer than WaitInterval"),
        (blue_green("ALL_AT_ONCE", 3600, {"MaximumExecutionTimeoutInSeconds": 600}), (1,), "must be longer than"),
        (alarms("nobody-made-this"), (1,), 'Could not find CloudWatch alarm "nobody-made-this".'),
        (alarms("there", "there"), (1,), "Alarm name there is used more than once"),
    ],
)
def test_plan_that_breaks_a_rule_is_refused(config: dict[str, Any], counts: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValidationException, match=words.replace(".", r"\.")):
        read(config, *counts)


def test_traffic_is_shifted_between_variants_of_the_same_names_alone() -> None:
    plan = read(blue_green("CANARY", CanarySize=size(30)))
    assert deployments.check_change(plan, specs(1), ["v1"]) == plan
    assert deployments.check_change(read({}), specs(1), ["other"]) == read({})
    with pytest.raises(ValidationException, match="must have the same variant names"):
        deployments.check_change(plan, specs(1), ["other"])


def test_accelerators_go_over_all_at_once_and_unwatched() -> None:
    plan = read(blue_green("CANARY", 300, {"TerminationWaitInSeconds": 60}, CanarySize=size(30)) | alarms("there"))
    assert deployments.check_change(plan, specs(1, accelerator="ml.eia1.medium"), ["v1"]) == Plan(stay=60)
