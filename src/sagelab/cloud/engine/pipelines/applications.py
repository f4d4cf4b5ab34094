"""Steps of type EMRServerless: a job run of an application that is there, or of one that is made for it and goes.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-serverless
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.pipelines.expressions import BadExpression

SERVICE, READS = "emr-serverless", "emr-serverless:GetJobRun"
LOOKS, PAUSE = 100, 0.1  # at an application that is made, or goes; seconds between two


def check(step: str, arguments: dict[str, Any]) -> None:
    """BadExpression: they are no arguments of such a step."""
    config, key = arguments.get("ApplicationConfig"), arguments.get("ApplicationId")
    if not isinstance(arguments.get("JobConfig"), dict):
        raise BadExpression(f"step {step}: JobConfig must be an object")
    if (config is None) == (key is None):
        raise BadExpression(f"step {step} must have either ApplicationId or ApplicationConfig")
    if config is not None and not isinstance(config, dict):
        raise BadExpression(f"step {step}: ApplicationConfig must be an object")


def begin(client: Any, name: str, execution: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Start the job run; what a record keeps of it. botocore's ClientError: EMR Serverless refuses it."""
    config, title = arguments.get("ApplicationConfig"), f"{name}-{execution}"
    key = arguments.get("ApplicationId") or _make(client, {"name": title[:64]} | (config or {}))
    role = {"executionRoleArn": arguments["ExecutionRoleArn"]} if "ExecutionRoleArn" in arguments else {}
    asked = {"name": title[:256]} | role | arguments["JobConfig"] | {"applicationId": key}
    try:
        arn = client.start_job_run(**asked)["arn"]
    except Exception:
        if config:
            _remove(client, key)
        raise
    return {"Arn": arn, "Named": asked["name"], "Own": config is not None}


def _make(client: Any, config: dict[str, Any]) -> str:
    key = str(client.create_application(**config)["applicationId"])
    _await(client, key, "CREATED")
    return key


def _await(client: Any, key: str, *states: str) -> str:
    """The state of an application: one of these, or the last that was seen."""
    for _ in range(LOOKS):
        state = str(client.get_application(applicationId=key)["application"]["state"])
        if state in states:
            break
        time.sleep(PAUSE)
    return state


def _remove(client: Any, key: str) -> None:
    with suppress(botocore.exceptions.ClientError):
        if _await(client, key, "CREATED", "STARTED", "STOPPED") == "STARTED":
            client.stop_application(applicationId=key)
            _await(client, key, "STOPPED")
        client.delete_application(applicationId=key)


def _ids(arn: str) -> dict[str, str]:
    """Of the application and of the job run."""
    _, _, application, _, run = arn.split("/")
    return {"applicationId": application, "jobRunId": run}


def describe(client: Any, arn: str) -> dict[str, Any]:
    """As GetJobRun tells of it. botocore's ClientError: it is not there."""
    return {"jobRun": client.get_job_run(**_ids(arn))["jobRun"]}


def outcome(found: dict[str, Any]) -> str:
    """ "" of a run that goes on; "good", "bad" or "stopped"."""
    ends = {"SUCCESS": "good", "FAILED": "bad", "CANCELLED": "stopped"}
    return ends.get(found["jobRun"]["state"], "")


def failure(found: dict[str, Any], arn: str) -> str:
    """Why a run that has ended did not succeed."""
    ids, run = _ids(arn), found["jobRun"]
    where = f"The job run {ids['jobRunId']} of the application {ids['applicationId']} is {run['state']}"
    return f"ClientError: {where}. {run['stateDetails']}".strip()


def stop(client: Any, record: dict[str, Any]) -> None:
    """Ask the run to end."""
    with suppress(botocore.exceptions.ClientError):
        client.cancel_job_run(**_ids(record["Arn"]))


def leave(client: Any, record: dict[str, Any]) -> None:
    """The run is over: the application that was made for it goes."""
    if record.get("Own"):
        _remove(client, _ids(record["Arn"])["applicationId"])


def metadata(record: dict[str, Any]) -> dict[str, Any]:
    """What ListPipelineExecutionSteps tells of it."""
    ids = _ids(record["Arn"])
    named = {"JobRunName": record["Named"]} if "Named" in record else {}
    return {"ApplicationId": ids["applicationId"], "JobRunId": ids["jobRunId"]} | named
