"""Rules of scaling that need no endpoint: limits, one change at a time, pages, refused updates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.scaling import records
from sagelab.cloud.errors import ServiceError, ValidationException
from sagelab.cloud.home import Home
from sagelab.cloud.resources import scaling_rules
from sagelab.cloud.resources.call import Call
from sagelab.cloud.resources.scalable_targets import ScalableTargets
from sagelab.cloud.resources.scaling_policies import ScalingPolicies
from sagelab.cloud.store import Document, Resource, Store
from tests.cloud.engine.scaling.stage import ACCOUNT, ARN, ENDPOINT, NAMED, REGION, target

STEPS = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
}


@pytest.fixture
def policies(home: Home) -> Iterator[ScalingPolicies]:
    """The family, without a front door: one target, whose policies of steps need none."""
    store = Store(home.database)
    cloud = Cloud(home, store, Launcher(home), "http://127.0.0.1:1", REGION)
    targets = ScalableTargets(cloud)
    store.add(Resource(ARN, records.TARGET, REGION, records.id_of(ARN), "", target()))
    yield ScalingPolicies(cloud, targets)
    targets.close()
    store.close()


def call(operation: str, **params: Any) -> Call:
    return Call(operation, params, REGION, ACCOUNT, "me")


def put(policies: ScalingPolicies, name: str, **changes: Any) -> Document:
    asked = NAMED | {"PolicyName": name, "StepScalingPolicyConfiguration": STEPS | changes}
    return policies.put(call("PutScalingPolicy", **asked))


def refused(act: Any, *arguments: Any, **named: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as error:
        act(*arguments, **named)
    return error.value.code, error.value.message


def test_a_target_has_so_many_policies(policies: ScalingPolicies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling_rules, "POLICIES", 2)
    put(policies, "a")
    put(policies, "b")
    assert refused(put, policies, "c") == ("LimitExceededException", "A target has 2 policies at most.")
    put(policies, "b", Cooldown=5)


def test_an_update_keeps_the_policys_arn_and_changes_its_steps(policies: ScalingPolicies) -> None:
    first, again = put(policies, "a"), put(policies, "a", Cooldown=5)
    assert first["PolicyARN"] == again["PolicyARN"]
    assert policies.store.get(first["PolicyARN"])["StepScalingPolicyConfiguration"]["Cooldown"] == 5


def test_one_change_of_a_targets_policies_at_a_time(policies: ScalingPolicies) -> None:
    with policies._alone(ARN):
        assert refused(put, policies, "a")[0] == "ConcurrentUpdateException"
    put(policies, "a")


def test_pages_end_and_their_tokens_are_their_own() -> None:
    rows = [{"number": number, records.OWN: {}} for number in range(5)]
    first = scaling_rules.page(call("", MaxResults=3), "Rows", rows)
    assert [one["number"] for one in first["Rows"]] == [0, 1, 2]
    rest = scaling_rules.page(call("", MaxResults=3, NextToken=first["NextToken"]), "Rows", rows)
    assert rest == {"Rows": [{"number": 3}, {"number": 4}]}
    for asked in ({"NextToken": "nonsense"}, {"NextToken": first["NextToken"]}):
        code, _ = refused(scaling_rules.page, call("", **asked), "Others", rows)
        assert code == "InvalidNextTokenException"


@pytest.mark.parametrize(
    ("after", "fits"),
    [({"v": "ml.c5.large"}, True), ({"v": "ml.m5.large"}, False), ({"w": "ml.c5.large"}, False)],
)
def test_a_scaled_variant_keeps_its_name_and_its_type(
    policies: ScalingPolicies, after: dict[str, str], fits: bool
) -> None:
    before = {"v": "ml.c5.large", "other": "ml.c5.large"}
    if fits:
        scaling_rules.check_update(policies.store, ENDPOINT, before, after)
        return
    with pytest.raises(ValidationException, match=r'The variant\(s\) "v" must be deregistered as scalable target'):
        scaling_rules.check_update(policies.store, ENDPOINT, before, after)
