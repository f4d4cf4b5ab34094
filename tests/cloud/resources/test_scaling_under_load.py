"""A local cloud of its own on a fast clock: real clients, an alarm, another server; and a kill in the middle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from sagelab.cloud import clock, control
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.endpoints import Hosting
from tests.cloud.kills import kill
from tests.cloud.scaling import IMAGE, Scaling, add_image, user
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = pytest.mark.slow

SPEED = 60.0  # a minute is a second
SILENT = {"CustomizedMetricSpecification": {"Namespace": "Mine", "MetricName": "Nobody", "Statistic": "Average"}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = Home(tmp_path_factory.mktemp("fast") / "home")
    clouds.start(made)
    clock.set_speed(made, SPEED)
    yield made
    control.down(made)


@pytest.fixture(scope="module")
def folder(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What servers have as their folder: none answers while there is a file `hold` in it."""
    image = add_image(cloud_of(home), tmp_path_factory.mktemp("image"))
    found = OwnImages(home.images).find(image)
    assert found
    return found


@pytest.fixture
def scaling(home: Home, folder: Path) -> Scaling:
    assert folder.exists()
    return Scaling(Hosting(cloud_of(home)), IMAGE)


def cloud_of(home: Home) -> LocalCloud:
    running = home.server()
    assert running
    return LocalCloud(home, running["url"])


@contextmanager
def clients(scaling: Scaling, endpoint: str) -> Iterator[None]:
    """For the block, two clients ask an endpoint as fast as it answers."""
    done = threading.Event()

    def ask() -> None:
        runtime = scaling.hosting.cloud.client("sagemaker-runtime")
        while not done.is_set():
            runtime.invoke_endpoint(EndpointName=endpoint, Body=b"{}")["Body"].read()

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_the_first_target_needs_the_right_to_make_the_role(scaling: Scaling, unique: Callable[[str], str]) -> None:
    cloud = scaling.hosting.cloud
    session = user(cloud, unique("user"), "application-autoscaling:*", "sagemaker:*")
    api = session.client("application-autoscaling", endpoint_url=cloud.url)
    asked = {**scaling.named("none"), "MinCapacity": 1, "MaxCapacity": 2}
    with pytest.raises(ClientError, match="not authorized to perform: iam:CreateServiceLinkedRole"):
        api.register_scalable_target(**asked)


def test_load_is_an_alarm_and_an_alarm_is_another_server(scaling: Scaling, home: Home) -> None:
    name = scaling.endpoint()
    scaling.register(name, most=2)
    silent = scaling.track(name, 1, "silent", **SILENT)["Alarms"]
    high, low = (alarm["AlarmName"] for alarm in scaling.track(name, 5)["Alarms"])
    with clients(scaling, name):
        (activity,) = scaling.done(name)
    assert activity["StatusMessage"].endswith("2. Change successfully fulfilled by sagemaker.")
    assert activity["Cause"] == f"monitor alarm {high} in state ALARM triggered policy tracking"
    assert scaling.count(name) == 2
    names = [alarm["AlarmName"] for alarm in silent]
    states = {one["StateValue"] for one in scaling.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]}
    assert states == {"INSUFFICIENT_DATA"}  # a metric that nobody sends calls for nothing, and lets nothing go
    scaling.api.delete_scaling_policy(PolicyName="silent", **scaling.named(name))
    clock.set_speed(home, clock.FASTEST)
    (activity, _) = scaling.done(name, 2)
    clock.set_speed(home, SPEED)
    assert activity["Cause"] == f"monitor alarm {low} in state ALARM triggered policy tracking"
    assert scaling.count(name) == 1


def test_an_activity_that_a_kill_cut_off_is_told_as_it_ended(scaling: Scaling, home: Home, folder: Path) -> None:
    name = scaling.endpoint()
    (folder / "hold").touch()
    scaling.register(name, least=2)
    until(lambda: scaling.activities(name), lambda found: bool(found) and found[0]["StatusCode"] == "InProgress")
    kill(home)
    (folder / "hold").unlink()
    clouds.start(home)
    again = Scaling(Hosting(cloud_of(home)), IMAGE)
    # The endpoint comes back with as many servers as were wanted; if that was not kept yet, they come once more.
    done, *before = until(lambda: again.activities(name), lambda found: found[0]["StatusCode"] == "Successful")
    assert [one["StatusCode"] for one in before] in ([], ["Failed"])
    assert all("The local cloud ended before the change" in one["StatusMessage"] for one in before)
    assert (done["Description"], again.count(name)) == ("Setting desired instance count to 2.", 2)
