"""Which capacity alarms ask for: every rule of scaling policies, and nothing that happens.

https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.scaling import steps, tracking
from sagelab.cloud.engine.scaling.activities import MAX, MIN, SAME
from sagelab.cloud.engine.scaling.records import CONFIGURATIONS, STEPS, TRACKING
from sagelab.cloud.store import Document

COOLDOWN = 300  # seconds of the clock
ALARM = "ALARM"
OUT, IN = "out", "in"


@dataclass(frozen=True)
class Breach:
    """An alarm that called a policy. capacity: of the target when it did."""

    policy: Document
    alarm: Document
    capacity: int

    @property
    def cause(self) -> str:
        name, state = self.alarm["AlarmName"], self.alarm["StateValue"]
        return f"monitor alarm {name} in state {state} triggered policy {self.policy['PolicyName']}"


@dataclass(frozen=True)
class Decision:
    """desired: None, where nothing is changed; then `reason` may say why. cooldown: seconds."""

    breach: Breach
    desired: int | None = None
    cooldown: int = 0
    reason: Document = field(default_factory=dict)


def values(alarm: Document) -> list[float]:
    """The datapoints that an alarm was judged by, oldest first."""
    try:
        data = json.loads(alarm.get("StateReasonData") or "{}")
    except (ValueError, RecursionError):  # whoever sets a state by hand says what he likes
        return []
    found = data.get("recentDatapoints") if isinstance(data, dict) else None
    numbers = [one for one in found if isinstance(one, int | float)] if isinstance(found, list) else []
    return [float(one) for one in numbers if abs(one) < tracking.LARGEST]


@dataclass(frozen=True)
class Judge:
    """Decides for one target.

    policies: all of it, by ARN. cooldowns: policy's ARN -> what its last activity began: Way, At (epoch seconds),
    Seconds, Base (the capacity before it). alarm: finds an alarm by its name.
    """

    target: Document
    policies: Mapping[str, Document]
    cooldowns: Mapping[str, Document]
    alarm: Callable[[str], Document | None]
    clock: Clock

    def decide(self, breaches: Iterable[Breach], capacity: int) -> Decision | None:
        """The largest capacity that any alarm asks for; out goes before in. None: there is nothing to say."""
        found = [one for breach in breaches if (one := self._look(breach, capacity))]
        chosen = [one for one in found if one.desired is not None]
        if chosen:
            return max(chosen, key=lambda one: one.desired or 0)
        return found[0] if found else None

    def _look(self, breach: Breach, capacity: int) -> Decision | None:
        if breach.policy["PolicyType"] == STEPS:
            return self._step(breach, capacity)
        if not values(breach.alarm):
            return None
        if breach.alarm["AlarmName"] == _named(breach.policy, 0):
            base = self._base(breach)
            return self._out(breach, capacity, base, _wanted(breach.policy, breach.alarm, base))
        return self._track_in(breach, capacity)

    def _step(self, breach: Breach, capacity: int) -> Decision | None:
        configuration, alarm = breach.policy[CONFIGURATIONS[STEPS]], breach.alarm
        if "Threshold" not in alarm or not values(alarm):
            return None
        value = steps.aggregate(values(alarm), configuration.get("MetricAggregationType"))
        above = "Greater" in alarm["ComparisonOperator"]
        change = steps.adjustment(configuration, value - alarm["Threshold"], above=above)
        if change is None:
            return None
        base = self._base(breach)
        wanted = steps.desired(configuration, base, change)
        exact = configuration["AdjustmentType"] == steps.EXACT
        if change < 0 or (exact and wanted < capacity):
            return self._in(breach, capacity, steps.desired(configuration, breach.capacity, change))
        return self._out(breach, capacity, base, wanted)

    def _track_in(self, breach: Breach, capacity: int) -> Decision | None:
        """In only if every policy that tracks a target, and may scale in, asks for it; the largest counts."""
        tracking_all = [one for one in self.policies.values() if one["PolicyType"] == TRACKING]
        if breach.policy[CONFIGURATIONS[TRACKING]].get("DisableScaleIn") or self._any_high(tracking_all):
            return None
        wanted = [_wanted(breach.policy, breach.alarm, breach.capacity)]
        for policy in tracking_all:
            if policy["PolicyARN"] == breach.policy["PolicyARN"]:
                continue
            if policy[CONFIGURATIONS[TRACKING]].get("DisableScaleIn"):
                continue
            alarm = self.alarm(_named(policy, 1))
            if alarm is None or alarm["StateValue"] != ALARM or not values(alarm):
                return None
            wanted.append(_wanted(policy, alarm, breach.capacity))
        return self._in(breach, capacity, max(wanted))

    def _any_high(self, policies: Iterable[Document]) -> bool:
        found = (self.alarm(_named(policy, 0)) for policy in policies)
        return any(alarm is not None and alarm["StateValue"] == ALARM for alarm in found)

    def _out(self, breach: Breach, capacity: int, base: int, wanted: int) -> Decision | None:
        if self.target["SuspendedState"]["DynamicScalingOutSuspended"]:
            return None
        most = self.target["MaxCapacity"]
        desired = min(max(wanted, self.target["MinCapacity"]), most)
        if desired > capacity:
            return Decision(breach, desired, _cooldown(breach.policy, OUT))
        if wanted > base and capacity >= most:
            return Decision(breach, reason={"Code": MAX, "MaxCapacity": most})
        return Decision(breach, reason={"Code": SAME, "CurrentCapacity": capacity})

    def _in(self, breach: Breach, capacity: int, wanted: int) -> Decision | None:
        if self.target["SuspendedState"]["DynamicScalingInSuspended"] or self._cooling(IN):
            return None
        least = self.target["MinCapacity"]
        desired = max(min(wanted, self.target["MaxCapacity"]), least)
        if desired < capacity:
            return Decision(breach, desired, _cooldown(breach.policy, IN))
        if capacity <= least:
            return Decision(breach, reason={"Code": MIN, "MinCapacity": least})
        return Decision(breach, reason={"Code": SAME, "CurrentCapacity": capacity})

    def _base(self, breach: Breach) -> int:
        """The capacity that an adjustment out is of: what the policy added in its cooldown counts as there."""
        last = self.cooldowns.get(breach.policy["PolicyARN"])
        if last and last["Way"] == OUT and self._lasts(last):
            return min(breach.capacity, int(last["Base"]))
        return breach.capacity

    def _cooling(self, way: str) -> bool:
        return any(one["Way"] == way and self._lasts(one) for one in self.cooldowns.values())

    def _lasts(self, cooldown: Document) -> bool:
        return self.clock.elapsed(cooldown["At"]) < float(cooldown["Seconds"])

    def begun(self, decision: Decision, before: int) -> dict[str, Document]:
        """The cooldowns once a decision was carried out, from now on. before: the capacity it found.

        Who scales out breaks off every cooldown of scaling in.
        """
        assert decision.desired is not None
        arn = decision.breach.policy["PolicyARN"]
        kept = {key: one for key, one in self.cooldowns.items() if self._lasts(one)}
        way = OUT if decision.desired > before else IN
        if way == OUT:
            before = min(before, self._base(decision.breach))
            kept = {key: one for key, one in kept.items() if one["Way"] == OUT}
        at = self.clock.real()
        return kept | {arn: {"Way": way, "At": at, "Seconds": decision.cooldown, "Base": before}}


def _named(policy: Document, at: int) -> str:
    """The name of a policy's high (0) or low (1) alarm."""
    return str(policy["Alarms"][at]["AlarmName"])


def _wanted(policy: Document, alarm: Document, capacity: int) -> int:
    target = policy[CONFIGURATIONS[TRACKING]]["TargetValue"]
    return tracking.desired(capacity, values(alarm)[-1], target)


def _cooldown(policy: Document, way: str) -> int:
    kind = policy["PolicyType"]
    member = "Cooldown" if kind == STEPS else {OUT: "ScaleOutCooldown", IN: "ScaleInCooldown"}[way]
    found = policy[CONFIGURATIONS[kind]].get(member)
    return COOLDOWN if found is None else int(found)
