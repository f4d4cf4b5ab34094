"""Updates that shift traffic, and shadow variants, with real servers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.endpoints import Hosting
from tests.cloud.engine.hosting import echo
from tests.waiting import until

IMAGE = "shifted:1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def image(hosting: Hosting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield echo.add(hosting, tmp_path_factory.mktemp("shifted"), IMAGE)
    OwnImages(hosting.cloud.home.images).remove(IMAGE)


@pytest.fixture
def alarm(hosting: Hosting) -> str:
    """An alarm that only the test turns on."""
    name = f"alarm-{uuid.uuid4().hex[:8]}"
    hosting.cloud.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="nobody/sends",
        MetricName="this",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    return name


def model(hosting: Hosting, image: str, word: str) -> str:
    return hosting.model(None, Image=image, Environment={"SAYS": word})


def canary(share: int, wait: int, *alarms: str) -> dict[str, Any]:
    size = {"Type": "CAPACITY_PERCENT", "Value": share}
    routing = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": wait}
    found: dict[str, Any] = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    if alarms:
        found["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return found


def update(hosting: Hosting, name: str, config: str, plan: dict[str, Any]) -> None:
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, DeploymentConfig=plan)


def pending(hosting: Hosting, name: str) -> dict[str, Any]:
    found: dict[str, Any] = hosting.describe(name).get("PendingDeploymentSummary", {})
    return found


def stage(summary: dict[str, Any]) -> str:
    return str(summary["ProductionVariants"][0]["VariantStatus"][0]["Status"]) if summary else ""


def test_canary_that_an_alarm_takes_back_fails_no_request(hosting: Hosting, image: str, alarm: str) -> None:
    first = hosting.config(model(hosting, image, "old"), count=2)
    second = hosting.config(model(hosting, image, "new"), count=2)
    name, plan = hosting.serve(first), canary(50, 3600, alarm)
    with echo.asking(hosting, name) as heard:
        update(hosting, name, second, plan)
        summary = until(lambda: pending(hosting, name), lambda found: stage(found) == "Baking")
        begun = len(heard.words)
        until(lambda: len(heard.words), lambda count: count > begun + 200)
        baked = heard.words[begun:]
        hosting.cloud.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="r")
        described = hosting.wait(name)
        after = len(heard.words) + 3  # those that were under way are answered
        until(lambda: len(heard.words), lambda count: count > after + 20)
    assert heard.errors == []
    assert 0.3 < baked.count("new") / len(baked) < 0.7
    assert set(heard.words[after:]) == {"old"}
    assert (summary["EndpointConfigName"], summary["ProductionVariants"][0]["CurrentWeight"]) == (second, 0.5)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", first)
    assert described["FailureReason"] == f"The deployment was rolled back: in state ALARM is the alarm {alarm}."
    assert described["LastDeploymentConfig"] == plan
    assert "PendingDeploymentSummary" not in described
    hosting.delete(name)


def test_rolling_update_replaces_all_servers_under_load(hosting: Hosting, image: str) -> None:
    name = hosting.serve(hosting.config(model(hosting, image, "old"), count=2))
    second = hosting.config(model(hosting, image, "new"), count=2)
    batch = {"Type": "INSTANCE_COUNT", "Value": 1}
    plan = {"RollingUpdatePolicy": {"MaximumBatchSize": batch, "WaitIntervalInSeconds": 0}}
    with echo.asking(hosting, name) as heard:
        update(hosting, name, second, plan)
        described = hosting.wait(name)
        after = len(heard.words) + 3
        until(lambda: len(heard.words), lambda count: count > after + 20)
    assert heard.errors == []
    assert (heard.words[0], set(heard.words[after:])) == ("old", {"new"})
    assert (described["EndpointConfigName"], described["ProductionVariants"][0]["CurrentInstanceCount"]) == (
        second,
        2,
    )
    hosting.delete(name)


@pytest.mark.parametrize("word", ["twin", "fail", "wait"])
def test_shadow_is_asked_the_same_and_nobody_hears_it(hosting: Hosting, image: str, word: str) -> None:
    shadow = {
        "VariantName": "shadow",
        "ModelName": model(hosting, image, word),
        "InstanceType": "ml.c5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
    }
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{hosting.bucket}/captured",
        "CaptureOptions": [{"CaptureMode": "Output"}],
    }
    options = {"ShadowProductionVariants": [shadow], "DataCaptureConfig": capture}
    config = hosting.config(model(hosting, image, "here"), options=options)
    name, begun = hosting.serve(config), time.time()
    assert {echo.say(hosting, name) for _ in range(20)} == {"here"}
    described = hosting.describe(name)
    assert [one["VariantName"] for one in described["ProductionVariants"]] == ["v1"]
    assert described["ShadowProductionVariants"][0]["CurrentInstanceCount"] == 1
    if word == "twin":
        until(lambda: captured(hosting, name, "shadow"), lambda count: count == 20)
    if word == "fail":
        until(lambda: total(hosting, name, "shadow", "Invocation5XXErrors", begun), lambda count: count == 20)
        until(lambda: total(hosting, name, "v1", "Invocations", begun, config), lambda count: count == 20)
    change = [{"VariantName": "shadow", "DesiredWeight": 0.0, "DesiredInstanceCount": 2}]
    hosting.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=change)
    found = hosting.wait(name)["ShadowProductionVariants"][0]
    assert (found["CurrentWeight"], found["CurrentInstanceCount"]) == (0.0, 2)
    hosting.delete(name)


def captured(hosting: Hosting, name: str, variant: str) -> int:
    """How many answers of a variant are in S3."""
    prefix = f"captured/{name}/{variant}/"
    found = hosting.s3.list_objects_v2(Bucket=hosting.bucket, Prefix=prefix).get("Contents", [])
    bodies = [hosting.s3.get_object(Bucket=hosting.bucket, Key=one["Key"])["Body"].read() for one in found]
    return sum(body.count(b"\n") for body in bodies)


def total(hosting: Hosting, name: str, variant: str, metric: str, begun: float, config: str = "") -> float:
    """The sum of a metric since then. config: an endpoint configuration of which it is."""
    dimensions = {"EndpointName": name, "VariantName": variant} | (
        {"EndpointConfigName": config} if config else {}
    )
    points = hosting.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=begun - 3600,
        EndTime=time.time() + 60,
        Period=86400,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))
