"""Tests that use the same names, each in a local cloud of its own; and one that kills the run's."""

from __future__ import annotations

import os
import select
import signal

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


def test_that_kills_it(sagelab_cloud: LocalCloud) -> None:
    boto3.client("s3").create_bucket(Bucket="made-before-the-kill")
    server = sagelab_cloud.home.server()
    assert server is not None
    process = os.pidfd_open(server["pid"])
    signal.pidfd_send_signal(process, signal.SIGKILL)
    assert select.select([process], [], [], 60)[0]
    os.close(process)


@pytest.mark.usefixtures("sagelab_cloud")
def test_that_comes_after() -> None:
    assert [one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]] == ["made-before-the-kill"]
