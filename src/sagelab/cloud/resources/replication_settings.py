"""A replication task's settings: what is done of them, what is AWS's own and changes nothing, what is refused.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.html
"""

from __future__ import annotations

import json
from typing import Any

from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.replication_records import invalid

PREPARE = ("DO_NOTHING", "DROP_AND_CREATE", "TRUNCATE_BEFORE_LOAD")
LONGEST = 100_000
USUAL: Params = {
    "Logging": {"EnableLogging": False, "LogComponents": []},
    "FullLoadSettings": {
        "TargetTablePrepMode": "DROP_AND_CREATE",
        "StopTaskCachedChangesApplied": False,
        "StopTaskCachedChangesNotApplied": False,
        "MaxFullLoadSubTasks": 8,
        "TransactionConsistencyTimeout": 600,
        "CommitRate": 10000,
        "CreatePkAfterFullLoad": False,
    },
    "ErrorBehavior": {
        "RecoverableErrorCount": -1,
        "RecoverableErrorInterval": 5,
        "RecoverableErrorThrottling": True,
        "RecoverableErrorThrottlingMax": 1800,
        "FailOnNoTablesCaptured": True,
        "TableErrorPolicy": "SUSPEND_TABLE",
    },
    "ValidationSettings": {"EnableValidation": False},
}
# What is AWS's own: other targets, other engines, its memory and its tables.
_IDLE = (
    *("TargetMetadata", "ChangeProcessingTuning", "StreamBufferSettings", "ControlTablesSettings"),
    *("ChangeProcessingDdlHandlingPolicy", "FailTaskWhenCleanTaskResourceFailed", "PostProcessingRules"),
    *("CharacterSetSettings", "LoopbackPreventionSettings", "BeforeImageSettings", "TTSettings"),
)
# (section, name) -> the values with which nothing is asked for that is not done here.
_ONLY: dict[tuple[str, str], tuple[Any, ...]] = {
    ("ValidationSettings", "EnableValidation"): (False,),
    ("ValidationSettings", "ValidationOnly"): (False,),
    ("TTSettings", "EnableTT"): (False,),
    ("ControlTablesSettings", "HistoryTableEnabled"): (False,),
    ("ControlTablesSettings", "SuspendedTablesTableEnabled"): (False,),
    ("ControlTablesSettings", "StatusTableEnabled"): (False,),
    ("ErrorBehavior", "TableErrorPolicy"): ("SUSPEND_TABLE",),
    ("TargetMetadata", "TargetSchema"): ("", None),
}
_NONE = ("BeforeImageSettings", "CharacterSetSettings", "LoopbackPreventionSettings", "PostProcessingRules")
_NOT_HERE = "The task setting {} is not something the local cloud's DMS can do."


def read(text: str | None, before: Params | None = None) -> Params:
    """Settings with all that is usual. Beside: they are none, or ask for what is not done."""
    usual = before or USUAL
    found = {name: dict(value) if isinstance(value, dict) else value for name, value in usual.items()}
    if text:
        for name, value in _document(text).items():
            if isinstance(value, dict) and isinstance(found.get(name), dict):
                found[name] |= value
            else:
                found[name] = value
    for name in USUAL:
        if not isinstance(found[name], dict):
            raise invalid("Invalid task settings JSON")
    _check(found)
    return found


def _document(text: str) -> Params:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid("Invalid task settings JSON") from None
    if not isinstance(found, dict) or len(text) > LONGEST:
        raise invalid("Invalid task settings JSON")
    for name in found:
        if name not in USUAL and name not in _IDLE:
            raise invalid(_NOT_HERE.format(name[:60]))
    return found


def _check(found: Params) -> None:
    for (section, name), values in _ONLY.items():
        of_section = found.get(section)
        if isinstance(of_section, dict) and name in of_section and of_section[name] not in values:
            raise invalid(_NOT_HERE.format(f"{section}.{name}"))
    for name in _NONE:
        if found.get(name):
            raise invalid(_NOT_HERE.format(name))
    if found["FullLoadSettings"].get("TargetTablePrepMode") not in PREPARE:
        raise invalid(f"TargetTablePrepMode must be one of {', '.join(PREPARE)}.")
    errors = found["ErrorBehavior"]
    for name, least in (
        ("RecoverableErrorCount", -1),
        ("RecoverableErrorInterval", 1),
        ("RecoverableErrorThrottlingMax", 1),
    ):
        if type(errors[name]) is not int or not least <= errors[name] <= 1_000_000:
            raise invalid(f"{name} must be a number from {least} on.")
