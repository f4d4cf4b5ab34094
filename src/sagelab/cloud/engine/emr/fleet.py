"""The instances of a cluster: which group each is of, on which host, and how far it is.

    Fleet.balance -> instances begin: boot -> node -> RUNNING; taken away: TERMINATED, and others come instead

An instance is a document as ListInstances has it, with what is the fleet's own beside: Slot, its host; Phase, what
it waits for.
"""

from __future__ import annotations

import copy
import math
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.engine.emr.hosts import Hosts
from sagelab.cloud.engine.jobs.market import Draws, Market

AWAITING, STARTING, BOOTING = "AWAITING_FULFILLMENT", "PROVISIONING", "BOOTSTRAPPING"
RUNNING, GONE = "RUNNING", "TERMINATED"
MASTER, CORE, TASK = "MASTER", "CORE", "TASK"
SPOT = "SPOT"
BY_SPOT = "Spot instance was terminated: there is no capacity at its price"
OWN = ("Slot", "Phase", "Role")  # of an instance's document

Instance = dict[str, Any]
Group = dict[str, Any]


class Fleet:
    """groups: of what the cluster is to have, each {Id, Role, Market, Type, Requested, Fulfilled}; may change.

    All of it happens in one thread. told: what every instance is told of the cluster, beside who it is.
    """

    def __init__(self, hosts: Hosts, groups: list[Group], told: dict[str, Any], market: Market) -> None:
        self._hosts, self.groups, self._told = hosts, groups, told
        self.instances: list[Instance] = []
        self.first = _ec2_id()  # the master's id
        self._free = set(range(hosts.count))
        self._draws = Draws(market)
        self._since: float | None = None  # when the interval that is left was looked at, while steps run
        self._blocked: dict[str, float] = {}  # group -> until when there is no capacity for it
        self._leads = False  # whether the master's node is ready
        self._has_workers = False
        self._left = self._draws.interval()

    # What there is

    def of(self, *roles: str, alive: bool = True) -> list[Instance]:
        """The instances of these roles."""
        return [one for one in self.instances if one["Role"] in roles and (not alive or _alive(one))]

    def at(self, slot: int) -> Instance | None:
        """The instance on a host."""
        return next((one for one in self.instances if one.get("Slot") == slot), None)

    @property
    def ready(self) -> bool:
        """Whether steps can run: the master and the core instances are there."""
        needed = [one for group in self.groups if group["Role"] != TASK for one in self._in(group)]
        wanted = sum(group["Requested"] for group in self.groups if group["Role"] != TASK)
        return len(needed) >= wanted and all(_state(one) == RUNNING for one in needed)

    @property
    def master(self) -> int:
        """Its host."""
        return int(self.of(MASTER)[0]["Slot"])

    def _in(self, group: Group) -> list[Instance]:
        return [one for one in self.instances if one["InstanceGroupId"] == group["Id"] and _alive(one)]

    # What there is to be

    def balance(self) -> None:
        """Begin what is missing, as far as there are hosts; end what is too much."""
        changed, now = False, time.monotonic()
        for group in self.groups:
            found = self._in(group)
            for one in found[group["Requested"] :][::-1]:
                self.take(one, "Instance was terminated by user request")
            for _ in range(group["Requested"] - len(found)):
                if self._blocked.get(group["Id"], 0.0) <= now:
                    changed |= self._begin(group)
        if changed:
            self._introduce()

    def _begin(self, group: Group) -> bool:
        """Whether an instance begins."""
        waits = not group.get("Fulfilled", True)
        if not waits and not self._free:
            return False
        one = _new(group, AWAITING if waits else STARTING)
        if group["Role"] == MASTER:
            one["Ec2InstanceId"] = self.first
        if not waits:
            slot = min(self._free)
            self._free.discard(slot)
            address = self._hosts.addresses[slot]
            one |= {"Slot": slot, "Phase": "new", "PrivateIpAddress": address}
            one["PrivateDnsName"] = f"ip-{address.replace('.', '-')}.ec2.internal"
        self.instances.append(one)
        return not waits

    def _introduce(self) -> None:
        """Tell every instance of the cluster as it is now, and new ones to boot."""
        self.tell_all()
        workers = bool(self.of(CORE, TASK))
        if workers and not self._has_workers and self._leads:  # a master that was alone
            self._leads = False
            self._hosts.tell(self.master, "node", {})
        self._has_workers = workers
        for one in self.instances:
            if one.get("Phase") == "new":
                one["Phase"], one["Status"]["State"] = "boot", BOOTING
                self._hosts.tell(one["Slot"], "boot", {"actions": self._told["actions"]})

    def tell_all(self) -> None:
        """What each knows of the cluster."""
        there = [one for one in self.instances if _alive(one) and "Slot" in one]
        core = [self._hosts.addresses[one["Slot"]] for one in there if one["Role"] == CORE]
        workers = sum(one["Role"] != MASTER for one in there)
        kind = next((one["InstanceType"] for one in there if one["Role"] != MASTER), there[0]["InstanceType"])
        common = self._told["cluster"] | {"first": self._hosts.addresses[self.master], "drivers": core}
        for one in there:
            own = {"own": self._hosts.addresses[one["Slot"]], "instance": one["Ec2InstanceId"]}
            self._hosts.tell(one["Slot"], "know", common | own | {"workers": workers, "kind": kind})

    # What instances say

    def booted(self, one: Instance) -> None:
        """Its bootstrap actions are done."""
        one["Phase"] = "node"
        if one["Role"] == MASTER or self._leads:
            self._hosts.tell(one["Slot"], "node", {})

    def readied(self, one: Instance) -> None:
        """Its node of Spark's is there."""
        if one["Phase"] == "node":
            one["Phase"] = ""
            one["Status"]["State"] = RUNNING
            one["Status"]["Timeline"]["ReadyDateTime"] = datetime.now(UTC)
        if one["Role"] == MASTER:
            self._leads = True
            for other in self.of(CORE, TASK):
                if other.get("Phase") == "node":
                    self._hosts.tell(other["Slot"], "node", {})

    def freed(self, slot: int) -> None:
        """Nothing of an instance is left on its host."""
        self._free.add(slot)

    # What is taken away

    def take(self, one: Instance, why: str, code: str = "INSTANCE_FAILURE") -> None:
        """Take an instance away now."""
        slot = one.pop("Slot", None)
        one["Phase"] = ""
        _end(one, code, why)
        if slot is not None:
            self._hosts.tell(slot, "take", {})
        if self.of(MASTER):
            self.tell_all()

    def lose(self, one: Instance, why: str) -> None:
        """An instance is gone by itself, and its host with it."""
        one.pop("Slot", None)
        _end(one, "INSTANCE_FAILURE", why)
        if self.of(MASTER):
            self.tell_all()

    def interrupt(self, which: str = "") -> list[Instance]:
        """Take spot instances that run: the one of an id, or all of the task groups; those that were taken."""
        spot = [one for one in self.of(TASK, CORE) if one["Market"] == SPOT and "Slot" in one]
        found = [one for one in spot if one["Ec2InstanceId"] == which or (not which and one["Role"] == TASK)]
        for one in found:
            self.take(one, BY_SPOT)
            self._block(one)
        return found

    def _block(self, one: Instance) -> None:
        self._blocked[one["InstanceGroupId"]] = time.monotonic() + self._draws.wait()

    def tick(self, busy: bool) -> None:
        """Time passes; the market takes its toll of the time in which steps run."""
        now = time.monotonic()
        spot = [one for one in self.of(TASK, CORE) if one["Market"] == SPOT and _state(one) == RUNNING]
        if self._since is not None:
            self._left -= now - self._since
        self._since = now if busy and spot else None
        if self._left <= 0 and spot:
            spot.sort(key=lambda one: one["Role"] != TASK)
            self._draws.interrupt()
            self.take(spot[0], BY_SPOT)
            self._block(spot[0])
            self._left = self._draws.interval()

    @property
    def due(self) -> float:
        """Seconds until `tick` or `balance` may have something to do."""
        now = time.monotonic()
        waits = [until - now for until in self._blocked.values() if until > now]
        interval = [self._left] if self._since is not None else []
        return max(0.0, min([*waits, *interval], default=math.inf))

    def end(self, code: str, why: str) -> None:
        """The cluster ends, and all of it with it."""
        for one in self.instances:
            if _alive(one):
                _end(one, code, why)

    def told(self) -> list[Instance]:
        """As it is kept."""
        return copy.deepcopy(self.instances)


def _new(group: Group, state: str) -> Instance:
    now = datetime.now(UTC)
    return {
        "Id": f"ci-{secrets.token_hex(7).upper()}",
        "Ec2InstanceId": _ec2_id(),
        "Status": {"State": state, "StateChangeReason": {}, "Timeline": {"CreationDateTime": now}},
        "InstanceGroupId": group["Id"],
        "Market": group["Market"],
        "InstanceType": group["Type"],
        "Role": group["Role"],
        "Phase": "",
    }


def _ec2_id() -> str:
    return f"i-0{secrets.token_hex(8)}"


def _end(one: Instance, code: str, why: str) -> None:
    status = one["Status"]
    status["State"], status["StateChangeReason"] = GONE, {"Code": code, "Message": why}
    status["Timeline"]["EndDateTime"] = datetime.now(UTC)


def _state(one: Instance) -> str:
    return str(one["Status"]["State"])


def _alive(one: Instance) -> bool:
    return _state(one) != GONE
