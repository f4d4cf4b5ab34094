"""CodeBuild: projects, and builds of them that run.

https://docs.aws.amazon.com/codebuild/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import logging
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from sagelab.cloud.context import BUILDS, Cloud
from sagelab.cloud.engine.builds.run import BuildRun
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.resources import build_rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.store import Document, Exists, Missing, Resource

PROJECT, BUILD = "codebuild-project", "codebuild-build"
RUNNING = "IN_PROGRESS"
PAGE = 100

log = logging.getLogger("sagelab")


class Builds(Family):
    """The family of CodeBuild."""

    service = "codebuild"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._runs: dict[str, BuildRun] = {}
        self._lock, self._closed = threading.Lock(), False
        for _, build in self.store.with_status(BUILD, RUNNING):
            self._report(build["arn"], Step("FAULT", facts={"currentPhase": "COMPLETED"}))

    # Projects

    @operation("CreateProject")
    def create(self, call: Call) -> Params:
        build_rules.check(call.params)
        now = datetime.now(UTC)
        name, arn = call.params["name"], _project_arn(call, call.params["name"])
        self._check_role(call.params["serviceRole"])
        project = build_rules.DEFAULTS | call.params | {"arn": arn, "created": now, "lastModified": now}
        project["encryptionKey"] = project.get("encryptionKey") or f"arn:aws:kms:{_where(call)}:alias/aws/s3"
        tags = {tag["key"]: tag["value"] for tag in call.params.get("tags", [])}
        try:
            self.store.add(Resource(arn, PROJECT, call.region, name, "", project | {"Builds": 0}), tags)
        except Exists:
            raise Beside("ResourceAlreadyExistsException", f"Project already exists: {arn}") from None
        return {"project": _told(project)}

    @operation("UpdateProject")
    def update(self, call: Call) -> Params:
        arn, now = _project_arn(call, call.params["name"]), datetime.now(UTC)
        project = self._project(call, call.params["name"]) | call.params
        build_rules.check(project)
        self._check_role(project["serviceRole"])

        def edit(document: Document) -> None:
            document |= call.params | {"lastModified": now}

        return {"project": _told(self.store.change(arn, edit))}

    @operation("BatchGetProjects")
    def get_projects(self, call: Call) -> Params:
        found, missing = [], []
        for name in call.params["names"]:
            document = self._look(_project_arn(call, name.rpartition("/")[2]))
            found += [_told(document)] if document else []
            missing += [] if document else [name]
        return {"projects": found, "projectsNotFound": missing}

    @operation("ListProjects")
    def list_projects(self, call: Call) -> Params:
        names = sorted(each["name"] for each in self.store.documents(PROJECT, call.region))
        return {"projects": names if call.params.get("sortOrder") != "DESCENDING" else names[::-1]}

    @operation("DeleteProject")
    def delete(self, call: Call) -> Params:
        try:
            self.store.remove(_project_arn(call, call.params["name"]))
        except Missing:
            log.info("there is no project %s to delete", call.params["name"])
        return {}

    # Builds

    @operation("StartBuild")
    def start(self, call: Call) -> Params:
        name = call.params["projectName"]
        project = build_rules.overridden(self._project(call, name), call.params)
        build_rules.check(project)
        build_rules.check_start(project)
        self._check_role(project["serviceRole"])
        build = self._build(call, project)
        request = build_rules.request(project, build, self.cloud.url)
        context = self._context(call.region)
        run = BuildRun(build, request, context, lambda step: self._report(build["arn"], step))
        self.store.add(Resource(build["arn"], BUILD, call.region, build["id"], RUNNING, build))
        with self._lock:
            self._runs[build["arn"]] = run
            if self._closed:
                run.interrupt()
        run.start()
        return {"build": build}

    @operation("BatchGetBuilds")
    def get_builds(self, call: Call) -> Params:
        found, missing = [], []
        for name in call.params["ids"]:
            document = self._look(_build_arn(call, name))
            found += [document] if document else []
            missing += [] if document else [name]
        return {"builds": found, "buildsNotFound": missing}

    @operation("ListBuilds")
    def list_builds(self, call: Call) -> Params:
        return self._ids(call, lambda _: True)

    @operation("ListBuildsForProject")
    def list_of_project(self, call: Call) -> Params:
        name = call.params["projectName"]
        self._project(call, name)
        return self._ids(call, lambda build: build["projectName"] == name)

    @operation("StopBuild")
    def stop(self, call: Call) -> Params:
        arn = _build_arn(call, call.params["id"])
        build = self._look(arn)
        if build is None:
            raise Beside("ResourceNotFoundException", f"Build {call.params['id']} cannot be found")
        with self._lock:
            run = self._runs.get(arn)
        if run is not None:
            run.stop()
        return {"build": self._look(arn) or build}

    def _ids(self, call: Call, wanted: Any) -> Params:
        """By number, newest first unless asked otherwise, a hundred at a time."""
        found = [build for build in self.store.documents(BUILD, call.region) if wanted(build)]
        found.sort(key=lambda build: build["startTime"], reverse=call.params.get("sortOrder") != "ASCENDING")
        token = str(call.params.get("nextToken", "0"))
        start = int(token) if token.isdecimal() else 0
        more = {"nextToken": str(start + PAGE)} if start + PAGE < len(found) else {}
        return {"ids": [build["id"] for build in found[start : start + PAGE]], **more}

    def _build(self, call: Call, project: Document) -> Document:
        """What BatchGetBuilds tells of a build that is about to start."""
        key, name = str(uuid.uuid4()), project["name"]
        number = self._count(call, name)
        logs = (project.get("logsConfig") or {}).get("cloudWatchLogs") or {}
        group = logs.get("groupName") or f"/aws/codebuild/{name}"
        stream = f"{logs['streamName']}/{key}" if logs.get("streamName") else key
        where = f"arn:aws:logs:{_where(call)}:log-group:{group}:log-stream:{stream}"
        members = ("source", "environment", "serviceRole", "timeoutInMinutes", "queuedTimeoutInMinutes", "cache")
        return {
            "id": f"{name}:{key}",
            "arn": f"arn:aws:codebuild:{_where(call)}:build/{name}:{key}",
            "buildNumber": number,
            "startTime": datetime.now(UTC),
            "currentPhase": "QUEUED",
            "buildStatus": RUNNING,
            "buildComplete": False,
            "projectName": name,
            "initiator": call.caller.rpartition(":")[2].removeprefix("user/").removeprefix("assumed-role/"),
            "logs": {"groupName": group, "streamName": stream, "cloudWatchLogsArn": where},
            "phases": [],
            "encryptionKey": project["encryptionKey"],
            **({"sourceVersion": project["sourceVersion"]} if project.get("sourceVersion") else {}),
            **{member: project[member] for member in members if member in project},
            "artifacts": {"location": ""},
        }

    def _count(self, call: Call, name: str) -> int:
        def edit(document: Document) -> None:
            document["Builds"] = document.get("Builds", 0) + 1

        return int(self.store.change(_project_arn(call, name), edit)["Builds"])

    def _report(self, arn: str, step: Step) -> None:
        """A build has come to a step."""
        status = "FAILED" if step.status == "Failed" else step.status
        ended = status != RUNNING

        def edit(build: Document) -> str:
            if build["buildStatus"] == RUNNING:
                build |= step.facts
                build["buildStatus"] = status
                if ended:
                    build |= {"buildComplete": True, "endTime": datetime.now(UTC)}
                if step.status == "Failed":
                    build["phases"] = [*build["phases"], _trouble(step.message)]
            return str(build["buildStatus"])

        try:
            self.store.change(arn, edit)
        except Missing:
            log.warning("%s is gone", arn)
        if ended:
            with self._lock:
                self._runs.pop(arn, None)

    def _context(self, region: str) -> Any:
        """What the engine gets: its roles are taken on by CodeBuild."""
        context = self.cloud.engine_context(region)
        plain = context.client
        assuming = self.cloud.assuming(BUILDS)
        return replace(context, client=lambda service: assuming if service == "sts" else plain(service))

    def _check_role(self, role: str) -> None:
        """Beside: CodeBuild may not take on a role."""
        if not role.startswith("arn:"):
            role = f"arn:aws:iam::{self.cloud.account}:role/{role}"
        try:
            self.cloud.assuming(BUILDS).assume_role(RoleArn=role, RoleSessionName="AWSCodeBuild")
        except botocore.exceptions.ClientError:
            raise Beside(
                "InvalidInputException", f"CodeBuild is not authorized to perform: sts:AssumeRole on {role}"
            ) from None

    def _project(self, call: Call, name: str) -> Document:
        """Beside: there is no such project."""
        document = self._look(_project_arn(call, name))
        if document is None:
            raise Beside("ResourceNotFoundException", f"Project cannot be found: {_project_arn(call, name)}")
        return document

    def _look(self, arn: str) -> Document | None:
        try:
            return self.store.get(arn)
        except Missing:
            return None

    def close(self) -> None:
        """End all builds: the local cloud ends."""
        with self._lock:
            self._closed, runs = True, list(self._runs.values())
        for run in runs:
            run.interrupt()


def _told(project: Document) -> Params:
    return {name: value for name, value in project.items() if name != "Builds"}


def _trouble(message: str) -> Params:
    """The phase of a build that could not run, and it was not its own doing."""
    now = datetime.now(UTC)
    context = {"statusCode": "CLIENT_ERROR", "message": message}
    return {
        "phaseType": "PROVISIONING",
        "phaseStatus": "FAILED",
        "startTime": now,
        "endTime": now,
        "durationInSeconds": 0,
        "contexts": [context],
    }


def _where(call: Call) -> str:
    return f"{call.region}:{call.account}"


def _project_arn(call: Call, name: str) -> str:
    return f"arn:aws:codebuild:{_where(call)}:project/{name}"


def _build_arn(call: Call, name: str) -> str:
    return name if name.startswith("arn:") else f"arn:aws:codebuild:{_where(call)}:build/{name}"
