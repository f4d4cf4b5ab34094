"""A variant's capacity, as DescribeEndpoint tells it, and the request that sets another."""

from __future__ import annotations

import pytest

from sagelab.cloud.engine.scaling import capacity
from sagelab.cloud.engine.scaling.capacity import Capacity
from sagelab.cloud.engine.scaling.records import CONCURRENCY, INSTANCES, Variant, target_arn, target_id

SERVED = {"VariantName": "v", "DesiredInstanceCount": 3, "CurrentInstanceCount": 2}
PLAN = {"MemorySizeInMB": 1024, "MaxConcurrency": 9}
SERVERLESS = {
    "VariantName": "s",
    "CurrentServerlessConfig": PLAN | {"ProvisionedConcurrency": 2},
    "DesiredServerlessConfig": PLAN | {"ProvisionedConcurrency": 4},
}
ENDPOINT = {"ProductionVariants": [SERVED, SERVERLESS, {"VariantName": "cold", "CurrentServerlessConfig": PLAN}]}


@pytest.mark.parametrize(
    ("name", "dimension", "found"),
    [
        ("v", INSTANCES, Capacity(3, 2)),
        ("s", CONCURRENCY, Capacity(4, 2)),
        *(
            ("v", CONCURRENCY, None),
            ("s", INSTANCES, None),
            ("cold", CONCURRENCY, None),
            ("none", INSTANCES, None),
        ),
    ],
)
def test_a_variant_has_the_capacity_of_its_kind(name: str, dimension: str, found: Capacity | None) -> None:
    assert capacity.of(ENDPOINT, name, dimension) == found


def test_requests_set_one_variant_of_an_endpoint() -> None:
    assert capacity.request("e", "v", INSTANCES, 2) == {
        "EndpointName": "e",
        "DesiredWeightsAndCapacities": [{"VariantName": "v", "DesiredInstanceCount": 2}],
    }
    (wanted,) = capacity.request("e", "s", CONCURRENCY, 5)["DesiredWeightsAndCapacities"]
    assert wanted["ServerlessUpdateConfig"] == {"ProvisionedConcurrency": 5}


@pytest.mark.parametrize("text", ["endpoint/e", "endpoint//variant/v", "endpoint/e/variant/", "table/e/variant/v"])
def test_only_a_variant_of_an_endpoint_is_one(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Variant.of(text)


def test_a_target_is_known_by_what_it_scales_and_where() -> None:
    named = {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/e/variant/v", "ScalableDimension": INSTANCES}
    found = {target_id(where, named) for where in ("us-east-1:1", "us-west-2:1")}
    found |= {target_id("us-east-1:1", named | {"ScalableDimension": CONCURRENCY})}
    assert {len(one) for one in found} == {34}
    assert len(found) == 3
    assert target_arn("us-east-1:1", named).startswith(
        "arn:aws:application-autoscaling:us-east-1:1:scalable-target/"
    )
