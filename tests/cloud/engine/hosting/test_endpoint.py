"""Endpoints that serve: a model answers, a change interrupts nobody, what breaks is told."""

from __future__ import annotations

import json
import shutil
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.endpoints import IMAGE, Hosting, pack_folder
from tests.cloud.jobs import ROLE, pack
from tests.waiting import TIMEOUT, until
from tests.wheels import make_wheel

ONE = {"instances": [[1.0, 2.0]]}

ROLLING = {
    "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
    "WaitIntervalInSeconds": 0,
}

pytestmark = pytest.mark.slow


def blue_green(kind: str, wait: int = 0, longest: int | None = None) -> dict[str, Any]:
    """A DeploymentConfig."""
    routing = {"Type": kind, "WaitIntervalInSeconds": wait}
    limit = {"MaximumExecutionTimeoutInSeconds": longest} if longest else {}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **limit}}


# Which packages a server has, as its own code sees them.
PACKAGES = """
import json
import heard_of_never
import six

def handler(data, context):
    return json.dumps({"installed": heard_of_never.__name__, "six": getattr(six, "OURS", "theirs")})
"""


@pytest.fixture(scope="module")
def endpoint(hosting: Hosting, doubler: Path) -> str:
    """An endpoint that doubles."""
    return hosting.serve(hosting.config(hosting.model(pack_folder(doubler))))


def test_version_of_the_registry_serves_though_it_is_deleted(hosting: Hosting, tripler: Path) -> None:
    registry, name = hosting.sagemaker, f"registered-{uuid.uuid4().hex[:8]}"
    registry.create_model_package_group(ModelPackageGroupName=name)
    data = hosting.put(f"{name}/model.tar.gz", pack_folder(tripler))
    version = registry.create_model_package(
        ModelPackageGroupName=name,
        ModelApprovalStatus="Approved",
        InferenceSpecification={"Containers": [{"Image": IMAGE, "ModelDataUrl": data}]},
    )["ModelPackageArn"]
    container = {"ModelPackageName": version}
    registry.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    registry.delete_model_package(ModelPackageName=version)
    assert hosting.invoke(hosting.serve(hosting.config(name)), ONE) == {"predictions": [[3.0, 6.0]]}


def trouble(act: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
    """The whole error answer of a call that is refused."""
    with pytest.raises(botocore.exceptions.ClientError) as error:
        act(*arguments, **options)
    found: dict[str, Any] = error.value.response
    return found


def test_model_answers(hosting: Hosting, endpoint: str) -> None:
    assert hosting.invoke(endpoint, ONE) == {"predictions": [[2.0, 4.0]]}
    described = hosting.describe(endpoint)
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert described["EndpointStatus"] == "InService"


def test_answer_names_its_variant_and_type(hosting: Hosting, endpoint: str) -> None:
    answer = hosting.runtime.invoke_endpoint(
        EndpointName=endpoint, Body=json.dumps(ONE).encode(), ContentType="application/json"
    )
    assert answer["InvokedProductionVariant"] == "v1"
    assert answer["ContentType"].startswith("application/json")


def test_stream_comes_in_parts(hosting: Hosting, endpoint: str) -> None:
    answer = hosting.runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=json.dumps(ONE).encode(), ContentType="application/json"
    )
    parts = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])
    assert json.loads(parts) == {"predictions": [[2.0, 4.0]]}


def test_malformed_request_is_a_model_error_with_the_containers_words(hosting: Hosting, endpoint: str) -> None:
    answer = trouble(hosting.invoke, endpoint, b'{"instances": [[1, 2', ContentType="application/json")
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 400
    assert answer["Error"]["Message"].startswith("Received client error (400) from primary with message")
    assert answer["LogStreamArn"].endswith(endpoint)
    assert hosting.invoke(endpoint, ONE)


def test_wrong_shape_is_told(hosting: Hosting, endpoint: str) -> None:
    answer = trouble(hosting.invoke, endpoint, {"instances": [[1.0, 2.0, 3.0]]})
    assert answer["OriginalStatusCode"] == 400


