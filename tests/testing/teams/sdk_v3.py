"""The SDK v3, which keeps clients for a whole process, before, in and after a test with a local cloud."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import TrainingJob
from sagemaker.core.utils.logs import CloudWatchLogsClient
from sagemaker.core.utils.utils import SageMakerClient

from sagelab.testing import LocalCloud


@pytest.fixture(scope="module")
def elsewhere() -> Any:
    """The SDK's own client, made while nothing points at a local cloud."""
    boto3.setup_default_session(region_name="eu-west-1")
    return SageMakerClient(session=boto3.DEFAULT_SESSION)


def test_before(elsewhere: Any) -> None:
    assert SageMakerClient() is elsewhere


def test_with_it(sagelab_cloud: LocalCloud) -> None:
    assert get_execution_role(Session()) == sagelab_cloud.role
    assert Session().default_bucket() == f"sagemaker-us-east-1-{sagelab_cloud.account}"
    assert list(TrainingJob.get_all()) == []
    assert CloudWatchLogsClient().client.meta.endpoint_url == sagelab_cloud.url


def test_after(elsewhere: Any) -> None:
    assert SageMakerClient() is elsewhere
    assert "127.0.0.1" not in CloudWatchLogsClient().client.meta.endpoint_url
