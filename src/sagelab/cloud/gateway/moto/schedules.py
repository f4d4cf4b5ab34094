"""The schedules of EventBridge's rules and of EventBridge Scheduler: checked as they are made, and fired in time.

moto keeps them; what is due becomes a delivery (events/deliveries.py). A rule's rate counts from when its
expression was put, a schedule's from its StartDate or its making.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError

from sagelab.cloud.clock import Clock
from sagelab.cloud.context import SCHEDULER
from sagelab.cloud.errors import NotImplementedHere
from sagelab.cloud.events.deliveries import ATTEMPTS
from sagelab.cloud.events.schedules import Schedule, text_of
from sagelab.cloud.events.targets import UNIVERSAL, kind_of
from sagelab.cloud.events.timer import Timed, Timer
from sagelab.cloud.gateway.moto.event_bus import Acting, EventBridge
from sagelab.cloud.home import ACCOUNT

Asked = dict[str, Any]
Regions = Callable[[str], list[str]]  # of a service: those in which moto has something kept or in memory

_NOT_VALID = "Parameter ScheduleExpression is not valid."
_NO_TARGET = (
    "{} is not something that the local cloud's Scheduler can call. Its targets are queues, topics, functions,"
    " state machines, SageMaker's pipelines, event buses and arn:aws:scheduler:::aws-sdk:SERVICE:ACTION."
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")


class Schedules:
    """Fires what is due in one local cloud."""

    def __init__(self, bridge: EventBridge, acting: Acting, regions: Regions, clock: Clock) -> None:
        self._bridge, self._acting, self._regions, self._clock = bridge, acting, regions, clock
        self.timer = Timer(self._look, clock)

    def on_change(self, service: str, _name: str) -> None:
        """A request changed something of a service."""
        if service in ("events", "scheduler", "cloudformation"):
            self.timer.wake()

    def close(self) -> None:
        self.timer.close()

    def _look(self) -> Iterator[Timed]:
        for region in self._regions("events"):
            for rule in list(get_backend("events")[ACCOUNT][region].event_buses["default"].rules.values()):
                if rule.scheduled_expression and rule.state != "DISABLED" and rule.targets:
                    since = self._clock.at(getattr(rule, "since", 0.0))
                    expression = Schedule(rule.scheduled_expression, begins=since)
                    yield Timed(expression.after, partial(self._fire_rule, rule))
        for region in self._regions("scheduler"):
            for group in list(get_backend("scheduler")[ACCOUNT][region].schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    if schedule.state != "DISABLED" and not getattr(schedule, "done", False):
                        yield Timed(partial(self._next, schedule), partial(self._fire, region, group, schedule))

    def _fire_rule(self, rule: Any, due: float) -> None:
        event = _event("aws.events", rule.arn, rule.region_name, due) | {"resources": [rule.arn], "detail": {}}
        self._bridge.send(rule, event)

    def _fire(self, region: str, group: Any, schedule: Any, due: float) -> None:
        event = _event("aws.scheduler", schedule.arn, region, due) | {"resources": [schedule.arn], "detail": "{}"}
        facts = {"Service": SCHEDULER, "Source": schedule.arn, "Region": region, "Hops": 0, "Due at": text_of(due)}
        facts |= {"Target": schedule.target | {"Id": schedule.name}, "Event": json.dumps(event)}
        with self._acting("scheduler", region, True):
            self._bridge.deliveries.add([facts | {"Ingested": text_of(due)}])
            if self._next(schedule, due) is None or self._expression(schedule).once:
                schedule.done = True
                if schedule.action_after_completion == "DELETE":
                    group.schedules.pop(schedule.name, None)

    def _expression(self, schedule: Any) -> Schedule:
        since = self._clock.at(getattr(schedule, "since", schedule.creation_date))
        begins = float(schedule.start_date or since)
        return Schedule(schedule.schedule_expression, schedule.schedule_expression_timezone, begins)

    def _next(self, schedule: Any, after: float) -> float | None:
        """When a schedule is due after a time. One that is due once is, however late, until it was fired."""
        expression = self._expression(schedule)
        if getattr(schedule, "done", False):
            return None
        if expression.once:
            return expression.at
        start, end = float(schedule.start_date or 0), schedule.end_date
        due = expression.after(max(after, start - 1))
        return None if due is None or (end and due > float(end)) else due


def check_rule(asked: Asked) -> Callable[[Any], None] | None:
    """A rule's schedule, in EventBridge's words where it is none; it counts from now on."""
    if not (expression := asked.get("scheduled_expression")):
        return None
    try:
        found = Schedule(expression)
    except ValueError:
        raise JsonRESTError("ValidationException", _NOT_VALID) from None
    if found.once:
        raise JsonRESTError("ValidationException", _NOT_VALID)
    buses = asked["self"].event_buses.values()
    before = next((bus.rules[asked["name"]] for bus in buses if asked["name"] in bus.rules), None)
    same = before is not None and before.scheduled_expression == expression

    def begin(rule: Any) -> None:
        rule.since = getattr(before, "since", time.time()) if same else time.time()

    return begin


def check_schedule(asked: Asked) -> Callable[[Any], None]:
    """A schedule of Scheduler's can be fired, and its target called."""
    try:
        Schedule(asked["schedule_expression"], asked.get("schedule_expression_timezone") or "UTC")
    except ValueError as error:
        raise JsonRESTError("ValidationException", str(error)) from None
    target = asked["target"]
    arn, role = str(target.get("Arn")), str(target.get("RoleArn"))
    if not (UNIVERSAL.fullmatch(arn) or kind_of(arn) not in ("", "logs", "glue")):
        raise NotImplementedHere(_NO_TARGET.format(arn))
    if not _ROLE.fullmatch(role):
        raise JsonRESTError("ValidationException", f"{role} is not a valid role ARN.")
    if kind_of(arn) == "events" and not (target.get("EventBridgeParameters") or {}).get("Source"):
        raise JsonRESTError("ValidationException", "EventBridgeParameters must be specified for an event bus.")
    retries = target.get("RetryPolicy") or {}
    if not 0 <= retries.get("MaximumRetryAttempts", 0) <= ATTEMPTS:
        raise JsonRESTError("ValidationException", f"MaximumRetryAttempts must be between 0 and {ATTEMPTS}.")
    asked["self"].get_schedule_group(asked.get("group_name"))
    asked["state"] = asked.get("state") or "ENABLED"

    def begin(schedule: Any) -> None:
        schedule.since, schedule.done = time.time(), False

    return begin


def check_group(asked: Asked) -> None:
    """A group of schedules is made once."""
    if asked["name"] in asked["self"].schedule_groups:
        raise JsonRESTError("ConflictException", f"Schedule group {asked['name']} already exists.")


def check_removal(asked: Asked) -> None:
    """A group of schedules that is removed is there, and is not the one that each account has."""
    asked["self"].get_schedule_group(asked["name"])
    if asked["name"] in (None, "default"):
        raise JsonRESTError("ValidationException", "Cannot delete default schedule group.")


def _event(source: str, arn: str, region: str, due: float) -> Asked:
    return {
        "version": "0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{arn} {due}")),
        "detail-type": "Scheduled Event",
        "source": source,
        "account": ACCOUNT,
        "time": text_of(due),
        "region": region,
    }
