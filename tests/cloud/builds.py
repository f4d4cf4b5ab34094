"""Builds of CodeBuild as tests make them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import LocalCloud
from tests.waiting import until

ENVIRONMENT = {
    "type": "LINUX_CONTAINER",
    "image": "aws/codebuild/amazonlinux2-x86_64-standard:5.0",
    "computeType": "BUILD_GENERAL1_SMALL",
}
NOTHING = {"type": "NO_ARTIFACTS"}


def make_role(cloud: LocalCloud, *services: str, actions: tuple[str, ...] = ("*",)) -> str:
    """The ARN of a new role that services of AWS's take on; it may do `actions` on everything."""
    iam, name = cloud.client("iam"), f"role-{uuid.uuid4().hex[:8]}"
    principals = [f"{service}.amazonaws.com" for service in services]
    trust = {"Effect": "Allow", "Principal": {"Service": principals}, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=_policy(rights))
    return str(made["Role"]["Arn"])


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass
class Builds:
    """Makes projects with one role, and builds of them."""

    cloud: LocalCloud
    role: str = ""
    bucket: str = field(default_factory=lambda: f"builds-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.api: Any = self.cloud.client("codebuild")
        self.s3, self.logs = self.cloud.client("s3"), self.cloud.client("logs")
        self.role = self.role or make_role(self.cloud, "codebuild")
        self.s3.create_bucket(Bucket=self.bucket)

    def project(self, buildspec: str | None = None, **more: Any) -> str:
        """The name of a new project; without a source, unless `more` has one."""
        name = f"project-{uuid.uuid4().hex[:8]}"
        source = {"type": "NO_SOURCE", "buildspec": buildspec}
        asked = {"source": source, "artifacts": NOTHING, "environment": ENVIRONMENT, "serviceRole": self.role}
        self.api.create_project(name=name, **(asked | more))
        return name

    def start(self, name: str, **more: Any) -> str:
        return str(self.api.start_build(projectName=name, **more)["build"]["id"])

    def look(self, build: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.batch_get_builds(ids=[build])["builds"][0]
        return found

    def wait(self, build: str) -> dict[str, Any]:
        return until(lambda: self.look(build), lambda found: bool(found["buildComplete"]))

    def run(self, buildspec: str, **more: Any) -> dict[str, Any]:
        """A build of a new project, when it is over."""
        return self.wait(self.start(self.project(buildspec, **more)))

    def log(self, build: dict[str, Any]) -> list[str]:
        group, stream = build["logs"]["groupName"], build["logs"]["streamName"]
        events = self.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        return [event["message"] for event in events]


def states(build: dict[str, Any]) -> dict[str, str]:
    """Phase -> its status."""
    return {phase["phaseType"]: phase.get("phaseStatus", "") for phase in build["phases"]}


def context(build: dict[str, Any], phase: str) -> tuple[str, str]:
    """(code, message) of a phase."""
    found = next(each for each in build["phases"] if each["phaseType"] == phase)["contexts"][0]
    return found.get("statusCode", ""), found.get("message", "")
