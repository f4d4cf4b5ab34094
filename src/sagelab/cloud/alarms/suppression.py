"""Actions of composite alarms that wait, for an alarm that suppresses them to begin or to end.

A change of state waits ActionsSuppressorWaitPeriod for the suppressor to be in ALARM, then as long as it is, then
ActionsSuppressorExtensionPeriod; all in seconds of the clock. What waits is in the alarm's document, and so
outlives the local cloud.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-suppression.html
"""

from __future__ import annotations

from sagelab.cloud.alarms.evaluate import ALARM
from sagelab.cloud.alarms.messages import SUPPRESSION
from sagelab.cloud.clock import Clock
from sagelab.cloud.store import Document

BY_ALARM, WAITING, EXTENDED = "Alarm", "WaitPeriod", "ExtensionPeriod"
HELD = ("ActionsSuppressedBy", "ActionsSuppressedReason", "Held")
SUPPRESSOR, WAIT, EXTENSION = SUPPRESSION

_PREVIOUS = ("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp")


def suppressor_of(document: Document) -> str | None:
    """The name of the alarm that suppresses another one's actions."""
    named = document.get(SUPPRESSOR)
    return str(named).split(":", 6)[-1] if named else None


def hold(document: Document, before: Document, state: str | None, now: float) -> Document:
    """What an alarm has beside a state that it was just given; nothing where its actions do not wait.

    state: of its suppressor, None where there is none. now: real epoch seconds.
    """
    if suppressor_of(document) is None:
        return {}
    by = BY_ALARM if state == ALARM else WAITING if document[WAIT] else None
    previous = {name: before[name] for name in _PREVIOUS if name in before}
    return _held(by, now, previous) if by else {}


def look(document: Document, state: str | None, clock: Clock) -> Document | None:
    """What an alarm whose actions wait has from now on; {} where they are due, None where nothing has changed."""
    held = document["Held"]
    by, since, previous = document["ActionsSuppressedBy"], held["Since"], held["Before"]
    if state == ALARM:
        return None if by == BY_ALARM else _held(BY_ALARM, clock.real(), previous)
    if by == BY_ALARM:
        by, since = EXTENDED, clock.real()
    period = document.get(WAIT if by == WAITING else EXTENSION, 0)
    if clock.elapsed(since) >= period:
        return {}
    return None if by == document["ActionsSuppressedBy"] else _held(by, since, previous)


def _held(by: str, since: float, previous: Document) -> Document:
    words = f"Actions suppressed by {by}"
    return {
        "ActionsSuppressedBy": by,
        "ActionsSuppressedReason": words,
        "Held": {"Since": since, "Before": previous},
    }
