"""Endpoints of a local cloud that is killed, and started again on the same home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sagelab.cloud import control
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.endpoints import Hosting
from tests.cloud.engine.hosting.test_async import IMAGE, Asking, asking
from tests.cloud.jobs import pack
from tests.cloud.kills import kill
from tests.waiting import until

pytestmark = pytest.mark.slow

TEXTS = [f"text-{number}" for number in range(5)]


@dataclass(frozen=True)
class Killed:
    """Endpoints of a local cloud that was killed and started again: what they were, and who asks now.

    answers: to asynchronous invocations with TEXTS, of which two had begun; lost: to one without an input.
    """

    kept: dict[str, Any]
    asleep: dict[str, Any]
    provisioned: dict[str, Any]
    without_config: str
    config: str
    asynchronous: str
    answers: list[dict[str, Any]]
    lost: dict[str, Any]
    after: Asking


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    folder = tmp_path_factory.mktemp("killed")
    home = Home(folder / "home")
    asked = asking(home, folder / "patient")
    before = asked.hosting
    model = before.model(pack({"weights": "2"}), Image=IMAGE)
    name = before.serve(before.config(model, model))
    weights = [{"VariantName": "v2", "DesiredWeight": 3.0}]
    before.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=weights)
    asleep = before.serve(before.serverless(model))
    plan = [{"VariantName": "v1", "ServerlessUpdateConfig": {"MaxConcurrency": 7}}]
    before.sagemaker.update_endpoint_weights_and_capacities(EndpointName=asleep, DesiredWeightsAndCapacities=plan)
    provisioned = before.serve(before.serverless(model, ProvisionedConcurrency=1))
    serverless = before.wait(asleep), before.wait(provisioned)
    was, config = before.wait(name), before.config(model)
    without_config = before.serve(config)
    before.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    asynchronous = asked.serve(MaxConcurrentInvocationsPerInstance=2)
    asked.hold.touch()
    answers, lost = [asked.invoke(asynchronous, text) for text in TEXTS], asked.invoke(asynchronous, None)
    until(lambda: asked.begun(asynchronous), lambda found: found == 2)
    kill(home)
    asked.hold.unlink()
    after = Asking(Hosting(clouds.start(home), bucket=before.bucket))
    yield Killed(was, *serverless, without_config, config, asynchronous, answers, lost, after)
    control.down(home)


def test_an_endpoint_in_service_serves_again_after_a_kill(killed: Killed) -> None:
    name, after = killed.kept["EndpointName"], killed.after.hosting
    found = after.wait(name)
    assert found["EndpointStatus"] == "InService", found
    for member in ("EndpointArn", "CreationTime", "EndpointConfigName", "ProductionVariants"):
        assert found[member] == killed.kept[member]
    assert after.runtime.invoke_endpoint(EndpointName=name, Body=b"hello")["Body"].read().endswith(b" hello")


def test_a_serverless_endpoint_is_asleep_after_a_kill_and_as_it_was(killed: Killed) -> None:
    after, jobs = killed.after.hosting, killed.after.hosting.cloud.home.jobs
    for was, environments in ((killed.asleep, 0), (killed.provisioned, 1)):
        name = was["EndpointName"]
        assert after.wait(name)["ProductionVariants"] == was["ProductionVariants"]
        assert len(list(jobs.glob(f"{name}-i-*"))) == environments
        assert after.runtime.invoke_endpoint(EndpointName=name, Body=b"hello")["Body"].read().endswith(b" hello")


def test_an_endpoint_whose_configuration_is_gone_fails_with_the_reason(killed: Killed) -> None:
    found = killed.after.hosting.wait(killed.without_config)
    assert found["EndpointStatus"] == "Failed"
    assert killed.config in found["FailureReason"]


def test_what_was_acknowledged_before_a_kill_ends_in_its_object(killed: Killed) -> None:
    after = killed.after
    said = [after.await_text(answer["OutputLocation"]) for answer in killed.answers]
    assert [one.split()[1] for one in said] == TEXTS
    assert "NoSuchKey" in after.await_text(killed.lost["FailureLocation"])
    after.await_no_row()
    assert after.hosting.describe(killed.asynchronous)["EndpointStatus"] == "InService"
