"""Batch transforms: objects through real model servers, seen through the API."""

from __future__ import annotations

import gzip
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.built import build
from tests.cloud.endpoints import DOUBLER, Hosting, pack_folder
from tests.cloud.processing import full_log
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = pytest.mark.slow

GROUP = "/aws/sagemaker/TransformJobs"
# Rows in, rows out; a row with a word in it is refused, as the container does; DIES once ends the server.
ROWS = """
import json, os

def input_handler(data, context):
    text = data.read().decode()
    print("payload of", len(text.splitlines()), os.environ.get("MODE"), flush=True)
    if "die" in text and not os.path.exists("/tmp/died"):
        open("/tmp/died", "w").close()
        os._exit(1)
    rows = [[float(cell) for cell in line.split(",")] for line in text.splitlines()]
    return json.dumps({"instances": rows})

def output_handler(response, context):
    rows = json.loads(response.content)["predictions"]
    return "\\n".join(",".join(str(cell) for cell in row) for row in rows), "text/csv"
"""


@pytest.fixture(scope="module")
def hosting(cloud: LocalCloud) -> Hosting:
    return Hosting(cloud)


@pytest.fixture(scope="module")
def saved() -> Path:
    return build(DOUBLER, "2")


@pytest.fixture(scope="module")
def plain(hosting: Hosting, saved: Path) -> str:
    """A model that doubles, and speaks JSON."""
    return hosting.model(pack_folder(saved))


@pytest.fixture(scope="module")
def rows(hosting: Hosting, saved: Path) -> str:
    """A model that doubles, and speaks CSV."""
    return hosting.model(pack_folder(saved, code__inference=ROWS))


def request(hosting: Hosting, model: str, uri: str, **changes: Any) -> dict[str, Any]:
    """A CreateTransformJob request over text/csv lines; input and output are changes of their members."""
    name = f"transform-{uuid.uuid4().hex[:12]}"
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}, "ContentType": "text/csv"}
    output = {"S3OutputPath": f"s3://{hosting.bucket}/{name}"}
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": source | changes.pop("input", {}),
        "TransformOutput": output | changes.pop("output", {}),
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": changes.pop("count", 1)},
    } | changes


def run(hosting: Hosting, job: dict[str, Any]) -> dict[str, Any]:
    hosting.sagemaker.create_transform_job(**job)
    return wait(hosting, job["TransformJobName"])


def wait(hosting: Hosting, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        found: dict[str, Any] = hosting.sagemaker.describe_transform_job(TransformJobName=name)
        return found

    return until(look, lambda job: job["TransformJobStatus"] not in ("InProgress", "Stopping"))


def outputs(hosting: Hosting, job: dict[str, Any]) -> dict[str, str]:
    """name -> text of each object that a job wrote."""
    prefix = f"{job['TransformJobName']}/"
    found = hosting.s3.list_objects_v2(Bucket=hosting.bucket, Prefix=prefix).get("Contents", [])
    return {
        item["Key"].removeprefix(prefix): hosting.s3.get_object(Bucket=hosting.bucket, Key=item["Key"])["Body"]
        .read()
        .decode()
        for item in found
    }


def lines(hosting: Hosting, name: str) -> list[str]:
    """The log of a job."""
    return full_log(hosting, GROUP, f"{name}/")


def test_whole_objects_are_sent_and_answered(hosting: Hosting, plain: str) -> None:
    key = uuid.uuid4().hex
    hosting.put(f"{key}/a.json", b'{"instances": [[1, 2]]}')
    hosting.put(f"{key}/deep/b.json", b'{"instances": [[3, 4]]}')
    uri = f"s3://{hosting.bucket}/{key}/"
    job = run(hosting, request(hosting, plain, uri, input={"ContentType": "application/json"}))
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    found = outputs(hosting, job)
    assert {name: json.loads(text) for name, text in found.items()} == {
        "a.json.out": {"predictions": [[2.0, 4.0]]},
        "deep/b.json.out": {"predictions": [[6.0, 8.0]]},
    }
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]


def test_without_a_content_type_the_container_is_told_of_none(hosting: Hosting, plain: str) -> None:
    uri = hosting.put(f"{uuid.uuid4().hex}/a.json", b'{"instances": [[1, 2]]}')
    wanted = request(hosting, plain, uri)
    del wanted["TransformInput"]["ContentType"]
    job = run(hosting, wanted)
    assert "Unsupported Media Type: Unknown" in job["FailureReason"]  # TensorFlow's image has no default


@pytest.mark.parametrize(("strategy", "payloads"), [("SingleRecord", 3), ("MultiRecord", 1)])
def test_lines_go_one_by_one_or_together(hosting: Hosting, rows: str, strategy: str, payloads: int) -> None:
    uri = hosting.put(f"{uuid.uuid4().hex}/rows.csv", b"1,2\n3,4\n5,6\n")
    wanted = request(
        hosting,
        rows,
        uri,
        input={"SplitType": "Line"},
        output={"AssembleWith": "Line", "Accept": "text/csv"},
        BatchStrategy=strategy,
        Environment={"MODE": "batch"},
    )
    job = run(hosting, wanted)
    assert outputs(hosting, job) == {"rows.csv.out": "2.0,4.0\n6.0,8.0\n10.0,12.0\n"}
    printed = [line for line in lines(hosting, job["TransformJobName"]) if line.startswith("payload")]
    assert len(printed) == payloads
    assert all(line.endswith(" batch") for line in printed)


