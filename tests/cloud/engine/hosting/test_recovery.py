"""Endpoints of a local cloud that is killed, and started again on the same home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud import control
from sagelab.cloud.home import Home
from tests.cloud.endpoints import Hosting, pack_folder
from tests.cloud.kills import kill
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow


def start(home: Home) -> LocalCloud:
    return LocalCloud(home, control.up(home))


@dataclass(frozen=True)
class Killed:
    """Two endpoints of a local cloud that was killed and started again: what they were, and who asks now."""

    kept: dict[str, Any]
    without_config: str
    config: str
    after: Hosting


@pytest.fixture(scope="module")
def killed(doubler: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    home = Home(tmp_path_factory.mktemp("killed"))
    before = Hosting(start(home))
    model = before.model(pack_folder(doubler))
    name = before.serve(before.config(model, model))
    weights = [{"VariantName": "v2", "DesiredWeight": 3.0}]
    before.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=weights)
    was, config = before.wait(name), before.config(model)
    without_config = before.serve(config)
    before.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    kill(home)
    yield Killed(was, without_config, config, Hosting(start(home)))
    control.down(home)


def test_an_endpoint_in_service_serves_again_after_a_kill(killed: Killed) -> None:
    name = killed.kept["EndpointName"]
    found = killed.after.wait(name)
    assert found["EndpointStatus"] == "InService", found
    for member in ("EndpointArn", "CreationTime", "EndpointConfigName", "ProductionVariants"):
        assert found[member] == killed.kept[member]
    assert killed.after.invoke(name, {"instances": [[1.0, 2.0]]}) == {"predictions": [[2.0, 4.0]]}


def test_an_endpoint_whose_configuration_is_gone_fails_with_the_reason(killed: Killed) -> None:
    found = killed.after.wait(killed.without_config)
    assert found["EndpointStatus"] == "Failed"
    assert killed.config in found["FailureReason"]
