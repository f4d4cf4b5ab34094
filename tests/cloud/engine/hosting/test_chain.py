"""Instances of several containers: rows of them, and containers that are asked by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.endpoints import IMAGE, Hosting, pack_folder
from tests.cloud.jobs import LIGHT, ROLE, pack
from tests.waiting import until

pytestmark = pytest.mark.slow

# Answers with what it was asked, and what asked it; a body may tell the container STAGE to do something else.
SERVE = """#!/usr/bin/env python3
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        word, _, stage = body.rpartition(" at ")
        if stage == os.environ["STAGE"]:
            if word == "fail":
                return self.answer(400, b"it will not")
            if word == "die":
                os._exit(3)
            if word == "nothing":
                return self.answer(200, b"")
            if word == "huge":
                return self.answer(200, b"x" * (6 << 20))
        names = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes")
        seen = [os.environ["STAGE"], *map(self.headers.get, names), body]
        self.answer(200, (body if " at " in body or len(body) > 100000 else json.dumps(seen)).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/" + os.environ["STAGE"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

print("stage", os.environ["STAGE"], os.environ.get("SAGEMAKER_SAFE_PORT_RANGE"), flush=True)
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
NAMES = ["first", "second", "third"]
# Text of CSV to what TensorFlow reads.
PREPARES = """
import json

def model_fn(folder):
    return None

def transform_fn(model, body, kind, accept):
    rows = [[float(cell) for cell in line.split(",")] for line in body.splitlines()]
    return json.dumps({"instances": rows}), "application/json"
"""


@pytest.fixture(scope="module")
def image(hosting: Hosting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, images = tmp_path_factory.mktemp("link"), OwnImages(hosting.cloud.home.images)
    (folder / "serve").write_text(SERVE)
    (folder / "serve").chmod(0o755)
    yield images.add("link:1", folder)
    images.remove("link:1")


def row(hosting: Hosting, image: str, name: str, *, named: bool = True, **options: Any) -> str:
    """The name of a model of three containers."""
    hosts = [{"ContainerHostname": stage} if named else {} for stage in NAMES]
    containers = [{"Image": image, "Environment": {"STAGE": NAMES[n]}, **host} for n, host in enumerate(hosts)]
    hosting.sagemaker.create_model(ModelName=name, Containers=containers, ExecutionRoleArn=ROLE, **options)
    return name


@pytest.fixture(scope="module")
def serial(hosting: Hosting, image: str) -> str:
    return hosting.serve(hosting.config(row(hosting, image, "row-of-three", named=False)))


@pytest.fixture(scope="module")
def direct(hosting: Hosting, image: str) -> str:
    model = row(hosting, image, "each-by-name", InferenceExecutionConfig={"Mode": "Direct"})
    return hosting.serve(hosting.config(model))


def ask(hosting: Hosting, name: str, text: bytes, **options: Any) -> bytes:
    options = {"ContentType": "text/plain"} | options
    answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=text, **options)
    return bytes(answer["Body"].read())


def refused(hosting: Hosting, name: str, text: bytes, **options: Any) -> dict[str, Any]:
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        ask(hosting, name, text, **options)
    found: dict[str, Any] = trouble.value.response
    return found


def test_an_answer_is_the_next_ones_request_and_the_last_has_the_clients_accept(
    hosting: Hosting, serial: str
) -> None:
    answer = hosting.runtime.invoke_endpoint(
        EndpointName=serial, Body=b"you", ContentType="text/plain", Accept="text/mine", CustomAttributes="c"
    )
    assert answer["ContentType"] == "text/third"
    assert answer["InvokedProductionVariant"] == "v1"
    third, kind, accept, custom, body = json.loads(answer["Body"].read())
    assert (third, kind, accept, custom) == ("third", "text/second", "text/mine", "c")
    second, kind, accept, custom, body = json.loads(body)
    assert (second, kind, accept, custom) == ("second", "text/first", None, "c")
    assert json.loads(body) == ["first", "text/plain", None, "c", "you"]


def test_an_error_names_its_container(hosting: Hosting, serial: str) -> None:
    found = refused(hosting, serial, b"fail at second")
    assert found["Error"]["Code"] == "ModelError"
    assert 'Received client error (400) from container-2 with message "it will not"' in found["Error"]["Message"]
    assert (found["OriginalStatusCode"], found["OriginalMessage"]) == (400, "it will not")
    assert found["LogStreamArn"].endswith(serial)


def test_empty_and_large_answers_pass_on(hosting: Hosting, serial: str) -> None:
    assert json.loads(ask(hosting, serial, b"nothing at second"))[-1] == ""
    assert ask(hosting, serial, b"huge at first") == b"x" * (6 << 20)


def test_a_container_that_dies_is_named_and_started_again(hosting: Hosting, serial: str) -> None:
    found = refused(hosting, serial, b"die at second")
    assert "(0) from container-2 with" in found["Error"]["Message"]
    until(lambda: hosting.log(serial), lambda log: "start number 2" in log)
    until(lambda: try_to_ask(hosting, serial), lambda answer: b"third" in answer)


def try_to_ask(hosting: Hosting, name: str) -> bytes:
    try:
        return ask(hosting, name, b"you")
    except botocore.exceptions.ClientError:
        return b""


def test_each_container_has_a_log_stream(hosting: Hosting, serial: str) -> None:
    group = f"/aws/sagemaker/Endpoints/{serial}"
    streams = hosting.logs.describe_log_streams(logGroupName=group)["logStreams"]
    names = [stream["logStreamName"].split("/") for stream in streams]
    assert {name[2] for name in names} == {"container-1", "container-2", "container-3"}
    assert len({name[1] for name in names}) == 1
    until(lambda: hosting.log(serial), lambda log: "stage second 18000-18999" in log)


def test_a_row_streams_its_last_answer(hosting: Hosting, serial: str) -> None:
    ask_stream = hosting.runtime.invoke_endpoint_with_response_stream
    body = ask_stream(EndpointName=serial, Body=b"you", ContentType="text/plain")["Body"]
    whole = b"".join(event["PayloadPart"]["Bytes"] for event in body)
    assert json.loads(whole)[0] == "third"
    with pytest.raises(botocore.exceptions.ClientError, match="from container-1 with message"):
        ask_stream(EndpointName=serial, Body=b"fail at first", ContentType="text/plain")


def test_targets_that_are_not_there_are_refused(hosting: Hosting, serial: str, direct: str) -> None:
    for name, target, words in (
        (serial, "first", "does not support target container hostname header"),
        (direct, "fourth", "Target container hostname fourth does not exist"),
        (direct, None, "is missing a target container hostname header"),
    ):
        options = {"TargetContainerHostname": target} if target else {}
        error = refused(hosting, name, b"you", **options)["Error"]
        assert error["Code"] == "ValidationError"
        assert words in error["Message"]
    error = refused(hosting, serial, b"you", TargetModel="a.tar.gz")["Error"]
    assert error["Message"].endswith("is not a multi-model endpoint and does not support target model header.")


def test_one_container_answers_where_it_is_asked_by_name(hosting: Hosting, direct: str) -> None:
    assert json.loads(ask(hosting, direct, b"you", TargetContainerHostname="second", Accept="text/mine")) == [
        "second",
        "text/plain",
        "text/mine",
        None,
        "you",
    ]
    error = refused(hosting, direct, b"fail at third", TargetContainerHostname="third")["Error"]
    assert "Received client error (400) from third with" in error["Message"]


def test_containers_have_metrics(hosting: Hosting, serial: str, direct: str) -> None:
    ask(hosting, serial, b"you")
    ask(hosting, direct, b"you", TargetContainerHostname="third")
    metrics = hosting.cloud.client("cloudwatch")

    def listed(name: str) -> set[str]:
        dimensions = [{"Name": "EndpointName", "Value": name}, {"Name": "ContainerName"}]
        pages = metrics.get_paginator("list_metrics").paginate(Namespace="AWS/SageMaker", Dimensions=dimensions)
        return {
            f"{one['MetricName']} {each['Value']}"
            for page in pages
            for one in page["Metrics"]
            for each in one["Dimensions"]
            if each["Name"] == "ContainerName"
        }

    expected = {f"ContainerLatency container-{n}" for n in (1, 2, 3)}
    until(lambda: listed(serial), lambda found: found == expected)
    until(lambda: listed(direct), lambda found: {"ContainerLatency third", "Invocations third"} <= found)


def test_a_container_that_does_not_come_up_fails_the_endpoint_by_its_name(
    hosting: Hosting, image: str, tmp_path: Path
) -> None:
    images = OwnImages(hosting.cloud.home.images)
    (tmp_path / "serve").write_text("#!/bin/sh\necho no weights here >&2\nexit 3\n")
    (tmp_path / "serve").chmod(0o755)
    containers = [{"Image": image, "Environment": {"STAGE": "s"}}, {"Image": images.add("bad:1", tmp_path)}]
    hosting.sagemaker.create_model(ModelName="breaks", Containers=containers, ExecutionRoleArn=ROLE)
    name = hosting.start(hosting.config("breaks"))
    described = hosting.wait(name)
    images.remove("bad:1")
    assert "The container-2 container for production variant v1 ended" in described["FailureReason"]
    assert not list(hosting.cloud.home.jobs.glob(f"{name}*"))


@pytest.mark.usefixtures("serial")
def test_records_are_split_before_a_row_and_assembled_after_it(hosting: Hosting) -> None:
    name = "transform-by-a-row"
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": hosting.put("batch/rows.csv", b"one\ntwo\n")}}
    hosting.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName="row-of-three",
        BatchStrategy="SingleRecord",
        TransformInput={"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={
            "S3OutputPath": f"s3://{hosting.bucket}/{name}",
            "AssembleWith": "Line",
            "Accept": "text/mine",
        },
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    describe = hosting.sagemaker.describe_transform_job
    job = until(lambda: describe(TransformJobName=name), lambda found: found["TransformJobStatus"] != "InProgress")
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    text = hosting.s3.get_object(Bucket=hosting.bucket, Key=f"{name}/rows.csv.out")["Body"].read().decode()
    for record, line in zip(("one", "two"), text.splitlines(), strict=True):
        third, kind, accept, _, body = json.loads(line)
        assert (third, kind, accept) == ("third", "text/second", "text/mine")
        assert json.loads(json.loads(body)[4]) == ["first", "text/csv", None, None, record]


@pytest.mark.usefixtures("direct")
def test_a_transform_cannot_say_which_container_it_is_for(hosting: Hosting) -> None:
    place = f"s3://{hosting.bucket}/batch"
    with pytest.raises(botocore.exceptions.ClientError, match="one container or of a row"):
        hosting.sagemaker.create_transform_job(
            TransformJobName="none",
            ModelName="each-by-name",
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": place}}},
            TransformOutput={"S3OutputPath": place},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
    output = {"OutputConfig": {"S3OutputPath": place}}
    with pytest.raises(botocore.exceptions.ClientError, match="AsyncInferenceConfig is for models of"):
        hosting.config("each-by-name", options={"AsyncInferenceConfig": output})


def test_more_containers_than_this_machine_runs_are_refused(hosting: Hosting, image: str) -> None:
    containers = [{"Image": image}] * 4
    hosting.sagemaker.create_model(ModelName="row-of-four", Containers=containers, ExecutionRoleArn=ROLE)
    config = hosting.config("row-of-four", count=16)
    with pytest.raises(botocore.exceptions.ClientError, match=r"at most 60 containers .* ask for 64") as trouble:
        hosting.sagemaker.create_endpoint(EndpointName="never-made", EndpointConfigName=config)
    assert trouble.value.response["Error"]["Code"] == "ResourceLimitExceeded"


def test_a_package_of_two_containers_is_deployed(hosting: Hosting, image: str) -> None:
    containers = [
        {"Image": image, "Environment": {"STAGE": stage}, "ContainerHostname": f"{stage}-of-two"}
        for stage in NAMES[:2]
    ]
    hosting.sagemaker.create_model_package_group(ModelPackageGroupName="rows")
    arn = hosting.sagemaker.create_model_package(
        ModelPackageGroupName="rows",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": containers,
            "SupportedContentTypes": ["text/plain"],
            "SupportedResponseMIMETypes": ["text/plain"],
        },
    )["ModelPackageArn"]
    hosting.sagemaker.create_model(
        ModelName="of-a-package", Containers=[{"ModelPackageName": arn}], ExecutionRoleArn=ROLE
    )
    name = hosting.serve(hosting.config("of-a-package"))
    assert json.loads(ask(hosting, name, b"you"))[0] == "second"
    error = refused(hosting, name, b"fail at first")["Error"]
    assert "from first-of-two with message" in error["Message"]
    images = hosting.describe(name)["ProductionVariants"][0]["DeployedImages"]
    assert [one["SpecifiedImage"] for one in images] == [image, image]
    hosting.delete(name)  # then it has the last of its usage
    for container in ("first-of-two", "second-of-two"):
        found = hosting.cloud.client("cloudwatch").list_metrics(
            Namespace="/aws/sagemaker/Endpoints",
            Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "ContainerName", "Value": container}],
        )["Metrics"]
        assert {one["MetricName"] for one in found} == {"CPUUtilization", "MemoryUtilization"}


