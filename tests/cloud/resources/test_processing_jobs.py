from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.jobs import Jobs
from tests.cloud.processing import GROUP, full_log, request, run, source, target

SPARK = "173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py312-v1.0"


def refusal(jobs: Jobs, job: dict[str, Any]) -> str:
    with pytest.raises(ClientError) as caught:
        jobs.sagemaker.create_processing_job(**job)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    return str(caught.value.response["Error"]["Message"])


def test_describe_tells_the_request_and_the_defaults(jobs: Jobs) -> None:
    job = request("true", Tags=[{"Key": "team", "Value": "a"}])
    found = run(jobs, job)
    assert found["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert found["AppSpecification"] == job["AppSpecification"]
    assert "Tags" not in found
    tags = jobs.sagemaker.list_tags(ResourceArn=found["ProcessingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]


def test_list_has_a_row_a_job_with_its_end_and_reason(jobs: Jobs) -> None:
    job = request("exit 3")
    run(jobs, job)
    listed = jobs.sagemaker.list_processing_jobs(NameContains=job["ProcessingJobName"], StatusEquals="Failed")
    (row,) = listed["ProcessingJobSummaries"]
    assert row["FailureReason"].endswith("exit code: 3")
    assert row["ProcessingEndTime"] >= row["CreationTime"]


def test_name_is_used_once(jobs: Jobs) -> None:
    job = request("true")
    run(jobs, job)
    with pytest.raises(jobs.sagemaker.exceptions.ResourceInUse, match="Job name must be unique"):
        jobs.sagemaker.create_processing_job(**job)


def test_ended_job_can_be_deleted_and_not_stopped(jobs: Jobs) -> None:
    name = run(jobs, request("true"))["ProcessingJobName"]
    with pytest.raises(ClientError, match="processing job is in status Completed"):
        jobs.sagemaker.stop_processing_job(ProcessingJobName=name)
    jobs.sagemaker.delete_processing_job(ProcessingJobName=name)
    with pytest.raises(ClientError, match=f"Could not find requested job with name: {name}"):
        jobs.sagemaker.describe_processing_job(ProcessingJobName=name)


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "image": ({"AppSpecification": {"ImageUri": "python:3.12", "ContainerEntrypoint": ["true"]}}, "no runtime"),
    "hdfs": (
        {"AppSpecification": {"ImageUri": SPARK, "ContainerEntrypoint": ["smspark-submit", "hdfs://name/job.py"]}},
        "hdfs://name/job.py: the local cloud has no HDFS",
    ),
    "history": (
        {"AppSpecification": {"ImageUri": SPARK, "ContainerEntrypoint": ["smspark-history-server"]}},
        "has no smspark-history-server",
    ),
    "role": ({"RoleArn": "arn:aws:iam::000000000000:role/Nobody"}, "pass role"),
    "path": (
        {"ProcessingInputs": [source("x", "s3://b/x", LocalPath="/data")]},
        "begins with /opt/ml/processing/",
    ),
    "climb": ({"ProcessingInputs": [source("x", "s3://b/x", LocalPath="/opt/ml/processing/../x")]}, "LocalPath"),
    "pipe": ({"ProcessingInputs": [source("x", "s3://b/x", S3InputMode="Pipe")]}, "not Pipe"),
    "twice": ({"ProcessingInputs": [source("x", "s3://b/x")] * 2}, "more than once"),
    "https": ({"ProcessingInputs": [source("x", "https://b/x")]}, "is not an S3 URI"),
    "managed": ({"ProcessingInputs": [{"InputName": "x", "AppManaged": True}]}, "AppManaged"),
    "output": (
        {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "x", "AppManaged": True}]}},
        "AppManaged",
    ),
    "outputs": (
        {"ProcessingOutputConfig": {"Outputs": [target("x", "s3://b/x")] * 2}},
        "OutputName x is used more than once",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_request_is_refused_in_words(jobs: Jobs, case: str) -> None:
    changes, words = CASES[case]
    assert words in refusal(jobs, request("true", **changes))


def test_image_without_a_command_is_refused(jobs: Jobs) -> None:
    job = request("true")
    del job["AppSpecification"]["ContainerEntrypoint"]
    assert "ContainerEntrypoint" in refusal(jobs, job)


def test_log_heads_with_what_is_not_done_here(jobs: Jobs) -> None:
    job = request("true", ExperimentConfig={"ExperimentName": "mine"})
    run(jobs, job)
    lines = full_log(jobs, GROUP, job["ProcessingJobName"])
    assert any("ExperimentConfig: " in line for line in lines)
