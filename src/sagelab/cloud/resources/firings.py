"""What triggers start, and what became of it: actions, kept with who fired before anything of them begins.

An action has the id of its run or crawl before there is one, so that it begins once, whatever is killed meanwhile:
{"Trigger", "Kind": JOB or CRAWLER, "Name", "Id", "State": PENDING, then as the run's, "Asked", "After", "Error"}.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from typing import Any

from sagelab.cloud.resources.trigger_rules import CRAWLER, JOB
from sagelab.cloud.store import Document

OWN = "Own"
PENDING, ERROR = "PENDING", "ERROR"
GOES_ON = (PENDING, "STARTING", "RUNNING", "STOPPING", "CANCELLING", "WAITING")
SEEN = 500  # ends that a trigger knows again
_PASSED_ON = ("Arguments", "Timeout", "NotificationProperty")


def named(one: Document) -> tuple[str, str]:
    """What an action or a condition is about."""
    return (JOB, str(one["JobName"])) if one.get("JobName") else (CRAWLER, str(one["CrawlerName"]))


def fired(trigger: Document, arguments: dict[str, str], after: Iterable[list[str]] = ()) -> list[Document]:
    """The actions of a trigger that fires. arguments: beside its own. after: (job, run) that made it fire."""
    found = []
    for one in trigger["Actions"]:
        kind, name = named(one)
        asked: dict[str, Any] = {member: one[member] for member in _PASSED_ON if member in one}
        asked["Arguments"] = asked.get("Arguments", {}) | arguments
        action = {"Trigger": trigger["Name"], "Kind": kind, "Name": name, "Id": new_id(kind), "State": PENDING}
        found.append(action | {"Asked": asked | {"TriggerName": trigger["Name"]}, "After": list(after)})
    return found


def new_id(kind: str) -> str:
    return f"jr_{secrets.token_hex(32)}" if kind == JOB else str(uuid.uuid4())


def goes_on(action: Document) -> bool:
    return action["State"] in GOES_ON


def fits(condition: Document, action: Document) -> bool:
    """Whether an action's end is what a condition waits for."""
    wanted = condition.get("State") or condition.get("CrawlState")
    return named(condition) == (action["Kind"], action["Name"]) and action["State"] == wanted


def is_met(predicate: Document, met: Iterable[bool]) -> bool:
    """met: of each condition."""
    return any(met) if predicate.get("Logical") == "ANY" else all(met)


def waits(trigger: Document, action: Document) -> bool:
    """Whether an end concerns a trigger outside of workflows."""
    conditions = (trigger.get("Predicate") or {}).get("Conditions") or []
    return not trigger.get("WorkflowName") and (action["Kind"], action["Name"]) in map(named, conditions)


def hear(trigger: Document, action: Document) -> None:
    """A trigger outside of workflows is told of an end; once for each, whoever tells it again."""
    own, conditions = trigger[OWN], trigger["Predicate"]["Conditions"]
    if action["Id"] in own["Seen"] or trigger["State"] != "ACTIVATED":
        return
    own["Seen"] = [*own["Seen"], action["Id"]][-SEEN:]
    for number, one in enumerate(conditions):
        if named(one) == (action["Kind"], action["Name"]):
            own["Met"].pop(str(number), None)
            if fits(one, action):
                own["Met"][str(number)] = [action["Name"], action["Id"]]
    if is_met(trigger["Predicate"], (str(number) in own["Met"] for number in range(len(conditions)))):
        jobs = [
            own["Met"][str(number)]
            for number, one in enumerate(conditions)
            if one.get("JobName") and str(number) in own["Met"]
        ]
        own["Actions"] += fired(trigger, {}, jobs)
        own["Met"] = {}
