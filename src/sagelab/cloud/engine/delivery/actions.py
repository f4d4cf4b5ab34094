"""What an action of a pipeline does: by calls through the front door, with the rights of the pipeline's role.

Configuration: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference.html
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import string
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import botocore.exceptions

from sagelab.cloud.engine.data import zips

Document = dict[str, Any]

LETTERS = string.ascii_letters + string.digits
ARTIFACT_LIMIT = 1 << 30  # bytes of an artifact that is looked into
FILE_LIMIT = 1 << 20  # bytes of a template or its configuration
_VARIABLE = re.compile(r"#\{(\w+)\.(\w+)\}", re.ASCII)
_SETTLED = re.compile(r"(CREATE|UPDATE|ROLLBACK|DELETE|UPDATE_ROLLBACK)_(COMPLETE|FAILED)")


class ActionFailed(Exception):
    """Why an action fails. code: as errorDetails has it."""

    def __init__(self, message: str, code: str = "JobFailed") -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Place:
    """What an action works with, and what it makes.

    client: of a service, with the rights of the pipeline's role. archive: writes a commit of a repository as zip.
    wait: returns when the function it is given says so, asked again after every change; False: the execution is
    to end. note: keeps facts in the action's record. record: that, as it is now. artifacts: name -> its place in
    S3. variables: namespace -> name -> value.
    """

    client: Callable[[str], Any]
    archive: Callable[[str, str, IO[bytes]], None]
    wait: Callable[[Callable[[], bool]], bool]
    note: Callable[..., None]
    record: Callable[[], Document]
    execution: Document
    action: Document
    artifacts: dict[str, dict[str, str]]
    variables: dict[str, dict[str, str]]
    made: dict[str, dict[str, str]] = field(default_factory=dict)
    revision: str = ""

    @property
    def configuration(self) -> dict[str, str]:
        """Its configuration, with every variable's value in its place."""
        return {name: _VARIABLE.sub(self._value, text) for name, text in self._plain.items()}

    @property
    def _plain(self) -> dict[str, str]:
        found: dict[str, str] = self.action.get("configuration", {})
        return found

    def _value(self, found: re.Match[str]) -> str:
        try:
            return self.variables[found[1]][found[2]]
        except KeyError:
            raise ActionFailed(f"There is no variable {found[0]}", "VariableNotFound") from None

    @property
    def output(self) -> str | None:
        """The name of the artifact that it makes."""
        return next((each["name"] for each in self.action.get("outputArtifacts", [])), None)

    @property
    def inputs(self) -> list[str]:
        return [each["name"] for each in self.action.get("inputArtifacts", [])]

    def new(self) -> dict[str, str]:
        """A place for an artifact, in the pipeline's store."""
        key = "".join(secrets.choice(LETTERS) for _ in range(7))
        name, artifact = self.execution["pipelineName"][:20], (self.output or "")[:10]
        store = self.execution["declaration"]["artifactStore"]["location"]
        return {"bucket": store, "key": f"{name}/{artifact}/{key}"}


def from_repository(place: Place) -> None:
    asked = place.configuration
    name, branch = asked["RepositoryName"], asked["BranchName"]
    codecommit = place.client("codecommit")
    commit = codecommit.get_branch(repositoryName=name, branchName=branch)["branch"]["commitId"]
    told = codecommit.get_commit(repositoryName=name, commitId=commit)["commit"]
    message = told["message"].strip()
    with tempfile.TemporaryFile() as file:
        place.archive(name, commit, file)
        _keep(place, file)
    place.revision = commit
    place.note(revision=commit, summary=message[:200])
    facts = {"CommitId": commit, "BranchName": branch, "RepositoryName": name, "CommitMessage": message}
    place.variables[place.action.get("namespace", "")] = facts


def from_bucket(place: Place) -> None:
    asked, s3 = place.configuration, place.client("s3")
    named = {"Bucket": asked["S3Bucket"], "Key": asked["S3ObjectKey"]}
    version = s3.head_object(**named).get("VersionId")
    if version is None:
        raise ActionFailed(f"The bucket {asked['S3Bucket']} must have versioning enabled.", "ConfigurationError")
    target = place.new()
    s3.copy_object(CopySource=named | {"VersionId": version}, Bucket=target["bucket"], Key=target["key"])
    place.made[place.output or ""] = target
    place.revision = version
    place.note(revision=version)


def _keep(place: Place, file: IO[bytes]) -> None:
    file.seek(0)
    target = place.new()
    place.client("s3").put_object(Bucket=target["bucket"], Key=target["key"], Body=file)
    place.made[place.output or ""] = target


def build(place: Place) -> None:
    """Of CodeBuild's project, with the first artifact for its source."""
    asked, codebuild = place.configuration, place.client("codebuild")
    source = place.artifacts[asked.get("PrimarySource") or place.inputs[0]]
    target = place.new()
    folder, _, name = target["key"].rpartition("/")
    kept = {"type": "S3", "location": target["bucket"], "path": folder, "name": name, "packaging": "ZIP"}
    variables = json.loads(asked.get("EnvironmentVariables", "[]"))
    own = {
        "CODEBUILD_INITIATOR": f"codepipeline/{place.execution['pipelineName']}",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": place.execution.get("revision", ""),
    }
    started = codebuild.start_build(
        projectName=asked["ProjectName"],
        sourceTypeOverride="S3",
        sourceLocationOverride=f"{source['bucket']}/{source['key']}",
        artifactsOverride=kept if place.output else {"type": "NO_ARTIFACTS"},
        environmentVariablesOverride=[*({"name": key, "value": value} for key, value in own.items()), *variables],
    )["build"]
    place.note(external=started["id"])

    def look() -> Document:
        found: Document = codebuild.batch_get_builds(ids=[started["id"]])["builds"][0]
        return found

    if not place.wait(lambda: bool(look()["buildComplete"])):
        codebuild.stop_build(id=started["id"])
        return
    found = look()
    if found["buildStatus"] != "SUCCEEDED":
        raise ActionFailed(f"Build terminated with state: {found['buildStatus']}. {_why(found)}".strip())
    if place.output:
        place.made[place.output] = target
    exported = found.get("exportedEnvironmentVariables", [])
    place.variables[place.action.get("namespace", "")] = {each["name"]: each["value"] for each in exported}