def test_body_over_the_limit_is_refused(hosting: Hosting, endpoint: str) -> None:
    answer = trouble(hosting.invoke, endpoint, b" " * (26 * 1024 * 1024))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert hosting.invoke(endpoint, ONE)


def test_unknown_endpoint_and_variant_are_not_found(hosting: Hosting, endpoint: str) -> None:
    words = trouble(hosting.invoke, "nobody-made-this", ONE)["Error"]
    assert words["Code"] == "ValidationError"
    assert words["Message"] == "Endpoint nobody-made-this of account 123456789012 not found."
    assert "Variant v9" in trouble(hosting.invoke, endpoint, ONE, TargetVariant="v9")["Error"]["Message"]


def test_metrics_have_sagemakers_names(hosting: Hosting, endpoint: str) -> None:
    started = time.time()
    for _ in range(5):
        hosting.invoke(endpoint, ONE)
    cloudwatch = hosting.cloud.client("cloudwatch")

    def total(name: str, statistic: str) -> float:
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "v1"}],
            StartTime=started - 3600,
            EndTime=time.time() + 60,
            Period=86400,
            Statistics=[statistic],
        )["Datapoints"]
        return float(sum(point[statistic] for point in points))

    until(lambda: total("Invocations", "Sum"), lambda count: count >= 5)
    assert 0 < total("ModelLatency", "Average") < 60e6
    assert total("OverheadLatency", "Average") > 0


def test_two_variants_share_by_weight_or_by_name(hosting: Hosting, doubler: Path, tripler: Path) -> None:
    models = [hosting.model(pack_folder(folder)) for folder in (doubler, tripler)]
    name = hosting.serve(hosting.config(*models))
    assert hosting.invoke(name, ONE, TargetVariant="v1") == {"predictions": [[2.0, 4.0]]}
    assert hosting.invoke(name, ONE, TargetVariant="v2") == {"predictions": [[3.0, 6.0]]}
    change = [{"VariantName": "v1", "DesiredWeight": 0.0}, {"VariantName": "v2", "DesiredInstanceCount": 2}]
    hosting.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=change)
    described = hosting.wait(name)
    assert [variant["CurrentInstanceCount"] for variant in described["ProductionVariants"]] == [1, 2]
    answers = [hosting.invoke(name, ONE)["predictions"][0][0] for _ in range(20)]
    assert answers == [3.0] * 20
    hosting.delete(name)


def test_update_under_load_fails_no_request(hosting: Hosting, doubler: Path, tripler: Path) -> None:
    name = hosting.serve(hosting.config(hosting.model(pack_folder(doubler))))
    answers: list[float] = []
    errors: list[Exception] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                answers.append(hosting.invoke(name, ONE)["predictions"][0][0])
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    config = hosting.config(hosting.model(pack_folder(tripler)))
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    assert hosting.wait(name)["EndpointConfigName"] == config
    until(lambda: answers[-1], lambda answer: answer == 3.0)
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (answers[0], answers[-1]) == (2.0, 3.0)
    hosting.delete(name)


