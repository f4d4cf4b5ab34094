"""The SDK v2 in the process of the tests; the local cloud runs in an environment of its own."""

from __future__ import annotations

import pytest
import sagemaker
from sagemaker.estimator import Estimator

from sagelab.testing import LocalCloud

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21-cpu-py312"


def test_estimator_trains(sagelab_cloud: LocalCloud, sagelab_prefix: str) -> None:
    estimator = Estimator(
        IMAGE,
        role=sagemaker.get_execution_role(),
        instance_count=1,
        instance_type="ml.m5.large",
        base_job_name=sagelab_prefix,
        container_entry_point=["/bin/bash", "-c"],
        container_arguments=["echo said by the job; echo 42 > /opt/ml/model/answer"],
    )
    estimator.fit()
    assert estimator.model_data.startswith(f"s3://{sagelab_cloud.bucket}/{sagelab_prefix}")
    assert (
        sagelab_cloud.client("s3").meta.endpoint_url
        == estimator.sagemaker_session.boto_session.client("s3").meta.endpoint_url
    )


def test_job_that_fails_has_its_log_in_the_report(sagelab_cloud: LocalCloud) -> None:
    estimator = Estimator(
        IMAGE,
        role=sagelab_cloud.role,
        instance_count=1,
        instance_type="ml.m5.large",
        container_entry_point=["/bin/bash", "-c"],
        container_arguments=["echo the last words; exit 3"],
    )
    with pytest.raises(sagemaker.exceptions.UnexpectedStatusException):
        estimator.fit(logs=False)
    raise AssertionError("to see the report")
