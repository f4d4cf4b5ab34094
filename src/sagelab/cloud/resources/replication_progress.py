"""What is kept of a replication task: its slot, its position, what of a batch is on its way, each of its tables.

The host of a task asks for each of these to be kept, and goes on when it is. What it says may be anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.context import DMS, Cloud
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.replication.host import Errand
from sagelab.cloud.resources import replication_rules as rules
from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.replication_endpoints import ReplicationEndpoints
from sagelab.cloud.resources.replication_records import OWN
from sagelab.cloud.store import Document

MOST_TABLES, MOST_FILES = 10_000, 20_000
WORDS = 1000
_COUNTS = ("Inserts", "Updates", "Deletes", "Ddls")
BEFORE, LOADING, COMPLETED, ERROR = "Before load", "Full load", "Table completed", "Table error"
_FATAL = "Last Error {} Stop Reason FATAL_ERROR Error Level FATAL"


def fresh() -> Params:
    """Of a task that begins anew."""
    return {"Slot": None, "Position": 0, "Pending": None, "Stamp": "", "Tables": [], "Loaded": None}


def retry_tables(own: Params) -> None:
    """Tables with an error are loaded anew, as a task is started again."""
    for one in own["Tables"]:
        if one["state"] == ERROR:
            one |= {"state": BEFORE, "mark": None}


def failed(reason: str) -> Params:
    return {
        "StopReason": "Stop Reason FATAL_ERROR Error Level FATAL",
        "LastFailureMessage": _FATAL.format(reason.rstrip(".") + ";")[:2000],
    }


def checkpoint(position: int) -> str:
    """In the form of PostgreSQL's positions."""
    return f"checkpoint:V1#1#{position >> 32:08X}/{position & 0xFFFFFFFF:08X}#0#0#*#0#0"


def statistics(task: Document) -> Params:
    own = task[OWN]
    tables = own["Tables"]
    states = [one["state"] for one in tables]
    found: Params = {
        "FullLoadProgressPercent": 100 if own["Loaded"] else 100 * states.count(COMPLETED) // max(1, len(states)),
        "ElapsedTimeMillis": 0,
        "TablesLoaded": states.count(COMPLETED),
        "TablesLoading": states.count(LOADING),
        "TablesQueued": states.count(BEFORE),
        "TablesErrored": states.count(ERROR),
    }
    if began := own.get("StartedAt"):
        end = own.get("StoppedAt")
        found |= {"FreshStartDate": began, "StartDate": began} | ({"StopDate": end} if end else {})
        found["ElapsedTimeMillis"] = int(((end or datetime.now(UTC)) - began).total_seconds() * 1000)
    begun = [one["start"] for one in tables if one.get("start")]
    if begun:
        found["FullLoadStartDate"] = min(begun)
    if own["Loaded"] and begun:
        found["FullLoadFinishDate"] = own["Loaded"]
    return found


def table_statistics(one: Params) -> Params:
    counts = {name: one["counts"].get(name, 0) for name in _COUNTS}
    found = {
        "SchemaName": one["schema"],
        "TableName": one["table"],
        **counts,
        **{f"Applied{name}": value for name, value in counts.items()},
        "FullLoadRows": one["rows"],
        "FullLoadCondtnlChkFailedRows": 0,
        "FullLoadErrorRows": one.get("misfits", 0),
        "FullLoadStartTime": one.get("start"),
        "FullLoadEndTime": one.get("end"),
        "FullLoadReloaded": one.get("reloaded", False),
        "LastUpdateTime": one["update"],
        "TableState": one["state"],
        "ValidationState": "Not enabled",
    }
    return {name: value for name, value in found.items() if value is not None}


