"""What Create does when the run of a job cannot be made or started: nothing is left that nobody can end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sagelab.cloud import resources
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import JobRun
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.errors import ServiceError, ValidationException
from sagelab.cloud.home import ACCOUNT, Home
from sagelab.cloud.resources.call import Call, Params
from sagelab.cloud.resources.jobs import Jobs
from sagelab.cloud.resources.models import Models
from sagelab.cloud.resources.processing_jobs import ProcessingJobs
from sagelab.cloud.resources.transform_jobs import TransformJobs
from sagelab.cloud.store import Document, Store

KINDS = [family for family in resources.classes() if issubclass(family, Jobs) and family is not Jobs]
RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
TRANSFORM = {
    "TransformJobName": "vanishing",
    "ModelName": "here-and-gone",
    "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}}},
    "TransformOutput": {"S3OutputPath": "s3://b/out"},
    "TransformResources": RESOURCES,
}


@pytest.fixture
def cloud(home: Home) -> Iterator[Cloud]:
    """What a family needs, without a front door: nothing of these tests goes through it."""
    store = Store(home.database)
    yield Cloud(home, store, Launcher(home), "http://127.0.0.1:1", "us-east-1")
    store.close()


def call(operation: str, **params: Any) -> Call:
    return Call(operation, params, "us-east-1", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/somebody")


def make(family: type[Jobs], cloud: Cloud) -> Jobs:
    needed = {type(each): each for each in resources.families(cloud)}
    return family(cloud, *(needed[each] for each in family.needs))


def unmade(family: type[Jobs]) -> type[Jobs]:
    """The same kind of job, but that none of its runs can be made."""

    def make_run(*_: object) -> JobRun:
        raise OSError("no such device")

    body = {"check": lambda *_: None, "defaults": lambda *_: {}, "make_run": make_run, "__module__": __name__}
    return type(f"Unmade{family.__name__}", (family,), body)


@pytest.mark.parametrize("family", KINDS)
def test_a_job_whose_run_cannot_be_made_is_not_kept(family: type[Jobs], cloud: Cloud) -> None:
    jobs, kind = make(unmade(family), cloud), family.kind
    request = call(kind.operation("Create"), **{kind.name_member: "unmade"})
    with pytest.raises(OSError, match="no such device"):
        jobs.create(request)
    assert not cloud.store.has(jobs.arn(request))
    with pytest.raises(ServiceError, match=r"unmade|Requested resource not found"):
        jobs.describe(request)


class Vanishing(TransformJobs):
    """Transform jobs whose model is deleted when they have been checked."""

    def check(self, call: Call) -> None:
        self.models.named(call, call.params["ModelName"])
        self.models.delete(replace(call, operation="DeleteModel"))


def test_a_transform_job_whose_model_vanishes_after_the_check_is_refused_and_not_kept(cloud: Cloud) -> None:
    jobs = make(Vanishing, cloud)
    models = next(family for family in cloud.families if isinstance(family, Models))
    models.add(call("CreateModel", ModelName="here-and-gone"), {"ModelName": "here-and-gone"})
    request = call("CreateTransformJob", **TRANSFORM)
    with pytest.raises(ValidationException, match=r'Could not find model ".*/here-and-gone"'):
        jobs.create(request)
    assert not cloud.store.has(jobs.arn(request))


class Threadless(JobRun):
    """A run on a machine that has no thread left."""

    def work(self) -> None:
        raise AssertionError("it was never started")

    def halt(self, now: bool) -> None:  # noqa: ARG002
        raise AssertionError("it was never started")

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


class WithoutThreads(ProcessingJobs):
    def check(self, call: Call) -> None:
        pass

    def defaults(self, params: Params) -> Params:  # noqa: ARG002
        return {}

    def make_run(  # type: ignore[override]
        self,
        job: Document,
        tags: dict[str, str],  # noqa: ARG002
    ) -> JobRun:
        return Threadless(job["ProcessingJobName"], lambda step: self.report(job["ProcessingJobArn"], step))


def test_a_job_that_cannot_be_started_has_failed_and_can_be_deleted(cloud: Cloud) -> None:
    jobs = make(WithoutThreads, cloud)
    request = call("CreateProcessingJob", ProcessingJobName="threadless")
    jobs.create(request)
    found = jobs.describe(request)
    assert found["ProcessingJobStatus"] == "Failed"
    assert "can't start new thread" in found["FailureReason"]
    assert found["ProcessingEndTime"] >= found["CreationTime"]
    assert jobs.runs == {}
    jobs.delete(request)
    assert not cloud.store.has(jobs.arn(request))