def test_update_keeps_what_it_is_asked_to_keep(hosting: Hosting, doubler: Path, tripler: Path) -> None:
    name = hosting.serve(hosting.config(hosting.model(pack_folder(doubler))))
    change = [{"VariantName": "v1", "DesiredWeight": 0.5, "DesiredInstanceCount": 2}]
    hosting.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=change)
    hosting.wait(name)
    plan = blue_green("ALL_AT_ONCE")
    hosting.sagemaker.update_endpoint(
        EndpointName=name,
        EndpointConfigName=hosting.config(hosting.model(pack_folder(tripler))),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}],
        DeploymentConfig=plan,
    )
    described = hosting.wait(name)
    (variant,) = described["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (0.5, 1)
    assert described["LastDeploymentConfig"] == plan
    assert hosting.invoke(name, ONE) == {"predictions": [[3.0, 6.0]]}
    hosting.delete(name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"DeploymentConfig": {"RollingUpdatePolicy": ROLLING}}, "MaximumBatchSize: 1 of 1 instances"),
        ({"DeploymentConfig": blue_green("CANARY")}, "CanarySize is needed for CANARY"),
        ({"DeploymentConfig": blue_green("ALL_AT_ONCE", 3600, 600)}, "must be longer than"),
        (
            {"DeploymentConfig": {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}]}}},
            'Could not find CloudWatch alarm "a".',
        ),
        (
            {"ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}]},
            "updates that have RetainAllVariantProperties",
        ),
    ],
    ids=["rolling", "canary", "too-long", "alarms", "exclude-alone"],
)
def test_update_that_breaks_a_rule_is_refused(
    hosting: Hosting, endpoint: str, options: dict[str, Any], words: str
) -> None:
    config = hosting.describe(endpoint)["EndpointConfigName"]
    answer = trouble(
        hosting.sagemaker.update_endpoint, EndpointName=endpoint, EndpointConfigName=config, **options
    )
    assert words in answer["Error"]["Message"]
    assert hosting.describe(endpoint)["EndpointStatus"] == "InService"


def test_update_that_fails_leaves_the_old_variant_serving(hosting: Hosting, endpoint: str) -> None:
    broken = hosting.config(hosting.model(b"no archive"))
    hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=broken)
    described = hosting.wait(endpoint)
    assert described["EndpointStatus"] == "InService"
    assert "not a readable tar.gz" in described["FailureReason"]
    assert hosting.invoke(endpoint, ONE) == {"predictions": [[2.0, 4.0]]}


def test_server_that_is_killed_is_started_again(hosting: Hosting, doubler: Path) -> None:
    code = (
        "import os, signal\n"
        "def handler(data, context):\n"
        "    text = data.read().decode()\n"
        "    if 'die' in text: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return text, 'text/plain'\n"
    )
    name = hosting.serve(hosting.config(hosting.model(pack_folder(doubler, code__inference=code))))
    answer = trouble(hosting.invoke, name, b"die", ContentType="text/plain")
    assert answer["Error"]["Message"].startswith("Received server error (0) from primary")
    limit = time.monotonic() + TIMEOUT
    while time.monotonic() < limit:
        try:
            body = hosting.runtime.invoke_endpoint(EndpointName=name, Body=b"alive", ContentType="text/plain")[
                "Body"
            ]
            assert body.read() == b"alive"
            break
        except botocore.exceptions.ClientError:
            time.sleep(0.1)
    else:
        raise AssertionError("the server was not started again")
    hosting.delete(name)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (b"this is no archive", "not a readable tar.gz"),
        (pack({"readme": "no model here"}), "saved_model.pb"),
    ],
    ids=["corrupt", "empty"],
)
def test_bad_model_fails_the_endpoint_with_its_reason(hosting: Hosting, model: bytes, words: str) -> None:
    described = hosting.wait(hosting.start(hosting.config(hosting.model(model))))
    assert described["EndpointStatus"] == "Failed"
    assert words in described["FailureReason"]


def test_inference_code_that_raises_at_import_fails_the_endpoint(hosting: Hosting, doubler: Path) -> None:
    model = hosting.model(pack_folder(doubler, code__inference="raise ValueError('no labels')"))
    described = hosting.wait(hosting.start(hosting.config(model)))
    assert described["EndpointStatus"] == "Failed"
    assert "no labels" in described["FailureReason"]


