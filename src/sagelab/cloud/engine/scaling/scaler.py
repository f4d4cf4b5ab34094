"""What scales: it hears alarms and schedules, and sets the capacity of variants through the front door.

It acts as AWS's service does: with the rights of its service-linked role, and by nothing but
UpdateEndpointWeightsAndCapacities. While an endpoint is between two states an activity waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.scaling import activities, capacity, decisions, records
from sagelab.cloud.engine.scaling.activities import Activities
from sagelab.cloud.engine.scaling.capacity import Capacity
from sagelab.cloud.engine.scaling.decisions import Breach, Decision, Judge
from sagelab.cloud.engine.scaling.lanes import Lanes
from sagelab.cloud.engine.scaling.records import OWN, Variant
from sagelab.cloud.store import Change, Document, Missing, Store

BOUNDS = "bounds"
ENDED = "The local cloud ended before the change was fulfilled."
_REFUSED_MEANWHILE = "Cannot update in-progress endpoint"


@dataclass(frozen=True)
class Surroundings:
    """client_as: role's ARN, service, region -> a client with its rights. alarm: region, name -> an alarm.

    put_event: an event, a region.
    """

    store: Store
    clock: Clock
    client_as: Callable[[str, str, str], Any]
    alarm: Callable[[str, str], Document | None]
    put_event: Callable[[Document, str], None]


class _Ends(Exception):
    """The local cloud ends; what is under way is taken up after the next start."""


class Scaler:
    """The scaler of one local cloud. Safe to call from any thread; nothing but `close` waits for anything."""

    def __init__(self, around: Surroundings) -> None:
        self._around, self._store = around, around.store
        self.activities = Activities(around.store, around.clock)
        self._changed: set[threading.Event] = set()
        self._heard: dict[str, Document] = {}  # policies' alarms by their names, as they called last
        self._lanes = Lanes(self._do)
        around.store.listen(self._on_change)

    def recover(self) -> None:
        """End honestly what was under way when the local cloud ended."""
        for key, activity in self.activities.under_way():
            self._lanes.put(activity[OWN]["Target"], key, activity)

    def close(self) -> None:
        self._lanes.closed = True
        self._wake()
        self._lanes.close()

    def on_alarm(self, action: str, alarm: Document, state: str) -> None:
        """An alarm calls a policy, by its ARN. Without data nothing scales."""
        policy = records.look(self._store, action)
        if policy is None or state == "INSUFFICIENT_DATA":
            return
        if policy["PolicyType"] == records.TRACKING and state != decisions.ALARM:
            return
        target = records.look(self._store, policy[OWN]["Target"])
        found = self._capacity(target) if target else None
        if found is not None:
            alarm = alarm | {"StateValue": state}
            self._heard[alarm["AlarmName"]] = alarm
            breach = Breach(policy, alarm, found.desired)
            self._lanes.put(policy[OWN]["Target"], action, breach)

    def hold(self, target: str) -> None:
        """Bring a target's capacity into its bounds. target: its ARN."""
        self._lanes.put(target, BOUNDS, None)

    # In the thread of one target

    def _do(self, arn: str, items: Mapping[str, Any]) -> None:
        try:
            for key, item in items.items():
                if isinstance(item, dict):
                    self._finish(arn, key, item)
            if BOUNDS in items:
                self._hold(arn)
            if breaches := [item for item in items.values() if isinstance(item, Breach)]:
                self._answer(arn, breaches)
        except _Ends:
            return

    def _answer(self, arn: str, breaches: list[Breach]) -> None:
        target = records.look(self._store, arn)
        now = self._capacity(target) if target else None
        if target is None or now is None:
            return
        region = arn.split(":")[3]
        policies = {one["PolicyARN"]: one for one in records.of_target(self._store, records.POLICY, arn)}
        judge = Judge(
            target,
            policies,
            target[OWN].get("Cooldowns", {}),
            partial(self._alarm, region),
            self._around.clock,
        )
        decision = judge.decide([one for one in breaches if one.policy["PolicyARN"] in policies], now.desired)
        if decision is None:
            return
        if decision.desired is None:
            self.activities.skip(target, decision.breach.cause, decision.reason)
        elif self._set(target, decision.desired, now.desired, decision.breach.cause):
            self._note(arn, judge, decision, now.desired)

    def _note(self, arn: str, judge: Judge, decision: Decision, before: int) -> None:
        def edit(document: Document) -> None:
            document[OWN]["Cooldowns"] = judge.begun(decision, before)

        try:
            self._store.change(arn, edit)
        except Missing:
            return  # deregistered meanwhile

    def _hold(self, arn: str) -> None:
        target = records.look(self._store, arn)
        found = self._capacity(target) if target else None
        if target is None or found is None:
            return
        least, most = target["MinCapacity"], target["MaxCapacity"]
        if found.desired < least:
            self._set(target, least, found.desired, f"minimum capacity was set to {least}")
        elif found.desired > most:
            self._set(target, most, found.desired, f"maximum capacity was set to {most}")
        else:
            with suppress(ClientError, BotoCoreError):  # an activity will say so
                self._client(target)  # made now, an alarm need not wait for it

    def _set(self, target: Document, desired: int, before: int, cause: str) -> bool:
        """One activity: set a capacity and wait until it is there; whether it is."""
        arn, dimension = target["ScalableTargetARN"], target["ScalableDimension"]
        endpoint = records.look(self._store, _endpoint_of(target)) or {}
        waits = endpoint.get("EndpointStatus") in capacity.MOVING
        status = activities.PENDING if waits else activities.IN_PROGRESS
        key = self.activities.begin(target, desired, before, cause, status)
        if why := self._ask(target, desired, before):
            status, reason = why
            self.activities.tell(key, status, activities.failed(dimension, desired, reason))
            return False
        self.activities.tell(key, activities.IN_PROGRESS, activities.waiting(dimension, desired))
        self._rest(target)
        ended = self._end(key, target, desired)
        whole = ended is not None and ended["StatusCode"] == activities.SUCCESSFUL
        latest = records.look(self._store, arn)
        if ended and whole and latest and before < desired == latest["MaxCapacity"]:
            self._around.put_event(activities.event(latest, ended), arn.split(":")[3])
        return whole

    def _ask(self, target: Document, desired: int, before: int) -> tuple[str, str] | None:
        """Have a capacity set, once the endpoint rests; (status, reason) where it is not."""
        variant, dimension = Variant.of(target["ResourceId"]), target["ScalableDimension"]
        asked = capacity.request(variant.endpoint, variant.name, dimension, desired)
        while True:
            endpoint = self._rest(target)
            found = capacity.of(endpoint or {}, variant.name, dimension)
            if endpoint is None or found is None:
                return activities.FAILED, f"Could not find variant {variant.name} of endpoint {variant.endpoint}."
            if records.look(self._store, target["ScalableTargetARN"]) is None:
                return activities.FAILED, "The scalable target was deregistered."
            if found.desired != before:
                return activities.OVERRIDDEN, f"It was set to {found.desired} meanwhile."
            try:
                self._client(target).update_endpoint_weights_and_capacities(**asked)
                return None
            except ClientError as error:
                message = str(error.response["Error"].get("Message"))
                if not message.startswith(_REFUSED_MEANWHILE):
                    return activities.FAILED, message
            except BotoCoreError as error:
                return activities.FAILED, str(error)

    def _client(self, target: Document) -> Any:
        region = target["ScalableTargetARN"].split(":")[3]
        return self._around.client_as(target["RoleARN"], "sagemaker", region)

    def _end(self, key: str, target: Document, desired: int, reason: str = "") -> Document | None:
        """Tell what has become of a capacity that was set; the activity. reason: why it may not be there."""
        dimension, endpoint = target["ScalableDimension"], records.look(self._store, _endpoint_of(target)) or {}
        found = capacity.of(endpoint, Variant.of(target["ResourceId"]).name, dimension)
        if found == Capacity(desired, desired):
            return self.activities.tell(key, activities.SUCCESSFUL, activities.fulfilled(dimension, desired))
        if found is not None and found.desired == desired:
            why = f"There are {found.current}."
            return self.activities.tell(key, activities.UNFULFILLED, activities.failed(dimension, desired, why))
        why = (
            reason or endpoint.get("FailureReason") or f"The endpoint is {endpoint.get('EndpointStatus', 'gone')}."
        )
        return self.activities.tell(key, activities.FAILED, activities.failed(dimension, desired, why))

    def _finish(self, arn: str, key: str, activity: Document) -> None:
        """What became of an activity that the end of the local cloud cut off."""
        target = {name: activity[name] for name in records.NAMED} | {"ScalableTargetARN": arn}
        self._rest(target)
        self._end(key, target, activity[OWN]["Desired"], ENDED)
        if " capacity was set to " in activity["Cause"]:
            self._hold(arn)

    # Looking, and waiting

    def _alarm(self, region: str, name: str) -> Document | None:
        """A policy's alarm with its newest datapoints: CloudWatch keeps those of the last change of state."""
        found, heard = self._around.alarm(region, name), self._heard.get(name)
        if found is None or heard is None or heard["StateValue"] != found["StateValue"]:
            return found
        return heard

    def _capacity(self, target: Document) -> Capacity | None:
        endpoint = records.look(self._store, _endpoint_of(target))
        named = Variant.of(target["ResourceId"])
        return capacity.of(endpoint, named.name, target["ScalableDimension"]) if endpoint else None

    def _rest(self, target: Document) -> Document | None:
        """The endpoint, once it is between states no more; None: it is gone. _Ends: the local cloud is."""
        changed, arn = threading.Event(), _endpoint_of(target)
        self._changed.add(changed)
        try:
            while True:
                changed.clear()
                if self._lanes.closed:
                    raise _Ends
                found = records.look(self._store, arn)
                if found is None or found["EndpointStatus"] not in capacity.MOVING:
                    return found
                changed.wait()
        finally:
            self._changed.discard(changed)

    def _on_change(self, change: Change) -> None:
        if change.kind == "endpoint":
            self._wake()

    def _wake(self) -> None:
        for changed in list(self._changed):
            changed.set()


def _endpoint_of(target: Document) -> str:
    return Variant.of(target["ResourceId"]).endpoint_arn(records.where_of(target["ScalableTargetARN"]))
