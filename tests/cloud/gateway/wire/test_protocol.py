"""Wire to Python and back."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"TrainingJobName": 1}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"TrainingJobName": true}', "TRUE_VALUE can not be converted to a String"),
        (b'{"TrainingJobName": {}}', "Start of structure or map found where not expected."),
        (b'{"TrainingJobName": []}', "Start of list found where not expected"),
        (b"[]", "Start of list found where not expected"),
        (b'"x"', "Unexpected field type"),
        (b"{", "The request body is not valid JSON."),
        (b'{"TrainingJobName": NaN}', "The request body is not valid JSON."),
        (b"\xff", "The request body is not valid JSON."),
        (b'{"TrainingJobName": "\\ud800"}', "A string holds half of a surrogate pair."),
    ],
)
def test_wrong_json_type_is_a_serialization_exception(gateway: Any, body: bytes, words: str) -> None:
    status, headers, answer = gateway.control("DescribeTrainingJob", body)
    assert status == 400
    assert json.loads(answer) == {"__type": "SerializationException", "message": words, "Message": words}
    assert headers["content-type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize("number", ["1.5", '"1"', "true", "2147483648", "1e400"])
def test_number_of_another_type_is_refused(gateway: Any, number: str) -> None:
    status, _, answer = gateway.control("ListTrainingJobs", f'{{"MaxResults": {number}}}'.encode())
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")


def test_unknown_member_is_refused_with_its_path(gateway: Any) -> None:
    body = b'{"InputDataConfig": [{"ChannelName": "a", "Chanel": "b"}]}'
    status, _, answer = gateway.control("CreateTrainingJob", body)
    assert (status, json.loads(answer)["__type"]) == (400, "ValidationException")
    assert "'inputDataConfig.1.member.Chanel'" in json.loads(answer)["message"]


def test_output_leaves_out_none_and_keeps_the_rest(gateway: Any) -> None:
    client = gateway.client("sagemaker")
    given = {
        "TrainingJobName": "round-trip",
        "RoleArn": "arn:aws:iam::123456789012:role/r",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "HyperParameters": {"epochs": "1", "größe": "ü"},
    }
    arn = client.create_training_job(**given)["TrainingJobArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:training-job/round-trip"
    answer = client.describe_training_job(TrainingJobName="round-trip")
    del answer["ResponseMetadata"], answer["TrainingJobArn"]
    assert answer == given


def test_runtime_carries_body_and_headers_both_ways(gateway: Any) -> None:
    runtime = gateway.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="mnist-1", Body=b"\x00\xff", CustomAttributes="c=1")
    assert answer["Body"].read() == b"mnist-1 c=1: \x00\xff"
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/plain", "v")


def test_metrics_plane_is_found_by_its_path(gateway: Any) -> None:
    datum = {"MetricName": "loss", "Timestamp": 1, "Value": 0.5}
    gateway.client("sagemaker-metrics").batch_put_metrics(TrialComponentName="trial", MetricData=[datum])
    at = datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)
    params = gateway.jobs.kept["<metrics>"].params
    assert params == {"TrialComponentName": "trial", "MetricData": [{**datum, "Timestamp": at}]}


def test_feature_store_plane_reads_path_and_query(gateway: Any) -> None:
    asked = {"FeatureGroupName": "g", "RecordIdentifierValueAsString": "a/b +c", "FeatureNames": ["f", "g"]}
    record = gateway.client("sagemaker-featurestore-runtime").get_record(**asked)["Record"]
    assert record == [{"FeatureName": "f", "ValueAsString": "1"}]
    assert gateway.jobs.kept["<record>"].params == asked


def test_path_of_no_plane_is_refused(gateway: Any) -> None:
    status, headers, body = gateway.signed("GET", "/no/such/path", "sagemaker")
    assert (status, headers["x-amzn-errortype"]) == (400, "UnknownOperationException")
    assert json.loads(body)["message"] == "GET /no/such/path is not an operation of SageMaker."
