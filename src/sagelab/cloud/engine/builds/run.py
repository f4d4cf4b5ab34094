"""One build: a host with the keys of its role, in which `sagelab.builder` goes from phase to phase.

Source, commands and artifact are all handled in the host; what comes out of it are lines of a log, and a file of
phases, which is read as what any program of the learner's could have written.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.engine.images import environments, runtimes
from sagelab.cloud.engine.jobs.cluster import Cluster, Task, describe_stand_in
from sagelab.cloud.engine.jobs.run import INTERRUPTED, OVERTIME, STOPPED, JobRun, Report, Step

IN_HOST = ("DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD", "UPLOAD_ARTIFACTS", "FINALIZING")
FOLDER = "build"  # below /opt/ml
_READ = 1 << 20  # bytes of what the host says of itself
_TEXT = 2_000  # characters of a context's message
_SECONDS = 20.0  # between SIGTERM and SIGKILL
_CUT = {
    STOPPED: ("STOPPED", "", ""),
    OVERTIME: ("TIMED_OUT", "BUILD_TIMED_OUT", "Build has timed out. "),
    INTERRUPTED: ("FAULT", "INTERNAL_SERVICE_ERROR", "The local cloud ended while the build was running."),
}

Phase = dict[str, Any]


class _Host(Cluster):
    """The host of a build, which looks at its phases with each batch of lines."""

    run: BuildRun

    def on_lines(self) -> None:
        self.run.look()


class BuildRun(JobRun):
    """The life of one build. build: as BatchGetBuilds tells it. request: what the builder is given."""

    stopping: ClassVar[Step] = Step("IN_PROGRESS")
    ends: ClassVar[dict[str | None, Step]] = {
        None: Step("SUCCEEDED"),
        STOPPED: Step("STOPPED"),
        OVERTIME: Step("TIMED_OUT"),
        INTERRUPTED: Step("FAULT"),
    }

    def __init__(
        self, build: dict[str, Any], request: dict[str, Any], context: EngineContext, report: Report
    ) -> None:
        super().__init__(build["id"], report)
        self.build, self.request, self.context = build, request, context
        self.cluster = _Host(build["id"].replace(":", "-"), 1, context)
        self.cluster.run = self
        self._first = [_whole(name, build["startTime"]) for name in ("SUBMITTED", "QUEUED")]
        self._tree: Tree | None = None
        self._failed = False

    def work(self) -> None:
        self._tell("PROVISIONING")
        began = datetime.now(UTC)
        space = self.cluster.make_folders()[0]
        folder = space.path / FOLDER
        folder.mkdir()
        (folder / "request.json").write_text(json.dumps(self.request))
        self._tree = space.tree.below(FOLDER)
        logs, environment = self.build["logs"], self.build["environment"]
        here = describe_stand_in(environment["image"], environment["computeType"], environments.PLAIN)
        self.cluster.open_logs(logs["groupName"], runtimes.PYTHON, [here], logs["streamName"])
        self.begin(self.cluster, self._task())
        self._first.append(_whole("PROVISIONING", began))
        self._tell("DOWNLOAD_SOURCE")
        self.follow(self.cluster, {OVERTIME: self.build["timeoutInMinutes"] * 60})
        self.cluster.check()
        self._failed = any(self.cluster.codes.values())

    def _task(self) -> Task:
        build = self.build
        own = {
            "CODEBUILD_BUILD_ARN": build["arn"],
            "CODEBUILD_BUILD_ID": build["id"],
            "CODEBUILD_BUILD_IMAGE": build["environment"]["image"],
            "CODEBUILD_BUILD_NUMBER": str(build["buildNumber"]),
            "CODEBUILD_INITIATOR": build["initiator"],
            "CODEBUILD_LOG_PATH": build["logs"]["streamName"],
            "CODEBUILD_SOURCE_REPO_URL": build["source"].get("location", ""),
            "CODEBUILD_SOURCE_VERSION": build.get("sourceVersion", ""),
            "CODEBUILD_START_TIME": str(int(build["startTime"].timestamp() * 1000)),
            "CI": "true",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        argv = ("python3", "-m", "sagelab.builder", f"/opt/ml/{FOLDER}")
        seconds = math.ceil(build["timeoutInMinutes"] * 60)
        return Task(runtimes.PYTHON, argv, own, network=True, role=build["serviceRole"], seconds=seconds)

    def halt(self, now: bool) -> None:
        self.cluster.kill() if now else self.cluster.terminate(_SECONDS)

    def clean(self) -> None:
        self.look()
        self.cluster.remove()

    def end(self) -> Step:
        """Also of a host that ended with another code than 0: the phases say why."""
        phases, result = self._phases(), self._result()
        step = Step("FAILED") if self.ending is None and self._failed else self.ends[self.ending]
        last = _whole("COMPLETED", datetime.now(UTC))
        return replace(step, facts={**result, "phases": [*phases, last], "currentPhase": "COMPLETED"})

    # What the host says of itself

    def look(self) -> None:
        """Tell how far the host has come."""
        if self.ending is None and self._tree:
            phases = self._phases()
            self.report(Step("IN_PROGRESS", facts={"phases": phases, "currentPhase": phases[-1]["phaseType"]}))

    def _tell(self, current: str) -> None:
        now = {"phaseType": current, "startTime": datetime.now(UTC)}
        self.report(Step("IN_PROGRESS", facts={"phases": [*self._first, now], "currentPhase": current}))

    def _phases(self) -> list[Phase]:
        """The phases so far; one that a stop or a limit cut off says so."""
        found: dict[str, Phase] = {}
        text = self._tree.read("phases.jsonl", _READ) if self._tree else b""
        for line in text.splitlines():
            _take(found, line)
        phases = [*self._first, *found.values()]
        if self.ending in _CUT and phases and "endTime" not in phases[-1]:
            status, code, message = _CUT[self.ending]
            _close(phases[-1], datetime.now(UTC), status, code, message)
        return phases

    def _result(self) -> dict[str, Any]:
        """Which version was built, where its artifact is, and the variables that it exports."""
        try:
            found = json.loads(self._tree.read("result.json", _READ) if self._tree else b"{}")
        except (ValueError, RecursionError):
            return {}
        if not isinstance(found, dict):
            return {}
        facts: dict[str, Any] = {}
        if isinstance(version := found.get("version"), str) and version:
            facts["resolvedSourceVersion"] = _words(version)
        if isinstance(location := found.get("location"), str):
            facts["artifacts"] = {"location": _words(location)}
        if isinstance(exported := found.get("exported"), dict):
            pairs = [{"name": _words(name), "value": _words(value, _READ)} for name, value in exported.items()]
            facts["exportedEnvironmentVariables"] = pairs
        return facts


def _take(found: dict[str, Phase], line: bytes) -> None:
    """Read one line about a phase; what is none is left out."""
    try:
        said = json.loads(line)
        name, status, time = said["phase"], said["status"], datetime.fromtimestamp(float(said["time"]), UTC)
        code, message = str(said.get("code", "")), str(said.get("message", ""))
    except (ValueError, LookupError, TypeError, OverflowError, OSError, RecursionError):
        return
    if name not in IN_HOST:
        return
    phase = found.setdefault(name, {"phaseType": name, "startTime": time})
    if status in ("SUCCEEDED", "FAILED"):
        _close(phase, time, status, code, message)


def _close(phase: Phase, now: datetime, status: str, code: str = "", message: str = "") -> None:
    seconds = max(0, round((now - phase["startTime"]).total_seconds()))
    context = {"statusCode": _words(code), "message": _words(message)}
    phase |= {"phaseStatus": status, "endTime": now, "durationInSeconds": seconds, "contexts": [context]}


def _words(said: Any, most: int = _TEXT) -> str:
    """What a host says as text that everybody can read: JSON has halves of characters, UTF-8 has none."""
    return str(said)[:most].encode("utf-8", "replace").decode()


def _whole(name: str, began: datetime) -> Phase:
    phase: Phase = {"phaseType": name, "startTime": began}
    if name == "COMPLETED":
        return phase
    _close(phase, datetime.now(UTC), "SUCCEEDED")
    return phase
