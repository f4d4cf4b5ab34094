"""The thread that starts what triggers have fired, sees how it ends, and tells those that wait for it.

All that it has to do stands in the rows of triggers and of workflows' runs: it goes on there after a kill.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from functools import partial

from sagelab.cloud.context import Cloud
from sagelab.cloud.resources import crawlers, firings, glue_runs, workflow_runs
from sagelab.cloud.resources.call import Beside
from sagelab.cloud.resources.crawlers import Crawlers
from sagelab.cloud.resources.firings import ERROR, OWN, PENDING
from sagelab.cloud.resources.glue_rules import invalid
from sagelab.cloud.resources.glue_runs import GlueRuns
from sagelab.cloud.resources.trigger_rules import CONDITIONAL, JOB
from sagelab.cloud.store import Change, Document, Exists, Missing, Resource

TRIGGERS, RUN = "glue-trigger", "workflow-run"
STATES = ("CREATED", "ACTIVATED", "DEACTIVATED")
OPEN = (workflow_runs.RUNNING, workflow_runs.STOPPING)

logger = logging.getLogger("sagelab")


class Conductor:
    """The triggers' and the workflows' of one local cloud."""

    def __init__(self, cloud: Cloud, runs: GlueRuns, crawls: Crawlers) -> None:
        self._store, self._runs, self._crawlers = cloud.store, runs, crawls
        self._lock, self._woken, self._closed = threading.RLock(), threading.Event(), False
        self._holders = set[str]()
        self._thread: threading.Thread | None = None
        self._store.listen(self._hear)
        for arn, trigger in self._store.with_status(TRIGGERS, *STATES):
            if trigger[OWN]["Actions"]:
                self.attend(arn)
        for arn, _ in self._store.with_status(workflow_runs.KIND, *OPEN):
            self.attend(arn)

    def attend(self, arn: str) -> None:
        """There is something to do for a trigger or a workflow's run."""
        with self._lock:
            self._holders.add(arn)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="glue triggers", daemon=True)
                self._thread.start()
        self._woken.set()

    def close(self) -> None:
        with self._lock:
            self._closed, thread = True, self._thread
        self._woken.set()
        if thread:
            thread.join()

    def _hear(self, change: Change) -> None:
        # Whatever is in hand: its look may have come before this.
        if self._thread is not None and change.kind in (glue_runs.KIND, crawlers.KIND):
            self._woken.set()

    def _work(self) -> None:
        while not self._closed:
            self._woken.wait()
            self._woken.clear()
            with self._lock:
                holders, self._holders = self._holders, set()
            for arn in sorted(holders):
                if self._closed or self._goes_on(arn):
                    with self._lock:
                        self._holders.add(arn)

    def _goes_on(self, arn: str) -> bool:
        """Do what can be done for a holder of actions; whether something is left."""
        try:
            holder = self._store.get(arn)
            ended = [one for one in holder[OWN]["Actions"] if not firings.goes_on(one)]
            if ended and ("WorkflowRunId" not in holder or len(ended) == len(holder[OWN]["Actions"])):
                holder = self._settle(arn, {})  # what a kill has left
            while changed := self._look(arn, holder):
                holder = self._settle(arn, changed)
            return any(map(firings.goes_on, holder[OWN]["Actions"]))
        except Missing:
            return False
        except Exception:
            if not self._closed:
                logger.exception("%s: gone on with at the next change", arn)
            return True

    def _look(self, arn: str, holder: Document) -> dict[str, Document]:
        """Id of an action -> what has changed of it. What waits is started."""
        where = place_of(arn)
        is_stopping = holder.get("Status") == workflow_runs.STOPPING
        changed = {}
        for action in filter(firings.goes_on, holder[OWN]["Actions"]):
            if action["State"] == PENDING:
                found = {"State": "STOPPED"} if is_stopping else self._start(action, where)
            else:
                found = self._state(action, where)
                if is_stopping and firings.goes_on(action | found):
                    self._stop(action, where)
            if any(action.get(name) != value for name, value in found.items()):
                changed[action["Id"]] = found
        return changed

    def _start(self, action: Document, where: str) -> Document:
        """What an action is once it is begun; as it was, where there is no room yet."""
        try:
            if action["Kind"] == JOB:
                there = self._runs.launch(
                    arn_of(where, "job", action["Name"]), action["Id"], action["Asked"], action["After"]
                )
            else:
                there = self._crawlers.launch(arn_of(where, "crawler", action["Name"]), action["Id"])
        except Beside as error:
            return {"State": ERROR, "Error": str(error)}
        return self._state(action, where) if there else {}

    def _state(self, action: Document, where: str) -> Document:
        """Of a job, the last of its attempts."""
        if action["Kind"] == JOB:
            run = self._runs.last_attempt(arn_of(where, "job", action["Name"]), action["Id"])
            return {"State": run["JobRunState"], "Id": run["Id"]} if run else {"State": ERROR}
        crawl = self._crawlers.crawl(arn_of(where, "crawler", action["Name"]), action["Id"])
        return {"State": crawl["State"]} if crawl else {"State": ERROR}

    def _stop(self, action: Document, where: str) -> None:
        with suppress(Beside, Missing):
            if action["Kind"] == JOB:
                self._runs.halt(arn_of(where, "job", action["Name"]), action["Id"])
            else:
                self._crawlers.halt(arn_of(where, "crawler", action["Name"]))

    def _settle(self, arn: str, changed: dict[str, Document]) -> Document:
        """Keep what has changed of actions, and what follows of it; the holder as it is then."""
        active = self._active(place_of(arn)) if f":{RUN}/" in arn else set[str]()

        def edit(holder: Document) -> str | None:
            for action in holder[OWN]["Actions"]:
                action |= changed.get(action["Id"], {})
            return workflow_runs.go_on(holder, active) if "WorkflowRunId" in holder else None

        holder = self._store.change(arn, edit)
        if "WorkflowRunId" not in holder:
            self._tell(arn, [one for one in holder[OWN]["Actions"] if not firings.goes_on(one)])
        return holder

    def _active(self, where: str) -> set[str]:
        """The names of triggers that fire."""
        found = self._store.with_status(TRIGGERS, "ACTIVATED")
        return {str(one["Name"]) for arn, one in found if place_of(arn) == where}

    def _tell(self, arn: str, ended: list[Document]) -> None:
        """Triggers outside of workflows hear of what one of them has started; then it has nothing more to say."""
        for action in ended:
            for other, trigger in self._store.with_status(TRIGGERS, "ACTIVATED"):
                if place_of(other) == place_of(arn) and firings.waits(trigger, action):
                    self._store.change(other, partial(firings.hear, action=action))
                    self.attend(other)
        done = {one["Id"] for one in ended}

        def forget(trigger: Document) -> None:
            trigger[OWN]["Actions"] = [one for one in trigger[OWN]["Actions"] if one["Id"] not in done]

        if done:
            self._store.change(arn, forget)

    # What has become of an action, as a graph has it

    def job_run(self, where: str, action: Document) -> Document:
        run = self._runs.last_attempt(arn_of(where, "job", action["Name"]), action["Id"])
        return (
            glue_runs.told(run)
            if run
            else _failed(action, {"Id": action["Id"], "JobName": action["Name"]}, "JobRunState")
        )

    def crawl(self, where: str, action: Document) -> Document:
        found = self._crawlers.crawl(arn_of(where, "crawler", action["Name"]), action["Id"])
        return found or _failed(action, {}, "State")

    # Workflows

    def triggers_of(self, where: str, workflow: str) -> list[Document]:
        """In the order in which they were made."""
        found = self._store.with_status(TRIGGERS, *STATES)
        return [one for arn, one in found if place_of(arn) == where and one.get("WorkflowName") == workflow]

    def begin(
        self, where: str, workflow: str, properties: dict[str, str], facts: Document, *, is_kept: bool = False
    ) -> str:
        """Start a run of a workflow, by its start trigger; its id. Beside: it has none, or too many runs go on.

        is_kept: a run that may not go on is there, and says why: nobody hears of an error.
        """
        try:
            found = self._store.get(arn_of(where, "workflow", workflow))
        except Missing:
            raise Beside("EntityNotFoundException", "Entity not found") from None
        triggers = self.triggers_of(where, workflow)
        first = next((one for one in triggers if one["Type"] != CONDITIONAL), None)
        if first is None:
            raise invalid(f"Workflow {workflow} has no start trigger.")
        run = workflow_runs.made(workflow, found.get("DefaultRunProperties", {}) | properties, triggers) | facts
        workflow_runs.fire(run, first)
        return self.keep(where, run, found.get("MaxConcurrentRuns"), is_kept=is_kept)

    def keep(self, where: str, run: Document, most: int | None, *, is_kept: bool = False) -> str:
        """Of a run that is made: see begin."""
        workflow = run["Name"]
        arn = run_arn(where, workflow, run["WorkflowRunId"])
        with self._lock:
            open_ = self._store.with_status(workflow_runs.KIND, *OPEN)
            count = sum(one["Name"] == workflow and place_of(each) == where for each, one in open_)
            if most and count >= most:
                error = Beside(
                    "ConcurrentRunsExceededException", f"Concurrent runs exceeded for workflow: {workflow}."
                )
                if not is_kept:
                    raise error
                run[OWN]["Actions"] = []
                run |= {
                    "Status": workflow_runs.FAILED,
                    "ErrorMessage": str(error),
                    "CompletedOn": run["StartedOn"],
                }
            row = (where.partition(":")[0], run["WorkflowRunId"], run["Status"], run)
            with suppress(Exists):  # before a kill
                self._store.add(Resource(arn, workflow_runs.KIND, *row))
        if run["Status"] in OPEN:
            self.attend(arn)
        return str(run["WorkflowRunId"])


def _failed(action: Document, facts: Document, member: str) -> Document:
    """What could not begin."""
    error = {"ErrorMessage": action["Error"]} if action.get("Error") else {}
    return facts | {member: action["State"]} | error


def place_of(arn: str) -> str:
    """REGION:ACCOUNT of an ARN."""
    return ":".join(arn.split(":")[3:5])


def arn_of(where: str, kind: str, name: str) -> str:
    return f"arn:aws:glue:{where}:{kind}/{name}"


def run_arn(where: str, workflow: str, key: str) -> str:
    """Of a row of the store: on AWS a run has none."""
    return f"{arn_of(where, RUN, workflow)}/{key}"
