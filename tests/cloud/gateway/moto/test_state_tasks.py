"""State machines that train: SageMaker's tasks with a real local cloud, waited for and stopped."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.cloud import processing
from tests.cloud.gateway.moto.test_state_machines import END, Machines, task
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud
from tests.trusts import ACCOUNT, trusting
from tests.waiting import until

PREFIX = "sagemaker:createProcessingJob"


@pytest.fixture(scope="module")
def machines(cloud: LocalCloud) -> Machines:
    """Of a role that may make processing jobs, and pass on the role of the labs."""
    iam, name = cloud.client("iam"), f"machine-{uuid.uuid4().hex[:8]}"
    trust = trusting({"Service": "states.amazonaws.com"})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    actions = ["sagemaker:*ProcessingJob", "sagemaker:CreateTrainingJob", "iam:PassRole"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document)
    return Machines(cloud, role)


def job(command: str) -> dict[str, Any]:
    """A request whose name comes from the execution's."""
    return processing.request(command) | {"ProcessingJobName": f"machine-{uuid.uuid4().hex[:8]}"}


def test_job_is_waited_for(machines: Machines) -> None:
    request = job("true")
    found = machines.output({"Run": task(f"{PREFIX}.sync", request)})
    assert (found["ProcessingJobName"], found["ProcessingJobStatus"]) == (
        request["ProcessingJobName"],
        "Completed",
    )
    assert isinstance(found["ProcessingEndTime"], int)


def test_job_that_fails_fails_its_task(machines: Machines) -> None:
    found = machines.run({"Run": task(f"{PREFIX}.sync", job("exit 3"))})
    assert (found["status"], found["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(found["cause"])["ProcessingJobStatus"] == "Failed"


def test_what_sagemaker_refuses_has_its_name(machines: Machines) -> None:
    found = machines.run({"Run": task(f"{PREFIX}.sync", job("true") | {"ProcessingResources": {}})})
    assert (found["status"], found["error"]) == ("FAILED", "SageMaker.AmazonSageMakerException")
    assert "Error Code: ValidationException" in found["cause"]
    denied = machines.run({"Run": task("sagemaker:createModel", {"ModelName": "m", "ExecutionRoleArn": ACCOUNT})})
    assert "AccessDenied" in denied["cause"]


def test_stopped_execution_stops_its_job(machines: Machines, jobs: Jobs) -> None:
    request = job("sleep 600")
    execution = machines.start(machines.make({"Run": task(f"{PREFIX}.sync", request)}))
    name = {"ProcessingJobName": request["ProcessingJobName"]}
    describe = jobs.sagemaker.describe_processing_job
    listed = jobs.sagemaker.list_processing_jobs
    until(lambda: listed(NameContains=name["ProcessingJobName"])["ProcessingJobSummaries"], bool)
    machines.client.stop_execution(executionArn=execution)
    assert machines.client.describe_execution(executionArn=execution)["status"] == "ABORTED"
    ended = until(
        lambda: describe(**name)["ProcessingJobStatus"], lambda status: status not in ("InProgress", "Stopping")
    )
    assert ended == "Stopped"


def test_job_is_started_and_not_waited_for(machines: Machines, jobs: Jobs) -> None:
    request = job("true")
    states = {"Run": task(PREFIX, request, ResultPath="$.made", Next="Go"), "Go": {"Type": "Pass", **END}}
    made = machines.output(states)["made"]
    assert made["ProcessingJobArn"].endswith(f":processing-job/{request['ProcessingJobName']}")
    name = request["ProcessingJobName"]
    until(
        lambda: jobs.sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"],
        lambda status: status == "Completed",
    )
