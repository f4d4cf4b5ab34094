"""Tests that use the same names, each in a local cloud of its own; and one that asks late for the run's."""

from __future__ import annotations

import boto3
import pytest

from sagelab.testing import LocalCloud


@pytest.fixture
def bucket() -> str:
    boto3.client("s3").create_bucket(Bucket="always-this-one")
    return "always-this-one"


def test_alone(bucket: str, sagelab_fresh_cloud: LocalCloud, sagelab_cloud: LocalCloud) -> None:
    assert sagelab_fresh_cloud.home.path != sagelab_cloud.home.path
    assert [one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]] == [bucket]


def test_alone_again(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("sagelab_fresh_cloud")
    assert boto3.client("s3").list_buckets()["Buckets"] == []


def test_that_asks_late(request: pytest.FixtureRequest) -> None:
    cloud = request.getfixturevalue("sagelab_cloud")
    with cloud.pointed():
        assert boto3.client("s3").meta.endpoint_url == cloud.url
        assert boto3.client("s3").list_buckets()["Buckets"] == []