def test_rows_are_filtered_and_joined(hosting: Hosting, rows: str) -> None:
    uri = hosting.put(f"{uuid.uuid4().hex}/rows.csv", b"id1,1,2\nid2,3,4\n")
    wanted = request(
        hosting,
        rows,
        uri,
        input={"SplitType": "Line"},
        output={"AssembleWith": "Line", "Accept": "text/csv"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-2:]"},
    )
    assert outputs(hosting, run(hosting, wanted)) == {"rows.csv.out": "id1,2.0,4.0\nid2,6.0,8.0\n"}


def test_packed_objects_are_unpacked(hosting: Hosting, rows: str) -> None:
    uri = hosting.put(f"{uuid.uuid4().hex}/rows.csv.gz", gzip.compress(b"1,2"))
    job = run(hosting, request(hosting, rows, uri, input={"CompressionType": "Gzip"}))
    assert outputs(hosting, job) == {"rows.csv.gz.out": "2.0,4.0"}


def test_two_instances_share_out_the_objects(hosting: Hosting, rows: str) -> None:
    key = uuid.uuid4().hex
    for number in range(4):
        hosting.put(f"{key}/{number}.csv", b"%d,0" % number)
    job = run(hosting, request(hosting, rows, f"s3://{hosting.bucket}/{key}/", count=2, MaxConcurrentTransforms=2))
    assert outputs(hosting, job) == {f"{n}.csv.out": f"{2.0 * n},0.0" for n in range(4)}
    streams = hosting.logs.describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix=f"{job['TransformJobName']}/"
    )["logStreams"]
    assert sum(stream["logStreamName"].endswith("/data-log") for stream in streams) == 2


def test_bad_object_fails_the_job_and_the_others_are_there(hosting: Hosting, rows: str) -> None:
    key = uuid.uuid4().hex
    hosting.put(f"{key}/bad.csv", b"1,2\nnone,4")
    hosting.put(f"{key}/good.csv", b"1,2")
    job = run(hosting, request(hosting, rows, f"s3://{hosting.bucket}/{key}/"))
    assert job["TransformJobStatus"] == "Failed"
    assert f"{key}/bad.csv" in job["FailureReason"]
    assert outputs(hosting, job) == {"good.csv.out": "2.0,4.0"}
    assert any("could not convert" in line for line in lines(hosting, job["TransformJobName"]))


def test_object_over_the_limit_fails_the_job(hosting: Hosting, rows: str) -> None:
    uri = hosting.put(f"{uuid.uuid4().hex}/rows.csv", b"1,2\n" * 300_000)
    job = run(hosting, request(hosting, rows, uri, MaxPayloadInMB=1))
    assert "more than MaxPayloadInMB" in job["FailureReason"]


def test_server_that_dies_is_asked_again(hosting: Hosting, saved: Path) -> None:
    model = hosting.model(pack_folder(saved, code__inference=ROWS.replace('"die" in text', "True")))
    uri = hosting.put(f"{uuid.uuid4().hex}/rows.csv", b"1,2")
    job = run(hosting, request(hosting, model, uri))
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert outputs(hosting, job) == {"rows.csv.out": "2.0,4.0"}


def test_model_that_does_not_load_fails_the_job(hosting: Hosting, saved: Path) -> None:
    model = hosting.model(pack_folder(saved, code__inference="import no_such_module"))
    uri = hosting.put(f"{uuid.uuid4().hex}/rows.csv", b"1,2")
    job = run(hosting, request(hosting, model, uri))
    assert job["TransformJobStatus"] == "Failed"
    assert "no_such_module" in job["FailureReason"]


def test_input_under_odd_keys_is_transformed(hosting: Hosting, rows: str) -> None:
    folder, odd = uuid.uuid4().hex, "a line\nand a tab\t.csv"
    hosting.put(f"{folder}/{odd}", b"1,2")
    job = run(hosting, request(hosting, rows, f"s3://{hosting.bucket}/{folder}/"))
    assert job["TransformJobStatus"] == "Completed", job["FailureReason"]
    assert outputs(hosting, job) == {f"{odd}.out": "2.0,4.0"}


def test_stopped_job_ends_and_writes_nothing_more(hosting: Hosting, saved: Path) -> None:
    slow = ROWS.replace("import json, os", "import json, os, time").replace(
        "    rows = [[", "    time.sleep(1000)\n    rows = [["
    )
    model = hosting.model(pack_folder(saved, code__inference=slow))
    uri = hosting.put(f"{uuid.uuid4().hex}/rows.csv", b"1,2")
    job = request(hosting, model, uri)
    hosting.sagemaker.create_transform_job(**job)
    until(
        lambda: lines(hosting, job["TransformJobName"]),
        lambda said: any(line.startswith("payload") for line in said),
    )
    hosting.sagemaker.stop_transform_job(TransformJobName=job["TransformJobName"])
    assert wait(hosting, job["TransformJobName"])["TransformJobStatus"] == "Stopped"
    assert outputs(hosting, job) == {}
