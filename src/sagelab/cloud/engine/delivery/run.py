"""One execution of a pipeline of CodePipeline: stage after stage, action after action."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import botocore.exceptions

from sagelab.cloud.engine.delivery.actions import ACTIONS, ActionFailed, Document, Place
from sagelab.cloud.engine.delivery.stages import Stages

logger = logging.getLogger("sagelab")

RUNNING, SUCCEEDED, FAILED = "InProgress", "Succeeded", "Failed"
_TROUBLE = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)
LAST_LOOK = 5.0  # seconds after which what a run waits for is looked at, though nothing has changed


@dataclass(frozen=True)
class Surroundings:
    """What a run needs of the local cloud. client: of a service, with the rights of a role. archive: writes a
    commit of a repository as a zip. keep: changes the execution's document; what it is then, None where it is
    gone.
    look: what it is now."""

    client: Callable[[str, str], Any]
    archive: Callable[[str, str, IO[bytes]], None]
    keep: Callable[[Callable[[Document], None]], Document | None]
    look: Callable[[], Document | None]
    stages: Stages


class DeliveryRun(threading.Thread):
    """The life of one execution. Its document has a record of each action; what succeeded is not done again."""

    def __init__(self, execution: Document, around: Surroundings) -> None:
        super().__init__(daemon=True, name=f"delivery {execution['pipelineExecutionId']}")
        self.execution, self._around = execution, around
        self.changed = threading.Event()
        self._ending = ""  # the status that it ends with before its work is done
        self._silent = False
        self._variables: dict[str, dict[str, str]] = {}

    def stop(self, status: str = "Stopped") -> None:
        """End after what is under way has been let go."""
        self._ending = self._ending or status
        self.look()

    def interrupt(self) -> None:
        """The local cloud ends: nothing more is told, and the next start goes on from what is kept."""
        self._silent = True
        self.stop()

    def look(self) -> None:
        """Something has changed."""
        self.changed.set()
        self._around.stages.look()

    def run(self) -> None:
        try:
            status = self._run()
        except Exception:
            if not self._silent:
                logger.exception("execution %s", self.execution["pipelineExecutionId"])
            status = FAILED
        if not self._silent:
            self._keep(lambda document: document.update(status=status, lastUpdateTime=datetime.now(UTC)))

    def _run(self) -> str:
        number = str(self.execution["pipelineExecutionId"])
        self._variables["codepipeline"] = {"PipelineExecutionId": number}
        self._variables["variables"] = dict(self.execution.get("variables", {}))
        for stage in self.execution["declaration"]["stages"]:
            if self._is_done(stage):
                continue
            if not self._around.stages.enter(stage["name"], number, lambda: not self._ending):
                return self._ending or "Superseded"
            try:
                done = self._stage(stage)
            finally:
                self._around.stages.leave(stage["name"], number)
            if self._ending:
                return self._ending
            if not done:
                return FAILED
        return SUCCEEDED

    def _is_done(self, stage: Document) -> bool:
        found = {
            each["actionName"]: each for each in self.execution["actions"] if each["stageName"] == stage["name"]
        }
        for action in stage["actions"]:
            record = found.get(action["name"], {})
            if record.get("status") != SUCCEEDED:
                return False
            self._variables.setdefault(action.get("namespace", ""), record.get("variables", {}))
        return True

    def _stage(self, stage: Document) -> bool:
        """Whether all of a stage's actions went well; those of one runOrder go one after the other."""
        for action in sorted(stage["actions"], key=lambda each: each.get("runOrder", 1)):
            if self._ending or not self._action(stage["name"], action):
                return False
        return True

    def _action(self, stage: str, action: Document) -> bool:
        key = self._begin(stage, action)
        role = action.get("roleArn") or self.execution["declaration"]["roleArn"]
        place = Place(
            client=lambda service: self._around.client(role, service),
            archive=self._around.archive,
            wait=self._wait,
            note=lambda **facts: self._note(key, **facts),
            record=lambda: self._record(key),
            execution=self.execution,
            action=action,
            artifacts=dict(self.execution.get("artifacts", {})),
            variables=self._variables,
        )
        kind = action["actionTypeId"]
        try:
            ACTIONS[kind["category"], kind["provider"]][0](place)
        except ActionFailed as error:
            self._fail(key, error.code, str(error))
            return False
        except (*_TROUBLE, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            self._fail(key, "ConfigurationError", str(error) or repr(error))
            return False
        if self._ending:
            self._note(key, status="Abandoned")
            return False
        self._note(key, status=SUCCEEDED, variables=self._variables.get(action.get("namespace", ""), {}))
        self._keep(lambda document: _take(document, place, action))
        return True

    def _begin(self, stage: str, action: Document) -> str:
        """The id of the action's record; that of a wait that the local cloud's end cut off is gone on with."""
        for each in self.execution["actions"]:
            if (each["stageName"], each["actionName"], each["status"]) == (stage, action["name"], RUNNING):
                return str(each["actionExecutionId"])
        key, now = str(uuid.uuid4()), datetime.now(UTC)
        record = {
            "stageName": stage,
            "actionName": action["name"],
            "actionExecutionId": key,
            "status": RUNNING,
            "startTime": now,
            "lastUpdateTime": now,
        }
        self._keep(lambda document: document["actions"].append(record))
        return key

    def _fail(self, key: str, code: str, message: str) -> None:
        self._note(key, status=FAILED, error={"code": code, "message": message[:5000]})

    def _note(self, key: str, **facts: Any) -> None:
        def edit(document: Document) -> None:
            record = next(each for each in document["actions"] if each["actionExecutionId"] == key)
            record |= facts | {"lastUpdateTime": datetime.now(UTC)}
            document["lastUpdateTime"] = datetime.now(UTC)

        if not self._silent:
            self._keep(edit)

    def _record(self, key: str) -> Document:
        found = self._around.look() or self.execution
        record: Document = next(each for each in found["actions"] if each["actionExecutionId"] == key)
        return record

    def _keep(self, edit: Callable[[Document], None]) -> Document | None:
        found = self._around.keep(edit)
        self.execution = found or self.execution
        return found

    def _wait(self, done: Callable[[], bool]) -> bool:
        while not self._ending:
            self.changed.clear()
            if done():
                return True
            self.changed.wait(LAST_LOOK)
        return False


def _take(document: Document, place: Place, action: Document) -> None:
    """Keep what an action has made."""
    document.setdefault("artifacts", {}).update(place.made)
    if place.revision:
        document["revision"] = place.revision
        summary = {"actionName": action["name"], "revisionId": place.revision}
        document["sourceRevisions"] = [*document.get("sourceRevisions", []), summary]