def test_scikit_learn_prepares_what_tensorflow_reads(hosting: Hosting, doubler: Path) -> None:
    prepares = hosting.put("prepares.tar.gz", pack({"code/prepares.py": PREPARES}))
    doubles = hosting.put("doubles.tar.gz", pack_folder(doubler))
    program = {"SAGEMAKER_PROGRAM": "prepares.py"}
    containers = [
        {"Image": LIGHT, "ModelDataUrl": prepares, "Environment": program},
        {"Image": IMAGE, "ModelDataUrl": doubles},
    ]
    hosting.sagemaker.create_model(
        ModelName="prepares-doubles",
        Containers=containers,
        ExecutionRoleArn=ROLE,
        EnableNetworkIsolation=True,
    )
    name = hosting.serve(hosting.config("prepares-doubles"))
    assert json.loads(ask(hosting, name, b"1,2\n3,4"))["predictions"] == [[2, 4], [6, 8]]
    error = refused(hosting, name, b"1,two")["Error"]["Message"]
    assert "Received server error (500) from container-1 with" in error
    error = refused(hosting, name, b"1")["Error"]["Message"]
    assert "Received client error (400) from container-2 with" in error
    hosting.delete(name)


@pytest.mark.usefixtures("serial")
def test_a_row_answers_by_way_of_s3(hosting: Hosting) -> None:
    output = {"OutputConfig": {"S3OutputPath": f"s3://{hosting.bucket}/answers"}}
    name = hosting.serve(hosting.config("row-of-three", options={"AsyncInferenceConfig": output}))
    asked = {"InputLocation": hosting.put("question.txt", b"you"), "ContentType": "text/plain"}
    place = hosting.runtime.invoke_endpoint_async(EndpointName=name, **asked)["OutputLocation"]
    key = place.removeprefix(f"s3://{hosting.bucket}/")
    until(lambda: hosting.s3.list_objects_v2(Bucket=hosting.bucket, Prefix=key)["KeyCount"], bool)
    answer = json.loads(hosting.s3.get_object(Bucket=hosting.bucket, Key=key)["Body"].read())
    assert answer[:2] == ["third", "text/second"]
    hosting.delete(name)