def test_asynchronous_answer_is_in_s3(hosting: Hosting, doubler: Path) -> None:
    places = {"S3OutputPath": f"s3://{hosting.bucket}/out", "S3FailurePath": f"s3://{hosting.bucket}/failed"}
    options = {"AsyncInferenceConfig": {"OutputConfig": places}}
    name = hosting.serve(hosting.config(hosting.model(pack_folder(doubler)), options=options))
    where = hosting.put("in/one.json", json.dumps(ONE).encode())
    answer = hosting.runtime.invoke_endpoint_async(
        EndpointName=name, InputLocation=where, ContentType="application/json"
    )
    key = answer["OutputLocation"].removeprefix(f"s3://{hosting.bucket}/")
    hosting.s3.get_waiter("object_exists").wait(
        Bucket=hosting.bucket, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": TIMEOUT}
    )
    body = hosting.s3.get_object(Bucket=hosting.bucket, Key=key)["Body"].read()
    assert json.loads(body) == {"predictions": [[2.0, 4.0]]}
    hosting.delete(name)


def test_captured_data_is_in_s3(hosting: Hosting, doubler: Path) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{hosting.bucket}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    config = hosting.config(hosting.model(pack_folder(doubler)), options={"DataCaptureConfig": capture})
    name = hosting.serve(config)
    hosting.invoke(name, ONE)
    hosting.delete(name)
    found = hosting.s3.list_objects_v2(Bucket=hosting.bucket, Prefix=f"captured/{name}/v1/")["Contents"]
    body = hosting.s3.get_object(Bucket=hosting.bucket, Key=found[0]["Key"])["Body"].read()
    record = json.loads(body.splitlines()[0])["captureData"]
    assert json.loads(record["endpointInput"]["data"]) == ONE
    assert json.loads(record["endpointOutput"]["data"]) == {"predictions": [[2.0, 4.0]]}


def test_deleted_endpoint_leaves_no_process_and_no_folder(hosting: Hosting, doubler: Path) -> None:
    name = hosting.serve(hosting.config(hosting.model(pack_folder(doubler)), count=2))
    assert hosting.describe(name)["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    hosting.delete(name)
    assert not list(hosting.cloud.home.jobs.glob(f"{name}*"))
    assert "not found" in trouble(hosting.invoke, name, ONE)["Error"]["Message"]


def test_log_of_an_endpoint_is_a_stream_an_instance(hosting: Hosting, endpoint: str) -> None:
    streams = hosting.logs.describe_log_streams(logGroupName=f"/aws/sagemaker/Endpoints/{endpoint}")["logStreams"]
    assert streams[0]["logStreamName"].startswith("v1/i-")
    assert "CPU only" in hosting.log(endpoint)


def test_accelerated_variant_answers_as_the_plain_one(hosting: Hosting, doubler: Path) -> None:
    model = hosting.model(pack_folder(doubler))
    name = hosting.serve(hosting.config(model, AcceleratorType="ml.eia1.medium"))
    assert hosting.invoke(name, ONE) == {"predictions": [[2.0, 4.0]]}
    assert "ml.eia1.medium: the model is compiled ahead of time" in hosting.log(name)
    hosting.delete(name)


def test_packages_of_code_are_installed_and_its_own_modules_come_first(
    hosting: Hosting, doubler: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(doubler, tmp_path / "1")
    make_wheel(folder, "heard-of-never", "1.5")
    modules = {"inference.py": PACKAGES, "six.py": "OURS = 'ours'"}
    wanted = {"requirements.txt": "--no-index\n--find-links ../1\nheard-of-never\nnumpy\n"}
    archive = pack({f"code/{name}": text for name, text in (modules | wanted).items()}, folder)
    name = hosting.serve(hosting.config(hosting.model(archive)))
    answer = hosting.invoke(name, ONE)
    assert answer == {"installed": "heard_of_never", "six": "ours"}
    hosting.delete(name)


def test_package_that_there_is_not_fails_the_endpoint_in_words(hosting: Hosting, doubler: Path) -> None:
    code = {"code/inference.py": PACKAGES, "code/requirements.txt": "--no-index\nnone-such-here\n"}
    name = hosting.start(hosting.config(hosting.model(pack(code, doubler))))
    assert hosting.wait(name)["EndpointStatus"] == "Failed"
    assert "No matching distribution found for none-such-here" in hosting.log(name)
    assert "pip could not install code/requirements.txt" in hosting.log(name)