def _why(build: Document) -> str:
    for phase in build["phases"]:
        if phase.get("phaseStatus") in ("FAILED", "FAULT", "TIMED_OUT"):
            context: Document = next(iter(phase.get("contexts", [])), {})
            said = f"Code: {context.get('statusCode')}, Message: {context.get('message')}"
            return f"Phase: {phase['phaseType']}, {said}"
    return ""


def approval(place: Place) -> None:
    """Waits for PutApprovalResult, which finds the token in the action's record."""
    if not place.record().get("token"):
        place.note(token=str(uuid.uuid4()), summary=place.configuration.get("CustomData", ""))
    if not place.wait(lambda: "result" in place.record()):
        return
    result = place.record()["result"]
    place.note(token=None, summary=result["summary"])
    if result["status"] != "Approved":
        raise ActionFailed(f"Rejected: {result['summary']}", "Rejected")


def deploy(place: Place) -> None:
    """A stack is made or updated."""
    asked, stacks = place.configuration, place.client("cloudformation")
    name = asked["StackName"]
    settings = json.loads(_file(place, asked["TemplateConfiguration"])) if "TemplateConfiguration" in asked else {}
    parameters = settings.get("Parameters", {}) | json.loads(asked.get("ParameterOverrides", "{}"))
    if any(isinstance(value, dict | list) for value in parameters.values()):
        why = "ParameterOverrides: functions are not something the local cloud can do."
        raise ActionFailed(why, "ConfigurationError")
    call = {
        "StackName": name,
        "TemplateBody": _file(place, asked["TemplatePath"]),
        "Parameters": [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
        "Capabilities": [each for each in asked.get("Capabilities", "").split(",") if each],
        "Tags": [{"Key": key, "Value": str(value)} for key, value in settings.get("Tags", {}).items()],
        **({"RoleARN": asked["RoleArn"]} if "RoleArn" in asked else {}),
    }
    place.note(external=name)
    if _start(stacks, call):
        _follow(place, stacks, name)


def _start(stacks: Any, call: Document) -> bool:
    """Whether there is something to wait for."""
    try:
        stacks.describe_stacks(StackName=call["StackName"])
    except botocore.exceptions.ClientError:
        stacks.create_stack(**call)
        return True
    try:
        stacks.update_stack(**call)
    except botocore.exceptions.ClientError as error:
        if "No updates are to be performed" in str(error):
            return False
        raise
    return True


def _follow(place: Place, stacks: Any, name: str) -> None:
    def status() -> str:
        return str(stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])

    if not place.wait(lambda: bool(_SETTLED.fullmatch(status()))):
        return
    if (found := status()) not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        events = stacks.describe_stack_events(StackName=name)["StackEvents"]
        why = next((each["ResourceStatusReason"] for each in events if each.get("ResourceStatusReason")), "")
        raise ActionFailed(f"The stack {name} is {found}. {why}".strip())


def _file(place: Place, named: str) -> str:
    """ARTIFACT::FILE, as text. ActionFailed: there is no such file in that artifact."""
    artifact, _, name = named.partition("::")
    if artifact not in place.artifacts:
        raise ActionFailed(f"There is no artifact {artifact}", "ConfigurationError")
    found = place.artifacts[artifact]
    answer = place.client("s3").get_object(Bucket=found["bucket"], Key=found["key"])
    if answer["ContentLength"] > ARTIFACT_LIMIT:
        raise ActionFailed(f"The artifact {artifact} is too large", "ConfigurationError")
    try:
        with tempfile.TemporaryFile() as file:
            shutil.copyfileobj(answer["Body"], file, 1 << 20)
            file.flush()
            text = zips.read(file, name, FILE_LIMIT + 1)
    except zips.BROKEN:
        raise ActionFailed(
            f"File [{name}] does not exist in artifact [{artifact}]", "ConfigurationError"
        ) from None
    if len(text) > FILE_LIMIT:
        raise ActionFailed(f"File [{name}] has more than {FILE_LIMIT >> 20} MB", "ConfigurationError")
    return text.decode("utf-8", "replace")


# (category, provider) -> what it does, and the configuration that it must have.
ACTIONS: dict[tuple[str, str], tuple[Callable[[Place], None], tuple[str, ...]]] = {
    ("Source", "CodeCommit"): (from_repository, ("RepositoryName", "BranchName")),
    ("Source", "S3"): (from_bucket, ("S3Bucket", "S3ObjectKey")),
    ("Build", "CodeBuild"): (build, ("ProjectName",)),
    ("Test", "CodeBuild"): (build, ("ProjectName",)),
    ("Approval", "Manual"): (approval, ()),
    ("Deploy", "CloudFormation"): (deploy, ("ActionMode", "StackName", "TemplatePath")),
}
