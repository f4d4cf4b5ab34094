"""Scheduled actions: bounds that a target gets at a time, or again and again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.scaling import activities, records
from sagelab.cloud.engine.scaling.records import ACTION, OWN
from sagelab.cloud.events.schedules import Schedule
from sagelab.cloud.events.timer import Timed, Timer
from sagelab.cloud.resources import scaling_rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.scalable_targets import ScalableTargets
from sagelab.cloud.store import Document, Missing, Resource

KEPT = ("Schedule", "Timezone", "ScalableTargetAction")  # over an update that does not name them
WINDOW = ("StartTime", "EndTime")  # of each update as it names them


class ScheduledActions(Family):
    """The scheduled actions of one local cloud, which are due by its clock."""

    service = "application-autoscaling"
    needs = (ScalableTargets,)

    def __init__(self, cloud: Cloud, targets: ScalableTargets) -> None:
        super().__init__(cloud)
        self._targets = targets
        self._timer: Timer | None = None
        if self.store.with_status(ACTION, ""):
            self._wake()

    @operation("PutScheduledAction")
    def put(self, call: Call) -> Params:
        scaling_rules.check_named(call.params)
        target, asked = self._targets.find(call), call.params
        actions = records.of_target(self.store, ACTION, target["ScalableTargetARN"])
        before = next((one for one in actions if one["ScheduledActionName"] == asked["ScheduledActionName"]), None)
        kept = before or self._new(call, target)
        given = {name: asked[name] for name in (*KEPT, *WINDOW) if name in asked}
        action = {name: value for name, value in kept.items() if name not in WINDOW} | given
        scaling_rules.check_action(action, self.cloud.clock.now())
        if before is None and len(actions) >= scaling_rules.ACTIONS:
            words = f"A target has {scaling_rules.ACTIONS} scheduled actions at most."
            raise Beside("LimitExceededException", words)
        if before is None:
            name = f"{records.id_of(target['ScalableTargetARN'])}/{asked['ScheduledActionName']}"
            self.store.add(Resource(action["ScheduledActionARN"], ACTION, call.region, name, "", action))
        else:
            self.store.change(action["ScheduledActionARN"], partial(_replace, action))
        self._wake()
        return {}

    def _new(self, call: Call, target: Document) -> Document:
        asked = call.params
        named = f"resource/{asked['ServiceNamespace']}/{asked['ResourceId']}"
        start = f"arn:aws:autoscaling:{call.region}:{call.account}:scheduledAction:{uuid.uuid4()}"
        return scaling_rules.of(asked) | {
            "ScheduledActionName": asked["ScheduledActionName"],
            "ScheduledActionARN": f"{start}:{named}:scheduledActionName/{asked['ScheduledActionName']}",
            "CreationTime": scaling_rules.now(),
            OWN: {"Target": target["ScalableTargetARN"], "Since": self.cloud.clock.real()},
        }

    @operation("DeleteScheduledAction")
    def delete(self, call: Call) -> Params:
        scaling_rules.check_named(call.params)
        arn = records.target_arn(f"{call.region}:{call.account}", call.params)
        for action in records.of_target(self.store, ACTION, arn):
            if action["ScheduledActionName"] == call.params["ScheduledActionName"]:
                self.store.remove(action["ScheduledActionARN"])
                return {}
        words = f"{scaling_rules.named(call.params)}, scheduled action name: {call.params['ScheduledActionName']}"
        raise Beside("ObjectNotFoundException", f"No scheduled action found for {words}")

    @operation("DescribeScheduledActions")
    def describe(self, call: Call) -> Params:
        found = [
            one
            for one in self.store.documents(ACTION, call.region)
            if scaling_rules.fits(one, call.params, ScheduledActionNames="ScheduledActionName")
        ]
        return scaling_rules.page(call, "ScheduledActions", found)

    def close(self) -> None:
        if self._timer:
            self._timer.close()

    # What is due

    def _wake(self) -> None:
        """The thread that waits begins with the first action."""
        if self._timer is None:
            self._timer = Timer(self._look, self.cloud.clock)
        self._timer.wake()

    def _look(self) -> Iterator[Timed]:
        for arn, action in self.store.with_status(ACTION, ""):
            yield Timed(partial(self._after, action), partial(self._fire, arn))

    def _after(self, action: Document, time: float) -> float | None:
        """When an action is due after a time of the clock, between its start and its end."""
        since = self.cloud.clock.at(action[OWN]["Since"])
        start = action["StartTime"].timestamp() if "StartTime" in action else since
        schedule = Schedule(action["Schedule"], action.get("Timezone") or "UTC", start)
        due = schedule.after(max(time, start - 1)) if schedule.at is None else schedule.after(time)
        ends = action.get("EndTime")
        return None if due is None or (ends and due > ends.timestamp()) else due

    def _fire(self, arn: str, _due: float) -> None:
        action = records.look(self.store, arn)
        target = records.look(self.store, action[OWN]["Target"]) if action else None
        if action is None or target is None or target["SuspendedState"]["ScheduledScalingSuspended"]:
            return
        bounds = {name: action["ScalableTargetAction"].get(name) for name in ("MinCapacity", "MaxCapacity")}
        new = {name: value for name, value in bounds.items() if value is not None}
        words = {"MinCapacity": "min", "MaxCapacity": "max"}
        what = " and ".join(f"{words[name]} capacity to {value}" for name, value in new.items())
        cause = f"scheduled action name {action['ScheduledActionName']} was triggered"
        wanted = {name: target[name] for name in words} | new
        note = partial(self._targets.scaler.activities.note, target, f"Setting {what}", cause)
        if wanted["MinCapacity"] > wanted["MaxCapacity"]:
            why = "Maximum capacity cannot be less than minimum capacity."
            note(f"Failed to set {what}. Reason: {why}", activities.FAILED)
            return
        try:
            self.store.change(target["ScalableTargetARN"], partial(_update, new))
        except Missing:
            return  # deregistered meanwhile
        note(f"Successfully set {what}", activities.SUCCESSFUL)
        self._targets.scaler.hold(target["ScalableTargetARN"])


def _replace(new: Document, document: Document) -> None:
    for name in WINDOW:
        document.pop(name, None)
    document |= {name: new[name] for name in (*KEPT, *WINDOW) if name in new}


def _update(new: Document, document: Document) -> None:
    document |= new
