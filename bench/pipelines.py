"""Pipelines: what a step adds to its job, many steps at a time, and lists of many executions."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobs import ROLE
from place import Place, local_cloud
from table import Result
from turns import compare

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.16.2-cpu-py310-ubuntu20.04-sagemaker"
JOB = {
    "RoleArn": ROLE,
    "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
    "ProcessingResources": {
        "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    },
}
GOING = ("Executing", "Stopping")
STEPS, AT_A_TIME = 50, 10


def pipelines(quick: bool) -> Iterator[Result]:
    rounds, row, many = (2, 3, 50) if quick else (5, 10, 1000)
    with local_cloud() as place:
        client = place.client("sagemaker")
        _jobs(client, 2, 1)  # the runtime is warm
        chain = _pipeline(client, row, after=True)
        bare, chained = [], []
        for _ in range(rounds):
            bare.append(_jobs(client, row, 1))
            chained.append(_run(client, chain))
        each = (statistics.median(chained) - statistics.median(bare)) / row
        seen = f"{row} steps, one after the other: {_seconds(chained)}; their jobs {_seconds(bare)}"
        yield Result("a pipeline's step - its job", each, 0.3, "s", seen=seen)
        wide = _pipeline(client, STEPS, after=False)
        bare, spread = [], []
        for _ in range(max(2, rounds // 2)):
            bare.append(_jobs(client, STEPS, AT_A_TIME))
            spread.append(_run(client, wide, ParallelismConfiguration={"MaxParallelExecutionSteps": AT_A_TIME}))
        seen = f"{AT_A_TIME} at a time: {_seconds(spread)}; their jobs {_seconds(bare)}"
        ratio = statistics.median(spread) / statistics.median(bare)
        yield Result(f"pipeline of {STEPS} steps / its jobs", ratio, 1.5, "x", seen=seen)
    yield _lists(many)


def _seconds(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in sorted(values)) + " s"


def _jobs(client: Any, count: int, at_a_time: int) -> float:
    """Seconds that so many jobs take, each created and waited for."""

    def one(_: int) -> None:
        name = f"bare-{uuid.uuid4().hex[:12]}"
        client.create_processing_job(ProcessingJobName=name, **JOB)
        while client.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] != "Completed":
            time.sleep(0.01)

    began = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(one, range(count)))
    return time.perf_counter() - began


def _pipeline(client: Any, count: int, after: bool) -> str:
    """The name of a pipeline of so many steps. after: each waits for the one before."""
    steps: list[dict[str, Any]] = [
        {"Name": f"S{one}", "Type": "Processing", "Arguments": JOB} for one in range(count)
    ]
    for one in range(1, count) if after else ():
        steps[one]["DependsOn"] = [f"S{one - 1}"]
    return _create(client, steps)


def _create(client: Any, steps: list[dict[str, Any]]) -> str:
    name, text = f"bench-{uuid.uuid4().hex[:8]}", json.dumps({"Version": "2020-12-01", "Steps": steps})
    client.create_pipeline(PipelineName=name, PipelineDefinition=text, RoleArn=JOB["RoleArn"])
    return name


def _run(client: Any, name: str, **more: Any) -> float:
    """Seconds of one execution."""
    began = time.perf_counter()
    arn = client.start_pipeline_execution(PipelineName=name, **more)["PipelineExecutionArn"]
    while (
        found := client.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
    ) in GOING:
        time.sleep(0.01)
    assert found == "Succeeded"
    return time.perf_counter() - began


def _lists(many: int) -> Result:
    """The newest ten of many executions, and of ten."""
    with local_cloud() as large, local_cloud() as small:
        long, short = compare(_filled(large, many), _filled(small, 10), 100)
    seen = f"p50 of 100: {long:.1f} ms with {many:,}, {short:.1f} ms with 10"
    return Result(f"ListPipelineExecutions, newest ten: {many:,} / 10", long / short, 1.5, "x", seen=seen)


def _filled(place: Place, count: int) -> Any:
    """A call that lists the newest ten of so many executions."""
    client = place.client("sagemaker")
    condition = {
        "Conditions": [{"Type": "Equals", "LeftValue": 1, "RightValue": 1}],
        "IfSteps": [],
        "ElseSteps": [],
    }
    name = _create(client, [{"Name": "Only", "Type": "Condition", "Arguments": condition}])
    for _ in range(count):
        client.start_pipeline_execution(PipelineName=name)
    while (
        client.list_pipeline_executions(PipelineName=name, MaxResults=1)["PipelineExecutionSummaries"][0][
            "PipelineExecutionStatus"
        ]
        in GOING
    ):
        time.sleep(0.05)
    return lambda: client.list_pipeline_executions(PipelineName=name, MaxResults=10)
