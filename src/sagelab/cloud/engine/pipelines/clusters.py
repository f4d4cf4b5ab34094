"""Steps of type EMR: a step of a cluster that is there, or of one that is made for it and ends with it.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html#step-type-emr
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.pipelines.expressions import BadExpression

SERVICE, READS = "emr", "elasticmapreduce:DescribeStep"
GOING = ("PENDING", "CANCEL_PENDING", "RUNNING")
# What of a cluster's configuration is the step's own to say.
_OWN = ("Name", "Steps", "AutoTerminationPolicy")
_OWN_OF_INSTANCES = ("KeepJobFlowAliveWhenNoSteps", "TerminationProtected")


def check(step: str, arguments: dict[str, Any]) -> None:
    """BadExpression: they are no arguments of such a step."""
    config, key = arguments.get("ClusterConfig"), arguments.get("ClusterId")
    if not isinstance(arguments.get("StepConfig"), dict):
        raise BadExpression(f"step {step}: StepConfig must be an object")
    if (config is None) == (key is None):
        raise BadExpression(f"step {step} must have either ClusterId or ClusterConfig")
    if config is None:
        return
    if not isinstance(config, dict) or not isinstance(config.get("Instances"), dict):
        raise BadExpression(f"step {step}: ClusterConfig must have Instances")
    own = [name for name in _OWN if name in config]
    own += [name for name in _OWN_OF_INSTANCES if name in config["Instances"]]
    if own:
        raise BadExpression(f"step {step}: ClusterConfig must not have {own[0]}")
    if "ExecutionRoleArn" in arguments:
        raise BadExpression(f"step {step} cannot have an ExecutionRoleArn without a ClusterId")


def begin(emr: Any, name: str, execution: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Add the step to its cluster; what a record keeps of it. botocore's ClientError: EMR refuses it."""
    title = f"{name}-{execution}"[:256]
    step = {"Name": title, "ActionOnFailure": "CONTINUE", "HadoopJarStep": _jar(arguments["StepConfig"])}
    if config := arguments.get("ClusterConfig"):
        step["ActionOnFailure"] = "TERMINATE_CLUSTER"
        instances = config["Instances"] | {"KeepJobFlowAliveWhenNoSteps": False}
        asked = config | {"Name": title, "Steps": [step], "Instances": instances}
        cluster = emr.run_job_flow(**asked)["JobFlowId"]
        key = emr.list_steps(ClusterId=cluster)["Steps"][0]["Id"]
    else:
        cluster = arguments["ClusterId"]
        role = {name: arguments[name] for name in ("ExecutionRoleArn",) if name in arguments}
        key = emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step], **role)["StepIds"][0]
    arn = emr.describe_cluster(ClusterId=cluster)["Cluster"]["ClusterArn"]
    return {"Arn": f"{arn}/step/{key}", "Named": title, "Own": config is not None}


def _jar(config: dict[str, Any]) -> dict[str, Any]:
    """A HadoopJarStep as the API has it: its properties are a list there."""
    jar = dict(config.get("HadoopJarStep") or {})
    if isinstance(jar.get("Properties"), dict):
        jar["Properties"] = [{"Key": key, "Value": value} for key, value in jar["Properties"].items()]
    return jar


def _ids(arn: str) -> tuple[str, str]:
    """Of the cluster and of the step."""
    _, cluster, _, step = arn.split("/")
    return cluster, step


def describe(emr: Any, arn: str) -> dict[str, Any]:
    """The step, as DescribeStep tells of it. botocore's ClientError: it is not there."""
    cluster, step = _ids(arn)
    found: dict[str, Any] = emr.describe_step(ClusterId=cluster, StepId=step)["Step"]
    return found


def outcome(found: dict[str, Any]) -> str:
    """ "" of a step that goes on; "good", "bad" or "stopped"."""
    state = found["Status"]["State"]
    return "" if state in GOING else {"COMPLETED": "good", "CANCELLED": "stopped"}.get(state, "bad")


def failure(found: dict[str, Any], arn: str) -> str:
    """Why a step that has ended did not succeed."""
    status = found["Status"]
    told = status.get("FailureDetails") or {}
    why = [told[name] for name in ("Reason", "Message", "LogFile") if told.get(name)]
    why = why or [status.get("StateChangeReason", {}).get("Message", "")]
    cluster, step = _ids(arn)
    where = f"The step {step} of the cluster {cluster} is {status['State']}"
    return f"ClientError: {where}. {' '.join(why)}".strip()


def stop(emr: Any, record: dict[str, Any]) -> None:
    """Ask the step to end, and the cluster that was made for it."""
    cluster, step = _ids(record["Arn"])
    with suppress(botocore.exceptions.ClientError):  # it has ended by itself meanwhile
        emr.cancel_steps(ClusterId=cluster, StepIds=[step], StepCancellationOption="TERMINATE_PROCESS")
        if record.get("Own"):
            emr.terminate_job_flows(JobFlowIds=[cluster])


def leave(emr: Any, record: dict[str, Any]) -> None:
    """The step is over: a cluster that was made for it ends by itself."""


def metadata(record: dict[str, Any]) -> dict[str, Any]:
    """What ListPipelineExecutionSteps tells of it."""
    cluster, step = _ids(record["Arn"])
    named = {"StepName": record["Named"]} if "Named" in record else {}
    return {"ClusterId": cluster, "StepId": step} | named