class Progress:
    """Of one task; of its source, too, for which it makes errands."""

    def __init__(self, cloud: Cloud, endpoints: ReplicationEndpoints, arn: str, region: str) -> None:
        self._cloud, self._endpoints, self.arn, self.region = cloud, endpoints, arn, region

    @property
    def context(self) -> EngineContext:
        return self._cloud.engine_context(self.region, DMS)

    @property
    def key(self) -> str:
        """What the slot and the host of the task are called by."""
        return "".join(letter for letter in self.arn.rpartition(":")[2].lower() if letter.isalnum())

    def task(self) -> Document:
        """store's Missing: it is gone."""
        return self._cloud.store.get(self.arn)

    def settings(self) -> Params:
        found: Params = json.loads(self.task()["ReplicationTaskSettings"])
        return found

    def log(self) -> tuple[str, str] | None:
        """The log's group and stream; None: the task has none."""
        if not self.settings()["Logging"].get("EnableLogging"):
            return None
        task = self.task()
        instance = self._cloud.store.get(task["ReplicationInstanceArn"])["ReplicationInstanceIdentifier"]
        return f"dms-tasks-{instance}", f"dms-task-{self.arn.rpartition(':')[2]}"

    @property
    def role(self) -> str:
        target = self._cloud.store.get(self.task()["TargetEndpointArn"])
        return str(target["S3Settings"]["ServiceAccessRoleArn"])

    def errand(self, what: str = "run") -> Errand:
        """What its host is to do now. Unreachable: nobody answers at its source."""
        task, store = self.task(), self._cloud.store
        source, target = store.get(task["SourceEndpointArn"]), store.get(task["TargetEndpointArn"])
        own, given, told = task[OWN], self.settings(), target["S3Settings"]
        asked: Params = {"key": self.key}
        if what == "run":
            asked |= {
                "type": task["MigrationType"],
                "mappings": task["TableMappings"],
                "form": rules.form(told),
                "bucket": told["BucketName"],
                "folder": told["BucketFolder"],
                "seal": rules.seal(told),
                "clear": given["FullLoadSettings"]["TargetTablePrepMode"] != "DO_NOTHING" and not own["Tables"],
                "needs_tables": given["ErrorBehavior"]["FailOnNoTablesCaptured"],
                "speed": self._cloud.clock.speed,
                "state": {
                    "slot": own["Slot"],
                    "position": own["Position"],
                    "pending": own["Pending"],
                    "stamp": own["Stamp"],
                    "tables": [{name: one[name] for name in ("schema", "table", "mark")} for one in own["Tables"]],
                },
            }
        return self._endpoints.errand(source, what, asked)

    def mark_for_reload(self, wanted: list[tuple[str, str]]) -> None:
        def edit(own: Params) -> None:
            for one in own["Tables"]:
                if (one["schema"], one["table"]) in wanted:
                    one |= {"mark": None, "state": BEFORE, "reloaded": True, "update": datetime.now(UTC)}

        self._change(edit)

    def complain(self, reason: str) -> None:
        """Of an error that is tried again."""

        def edit(task: Document) -> None:
            words = f"Last Error {reason} Stop Reason RECOVERABLE_ERROR Error Level RECOVERABLE"
            task["LastFailureMessage"] = words[:2000]

        self._cloud.store.change(self.arn, edit)

    def keep(self, asked: Params) -> Params:
        """What the host asks to be kept. ValueError: it is nothing that could be."""
        match asked.get("what"):
            case "slot":
                slot = {"slot": str(asked["slot"]["slot"])[:63], "position": _whole(asked["slot"]["position"])}
                self._change(lambda own: own.update(Slot=slot, Position=slot["position"]))
            case "tables":
                self._change(lambda own: _know(own, asked))
            case "loading" | "loaded" | "table error":
                self._change(lambda own: _note(own, asked))
            case "loaded all":
                self._change(lambda own: own.update(Loaded=own["Loaded"] or datetime.now(UTC)))
            case "intend":
                self._change(lambda own: _intend(own, asked))
            case "settled":
                self._change(lambda own: _settle(own, asked))
            case other:
                raise ValueError(f"nobody can keep {other!r:.40}")
        return {"speed": self._cloud.clock.speed}

    def _change(self, edit: Callable[[Params], object]) -> None:
        def act(task: Document) -> None:
            edit(task[OWN])

        self._cloud.store.change(self.arn, act)


def _know(own: Params, asked: Params) -> None:
    """The tables that the task takes; what is known of one stays."""
    known = {(one["schema"], one["table"]): one for one in own["Tables"]}
    told = [(str(one["schema"])[:255], str(one["table"])[:255]) for one in asked["tables"][:MOST_TABLES]]
    rows = [known.pop(name, None) or _table(*name, bool(asked.get("loaded"))) for name in told]
    own["Tables"] = [*rows, *known.values()]


def _table(schema: str, name: str, loaded: bool) -> Params:
    usual: Params = {"schema": schema, "table": name, "mark": None, "rows": 0, "counts": {}}
    return usual | {"state": COMPLETED if loaded else BEFORE, "update": datetime.now(UTC)}


def _of(own: Params, asked: Params) -> Params:
    name = (str(asked["schema"])[:255], str(asked["table"])[:255])
    found: Params | None = next((one for one in own["Tables"] if (one["schema"], one["table"]) == name), None)
    if found is None:
        found = _table(*name, loaded=True)
        if len(own["Tables"]) < MOST_TABLES:
            own["Tables"].append(found)
    return found


def _note(own: Params, asked: Params) -> None:
    one, now = _of(own, asked), datetime.now(UTC)
    one["update"] = now
    if asked["what"] == "loading":
        one |= {"state": LOADING, "start": now, "end": None, "rows": 0}
    elif asked["what"] == "loaded":
        rows, misfits = _whole(asked["rows"]), _whole(asked["misfits"])
        one |= {"state": COMPLETED, "end": now, "rows": rows, "misfits": misfits, "mark": _mark(asked["mark"])}
    else:
        one |= {"state": ERROR, "end": now}


def _mark(mark: Any) -> Params:
    found = {"position": _whole(mark["position"])}
    return found | ({"snapshot": str(mark["snapshot"])[:100_000]} if "snapshot" in mark else {})


def _intend(own: Params, asked: Params) -> None:
    files = [
        {"schema": str(one["schema"])[:255], "table": str(one["table"])[:255], "key": str(one["key"])[:2048]}
        for one in asked["files"][:MOST_FILES]
    ]
    own |= {"Pending": {"position": _whole(asked["position"]), "files": files}, "Stamp": str(asked["stamp"])[:18]}


def _settle(own: Params, asked: Params) -> None:
    own |= {"Pending": None, "Position": max(own["Position"], _whole(asked["position"]))}
    now = datetime.now(UTC)
    for one in asked["counts"][:MOST_TABLES]:
        table = _of(own, one)
        table["update"] = now
        for name in _COUNTS:
            table["counts"][name] = table["counts"].get(name, 0) + _whole(one["counts"].get(name, 0))


def _whole(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise ValueError("a number that is none")
    return value
