"""The chain as a whole: routing, families, the local cloud's own operations, hostile bodies."""

from __future__ import annotations

import datetime
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
import pytest
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagelab.cloud.gateway.app import Gateway
from sagelab.cloud.resources.call import Call

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
MEMBERS = st.sampled_from(
    [
        "TrainingJobName",
        "HyperParameters",
        "AlgorithmSpecification",
        "InputDataConfig",
        "Tags",
        "StoppingCondition",
    ]
)


def test_family_answers_its_operations(gateway: Any) -> None:
    client = gateway.client("sagemaker")
    with pytest.raises(client.exceptions.ResourceNotFound, match=r"Requested resource not found\."):
        client.describe_training_job(TrainingJobName="nobody-made-this")


def test_timestamps_arrive_as_aware_datetimes(gateway: Any) -> None:
    at = datetime.datetime(2026, 1, 31, 23, 59, 59, tzinfo=datetime.UTC)
    gateway.client("sagemaker").list_training_jobs(CreationTimeAfter=at)
    assert gateway.jobs.kept["<list>"].params["CreationTimeAfter"] == at


def test_call_says_where_and_who(gateway: Any) -> None:
    gateway.client("sagemaker").list_training_jobs()
    call = gateway.jobs.kept["<list>"]
    assert (call.operation, call.region, call.account) == ("ListTrainingJobs", "us-east-1", "123456789012")
    assert call.caller == gateway.home.caller_arn


def test_operation_nobody_owns_is_refused_with_400(gateway: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="CreateAutoMLJob is not something") as error:
        gateway.client("sagemaker", Config(parameter_validation=False)).create_auto_ml_job(AutoMLJobName="a")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error.value.response["Error"]["Code"] == "UnknownOperationException"


@pytest.mark.parametrize("target", ["SageMaker.NoSuch", "SageMaker.", "Other.ListTrainingJobs", "x", "."])
def test_unknown_target_is_refused_with_400(gateway: Any, target: str) -> None:
    status, _, body = gateway.signed("POST", "/", "sagemaker", b"{}", {"X-Amz-Target": target})
    assert (status, json.loads(body)["__type"]) == (400, "UnknownOperationException")


def test_fault_of_a_family_is_an_internal_failure(gateway: Any) -> None:
    status, headers, body = gateway.control("StopTrainingJob", b'{"TrainingJobName": "x"}')
    assert (status, json.loads(body)["__type"]) == (500, "InternalFailure")
    assert headers["x-amzn-requestid"]


def test_own_operations_answer_the_owner_alone(gateway: Any) -> None:
    target = {"X-Amz-Target": "Sagelab.Status"}
    assert json.loads(gateway.signed("POST", "/", "sagelab", b'{"a": 1}', target)[2]) == {"asked": {"a": 1}}
    assert gateway.signed("POST", "/", "sagelab", b"{}", {"X-Amz-Target": "Sagelab.None"})[0] == 400
    assert gateway.signed("POST", "/", "sagelab", b"[]", target)[0] == 400
    assert gateway.send("POST", "/", b"{}", target)[0] == 403


def test_one_connection_serves_many_requests(gateway: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(gateway.url).port, timeout=10)
    connection.connect()
    socket = connection.sock
    for _ in range(3):
        body = b"x" * 2_000_000
        connection.request("POST", "/", body, gateway.sign("POST", "/", "sagemaker", body))
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (400, True)
        assert connection.sock is socket
    connection.close()


@pytest.mark.slow
def test_sixteen_clients_lose_nothing(gateway: Any) -> None:
    pool = Config(max_pool_connections=16)
    client, s3 = gateway.client("sagemaker", pool), gateway.client("s3", pool)

    def work(number: int) -> None:
        for turn in range(5):
            client.list_training_jobs(MaxResults=1 + turn)
            s3.put_object(Bucket="sixteen", Key="same", Body=b"x" * number)
            s3.put_object(Bucket="sixteen", Key=f"{number}/{turn}", Body=b"x")

    s3.create_bucket(Bucket="sixteen")
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(16)))
    assert s3.list_objects_v2(Bucket="sixteen")["KeyCount"] == 81


def test_operation_with_two_owners_is_refused_at_the_start(gateway: Any) -> None:
    class CloudInSmall:
        home, url, store = gateway.home, gateway.url, None

    with pytest.raises(ValueError, match="two owners"):
        Gateway(CloudInSmall(), [gateway.jobs, gateway.jobs])  # type: ignore[arg-type]


def test_call_is_values_that_a_row_of_the_store_can_keep(gateway: Any) -> None:
    gateway.client("sagemaker").list_training_jobs(MaxResults=3)
    call = gateway.jobs.kept["<list>"]
    assert Call(**json.loads(json.dumps(asdict(call)))) == call
    assert call.key == gateway.home.credentials().access_key_id


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_answered_without_a_fault(gateway: Any, body: bytes) -> None:
    assert gateway.control("DescribeTrainingJob", body)[0] < 500


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=st.dictionaries(MEMBERS, JSON, max_size=4))
def test_any_members_are_answered_without_a_fault(gateway: Any, members: dict[str, Any]) -> None:
    status, _, body = gateway.control("CreateTrainingJob", json.dumps(members).encode())
    assert status == 400
    assert json.loads(body)["__type"] in ("SerializationException", "ValidationException")


def test_deeply_nested_body_is_a_serialization_exception(gateway: Any) -> None:
    for body in (b"[" * 100_000, b'{"a":' * 100_000, b'{"TrainingJobName":' + b"1" * 10_000 + b"}"):
        status, _, answer = gateway.control("DescribeTrainingJob", body)
        assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")
