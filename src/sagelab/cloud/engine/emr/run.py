"""One cluster: its instances begin, its steps run one after the other, and it ends.

    STARTING -> BOOTSTRAPPING -> RUNNING <-> WAITING -> TERMINATING -> TERMINATED, TERMINATED_WITH_ERRORS

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-overview.html
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.emr.fleet import CORE, MASTER, TASK, Fleet, Group, Instance
from sagelab.cloud.engine.emr.hosts import Hosts
from sagelab.cloud.engine.jobs.market import Market
from sagelab.cloud.engine.jobs.run import INTERRUPTED, STOPPED, JobRun, Report, Step, Stopped
from sagelab.cloud.errors import JobError

PENDING, RUNNING, COMPLETED, FAILED = "PENDING", "RUNNING", "COMPLETED", "FAILED"
CANCELLED, INTERRUPTED_STEP = "CANCELLED", "INTERRUPTED"
ENDED = "The local cloud ended while the cluster was running."
LOOK = 2.0  # seconds between two looks how long a cluster has waited
WORDS = 400  # characters of what an instance says

ReportStep = Callable[[str, str, dict[str, Any]], object]


@dataclass(frozen=True)
class Rules:
    """What may be changed of a cluster that runs. level: of concurrency. idle: seconds that it may wait."""

    keep: bool
    protected: bool
    level: int = 1
    idle: float = math.inf


@dataclass(frozen=True)
class Order:
    """What is asked for. hosts: how many instances there may be at a time. told: what instances are told
    (fleet.py). service, role: ARNs of its roles.

    by_emr, by_ec2: contexts of the services that take them on. variables: of the environment of every instance.
    """

    id: str
    hosts: int
    groups: list[Group]
    told: dict[str, Any]
    service: str
    role: str
    by_emr: EngineContext
    by_ec2: EngineContext
    market: Market


class ClusterRun(JobRun):
    """steps: that are kept already, in their order. report: of the cluster. report_step: id, state, facts."""

    def __init__(
        self, order: Order, rules: Rules, steps: list[dict[str, Any]], report: Report, report_step: ReportStep
    ) -> None:
        super().__init__(order.id, report)
        self._order, self.rules, self._report_step = order, rules, report_step
        self._events: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = queue.SimpleQueue()
        self._hosts = Hosts(
            order.id.lower(),
            order.hosts,
            order.by_ec2,
            self._hear,
            spark="spark" in order.told["cluster"]["applications"],
        )
        self._fleet = Fleet(self._hosts, order.groups, order.told, order.market)
        self._pending, self._running = list(steps), dict[str, dict[str, Any]]()
        self._cancelled: set[str] = set()
        self._last = ""  # how the last step ended
        self._ready = self._any_failed = False
        self._idle: float | None = None
        self._said: tuple[str, str, str] = ("", "", "")
        self._end = Step("TERMINATED")

    # What others ask of it, from their threads

    def add_steps(self, steps: list[dict[str, Any]]) -> None:
        self._ask(self._pending.extend, steps)

    def cancel_step(self, step: str, now: bool) -> None:
        self._ask(self._cancel, step, now)

    def set_groups(self, groups: list[Group]) -> None:
        self._ask(self._set_groups, groups)

    def set_rules(self, rules: Rules) -> None:
        self._ask(self._set_rules, rules)

    def interrupt_spot(self, which: str) -> None:
        """Take capacity away: of an instance by its id, or of all task instances on spot."""
        self._ask(self._fleet.interrupt, which)

    def end_instances(self, ids: list[str]) -> None:
        self._ask(self._end_instances, ids)

    def _ask(self, act: Callable[..., Any], *arguments: Any) -> None:
        self._events.put((act, arguments))

    def _hear(self, slot: int, kind: str, document: dict[str, Any]) -> None:
        self._ask(self._told, slot, kind, document)

    # Its life

    def work(self) -> None:
        self._provision()
        while True:
            self._fleet.tick(bool(self._running))
            self._fleet.balance()
            self._begin_steps()
            self._settle()
            self._next()
            self.go_on()

    def _provision(self) -> None:
        order = self._order
        self._say("STARTING", "Provisioning Amazon EC2 capacity")
        self._check_roles()
        try:
            network = order.by_ec2.network(order.role, self._fleet.first)
        except botocore.exceptions.ClientError:
            self._finish("VALIDATION_ERROR", f"EC2 may not assume the role of the instance profile: {order.role}")
        self._hosts.start(network, {})
        self.go_on()
        self._fleet.balance()
        self._say("BOOTSTRAPPING", "Running bootstrap actions")

    def _check_roles(self) -> None:
        order = self._order
        try:
            order.by_emr.client("sts").assume_role(RoleArn=order.service, RoleSessionName="AWS-EMR")
        except botocore.exceptions.ClientError:
            self._finish("VALIDATION_ERROR", f"EMR service role {order.service} is invalid")

    def _next(self) -> None:
        """Wait for what happens next, and do all that has."""
        idle = self._idle_left()  # by a clock whose speed may change
        wait = min(self._fleet.due, idle if math.isinf(idle) else min(idle, LOOK))
        try:
            act, arguments = self._events.get(timeout=None if math.isinf(wait) else max(0.0, wait))
            while True:
                act(*arguments)
                act, arguments = self._events.get_nowait()
        except queue.Empty:
            return

    def _settle(self) -> None:
        """Which state it is in; the end, where there is nothing left to do."""
        if not self._ready:
            if not self._fleet.ready:
                self._say(*self._said[:2])
                return
            self._ready = True
            self.facts["ReadyDateTime"] = datetime.now(UTC)
        if self._running:
            self._idle = None
            self._say("RUNNING", "Running step")
        elif not self._pending:
            if not self.rules.keep:
                self._finish("ALL_STEPS_COMPLETED", f"Steps completed{' with errors' if self._any_failed else ''}")
            self._idle = time.time() if self._idle is None else self._idle
            if self._idle_left() <= 0:
                self._finish("USER_REQUEST", "Terminated by its auto-termination policy")
            after = f"after last step {self._last}." if self._last else "to run steps."
            self._say("WAITING", f"Cluster ready {after}")

    def _idle_left(self) -> float:
        if self._idle is None or math.isinf(self.rules.idle) or self.rules.protected:
            return math.inf
        clock = self._order.by_emr.clock
        return max(0.0, (self.rules.idle - clock.elapsed(self._idle)) / clock.speed)

    def _say(self, status: str, message: str) -> None:
        """Tell how it is, where that is new."""
        instances = self._fleet.told()
        if (said := (status, message, repr(instances))) != self._said:
            self._said = said
            self.report(Step(status, message, dict(self.facts, Instances=instances)))

    def _finish(self, code: str, message: str) -> None:
        """Stopped: it ends here."""
        good = code in ("ALL_STEPS_COMPLETED", "USER_REQUEST")
        status = "TERMINATED" if good else "TERMINATED_WITH_ERRORS"
        self._end = Step(status, message, {"Code": code})
        raise Stopped

    # Steps

    def _begin_steps(self) -> None:
        while self._fleet.ready and self._pending and len(self._running) < self.rules.level:
            step = self._pending.pop(0)
            self._running[step["Id"]] = step
            self._report_step(step["Id"], RUNNING, {})
            config = step["Config"]
            asked = {"id": step["Id"], "jar": config["Jar"], "args": config.get("Args", [])}
            self._hosts.tell(self._fleet.master, "step", asked)

    def _cancel(self, key: str, now: bool) -> None:
        if key in self._running:
            self._cancelled.add(key)
            self._hosts.tell(self._fleet.master, "cancel", {"id": key, "now": now})
        elif any(step["Id"] == key for step in self._pending):
            self._pending = [step for step in self._pending if step["Id"] != key]
            self._report_step(key, CANCELLED, {})

    def _step_ended(self, document: dict[str, Any]) -> None:
        step = self._running.pop(str(document.get("id")), None)
        if step is None:
            return
        for one in self._fleet.of(CORE, TASK):
            if "Slot" in one:
                self._hosts.tell(one["Slot"], "gather", {})
        failed = document.get("code") != 0
        if step["Id"] in self._cancelled:
            self._last = "cancelled"
            self._report_step(step["Id"], CANCELLED, {})
            return
        self._last = "failed" if failed else "completed"
        self._any_failed |= failed
        self._report_step(step["Id"], FAILED if failed else COMPLETED, _details(document) if failed else {})
        if failed and self.rules.level == 1:
            self._act_on_failure(step["ActionOnFailure"])

    def _act_on_failure(self, action: str) -> None:
        if action == "CONTINUE":
            return
        if action != "CANCEL_AND_WAIT" and not (self.rules.protected and self.rules.keep):
            self._finish("STEP_FAILURE", "Shut down as step failed")
        for step in self._pending:
            self._report_step(step["Id"], CANCELLED, {})
        self._pending = []

    # Instances

    def _told(self, slot: int, kind: str, document: dict[str, Any]) -> None:
        """What the instance on a host says."""
        if kind == "taken":
            self._fleet.freed(slot)
            return
        if kind == "ended":
            self._step_ended(document)
            return
        one = self._fleet.at(slot)
        if one is None:
            return
        if kind == "booted":
            self._booted(one, document)
        elif kind == "ready":
            self._fleet.readied(one)
        elif kind in ("lost", "gone"):
            self._lost(one, str(document.get("reason") or "Instance was terminated")[:WORDS], kind == "gone")

    def _booted(self, one: Instance, document: dict[str, Any]) -> None:
        if not document.get("code"):
            self._fleet.booted(one)
            return
        which = "master" if one["Role"] == MASTER else "slave"
        why = (
            f"On the {which} instance ({one['Ec2InstanceId']}), bootstrap action {document.get('action')} returned"
            " a non-zero return code"
        )
        if self._ready:
            self._fleet.take(one, why, "BOOTSTRAP_FAILURE")
        else:
            self._finish("BOOTSTRAP_FAILURE", why)

    def _lost(self, one: Instance, why: str, gone: bool) -> None:
        (self._fleet.lose if gone else self._fleet.take)(one, why)
        if one["Role"] == MASTER:
            self._finish("INSTANCE_FAILURE", f"The master instance ({one['Ec2InstanceId']}) was terminated: {why}")

    def _end_instances(self, ids: list[str]) -> None:
        for one in self._fleet.of(CORE, TASK):
            if one["Ec2InstanceId"] in ids or one["Id"] in ids:
                for group in self._fleet.groups:
                    group["Requested"] -= group["Id"] == one["InstanceGroupId"]
                self._fleet.take(one, "Instance was terminated by user request")

    def _set_groups(self, groups: list[Group]) -> None:
        self._fleet.groups = groups

    def _set_rules(self, rules: Rules) -> None:
        self.rules = rules

    # Its end

    def halt(self, now: bool) -> None:
        self._ask(lambda: None)
        if now:
            self._hosts.kill()

    def end(self) -> Step:
        if self.ending == INTERRUPTED:
            self._end = Step("TERMINATED_WITH_ERRORS", ENDED, {"Code": "INTERNAL_ERROR"})
        elif self.ending == STOPPED:
            self._end = Step("TERMINATED", "Terminated by user request", {"Code": "USER_REQUEST"})
        return self._ended()

    def _ended(self) -> Step:
        """With the last words of what it had."""
        code, why = self._end.facts["Code"], self._end.message
        self.report(Step("TERMINATING", why, {"Code": code}))
        for key in self._running:
            self._report_step(key, CANCELLED if key in self._cancelled else INTERRUPTED_STEP, {})
        for step in self._pending:
            self._report_step(step["Id"], CANCELLED, {})
        self._fleet.end("CLUSTER_TERMINATED", why)
        return Step(self._end.status, why, {"Code": code, "Instances": self._fleet.told()})

    def _explain(self, error: Exception) -> Step:
        found = super()._explain(error)
        code = "VALIDATION_ERROR" if isinstance(error, JobError) else "INTERNAL_ERROR"
        self._end = Step("TERMINATED_WITH_ERRORS", found.message, {"Code": code})
        return self._ended()

    def clean(self) -> None:
        self._hosts.remove()


def _details(document: dict[str, Any]) -> dict[str, Any]:
    """FailureDetails of a step."""
    found = {"Reason": "Unknown Error."}
    for name, own in (("Message", "message"), ("LogFile", "log")):
        if isinstance(document.get(own), str) and document[own]:
            found[name] = document[own][:WORDS]
    return {"FailureDetails": found}
