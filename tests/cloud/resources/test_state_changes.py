"""What SageMaker tells EventBridge of its resources, and that it is told."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sagelab.cloud.resources import state_changes
from sagelab.cloud.store import Document, Transition
from tests.cloud.glue import Glue
from tests.cloud.jobs import Jobs
from tests.cloud.pipelines import Pipelines, definition, shell
from tests.cloud.replications import Replications
from tests.conftest import LocalCloud
from tests.waiting import until

WHEN, MILLIS = datetime(2026, 11, 29, 10, tzinfo=UTC), 1795946400000
BASE = "arn:aws:sagemaker:us-east-1:123456789012"
PIPELINE = f"{BASE}:pipeline/p"


def change(kind: str, before: Document | None, after: Document | None, **tags: str) -> Transition:
    return Transition(f"{BASE}:{kind}/it", kind, "us-east-1", before, after, tags)


def test_event_has_what_describe_tells() -> None:
    job = {
        "TrainingJobName": "it",
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "CreationTime": WHEN,
        "SecondaryStatusTransitions": [{"Status": "Starting", "StartTime": WHEN}],
        "Own": {"secret": 1},
    }
    (event,) = state_changes.events(change("training-job", None, job, team="blue"))
    assert event["detail-type"] == "SageMaker Training Job State Change"
    assert (event["source"], event["resources"]) == ("aws.sagemaker", [f"{BASE}:training-job/it"])
    assert event["detail"] == {
        "TrainingJobName": "it",
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "CreationTime": MILLIS,
        "SecondaryStatusTransitions": [{"Status": "Starting", "StartTime": MILLIS}],
        "Tags": {"team": "blue"},
    }
    told = replace(change("training-job", job, job), after=job | {"BillableTimeInSeconds": 3})
    assert list(state_changes.events(told)) == []
    assert len(list(state_changes.events(replace(told, after=job | {"SecondaryStatus": "Training"})))) == 1


CASES: list[tuple[str, Document | None, Document | None, str, Document]] = [
    ("endpoint", None, {"EndpointStatus": "InService"}, "Endpoint", {"EndpointStatus": "IN_SERVICE"}),
    (
        "endpoint",
        {"EndpointStatus": "InService"},
        {"EndpointStatus": "RollingBack"},
        "Endpoint",
        {"EndpointStatus": "ROLLING_BACK"},
    ),
    ("model", {"ModelName": "m"}, None, "Model", {"ModelName": "m"}),
    ("endpoint-config", None, {"EndpointConfigName": "c"}, "Endpoint Config", {"EndpointConfigName": "c"}),
    (
        "model-package",
        {"ModelPackageStatus": "Completed", "ModelApprovalStatus": "PendingManualApproval"},
        {"ModelPackageStatus": "Completed", "ModelApprovalStatus": "Approved", "CreationTime": WHEN},
        "Model Package",
        {"ModelApprovalStatus": "Approved", "CreationTime": "2026-11-29T10:00:00Z"},
    ),
    (
        "hyper-parameter-tuning-job",
        None,
        {"HyperParameterTuningJobStatus": "InProgress"},
        "HyperParameter Tuning Job",
        {"HyperParameterTuningJobStatus": "InProgress"},
    ),
    (
        "notebook-instance",
        {"NotebookInstanceStatus": "Pending"},
        {"NotebookInstanceStatus": "InService"},
        "Notebook Instance",
        {"NotebookInstanceStatus": "InService"},
    ),
    (
        "transform-job",
        None,
        {"TransformJobStatus": "Failed", "FailureReason": "why", "LastModifiedTime": WHEN},
        "Transform Job",
        {"TransformJobStatus": "Failed", "FailureReason": "why"},
    ),
]


@pytest.mark.parametrize(("kind", "before", "after", "title", "wanted"), CASES)
def test_each_kind_has_its_form(
    kind: str, before: Document | None, after: Document | None, title: str, wanted: Document
) -> None:
    (event,) = state_changes.events(change(kind, before, after))
    assert event["detail-type"] == f"SageMaker {title} State Change"
    assert {name: event["detail"][name] for name in wanted} == wanted


def test_end_of_a_job_that_is_deleted_is_no_state() -> None:
    gone = change("processing-job", {"ProcessingJobStatus": "Completed"}, None)
    assert list(state_changes.events(gone)) == []


def test_execution_tells_of_itself_and_of_its_steps() -> None:
    step = {"Type": "Processing", "Status": "Executing", "StartTime": WHEN, "Arn": "arn:job"}
    document = {
        "PipelineArn": PIPELINE,
        "PipelineExecutionStatus": "Executing",
        "PipelineExecutionDisplayName": "named",
        "CreationTime": WHEN,
        "LastModifiedTime": WHEN,
    }
    before, after = document | {"Own": {"Steps": {"a": step}}}, dict(document)
    done = step | {"Status": "Failed", "EndTime": WHEN, "FailureReason": "it broke"}
    after |= {"PipelineExecutionStatus": "Failed", "Own": {"Steps": {"a": done}}, "FailureReason": "a step failed"}
    of_step, of_all = state_changes.events(change("pipeline-execution", before, after))
    arns = {"pipelineArn": PIPELINE, "pipelineExecutionArn": f"{BASE}:pipeline-execution/it"}
    assert of_step["resources"] == list(arns.values())
    assert of_step["detail-type"] == "SageMaker Model Building Pipeline Execution Step Status Change"
    assert of_step["detail"] == arns | {
        "metadata": {"processingJob": {"arn": "arn:job"}},
        "stepStartTime": "2026-11-29T10:00:00Z",
        "stepEndTime": "2026-11-29T10:00:00Z",
        "stepName": "a",
        "stepType": "Processing",
        "previousStepStatus": "Executing",
        "currentStepStatus": "Failed",
        "failureReason": "it broke",
    }
    assert of_all["detail-type"] == "SageMaker Model Building Pipeline Execution Status Change"
    assert of_all["detail"] == arns | {
        "pipelineExecutionDisplayName": "named",
        "currentPipelineExecutionStatus": "Failed",
        "previousPipelineExecutionStatus": "Executing",
        "executionStartTime": "2026-11-29T10:00:00Z",
        "executionEndTime": "2026-11-29T10:00:00Z",
        "failureReason": "a step failed",
    }


# With a real local cloud

Heard = Callable[[int], list[dict[str, Any]]]


@pytest.fixture
def hear(cloud: LocalCloud) -> Iterator[Callable[..., Heard]]:
    """Makes a rule with a queue; what is returned waits for so many events."""
    events, sqs, made = cloud.client("events"), cloud.client("sqs"), list[str]()

    def listen(**pattern: Any) -> Heard:
        name = f"heard-{uuid.uuid4().hex[:8]}"
        rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.sagemaker"]} | pattern))
        arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"
        allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        allow |= {"Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule["RuleArn"]}}}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
        made.append(name)
        found: list[dict[str, Any]] = []

        def take() -> list[dict[str, Any]]:
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5).get("Messages", [])
            for one in got:
                found.append(json.loads(one["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            return found

        return lambda count: until(take, lambda seen: len(seen) >= count)

    yield listen
    for name in made:
        events.remove_targets(Rule=name, Ids=["1"])
        events.delete_rule(Name=name)


def test_job_that_runs_is_told(jobs: Jobs, hear: Callable[..., Heard]) -> None:
    request = jobs.shell("true", Tags=[{"Key": "team", "Value": "blue"}])
    heard = hear(detail={"TrainingJobName": [request["TrainingJobName"]], "TrainingJobStatus": ["Completed"]})
    jobs.run(request)
    (event,) = heard(1)
    assert event["resources"][0].endswith(f":training-job/{request['TrainingJobName']}")
    assert event["detail"]["Tags"] == {"team": "blue"}
    assert isinstance(event["detail"]["TrainingEndTime"], int)


def test_execution_of_a_pipeline_is_told_step_by_step(jobs: Jobs, hear: Callable[..., Heard]) -> None:
    pipelines = Pipelines(jobs)
    name = pipelines.create(definition(shell("only", "true")))
    heard = hear(detail={"pipelineArn": [{"suffix": f":pipeline/{name}"}]})
    pipelines.start(name)
    found = heard(5)
    steps = [one["detail"] for one in found if "stepName" in one["detail"]]
    assert {one["currentStepStatus"] for one in steps} == {"Starting", "Executing", "Succeeded"}
    last = next(one for one in steps if one["currentStepStatus"] == "Succeeded")
    assert last["metadata"]["processingJob"]["arn"].startswith(f"{BASE}:processing-job/pipelines-")
    runs = [one["detail"] for one in found if "stepName" not in one["detail"]]
    assert {one["currentPipelineExecutionStatus"] for one in runs} == {"Executing", "Succeeded"}


def test_the_end_of_a_glue_jobs_run_is_told(cloud: LocalCloud, hear: Callable[..., Heard]) -> None:
    glue = Glue(cloud)
    name = glue.make("raise SystemExit('too few rows')")
    heard = hear(source=["aws.glue"], detail={"jobName": [name]})
    run = glue.start(name)
    (event,) = heard(1)
    assert event["detail-type"] == "Glue Job State Change"
    facts = {"jobName": name, "severity": "ERROR", "state": "FAILED", "jobRunId": run, "message": "too few rows"}
    assert event["detail"] == facts


def test_states_of_a_replication_task_are_told(cloud: LocalCloud, hear: Callable[..., Heard]) -> None:
    dms, name = Replications(cloud), f"told-{uuid.uuid4().hex[:8]}"
    (cloud.home.databases / name).mkdir()
    with closing(sqlite3.connect(cloud.home.databases / name / f"{name}.db")) as database:
        database.executescript("CREATE TABLE one (x); INSERT INTO one VALUES (1)")
    task = dms.make(dms.endpoint("source", "sqlite", DatabaseName=name), dms.target("told"))
    heard = hear(source=["aws.dms"], resources=[task])
    dms.run(task)
    dms.delete(task)
    events = heard(3)
    assert {one["detail-type"] for one in events} == {"DMS Replication Task State Change"}
    assert {(one["detail"]["eventType"], one["detail"]["detailMessage"]) for one in events} == {
        ("REPLICATION_TASK_STARTED", "Replication task started, with flag = fresh start"),
        ("REPLICATION_TASK_STOPPED", "Stop Reason FULL_LOAD_ONLY_FINISHED"),
        ("REPLICATION_TASK_DELETED", "Replication task deleted"),
    }
