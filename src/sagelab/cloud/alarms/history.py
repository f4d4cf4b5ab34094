"""What has become of alarms, for fourteen days: rows of the store, one an event.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
"""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sagelab.cloud.alarms.messages import configuration_of, state_of
from sagelab.cloud.store import Document, Missing, Query, Resource, Store

KIND = "alarm-history"
CONFIGURATION, STATE, ACTION = "ConfigurationUpdate", "StateUpdate", "Action"
DAYS = 14
MOST = 5_000  # items of a region that are kept: on a fast clock, fourteen days may have any number
LONGEST = 4095  # characters of an item's data
_EVERY = 100  # items after which old ones are looked for

Start = tuple[Any, str]  # where a page of the store begins


class History:
    """Items are kept when their alarm is gone, as on AWS."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, threading.Lock()
        self._counts: dict[str, int] = {}

    def add_configuration(self, document: Document, before: Document | None) -> None:
        word, member = ("Update", "updatedAlarm") if before else ("Create", "createdAlarm")
        self._add_configuration(document, word, member)

    def add_removal(self, document: Document) -> None:
        self._add_configuration(document, "Delete", "deletedAlarm")

    def add_state(self, document: Document, before: Document) -> None:
        states = {"oldState": _state(before), "newState": _state(document)}
        if len(_text(states)) > LONGEST - 50:
            for state in states.values():
                state.pop("stateReasonData", None)
        summary = f"Alarm updated from {before['StateValue']} to {document['StateValue']}"
        self._add(document, STATE, summary, {"version": "1.0", **states})

    def add_action(self, document: Document, action: str, message: str | None, error: str | None) -> None:
        """message: what was published. error: why nothing came of it."""
        data: dict[str, Any] = {
            "actionState": "Failed" if error else "Succeeded",
            "stateUpdateTimestamp": round(document["StateUpdatedTimestamp"].timestamp() * 1000),
            "notificationResource": action,
            "publishedMessage": message,
            **({"error": error[:1000]} if error else {}),
        }
        if len(_text(data)) > LONGEST:
            data["publishedMessage"] = None
        failed = f'Failed to execute action {action}. Received error: "{error}"'
        self._add(document, ACTION, failed if error else f"Successfully executed action {action}", data)

    def page(self, query: Query, kinds: tuple[str, ...]) -> tuple[list[Document], Start | None]:
        """Items of alarms of these types, and where the next page begins (None: this is the last).

        query: of KIND; of a page of it, what is of other types is left out.
        """
        while True:
            rows, start = self._store.page(query)
            found = [row for row in rows if row["AlarmType"] in kinds]
            if found or start is None:
                return found, start
            query = replace(query, start=start)

    def _add_configuration(self, document: Document, word: str, member: str) -> None:
        data = {"version": "1.0", "type": word, member: configuration_of(document)}
        if len(_text(data)) > LONGEST:
            data[member] = {"alarmName": document["AlarmName"]}
        summary = f'Alarm "{document["AlarmName"]}" {word.lower().removesuffix("e")}ed'
        self._add(document, CONFIGURATION, summary, data)

    def _add(self, document: Document, kind: str, summary: str, data: dict[str, Any]) -> None:
        region, name = document["Region"], document["AlarmName"]
        key = f"{name}\n{uuid.uuid4()}"
        row = {
            "Key": f"{KIND}/{region}/{key}",
            "AlarmName": name,
            "AlarmType": document["Type"],
            "Timestamp": datetime.now(UTC),
            "HistoryItemType": kind,
            "HistorySummary": summary[:255],
            "HistoryData": _text(data),
        }
        self._store.add(Resource(row["Key"], KIND, region, key, kind, row))
        with self._lock:
            added = self._counts[region] = self._counts.get(region, 0) + 1
        if added % _EVERY == 1:
            self._forget(region)

    def _forget(self, region: str) -> None:
        """Drop what is too old, and the oldest of what is too much."""
        old = datetime.now(UTC) - timedelta(days=DAYS)
        for number, row in enumerate(list(self._store.documents(KIND, region))):
            if number >= MOST or row["Timestamp"] < old:
                with suppress(Missing):
                    self._store.remove(row["Key"])


def _state(document: Document) -> dict[str, Any]:
    """A state in the words of the history, which are not those of events."""
    told = state_of(document)
    named = {"stateValue": told["value"], "stateReason": told["reason"]}
    with suppress(KeyError, ValueError):
        named["stateReasonData"] = json.loads(told["reasonData"])
    return named


def _text(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))
