"""The alarms of one local cloud: kept in the store, held in memory, moved from state to state, with their history.

What watches metrics (watch.py) and who asks for changes (gateway/alarms.py) go through this; so do those who want
to know of a state, or act when one changes.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sagelab.cloud.alarms import suppression
from sagelab.cloud.alarms.actions import CALLED, Actions
from sagelab.cloud.alarms.evaluate import INSUFFICIENT
from sagelab.cloud.alarms.history import History
from sagelab.cloud.alarms.messages import event_of
from sagelab.cloud.store import Document, Missing, Resource

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

KIND = "alarm"
METRIC, COMPOSITE = "MetricAlarm", "CompositeAlarm"
UNCHECKED = "Unchecked: Initial alarm creation"
STATE = (
    "StateValue",
    "StateReason",
    "StateReasonData",
    "StateUpdatedTimestamp",
    "StateTransitionedTimestamp",
    *suppression.HELD,
)

logger = logging.getLogger("sagelab")

# Is given an action's ARN, the alarm as DescribeAlarms tells it, its new state; what it raises the history has.
Act = Callable[[str, Document, str], None]


class Alarms:
    """All alarms, of every region, by their ARNs.

    A document is what DescribeAlarms tells, with "Type" (METRIC, COMPOSITE) and "Region" beside it.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._store, self.clock = cloud, cloud.store, cloud.clock
        self.history = History(cloud.store)
        self.actions = Actions(cloud, self.history)
        self._lock = threading.RLock()
        self._kept: dict[str, Document] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._followers: list[Callable[[Document], None]] = []

    def state(self, region: str, name: str) -> str | None:
        """OK, ALARM or INSUFFICIENT_DATA; None: there is no alarm of that name, metric or composite."""
        found = self.find(region, name)
        return str(found["StateValue"]) if found else None

    def act_on(self, prefix: str, act: Act) -> None:
        """Let `act` do what actions ask for whose ARN begins with `prefix`.

        It is called in a thread of the alarms' own when a state changes; for arn:aws:autoscaling: again each
        minute of the clock that the state lasts. It must not take long.
        """
        self.actions.takers[prefix] = act

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when an alarm was put, or is gone."""
        self._listeners.append(listener)

    def follow(self, follower: Callable[[Document], None]) -> None:
        """Call `follower` with an alarm whose state has changed."""
        self._followers.append(follower)

    def arn(self, region: str, name: str) -> str:
        return f"arn:aws:cloudwatch:{region}:{self._cloud.account}:alarm:{name}"

    def find(self, region: str, name: str) -> Document | None:
        with self._lock:
            return self._all().get(self.arn(region, name))

    def all(self, region: str | None = None) -> list[Document]:
        """By name; of one region, or of all."""
        with self._lock:
            found = [one for one in self._all().values() if region in (None, one["Region"])]
        return sorted(found, key=lambda one: str(one["AlarmName"]))

    def put(self, region: str, kind: str, config: Document, tags: dict[str, str]) -> Document:
        """Keep an alarm: a new one, or another configuration of one that is there, whose state stays."""
        name, now = str(config["AlarmName"]), datetime.now(UTC)
        arn = self.arn(region, name)
        plain = {"Type": kind, "Region": region, "AlarmArn": arn, **config}
        plain |= {"ActionsEnabled": config.get("ActionsEnabled", True), "AlarmConfigurationUpdatedTimestamp": now}
        for member in CALLED.values():
            plain.setdefault(member, [])
        with self._lock:
            before = self._all().get(arn)
            kept = {member: before[member] for member in STATE if member in before} if before else _new(now)
            document = plain | kept
            if before:
                self._change(arn, document)
            else:
                self._store.add(Resource(arn, KIND, region, name, document["StateValue"], document), tags)
            self._all()[arn] = document
        self.history.add_configuration(document, before)
        self._tell()
        return document

    def remove(self, arns: Iterable[str]) -> None:
        for arn in arns:
            with self._lock:
                document = self._all().pop(arn, None)
                if document is None:
                    continue
                self._store.remove(arn)
            self.history.add_removal(document)
        self._tell()

    def enable(self, arn: str, enabled: bool) -> None:
        """Whether an alarm's actions are carried out."""
        with self._lock:
            before = self._all()[arn]
            document = before | {"ActionsEnabled": enabled}
            self._change(arn, document)
            self._all()[arn] = document
        self.history.add_configuration(document, before)

    def move(self, arn: str, state: str, reason: str, data: dict[str, Any] | str | None) -> None:
        """Set an alarm's state. If it is another one, history and EventBridge hear, and its actions are done."""
        at = datetime.fromtimestamp(self.clock.real(), UTC)
        told = data if isinstance(data, str) or data is None else json.dumps(data, separators=(",", ":"))
        with self._lock:
            before = self._all().get(arn)
            if before is None:
                return
            changed = before["StateValue"] != state
            document = before | {"StateValue": state, "StateReason": reason, "StateUpdatedTimestamp": at}
            document.pop("StateReasonData", None)
            document |= {"StateReasonData": told} if told else {}
            if changed:
                document = _without(document, suppression.HELD) | {"StateTransitionedTimestamp": at}
                suppressor = self._suppressor(document)
                document |= suppression.hold(document, before, suppressor, at.timestamp())
            self._change(arn, document)
            self._all()[arn] = document
        if not changed:
            return
        self._tell_of(document, before, at)
        if "Held" not in document:
            self.actions.perform(document, before)
        for follower in self._followers:
            follower(document)

    def held(self) -> list[Document]:
        """The alarms whose actions wait for what suppresses them."""
        with self._lock:
            return [one for one in self._all().values() if "Held" in one]

    def release(self, arn: str) -> None:
        """Look whether an alarm's actions still have to wait; if not, do them."""
        with self._lock:
            before = self._all().get(arn)
            if before is None or "Held" not in before:
                return
            found = suppression.look(before, self._suppressor(before), self.clock)
            if found is None:
                return
            document = _without(before, suppression.HELD) | found
            self._change(arn, document)
            self._all()[arn] = document
        if not found:
            self.actions.perform(document, document | before["Held"]["Before"])

    def _suppressor(self, document: Document) -> str | None:
        """The state of the alarm that suppresses another one's actions."""
        name = suppression.suppressor_of(document)
        return self.state(document["Region"], name) if name else None

    def refusing(self) -> AbstractContextManager[None]:
        """For the block, in this thread, what cannot be written is an error, and nobody waits until it can be."""
        return self._store.refusing()

    def close(self) -> None:
        self.actions.close()

    def _all(self) -> dict[str, Document]:
        if self._kept is None:
            self._kept = dict(self._store.with_status(KIND, *CALLED))
        return self._kept

    def _change(self, arn: str, document: Document) -> None:
        def edit(kept: Document) -> str:
            kept.clear()
            kept.update(document)
            return str(document["StateValue"])

        try:
            self._store.change(arn, edit)
        except Missing:
            logger.warning("%s is gone from the store", arn)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _tell_of(self, document: Document, before: Document, at: datetime) -> None:
        """The state is kept: what cannot be told of it, as on a full disk, holds up nothing else."""
        try:
            self.history.add_state(document, before)
            self._cloud.put_event(event_of(document, before, self._cloud.account, at), document["Region"])
        except Exception:
            logger.exception("it is not told that alarm %s is %s", document["AlarmName"], document["StateValue"])


def _without(document: Document, names: Iterable[str]) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def _new(now: datetime) -> Document:
    return {
        "StateValue": INSUFFICIENT,
        "StateReason": UNCHECKED,
        "StateUpdatedTimestamp": now,
        "StateTransitionedTimestamp": now,
    }
