from __future__ import annotations

from typing import Any

import pytest

from sagelab.lab import costs


def job(**facts: Any) -> dict[str, Any]:
    compute = {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
    return {"ResourceConfig": compute, **facts}


def test_the_documented_run_costs_23_cents() -> None:
    assert costs.training_cost(job(BillableTimeInSeconds=220)) == pytest.approx(220 * 3.825 / 3600)
    assert "$0.23 on AWS (us-east-1" in str(costs.bill(job(BillableTimeInSeconds=220)))


def test_every_instance_is_billed() -> None:
    assert costs.estimate("ml.m5.xlarge", 3600, count=3).dollars == pytest.approx(0.69)


def test_a_job_not_yet_billed_costs_nothing() -> None:
    assert costs.training_cost(job()) == 0


def test_an_instance_type_without_a_price_is_named_with_the_known_ones() -> None:
    with pytest.raises(costs.UnknownPrice, match=r"'ml\.p9\.huge' is at hand; known are .*ml\.p3\.2xlarge"):
        costs.estimate("ml.p9.huge", 60)


def test_hosting_has_prices_of_its_own() -> None:
    assert costs.estimate("ml.c5.large", 3600, plane="hosting").dollars == pytest.approx(0.102)
    with pytest.raises(costs.UnknownPrice):
        costs.estimate("ml.c5.large", 3600)


def test_requests_of_a_serverless_endpoint_are_billed_by_memory_and_time() -> None:
    cost = costs.serverless(3072, 1000)
    assert cost.gigabyte_seconds == 3000
    assert cost.dollars == pytest.approx(0.06)
    assert "3,000.000 GB-seconds: $0.060000 on AWS (us-east-1" in str(cost)
    assert costs.serverless(1024, 0, data=2).dollars == pytest.approx(0.032)
    with pytest.raises(costs.UnknownPrice):
        costs.serverless(1024, 1, provisioned=1)


def test_the_price_table_says_of_when_and_where_it_is_and_what_is_unverified() -> None:
    table = costs.prices()
    assert table["date"]
    assert table["region"] == "us-east-1"
    assert table["source"]
    known = {name for plane in ("training", "hosting", "notebook", "accelerator") for name in table[plane]}
    assert set(table["unverified"]) <= known
