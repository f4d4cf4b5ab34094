"""Inference Recommender's jobs from beginning to end, on a local cloud whose minutes take a tenth of a second."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagelab.cloud import clock, control
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.jobs import ROLE, pack
from tests.cloud.kills import kill
from tests.cloud.recommendations import GROUP, Recommendations, add_image, phases
from tests.waiting import until

pytestmark = pytest.mark.slow
SPEED = 600.0
FOREVER: dict[str, Any] = {"JobDurationInSeconds": 18000, "TrafficPattern": phases(*[(1, 0, 3600)] * 5)}


@pytest.fixture(scope="module")
def advice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommendations]:
    home = Home(tmp_path_factory.mktemp("advice") / "home")
    clock.set_speed(home, SPEED)
    cloud = clouds.start(home)
    yield Recommendations(cloud, add_image(cloud, tmp_path_factory.mktemp("serves")))
    control.down(home)


@pytest.fixture(scope="module")
def compared(advice: Recommendations) -> dict[str, Any]:
    """A load test on two types, one of them in two environments."""
    ranges = {"CategoricalParameterRanges": [{"Name": "THREADS", "Value": ["1", "2"]}]}
    wanted = [
        {"InstanceType": "ml.m5.large", "EnvironmentParameterRanges": ranges},
        {"InstanceType": "ml.c5.large"},
    ]
    limit = {"MaxNumberOfTests": 3, "MaxParallelOfTests": 3}
    job = advice.run(advice.request(EndpointConfigurations=wanted, ResourceLimit=limit, VpcConfig=vpc()))
    assert job["Status"] == "COMPLETED", job
    return job


def vpc() -> dict[str, Any]:
    return {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}


def test_each_test_has_its_numbers_and_the_cheapest_inference_is_first(compared: dict[str, Any]) -> None:
    found = compared["InferenceRecommendations"]
    assert len(found) == 3
    costs = [each["Metrics"]["CostPerInference"] for each in found]
    assert costs == sorted(costs)
    for each in found:
        metrics, endpoint = each["Metrics"], each["EndpointConfiguration"]
        assert metrics["MaxInvocations"] > 0
        assert metrics["ModelLatency"] >= 1
        assert metrics["MemoryUtilization"] > 0
        price = {"ml.c5.large": 0.102, "ml.m5.large": 0.115}[endpoint["InstanceType"]]
        assert metrics["CostPerHour"] == pytest.approx(price)
        assert metrics["CostPerInference"] == pytest.approx(price / metrics["MaxInvocations"] / 60)
        assert each["RecommendationId"].startswith(f"{compared['JobName']}/")
        assert endpoint["EndpointName"].startswith("sm-epc-")
        assert compared["CreationTime"] <= each["InvocationStartTime"] < each["InvocationEndTime"]
        assert each["InvocationEndTime"] <= compared["CompletionTime"]
    tried = {
        (each["EndpointConfiguration"]["InstanceType"], *_values(each["ModelConfiguration"])) for each in found
    }
    assert tried == {("ml.m5.large", "1"), ("ml.m5.large", "2"), ("ml.c5.large",)}


def _values(configuration: dict[str, Any]) -> list[str]:
    return [each["Value"] for each in configuration.get("EnvironmentParameters", [])]


def test_steps_logs_and_metrics_tell_how_it_went(advice: Recommendations, compared: dict[str, Any]) -> None:
    name = compared["JobName"]
    steps = advice.steps(name, Status="COMPLETED", StepType="BENCHMARK")
    assert [step["Status"] for step in steps] == ["COMPLETED"] * 3
    assert advice.steps(name, Status="FAILED") == []
    assert len(advice.steps(name, MaxResults=1)) == 1
    log = advice.log(name)
    for told in ("one at a time", "instance types differ here by", "real second", "prices of", "VpcConfig: "):
        assert told in log
    assert "2 samples of" in log
    assert "test 3 of 3: ml.c5.large" in log
    assert "(on a clock 600 times faster)" in log
    endpoint = steps[0]["InferenceBenchmark"]["EndpointConfiguration"]["EndpointName"]
    assert "in service after" in advice.log(name, f"Endpoint/{endpoint}")
    names = {"JobName": name, "EndpointName": endpoint}
    metrics = advice.cloud.client("cloudwatch").get_metric_statistics(
        Namespace=GROUP,
        MetricName="NumberOfUsers",
        Dimensions=[{"Name": key, "Value": value} for key, value in names.items()],
        StartTime=datetime.now(UTC) - timedelta(minutes=30),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=3600,
        Statistics=["Maximum"],
    )
    assert max(point["Maximum"] for point in metrics["Datapoints"]) == 2


def test_nothing_of_it_is_left(advice: Recommendations, compared: dict[str, Any]) -> None:
    assert compared["Status"] == "COMPLETED"
    assert advice.left() == []


def test_jobs_are_listed_by_their_model(advice: Recommendations, compared: dict[str, Any]) -> None:
    def names(**filters: Any) -> list[str]:
        answer = advice.sagemaker.list_inference_recommendations_jobs(**filters)
        return [each["JobName"] for each in answer["InferenceRecommendationsJobs"]]

    name = compared["JobName"]
    assert name in names(ModelNameEquals=advice.usual, StatusEquals="COMPLETED")
    assert names(ModelNameEquals=advice.model()) == []
    assert names(NameContains=name, StatusEquals="FAILED") == []
    (row,) = advice.sagemaker.list_inference_recommendations_jobs(NameContains=name)[
        "InferenceRecommendationsJobs"
    ]
    assert (row["JobType"], row["RoleArn"], row["SamplePayloadUrl"]) == ("Advanced", ROLE, advice.payload)


def test_a_default_job_chooses_itself(advice: Recommendations) -> None:
    container = advice.container(SupportedInstanceTypes=["ml.c5.xlarge"], NearestModelName="resnet50")
    container["SupportedEndpointType"] = "RealTime"
    request = advice.request(EndpointConfigurations=None, TrafficPattern=None, ContainerConfig=container)
    job = advice.run(request | {"JobType": "Default"})
    assert job["Status"] == "COMPLETED", job
    types = [each["EndpointConfiguration"]["InstanceType"] for each in job["InferenceRecommendations"]]
    assert types == ["ml.c5.xlarge"]
    log = advice.log(job["JobName"])
    assert "the model is not compiled" in log
    assert "NearestModelName: " in log


def test_a_serverless_candidate_has_its_start_and_its_cost(advice: Recommendations) -> None:
    wanted = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 2}}
    job = advice.run(advice.request(EndpointConfigurations=[wanted]))
    assert job["Status"] == "COMPLETED", job
    (found,) = job["InferenceRecommendations"]
    endpoint, metrics = found["EndpointConfiguration"], found["Metrics"]
    assert endpoint["ServerlessConfig"] == wanted["ServerlessConfig"]
    assert not {"InstanceType", "InitialInstanceCount"} & endpoint.keys()
    assert metrics["ModelSetupTime"] > 0
    assert 0 < metrics["CostPerInference"] < 0.00004 * 60  # two GB, for less than a minute
    assert "CostPerHour" not in metrics
    assert advice.left() == []


def test_a_version_of_a_model_need_not_be_approved(advice: Recommendations) -> None:
    group = f"group-{uuid.uuid4().hex[:12]}"
    advice.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn = advice.sagemaker.create_model_package(
        ModelPackageGroupName=group,
        Domain="MACHINE_LEARNING",
        SamplePayloadUrl=advice.payload,
        InferenceSpecification={
            "Containers": [{"Image": advice.image, "Framework": "OTHER"}],
            "SupportedContentTypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    job = advice.run(advice.request(ModelName=None, ModelPackageVersionArn=arn, ContainerConfig=None))
    assert job["Status"] == "COMPLETED", job
    assert advice.left() == []


def test_an_endpoint_that_is_there_is_compared_and_stays(advice: Recommendations) -> None:
    name, sagemaker = f"mine-{uuid.uuid4().hex[:8]}", advice.sagemaker
    variant = {
        "VariantName": "v",
        "ModelName": advice.usual,
        "InstanceType": "ml.c5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    until(
        lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"],
        lambda status: status == "InService",
    )
    job = advice.run(advice.request(EndpointConfigurations=None, Endpoints=[{"EndpointName": name}]))
    assert job["Status"] == "COMPLETED", job
    (performance,) = job["EndpointPerformances"]
    assert performance["EndpointInfo"] == {"EndpointName": name}
    assert performance["Metrics"]["MaxInvocations"] > 0
    assert "InferenceRecommendations" not in job
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    sagemaker.delete_endpoint(EndpointName=name)


def test_a_job_that_is_stopped_leaves_nothing(advice: Recommendations) -> None:
    name = advice.start(advice.request(**FOREVER))
    until(lambda: advice.left(), bool)
    advice.sagemaker.stop_inference_recommendations_job(JobName=name)
    job = advice.wait(name)
    assert job["Status"] == "STOPPED"
    assert [step["Status"] for step in advice.steps(name)] == ["STOPPED"]
    assert advice.left() == []


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"FAILS": "1"}, "no model here"),
        ({"REFUSES": "1"}, "ModelError when calling the InvokeEndpoint operation: "),
    ],
)
def test_a_model_that_does_not_answer_fails_its_test(
    advice: Recommendations, environment: dict[str, str], reason: str
) -> None:
    job = advice.run(advice.request(ModelName=advice.model(**environment)))
    assert job["Status"] == "FAILED"
    assert reason in job["FailureReason"]
    (step,) = advice.steps(job["JobName"], Status="FAILED")
    assert reason in step["InferenceBenchmark"]["FailureReason"]
    assert advice.left() == []


def test_samples_that_cannot_be_sent_fail_the_job(advice: Recommendations) -> None:
    payload = {"SamplePayloadUrl": advice.put("empty.tar.gz", pack({})), "SupportedContentTypes": ["text/csv"]}
    job = advice.run(advice.request(ContainerConfig=advice.container(PayloadConfig=payload)))
    assert job["Status"] == "FAILED"
    assert "PayloadError: " in job["FailureReason"]


def test_a_job_goes_by_the_rights_of_its_role(advice: Recommendations) -> None:
    """Its role may read the samples, and make nothing."""
    iam, name = advice.cloud.client("iam"), f"role-{uuid.uuid4().hex[:8]}"
    trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal":'
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=trust + ' {"Service": "sagemaker.amazonaws.com"}}]}'
    )["Role"]["Arn"]
    reads = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    iam.put_role_policy(RoleName=name, PolicyName="reads", PolicyDocument=reads)
    job = advice.run(advice.request() | {"RoleArn": role})
    assert job["Status"] == "FAILED"
    assert "AccessDenied" in job["FailureReason"]
    assert "sagemaker:CreateEndpointConfig" in job["FailureReason"]


def test_a_job_of_a_local_cloud_that_is_killed_leaves_nothing(advice: Recommendations) -> None:
    name, home = advice.start(advice.request(**FOREVER)), advice.cloud.home
    until(lambda: advice.left(), lambda left: any(each.startswith("sm-epc-") for each in left))
    kill(home)
    again = Recommendations(clouds.start(home), advice.image)
    job = again.describe(name)
    assert (job["Status"], "local cloud ended" in job["FailureReason"]) == ("FAILED", True)
    until(again.left, lambda left: left == [])
