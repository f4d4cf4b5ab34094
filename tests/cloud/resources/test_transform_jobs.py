from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.jobs import Jobs
from tests.cloud.resources.hosting import made


def request(jobs: Jobs, **changes: Any) -> dict[str, Any]:
    """A CreateTransformJob request that is right but for its `changes`."""
    source = {"S3DataType": "S3Prefix", "S3Uri": jobs.put("in/rows.csv", b"1,2")}
    return {
        "TransformJobName": f"transform-{uuid.uuid4().hex[:12]}",
        "ModelName": changes.pop("ModelName", None) or made(jobs),
        "TransformInput": {"DataSource": {"S3DataSource": source}, "ContentType": "text/csv"}
        | changes.pop("input", {}),
        "TransformOutput": {"S3OutputPath": f"s3://{jobs.bucket}/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    } | changes


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "model": ({"ModelName": "nobody"}, "Could not find model"),
    "payload": ({"MaxPayloadInMB": 101}, "must not be greater than 100"),
    "product": ({"MaxPayloadInMB": 50, "MaxConcurrentTransforms": 3}, "product of MaxConcurrentTransforms"),
    "filter": ({"DataProcessing": {"InputFilter": "$..id"}}, "JSONPath operator"),
    "kind": (
        {"DataProcessing": {"JoinSource": "Input"}, "input": {"ContentType": "image/png"}},
        "not for image/png",
    ),
    "bucket": ({"TransformOutput": {"S3OutputPath": "s3://no-such-bucket-here/x"}}, "could not be reached"),
    "output": ({"TransformOutput": {"S3OutputPath": "https://example.com/x"}}, "S3OutputPath"),
    "prefix": (
        {"input": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://no-such-bucket/in"}}}},
        'No S3 objects found under S3 URL "s3://no-such-bucket/in" given in input data source.',
    ),
    "capture": ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/x"}}, "endpoints only"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_request_is_refused_in_words(jobs: Jobs, case: str) -> None:
    changes, words = CASES[case]
    with pytest.raises(ClientError) as caught:
        jobs.sagemaker.create_transform_job(**request(jobs, **dict(changes)))
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert words in caught.value.response["Error"]["Message"]


def test_more_instances_than_a_machine_has_are_refused(jobs: Jobs) -> None:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 21}
    with pytest.raises(jobs.sagemaker.exceptions.ResourceLimitExceeded, match="at most 20"):
        jobs.sagemaker.create_transform_job(**request(jobs, TransformResources=resources))


def test_describe_list_and_tags_tell_of_a_job(jobs: Jobs) -> None:
    job = request(jobs, Tags=[{"Key": "team", "Value": "a"}])
    jobs.sagemaker.create_transform_job(**job)
    found = jobs.sagemaker.describe_transform_job(TransformJobName=job["TransformJobName"])
    assert found["BatchStrategy"] == "MultiRecord"
    assert found["MaxPayloadInMB"] == 6
    assert found["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    (row,) = jobs.sagemaker.list_transform_jobs(NameContains=job["TransformJobName"])["TransformJobSummaries"]
    assert row["TransformJobArn"] == found["TransformJobArn"]
    tags = jobs.sagemaker.list_tags(ResourceArn=found["TransformJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]


def test_unknown_job_is_told(jobs: Jobs) -> None:
    for act in (jobs.sagemaker.describe_transform_job, jobs.sagemaker.stop_transform_job):
        with pytest.raises(ClientError, match="Could not find requested job with name: nobody"):
            act(TransformJobName="nobody")
