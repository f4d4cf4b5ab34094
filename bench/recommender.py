"""Inference Recommender: how long a job of four candidates takes, and what its own users take of the machine."""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Iterator
from typing import Any

from chains import IMAGE, Hosting
from jobs import ROLE
from place import Place, local_cloud, new_home
from table import Result

from sagelab.cloud import clock

# Some milliseconds of work for an answer, as a small network has.
SCRIPT = """
import numpy as np

WEIGHTS = np.random.default_rng(0).normal(size=(512, 512))

def model_fn(folder):
    return WEIGHTS

def transform_fn(model, body, kind, accept):
    found = model
    for _ in range(2):
        found = np.tanh(found @ model)
    return f"{found[0, 0]:.6f}", "text/csv"
"""
TYPES, SPEED = ("ml.c5.large", "ml.c5.xlarge", "ml.m5.large", "ml.m5.xlarge"), 30.0
GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
ENDED, POLL = ("COMPLETED", "FAILED", "STOPPED"), 0.2
TAKEN = re.compile(r"the numbers are those of .*the users take (\d+) % of a core")


def recommender(quick: bool) -> Iterator[Result]:
    """A Default job on instance types of which each is tried, on a clock of 30."""
    types = TYPES[:1] if quick else TYPES
    with new_home() as home:
        clock.set_speed(home, SPEED)
        with local_cloud(home) as place:
            hosting = Hosting(place, 0)
            began = time.perf_counter()
            job = _run(hosting, types)
            seconds = time.perf_counter() - began
            yield _length(job, seconds, len(types))
            yield _taken(place, job)
            left = place.client("sagemaker").list_endpoints()["Endpoints"]
            yield Result("endpoints that the job left", len(left), 0)


def _run(hosting: Hosting, types: tuple[str, ...]) -> dict[str, Any]:
    s3, sagemaker = hosting.place.client("s3"), hosting.sagemaker
    s3.put_object(Bucket=hosting.bucket, Key="model.tar.gz", Body=_packed("code/inference.py", SCRIPT))
    s3.put_object(Bucket=hosting.bucket, Key="samples.tar.gz", Body=_packed("one.csv", "1,2"))
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{hosting.bucket}/model.tar.gz", "Environment": environment}
    sagemaker.create_model(ModelName="advised", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    payload = {
        "SamplePayloadUrl": f"s3://{hosting.bucket}/samples.tar.gz",
        "SupportedContentTypes": ["text/csv"],
    }
    wanted = {"Framework": "SAGEMAKER-SCIKIT-LEARN", "PayloadConfig": payload, "SupportedInstanceTypes": [*types]}
    sagemaker.create_inference_recommendations_job(
        JobName="advice",
        JobType="Default",
        RoleArn=ROLE,
        InputConfig={"ModelName": "advised", "ContainerConfig": wanted},
    )
    while True:
        job: dict[str, Any] = sagemaker.describe_inference_recommendations_job(JobName="advice")
        if job["Status"] in ENDED:
            return job
        time.sleep(POLL)


def _length(job: dict[str, Any], seconds: float, wanted: int) -> Result:
    """A job that did not try all of them took for ever."""
    found = job.get("InferenceRecommendations", [])
    rates = ", ".join(
        f"{each['EndpointConfiguration']['InstanceType']} {each['Metrics']['MaxInvocations']:,}" for each in found
    )
    value = seconds if len(found) == wanted else float("inf")
    seen = job.get("FailureReason", f"{job['Status']}; invocations a minute: {rates}")
    return Result(f"a job of {wanted} candidates, on a clock of {SPEED:g}", value, 180.0, "s", seen=seen)


def _taken(place: Place, job: dict[str, Any]) -> Result:
    stream = f"{job['JobName']}/execution"
    events = place.client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
    shares = [int(found[1]) for each in events["events"] if (found := TAKEN.search(each["message"]))]
    seen = ", ".join(f"{share} %" for share in shares)
    worst = max(shares, default=100) / 100
    return Result("the load generator at the knee / a core", worst, 0.3, "x", seen=seen)


def _packed(name: str, text: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text.encode())
        archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()
