"""Endpoints of a local cloud that is killed, and started again on the same home."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagelab.cloud import control
from sagelab.cloud.home import Home
from tests.cloud.endpoints import Hosting, pack_folder
from tests.cloud.kills import kill
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow


def start(home: Home) -> LocalCloud:
    return LocalCloud(home, control.up(home))


def test_an_endpoint_in_service_serves_again_after_a_kill(home: Home, doubler: Path) -> None:
    before = Hosting(start(home))
    model = before.model(pack_folder(doubler))
    name = before.serve(before.config(model, model))
    weights = [{"VariantName": "v2", "DesiredWeight": 3.0}]
    before.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=weights)
    was = before.wait(name)
    kill(home)

    after = Hosting(start(home))
    found = after.wait(name)
    assert found["EndpointStatus"] == "InService", found
    for member in ("EndpointArn", "CreationTime", "EndpointConfigName", "ProductionVariants"):
        assert found[member] == was[member]
    assert after.invoke(name, {"instances": [[1.0, 2.0]]}) == {"predictions": [[2.0, 4.0]]}


def test_an_endpoint_whose_configuration_is_gone_fails_with_the_reason(home: Home, doubler: Path) -> None:
    before = Hosting(start(home))
    config = before.config(before.model(pack_folder(doubler)))
    name = before.serve(config)
    before.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    kill(home)

    found = Hosting(start(home)).wait(name)
    assert found["EndpointStatus"] == "Failed"
    assert config in found["FailureReason"]
