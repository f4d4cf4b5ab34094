"""aws:SecureTransport: what comes by TLS, and what does not."""

from __future__ import annotations

import json
import uuid
from functools import partial
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.context import INSIDE
from sagelab.cloud.home import ACCOUNT
from tests.cloud.gateway.conftest import Serving

INSECURE = {"Bool": {"aws:SecureTransport": "false"}}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def deny(action: str) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": "*", "Condition": INSECURE}


@pytest.fixture(scope="module")
def bucket(gateway: Serving) -> str:
    """One that takes nothing that is not by TLS."""
    name, s3 = f"tls-{uuid.uuid4()}", gateway.secured("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    resources = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    s3.put_bucket_policy(
        Bucket=name, Policy=policy(deny("s3:*") | {"Principal": "*", "Resource": resources, "Sid": "Tls"})
    )
    return name


def test_bucket_that_wants_tls_is_read_by_tls_alone(gateway: Serving, bucket: str) -> None:
    assert gateway.secured("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with pytest.raises(botocore.exceptions.ClientError, match="explicit deny in a resource-based policy"):
        gateway.client("s3").get_object(Bucket=bucket, Key="k")


def test_large_object_goes_both_ways_by_tls(gateway: Serving, bucket: str) -> None:
    content = bytes(range(256)) * (12 << 10)
    gateway.secured("s3").put_object(Bucket=bucket, Key="large", Body=content)
    assert gateway.secured("s3").get_object(Bucket=bucket, Key="large")["Body"].read() == content


def test_form_that_comes_by_tls_counts_as_that(gateway: Serving, bucket: str) -> None:
    import requests

    form = gateway.secured("s3").generate_presigned_post(bucket, "of-a-form")
    for verify, url, status in (
        (gateway.secured("s3")._endpoint.http_session._verify, form["url"], 204),
        (True, form["url"].replace("https:", "http:"), 403),
    ):
        answer = requests.post(url, form["fields"], files={"file": b"x"}, verify=verify, timeout=30)
        assert answer.status_code == status
    by_tls = gateway.secured("s3")
    assert by_tls.get_object(Bucket=bucket, Key="of-a-form")["Body"].read() == b"x"


def told(word: str, headers: dict[str, str]) -> None:
    headers[INSIDE] = word


def test_local_cloud_itself_counts_as_tls_and_nobody_else_can(gateway: Serving, bucket: str) -> None:
    assert gateway.cloud.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    for word in ("", "true", gateway.cloud.inside[:-1]):
        assert gateway.signed("GET", f"/{bucket}/k", "s3", alter=partial(told, word))[0] == 403
    assert gateway.signed("GET", f"/{bucket}/k", "s3", alter=partial(told, gateway.cloud.inside))[0] == 200


def test_policies_of_users_and_keys_know_it_too(gateway: Serving) -> None:
    iam, name = gateway.client("iam"), f"user-{uuid.uuid4()}"
    iam.create_user(UserName=name)
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_user_policy(UserName=name, PolicyName="tls", PolicyDocument=policy(allow, deny("sagemaker:*")))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"]}
    gateway.secured("sagemaker", **keys).list_training_jobs()
    with pytest.raises(botocore.exceptions.ClientError, match="explicit deny in an identity-based policy"):
        gateway.client("sagemaker", **keys).list_training_jobs()
    owners = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    key_policy = policy(allow | {"Principal": owners}, deny("kms:Encrypt") | {"Principal": "*"})
    key = gateway.secured("kms").create_key(Policy=key_policy)["KeyMetadata"]["KeyId"]
    assert gateway.secured("kms").encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(botocore.exceptions.ClientError, match="explicit deny"):
        gateway.client("kms").encrypt(KeyId=key, Plaintext=b"x")


def test_addresses_that_are_told_lead_back_by_the_same_way(gateway: Serving) -> None:
    name = f"queue-{uuid.uuid4()}"
    for client, scheme in ((gateway.secured("sqs"), "https"), (gateway.client("sqs"), "http")):
        url = client.create_queue(QueueName=name)["QueueUrl"]
        assert url.startswith(f"{scheme}://127.0.0.1:")
        assert client.send_message(QueueUrl=url, MessageBody="x")["MessageId"]
