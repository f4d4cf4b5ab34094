"""Steps of pipelines on clusters of EMR: one that is there, one that is made for the step; failures and stops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.builds import make_role
from tests.cloud.emr import Emr, group
from tests.cloud.jobs import LIGHT, Jobs
from tests.cloud.pipelines import Pipelines, definition, get, shell, step
from tests.conftest import LocalCloud
from tests.waiting import until


@pytest.fixture(scope="module")
def emr(cloud: LocalCloud) -> Iterator[Emr]:
    made = Emr(cloud)
    yield made
    made.end(*made.made)


class Allowed(Pipelines):
    """Pipelines whose role may use clusters; SageMaker's usual one may not, as on AWS."""

    role = ""

    def create(self, text: str, **more: Any) -> str:
        return super().create(text, **{"RoleArn": self.role} | more)


@pytest.fixture(scope="module")
def pipelines(cloud: LocalCloud) -> Pipelines:
    made = Allowed(Jobs(cloud, image=LIGHT))
    made.role = make_role(
        cloud, "sagemaker", actions=("elasticmapreduce:*", "sagemaker:*", "s3:*", "iam:PassRole")
    )
    return made


def on(command: str, **arguments: Any) -> dict[str, Any]:
    jar = {"Jar": "command-runner.jar", "Args": ["bash", "-c", command]}
    return {"StepConfig": {"HadoopJarStep": jar}} | arguments


def test_a_step_runs_on_a_cluster_that_is_there(emr: Emr, pipelines: Pipelines) -> None:
    cluster = emr.run()
    first = step("Prepare", "EMR", on("echo prepared", ClusterId=get("Parameters.Cluster")))
    after = shell("After", "true")
    after["Arguments"]["Environment"] = {"STEP": get("Steps.Prepare.Id")}
    parameters = [{"Name": "Cluster", "Type": "String", "DefaultValue": cluster}]
    arn = pipelines.run(first, after, parameters=parameters)
    assert pipelines.statuses(arn) == {"Prepare": "Succeeded", "After": "Succeeded"}
    told = pipelines.steps(arn)["Prepare"]["Metadata"]["EMR"]
    assert told["ClusterId"] == cluster
    found = emr.step(cluster, told["StepId"])
    assert (found["Status"]["State"], found["Name"]) == ("COMPLETED", told["StepName"])
    failing = step("Fails", "EMR", on("exit 3", ClusterId=cluster))
    arn = pipelines.run(failing)
    reason = pipelines.steps(arn)["Fails"]["FailureReason"]
    assert f"of the cluster {cluster} is FAILED" in reason
    assert emr.get(cluster)["Status"]["State"] == "WAITING"
    gone = pipelines.run(step("Nowhere", "EMR", on("true", ClusterId="j-NOSUCHCLUSTER")))
    assert "ClientError: Failed to invoke EMR step." in pipelines.steps(gone)["Nowhere"]["FailureReason"]


def test_a_cluster_that_is_made_for_a_step_ends_with_it(emr: Emr, pipelines: Pipelines) -> None:
    config = emr.asked()
    config = {name: config[name] for name in ("ReleaseLabel", "LogUri", "JobFlowRole", "ServiceRole")}
    config["Instances"] = {"InstanceGroups": [group("MASTER")]}
    arn = pipelines.run(step("Own", "EMR", on("true", ClusterConfig=config)))
    assert pipelines.statuses(arn) == {"Own": "Succeeded"}
    cluster = pipelines.steps(arn)["Own"]["Metadata"]["EMR"]["ClusterId"]
    emr.made.append(cluster)
    assert emr.wait(cluster)["Status"]["State"] == "TERMINATED"


def test_an_execution_that_is_stopped_ends_its_step(emr: Emr, pipelines: Pipelines) -> None:
    cluster = emr.run()
    name = pipelines.create(definition(step("Long", "EMR", on("sleep 600", ClusterId=cluster))))
    arn = pipelines.start(name)
    pipelines.wait_step(arn, "Long")
    key = pipelines.steps(arn)["Long"]["Metadata"]["EMR"]["StepId"]
    until(lambda: emr.step(cluster, key)["Status"]["State"], lambda state: state == "RUNNING")
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Stopped"
    until(lambda: emr.step(cluster, key)["Status"]["State"], lambda state: state in ("CANCELLED", "FAILED"))


def test_the_usual_role_may_use_no_cluster(emr: Emr, cloud: LocalCloud) -> None:
    plain = Pipelines(Jobs(cloud, image=LIGHT))
    arn = plain.run(step("Refused", "EMR", on("true", ClusterId=emr.run())))
    reason = plain.steps(arn)["Refused"]["FailureReason"]
    assert "is not authorized to perform: elasticmapreduce:AddJobFlowSteps" in reason


def test_what_is_no_such_step_is_refused_when_it_is_given(pipelines: Pipelines) -> None:
    instances = {"InstanceGroups": [group("MASTER")]}
    for arguments, words in (
        ({}, "StepConfig must be an object"),
        (on("true"), "either ClusterId or ClusterConfig"),
        (on("true", ClusterId="j-1", ClusterConfig={"Instances": instances}), "either ClusterId or ClusterConfig"),
        (on("true", ClusterConfig={}), "must have Instances"),
        (on("true", ClusterConfig={"Instances": instances, "Name": "x"}), "must not have Name"),
    ):
        with pytest.raises(pipelines.sagemaker.exceptions.ClientError, match=words):
            pipelines.create(definition(step("A", "EMR", arguments)))
