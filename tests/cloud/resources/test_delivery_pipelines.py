"""CodePipeline: a push goes through a build and an approval; what fails ends there."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.builds import Builds, make_role
from tests.cloud.repositories import Clone
from tests.conftest import LocalCloud
from tests.waiting import until

SPEC = """\
version: 0.2
phases: {build: {commands: ['cat file', 'grep -q good file', 'cp template.yml made.yml']}}
artifacts: {files: [made.yml]}
"""
TEMPLATE = """\
Parameters: {Name: {Type: String}}
Resources: {Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}}
"""


@pytest.fixture(scope="module")
def builds(cloud: LocalCloud) -> Builds:
    return Builds(cloud, make_role(cloud, "codebuild", "codepipeline"))


def action(category: str, provider: str, made: str = "", used: str = "", **configuration: str) -> dict[str, Any]:
    return {
        "name": f"{category}By{provider}",
        "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
        "configuration": configuration,
        "outputArtifacts": [{"name": made}] if made else [],
        "inputArtifacts": [{"name": used}] if used else [],
    }


class Line:
    """A pipeline of a new repository: source, build, approval, a stack."""

    def __init__(self, builds: Builds, folder: Path, **source: str) -> None:
        self.clone, self.name = Clone(builds.cloud, folder), f"line-{uuid.uuid4().hex[:8]}"
        self.api: Any = builds.cloud.client("codepipeline")
        ends = {"type": "CODEPIPELINE"}
        project = builds.project(source=ends, artifacts=ends)
        stages = {
            "Source": action(
                "Source", "CodeCommit", "code", RepositoryName=self.clone.name, BranchName="main", **source
            ),
            "Build": action("Build", "CodeBuild", "built", "code", ProjectName=project),
            "Approve": action("Approval", "Manual", CustomData="look at it"),
            "Deploy": action(
                "Deploy",
                "CloudFormation",
                "",
                "built",
                ActionMode="CREATE_UPDATE",
                StackName=self.name,
                TemplatePath="built::made.yml",
                ParameterOverrides=json.dumps({"Name": self.name}),
            ),
        }
        self.declaration: dict[str, Any] = {
            "name": self.name,
            "roleArn": builds.role,
            "artifactStore": {"type": "S3", "location": builds.bucket},
            "stages": [{"name": name, "actions": [each]} for name, each in stages.items()],
        }

    def create(self) -> None:
        self.api.create_pipeline(pipeline=self.declaration)

    def push(self, text: str, spec: str = SPEC) -> str:
        commit = self.clone.commit(file=text, **{"buildspec.yml": spec, "template.yml": TEMPLATE})
        assert self.clone.push().returncode == 0
        return commit

    def states(self) -> dict[str, dict[str, Any]]:
        found = self.api.get_pipeline_state(name=self.name)["stageStates"]
        return {each["stageName"]: each["actionStates"][0].get("latestExecution", {}) for each in found}

    def until(self, stage: str, *statuses: str) -> dict[str, Any]:
        return until(self.states, lambda found: found[stage].get("status") in statuses)[stage]

    def executions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.list_pipeline_executions(pipelineName=self.name)[
            "pipelineExecutionSummaries"
        ]
        return found


def test_a_push_goes_to_the_approval_and_an_approval_to_the_stack(builds: Builds, tmp_path: Path) -> None:
    line = Line(builds, tmp_path)
    line.create()
    until(line.executions, lambda found: found[0]["status"] == "Failed")  # there is no commit yet
    commit = line.push("good\n")
    until(lambda: line.states()["Approve"], lambda found: "token" in found)
    newest = line.executions()[0]
    assert newest["trigger"]["triggerType"] == "PollForSourceChanges"
    assert newest["sourceRevisions"][0]["revisionId"] == commit
    result = {"status": "Approved", "summary": "good"}
    place = {"pipelineName": line.name, "stageName": "Approve", "actionName": "ApprovalByManual"}
    with pytest.raises(ClientError, match="InvalidApprovalToken"):
        line.api.put_approval_result(**place, result=result, token=str(uuid.uuid4()))
    line.api.put_approval_result(**place, result=result, token=line.states()["Approve"]["token"])
    until(line.executions, lambda found: found[0]["status"] == "Succeeded")
    assert builds.cloud.client("sqs").get_queue_url(QueueName=line.name)
    rows = line.api.list_action_executions(
        pipelineName=line.name, filter={"pipelineExecutionId": newest["pipelineExecutionId"]}
    )["actionExecutionDetails"]
    assert [row["stageName"] for row in rows] == ["Deploy", "Approve", "Build", "Source"]


def test_a_build_that_fails_ends_the_execution_there(builds: Builds, tmp_path: Path) -> None:
    line = Line(builds, tmp_path, PollForSourceChanges="false")
    line.push("good\n", SPEC.replace("version: 0.2", "version: [0.2"))
    line.create()
    state = line.until("Build", "Failed")
    assert "YAML_FILE_ERROR" in state["errorDetails"]["message"]
    until(line.executions, lambda found: found[0]["status"] == "Failed")
    line.push("bad\n")
    line.api.start_pipeline_execution(name=line.name)
    until(line.executions, lambda found: len(found) == 2 and found[0]["status"] == "Failed")
    assert "exit status 1" in line.states()["Build"]["errorDetails"]["message"]
    assert line.states()["Approve"] == {}
    line.push("good\n")
    assert len(line.executions()) == 2  # it was told not to look for changes


@pytest.mark.parametrize("variables", ["[" * 1_000, "1", '{"a": 1}'])
def test_a_configuration_that_is_none_fails_its_action(builds: Builds, tmp_path: Path, variables: str) -> None:
    line = Line(builds, tmp_path, PollForSourceChanges="false")
    line.push("good\n")
    (action,) = next(stage["actions"] for stage in line.declaration["stages"] if stage["name"] == "Build")
    action["configuration"]["EnvironmentVariables"] = variables
    line.create()
    assert line.until("Build", "Failed")["errorDetails"]["code"] == "ConfigurationError"


def test_a_rejection_and_a_stop_end_an_execution(builds: Builds, tmp_path: Path) -> None:
    line = Line(builds, tmp_path, PollForSourceChanges="false")
    line.push("good\n")
    line.create()
    until(lambda: line.states()["Approve"], lambda found: "token" in found)
    place = {"pipelineName": line.name, "stageName": "Approve", "actionName": "ApprovalByManual"}
    result = {"status": "Rejected", "summary": "not now"}
    line.api.put_approval_result(**place, result=result, token=line.states()["Approve"]["token"])
    until(line.executions, lambda found: found[0]["status"] == "Failed")
    assert "not now" in line.states()["Approve"]["errorDetails"]["message"]
    key = line.api.start_pipeline_execution(name=line.name)["pipelineExecutionId"]
    until(lambda: line.states()["Approve"], lambda found: "token" in found)
    line.api.stop_pipeline_execution(pipelineName=line.name, pipelineExecutionId=key)
    until(line.executions, lambda found: found[0]["status"] == "Stopped")


def test_a_rule_starts_a_pipeline_on_a_push(builds: Builds, tmp_path: Path) -> None:
    line = Line(builds, tmp_path, PollForSourceChanges="false")
    line.push("bad\n")
    line.create()
    line.until("Build", "Failed")
    events, arn = builds.cloud.client("events"), line.clone.made["Arn"]
    target = arn.replace(":codecommit:", ":codepipeline:").replace(line.clone.name, line.name)
    pattern = {"source": ["aws.codecommit"], "resources": [arn], "detail": {"referenceName": ["main"]}}
    events.put_rule(Name=line.name, EventPattern=json.dumps(pattern))
    role = make_role(builds.cloud, "events", actions=("codepipeline:StartPipelineExecution",))
    events.put_targets(Rule=line.name, Targets=[{"Id": "line", "Arn": target, "RoleArn": role}])
    commit = line.push("good\n")
    until(lambda: line.states()["Approve"], lambda found: "token" in found)
    newest = line.executions()[0]
    assert newest["trigger"]["triggerType"] == "CloudWatchEvent"
    assert newest["sourceRevisions"][0]["revisionId"] == commit


def test_what_is_not_done_is_refused(builds: Builds, tmp_path: Path) -> None:
    line = Line(builds, tmp_path)
    stages = line.declaration["stages"]
    for changed, words in (
        ({"triggers": [_trigger()]}, "connections"),
        ({"stages": stages[:1]}, "at least two stages"),
        ({"stages": [stages[0], stages[2], stages[3]]}, "Input artifact built"),
        ({"stages": [{"name": "Source", "actions": [action("Source", "ECR", "x")]}, stages[2]]}, "Source by ECR"),
        ({"roleArn": make_role(builds.cloud, "sagemaker")}, "not authorized to perform AssumeRole"),
    ):
        with pytest.raises(ClientError, match=words):
            line.api.create_pipeline(pipeline=line.declaration | changed)


def _trigger() -> dict[str, Any]:
    return {"providerType": "CodeStarSourceConnection", "gitConfiguration": {"sourceActionName": "x"}}
