"""Glue's triggers: by hand, by a schedule, by the ends of jobs and crawlers, by events of EventBridge.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-trigger.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from sagelab.cloud.context import Cloud
from sagelab.cloud.events.schedules import Schedule
from sagelab.cloud.events.timer import Timed, Timer
from sagelab.cloud.resources import listing, trigger_rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.crawlers import Crawlers
from sagelab.cloud.resources.firings import OWN, SEEN, fired, named
from sagelab.cloud.resources.glue_conductor import STATES, TRIGGERS, Conductor, arn_of, place_of
from sagelab.cloud.resources.glue_rules import invalid
from sagelab.cloud.resources.glue_runs import GlueRuns
from sagelab.cloud.resources.trigger_rules import CONDITIONAL, EVENT, ON_DEMAND, SCHEDULED
from sagelab.cloud.resources.workflow_runs import new_run_id
from sagelab.cloud.store import Document, Exists, Missing, Resource

KEPT = ("WorkflowName", "Type", "Schedule", "Predicate", "Actions", "Description", "EventBatchingCondition")
CREATED, ACTIVATED, DEACTIVATED = STATES
EVENTS = "aws:eventIds"  # the property of a run that events have started
_STATE = "The operation is not allowed when trigger is in state: {}"


class GlueTriggers(Family):
    """The triggers of one local cloud. Their tags are where all tags of Glue's are."""

    service = "glue"
    needs = (GlueRuns, Crawlers)

    def __init__(self, cloud: Cloud, runs: GlueRuns, crawlers: Crawlers) -> None:
        super().__init__(cloud)
        self.conductor = Conductor(cloud, runs, crawlers)
        self._timer: Timer | None = None
        cloud.notify_workflow = self.notify
        self._take_up()

    def close(self) -> None:
        if self._timer:
            self._timer.close()
        self.conductor.close()

    @operation("CreateTrigger")
    def create(self, call: Call) -> Params:
        params, arn = call.params, _arn(call, call.params["Name"])
        made: Document = {"Name": params["Name"]} | {
            one: params[one] for one in KEPT if params.get(one) is not None
        }
        _settle(made)
        is_on = bool(params.get("StartOnCreation"))
        if is_on and made["Type"] in (ON_DEMAND, EVENT):
            raise invalid(f"StartOnCreation is not supported for a trigger of type {made['Type']}.")
        self._check_names(call, made)
        made |= {
            "State": ACTIVATED if is_on else CREATED,
            OWN: {"Actions": [], "Seen": [], "Met": {}, "Events": []},
        }
        try:
            self.store.add(Resource(arn, TRIGGERS, call.region, made["Name"], made["State"], made))
        except Exists:
            raise self._exists(arn, made) from None
        if params.get("Tags"):
            self.cloud.client("glue", call.region).tag_resource(ResourceArn=arn, TagsToAdd=params["Tags"])
        self._take_up()
        return {"Name": made["Name"]}

    def _exists(self, arn: str, made: Document) -> Beside:
        before, name = self.store.get(arn), made["Name"]
        if all(before.get(one) == made.get(one) for one in KEPT):
            return Beside("AlreadyExistsException", f"Trigger with name {name} already exists.")
        words = f"Trigger with name: {name} already submitted with different configuration"
        return Beside("IdempotentParameterMismatchException", words)

    def _check_names(self, call: Call, made: Document) -> None:
        """Beside: it names what is not there, or starts a workflow that is started otherwise."""
        conditions = (made.get("Predicate") or {}).get("Conditions") or []
        for kind, name in map(named, (*made["Actions"], *conditions)):
            if not self._is_there(call, kind.lower(), name):
                words = (
                    f"Job {name} not found."
                    if kind == trigger_rules.JOB
                    else f"Crawler with name {name} does not exist"
                )
                raise Beside("EntityNotFoundException", words)
        workflow = made.get("WorkflowName")
        if not workflow:
            return
        if not self._is_there(call, "workflow", workflow):
            raise Beside("EntityNotFoundException", "Entity not found")
        others = self.conductor.triggers_of(_where(call), workflow)
        first = next((one for one in others if one["Type"] != CONDITIONAL and one["Name"] != made["Name"]), None)
        if first and made["Type"] != CONDITIONAL:
            raise invalid(f"Workflow {workflow} has a start trigger already: {first['Name']}.")

    def _is_there(self, call: Call, kind: str, name: str) -> bool:
        """By its name, too: one with slashes may be another row's."""
        try:
            return bool(self.store.get(arn_of(_where(call), kind, name)).get("Name") == name)
        except Missing:
            return False

    @operation("UpdateTrigger")
    def update(self, call: Call) -> Params:
        """Its definition, as a whole; type and workflow stay."""
        name, asked = call.params["Name"], call.params["TriggerUpdate"]
        before = self._find(call, name)
        if asked.get("Name", name) != name:
            raise invalid("A trigger keeps its name.")
        made: Document = {one: before[one] for one in ("Name", "Type", "WorkflowName") if one in before}
        made |= {one: asked[one] for one in KEPT if asked.get(one) is not None}
        for needed in ("Actions", "Schedule", "Predicate", "EventBatchingCondition"):
            if needed in before:
                made.setdefault(needed, before[needed])
        _settle(made)
        self._check_names(call, made)

        def edit(trigger: Document) -> None:
            kept = {"State": trigger["State"], OWN: trigger[OWN] | {"Met": {}}}
            trigger.clear()
            trigger.update(made | kept)

        found = self.store.change(_arn(call, name), edit)
        self._take_up()
        return {"Trigger": told(found)}

    @operation("GetTrigger")
    def get(self, call: Call) -> Params:
        return {"Trigger": told(self._find(call, call.params["Name"]))}

    @operation("GetTriggers")
    def get_all(self, call: Call) -> Params:
        return listing.page(call, "Triggers", [told(one) for one in self._for_job(call)], 200)

    @operation("ListTriggers")
    def list_names(self, call: Call) -> Params:
        wanted = (call.params.get("Tags") or {}).items()
        names = [one["Name"] for one in self._for_job(call)]
        if wanted:
            names = [name for name in names if wanted <= self._tags(call, name).items()]
        return listing.page(call, "TriggerNames", names, 200)

    def _for_job(self, call: Call) -> list[Document]:
        """Those that can start a job; all, where none can."""
        rows = sorted(self.store.documents(TRIGGERS, call.region), key=lambda one: str(one["Name"]))
        job = call.params.get("DependentJobName")
        return (
            [one for one in rows if job in (each.get("JobName") for each in one["Actions"])] or rows
            if job
            else rows
        )

    @operation("BatchGetTriggers")
    def get_many(self, call: Call) -> Params:
        names = call.params["TriggerNames"]
        there = {one["Name"]: told(one) for one in self.store.documents(TRIGGERS, call.region)}
        missing = [name for name in names if name not in there]
        return {"Triggers": [there[name] for name in names if name in there], "TriggersNotFound": missing}

    @operation("DeleteTrigger")
    def delete(self, call: Call) -> Params:
        """One that is not there, too. What it has started goes on."""
        name = call.params["Name"]
        self.remove(_where(call), name)
        return {"Name": name}

    def remove(self, where: str, name: str) -> None:
        arn, glue = arn_of(where, "trigger", name), self.cloud.client("glue", where.partition(":")[0])
        if self.store.has(arn):
            if tags := glue.get_tags(ResourceArn=arn)["Tags"]:
                glue.untag_resource(ResourceArn=arn, TagsToRemove=list(tags))
            self.store.remove(arn)

    # To and fro

    @operation("StartTrigger")
    def start(self, call: Call) -> Params:
        """One by hand fires; another waits for its time."""
        name = call.params["Name"]
        trigger = self._find(call, name)
        if trigger["Type"] == EVENT:
            raise invalid(f"Trigger Type {EVENT} cannot be started")
        if trigger["Type"] == ON_DEMAND:
            self._fire(_arn(call, name))
        else:
            self._move(call, (CREATED, DEACTIVATED), ACTIVATED)
        return {"Name": name}

    @operation("StopTrigger")
    def stop(self, call: Call) -> Params:
        self._find(call, call.params["Name"])
        self._move(call, (ACTIVATED,), DEACTIVATED)
        return {"Name": call.params["Name"]}

    def _move(self, call: Call, before: tuple[str, ...], after: str) -> None:
        def edit(trigger: Document) -> str:
            if trigger["State"] not in before:
                raise invalid(_STATE.format(trigger["State"]))
            trigger["State"] = after
            trigger[OWN]["Met"] = {}
            return after

        self.store.change(_arn(call, call.params["Name"]), edit)
        self._take_up()

    # What time and events bring

    def _take_up(self) -> None:
        """Wait for what is due, where something may be."""
        if self._timer is not None:
            self._timer.wake()
        elif any(True for _ in self._due()):
            self._timer = Timer(self._due, self.cloud.clock)

    def _due(self) -> Iterator[Timed]:
        for arn, trigger in self.store.with_status(TRIGGERS, CREATED, ACTIVATED):
            if trigger["Type"] == SCHEDULED and trigger["State"] == ACTIVATED:
                yield Timed(Schedule(trigger["Schedule"]).after, partial(self._fire_in_time, arn))
            elif trigger["Type"] == EVENT and (due := _opens(trigger)) is not None:
                yield Timed(partial(_at, due), partial(self._open, arn))

    def _fire_in_time(self, arn: str, _due: float) -> None:
        """Nobody hears of an error, and what else is due is done."""
        with suppress(Beside, Missing):
            self._fire(arn, is_kept=True)

    def _fire(self, arn: str, *, is_kept: bool = False) -> None:
        """Beside: its workflow has too many runs."""
        trigger = self.store.get(arn)
        if workflow := trigger.get("WorkflowName"):
            self.conductor.begin(place_of(arn), workflow, {}, {}, is_kept=is_kept)
            return

        def edit(one: Document) -> None:
            one[OWN]["Actions"] += fired(one, {})

        self.store.change(arn, edit)
        self.conductor.attend(arn)

    def notify(self, workflow_arn: str, event: str) -> bool:
        """An event of EventBridge for a workflow; whether it waits for one. Twice the same is one."""
        place, name = place_of(workflow_arn), workflow_arn.partition(":workflow/")[2]
        first = next((one for one in self.conductor.triggers_of(place, name) if one["Type"] == EVENT), None)
        if first is None:
            return False

        def edit(trigger: Document) -> None:
            own = trigger[OWN]
            if event not in own["Seen"]:
                own["Seen"] = [*own["Seen"], event][-SEEN:]
                own["Since"] = own["Since"] if own["Events"] else self.cloud.clock.now()
                own["Events"].append(event)

        arn, size = arn_of(place, "trigger", first["Name"]), first["EventBatchingCondition"]["BatchSize"]
        try:
            waiting = self.store.change(arn, edit)[OWN]["Events"]
        except Missing:
            return False
        for _ in range(len(waiting) // size):
            self._open(arn, 0)
        self._take_up()
        return True

    def _open(self, arn: str, _due: float) -> None:
        """A batch of events, full or late, starts its workflow; fewer wait, whoever else has taken what was there.

        The run has its id before it is there: a kill makes no second.
        """
        now = self.cloud.clock.now()

        def take(trigger: Document) -> None:
            own, size = trigger[OWN], trigger["EventBatchingCondition"]["BatchSize"]
            is_late = now >= own["Since"] + trigger["EventBatchingCondition"]["BatchWindow"]
            if own["Events"] and "Batch" not in own and (is_late or len(own["Events"]) >= size):
                events, own["Events"] = own["Events"][:size], own["Events"][size:]
                condition = {"BatchSize": len(events), "BatchWindow": int(now - own["Since"])}
                own["Batch"] = {"Id": new_run_id(), "Events": events, "Condition": condition}

        with suppress(Beside, Missing):
            found = self.store.change(arn, take)
            if batch := found[OWN].get("Batch"):
                facts = {"WorkflowRunId": batch["Id"], "StartingEventBatchCondition": batch["Condition"]}
                properties = {EVENTS: f"[{', '.join(batch['Events'])}]"}
                self.conductor.begin(place_of(arn), found["WorkflowName"], properties, facts, is_kept=True)
                self.store.change(arn, partial(_close, batch["Id"]))

    # For its neighbours

    def _find(self, call: Call, name: str) -> Document:
        try:
            return self.store.get(_arn(call, name))
        except Missing:
            raise Beside("EntityNotFoundException", f"Trigger with name {name} not found.") from None

    def _tags(self, call: Call, name: str) -> dict[str, str]:
        return dict(self.cloud.client("glue", call.region).get_tags(ResourceArn=_arn(call, name))["Tags"])


def _settle(made: Document) -> None:
    """What a trigger has where nothing is said. Beside: it is none."""
    if made["Type"] == EVENT:
        usual = {"BatchSize": 1, "BatchWindow": trigger_rules.WINDOW}
        made["EventBatchingCondition"] = usual | made.get("EventBatchingCondition", {})
    trigger_rules.check(made)


def told(trigger: Document) -> Params:
    return {name: value for name, value in trigger.items() if name != OWN}


def _opens(trigger: Document) -> float | None:
    """When the events that wait are a batch; at once, where a kill came between."""
    own = trigger[OWN]
    if "Batch" in own:
        return 0.0
    return float(own["Since"]) + trigger["EventBatchingCondition"]["BatchWindow"] if own["Events"] else None


def _close(batch: str, trigger: Document) -> None:
    """A batch has its run; somebody else may have begun the next one."""
    if trigger[OWN].get("Batch", {}).get("Id") == batch:
        del trigger[OWN]["Batch"]


def _at(due: float, _after: float) -> float:
    return due


def _where(call: Call) -> str:
    return f"{call.region}:{call.account}"


def _arn(call: Call, name: str) -> str:
    return arn_of(_where(call), "trigger", name)
