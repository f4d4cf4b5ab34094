"""What a trigger of Glue's may be, in Glue's words.

https://docs.aws.amazon.com/glue/latest/dg/about-triggers.html
https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-trigger.html
"""

from __future__ import annotations

from collections.abc import Iterable

from sagelab.cloud.events.schedules import Schedule
from sagelab.cloud.resources.call import Beside, Params
from sagelab.cloud.resources.glue_rules import check_arguments, invalid

SCHEDULED, CONDITIONAL, ON_DEMAND, EVENT = "SCHEDULED", "CONDITIONAL", "ON_DEMAND", "EVENT"
JOB, CRAWLER = "JOB", "CRAWLER"
# The ends that a trigger can wait for.
ENDS = {JOB: ("SUCCEEDED", "STOPPED", "FAILED", "TIMEOUT"), CRAWLER: ("SUCCEEDED", "FAILED", "CANCELLED")}
CRAWLERS, JOBS = 2, 50  # that a trigger starts
WINDOW = 900  # seconds in which events are one batch
# Member -> the one type that has it.
_OF_TYPE = {"Schedule": SCHEDULED, "Predicate": CONDITIONAL, "EventBatchingCondition": EVENT}


def check(trigger: Params) -> None:
    """Beside: it is none, or none that fires here."""
    kind = trigger["Type"]
    for member, own in _OF_TYPE.items():
        if trigger.get(member) and kind != own:
            raise invalid(f"{member} is not allowed for a trigger of type {kind}.")
    if kind == SCHEDULED:
        _check_schedule(trigger.get("Schedule") or "")
    elif kind == CONDITIONAL:
        _check_predicate(trigger.get("Predicate") or {})
    elif kind == EVENT and not trigger.get("WorkflowName"):
        raise invalid("A trigger of type EVENT starts a workflow: WorkflowName cannot be null or empty")
    _check_actions(trigger.get("Actions") or [])
    watched = {one.get("JobName") for one in (trigger.get("Predicate") or {}).get("Conditions") or []} - {None}
    if watched & {one.get("JobName") for one in trigger["Actions"]}:
        raise invalid("Job cannot be a Predicate and Action for Conditional Trigger.")


def _check_schedule(expression: str) -> None:
    if not expression:
        raise invalid("Schedule cannot be null or empty")
    try:
        Schedule(expression)
        cron = expression.startswith("cron(")
    except ValueError:
        cron = False
    if not cron:
        raise invalid(f"The schedule {expression} is no cron expression.")


def _check_predicate(predicate: Params) -> None:
    conditions = predicate.get("Conditions") or []
    if not conditions:
        raise invalid("Predicate cannot be null or empty")
    if len(conditions) > 1 and not predicate.get("Logical"):
        raise invalid("Logical cannot be null or empty")
    for one in conditions:
        if not one.get("LogicalOperator"):
            raise invalid("Logical operator cannot be null or empty")
        if bool(one.get("JobName")) == bool(one.get("CrawlerName")):
            raise invalid("A condition is about either a job or a crawler.")
        kind, member = (JOB, "State") if one.get("JobName") else (CRAWLER, "CrawlState")
        if not one.get(member):
            raise invalid(f"{member} cannot be null or empty")
        if one[member] not in ENDS[kind]:
            raise invalid(f"{member} {one[member]} is not supported in a condition: {', '.join(ENDS[kind])} are.")


def _given(action: Params) -> Iterable[tuple[str, str]]:
    return (action.get("Arguments") or {}).items()


def _check_actions(actions: list[Params]) -> None:
    if not actions:
        raise invalid("Actions cannot be null or empty")
    for one in actions:
        if bool(one.get("JobName")) == bool(one.get("CrawlerName")):
            raise invalid("An action is about either a job or a crawler.")
        if one.get("SecurityConfiguration"):
            raise invalid("SecurityConfiguration is not something the local cloud can do.")
        check_arguments(one.get("Arguments") or {})
    if sum("CrawlerName" in one for one in actions) > CRAWLERS:
        raise invalid("Actions cannot contain more than two crawlers")
    if len(actions) > JOBS:
        words = "The number of jobs per trigger has exceeded the limit. Your account is limited to"
        raise Beside("ResourceNumberLimitExceededException", f"{words} {JOBS} jobs per trigger.")
    together = {f"{number}{name}": text for number, one in enumerate(actions) for name, text in _given(one)}
    check_arguments(together)
