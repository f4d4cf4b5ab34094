"""One execution of a pipeline, from its first step to its last: what is ready is started, what ends is heard of.

All that happens comes as an event through one queue into one thread, so that nothing happens at the same time.
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-overview.html
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sagelab.cloud.engine.jobs.run import INTERRUPTED, STOPPED, JobRun, Report, Step
from sagelab.cloud.engine.pipelines import loops, retries
from sagelab.cloud.engine.pipelines.definition import StepSpec
from sagelab.cloud.engine.pipelines.expressions import BadExpression
from sagelab.cloud.engine.pipelines.steps import Failed, Keeper, Steps
from sagelab.cloud.engine.pipelines.values import Clients, Plan, Record

FAILURE = "Step failure: One or multiple steps failed."
GOING = ("Starting", "Executing", "Stopping")


class PipelineRun(JobRun):
    """The life of one execution. records: of its steps, those of before where it goes on."""

    def __init__(
        self, plan: Plan, records: dict[str, Record], clients: Clients, keeper: Keeper, report: Report
    ) -> None:
        super().__init__(plan.id, report)
        self.plan, self.records, self.parallel = plan, records, plan.parallel
        self.keeper = keeper
        self.steps = Steps(plan, records, clients, keeper, self.answer)
        self._events: queue.Queue[Callable[[], None]] = queue.Queue()
        self._due: dict[str, float] = {}  # step -> when it is tried again, of time.monotonic()
        self._begun: dict[str, float] = {}  # step -> when its first attempt began
        self._stopping = False
        for spec in plan.definition.steps.values():
            if spec.type == "ForEach" and "Items" in records.get(spec.name, {}):
                plan.unrolled.update(loops.unroll(spec, records[spec.name]["Items"]))

    # What others tell, from any thread

    def on_change(self, arn: str) -> None:
        """A resource that is watched has changed."""
        self._events.put(lambda: self._look_at(arn))

    def answer(self, token: str, outputs: dict[str, Any] | None, reason: str = "") -> None:
        """The step of a callback or of a function has succeeded with these outputs, or failed (None)."""
        self._events.put(lambda: self._take_answer(token, outputs, reason))

    def limit(self, parallel: int | None) -> None:
        """So many steps may run at a time from now on."""

        def change() -> None:
            self.parallel = parallel

        self._events.put(change)

    def halt(self, now: bool) -> None:
        """now: nothing more is started or told. The execution goes on when the local cloud is started again."""
        self._events.put(_nothing if now else self._stop_all)

    # The thread itself

    def end(self) -> Step | None:
        if self.ending == INTERRUPTED:
            return None
        if self.ending == STOPPED:
            return Step("Stopped")
        failed = any(record["Status"] in ("Failed", "Stopped") for record in self.records.values())
        return Step("Failed", FAILURE) if failed else Step("Succeeded")

    def work(self) -> None:
        for spec in list(self.plan.steps.values()):
            if self.records.get(spec.name, {}).get("Status") in GOING:
                self._take_up(spec)
        if self.ending == STOPPED:
            self._stop_all()
        while self.ending != INTERRUPTED:
            self._start_ready()
            if not self._running():
                break
            self._next_event()

    def _running(self) -> list[str]:
        """The steps that do something; a loop is what its steps are."""
        return [name for name, one in self.records.items() if one["Status"] in GOING and one["Type"] != "ForEach"]

    def _start_ready(self) -> None:
        """Start steps until none is ready or there is no room; what ends at once makes others ready."""
        while self.ending != INTERRUPTED:
            self._end_loops()
            room = self.parallel is None or len(self._running()) < self.parallel
            spec = next((each for each in self.plan.steps.values() if self._is_ready(each)), None)
            if spec is None or not room or self._stopping or self.ending is not None:
                return
            self.records[spec.name] = {
                "Type": spec.type,
                "Status": "Starting",
                "StartTime": datetime.now(UTC),
                "Attempts": 0,
            }
            if spec.loop:
                self.records[spec.name]["Loop"] = list(spec.loop)
            self._begun[spec.name] = time.monotonic()
            self._attempt(spec)

    def _is_ready(self, spec: StepSpec) -> bool:
        selected = self.plan.selected
        if spec.name in self.records or not self._is_due(spec):
            return False
        for step, outcome in spec.branches:
            record = self.records.get(step, {})
            if selected is not None and step not in selected:
                continue
            if record.get("Status") != "Succeeded" or record.get("Outcome") is not outcome:
                return False
        return all(self._is_done(step, spec) for step in spec.needs)

    def _is_due(self, spec: StepSpec) -> bool:
        """Whether a step is to run at all; one of a loop's, whether the loop goes on and has room for it."""
        if spec.loop is None:
            return self.plan.selected is None or spec.name in self.plan.selected
        loop = spec.loop[0]
        going = [name for name in self._running() if self.records[name].get("Loop", [""])[0] == loop]
        most = self.plan.definition.steps[loop].arguments["MaxConcurrency"]
        return bool(self.records[loop]["Status"] == "Executing" and len(going) < most)

    def _is_done(self, step: str, spec: StepSpec) -> bool:
        """Whether a step that another needs has succeeded; the order among those left out does not count."""
        left_out = self.plan.selected is not None and step not in self.plan.selected
        if left_out and step not in spec.reads and step not in self.plan.unrolled:
            return True
        return self.records.get(step, {}).get("Status") == "Succeeded"

    def _end_loops(self) -> None:
        """End each loop of which no step runs and none can begin."""
        for name, record in self.records.items():
            if record["Type"] != "ForEach" or record["Status"] not in GOING:
                continue
            steps = [spec for spec in self.plan.unrolled.values() if spec.loop and spec.loop[0] == name]
            begun = [self.records[spec.name]["Status"] for spec in steps if spec.name in self.records]
            waits = not self._stopping and any(map(self._is_ready, steps))
            if not waits and not any(status in GOING for status in begun):
                record["Counts"] = loops.counts(record, begun, len(steps))
                loop = self.plan.definition.steps[name]
                self._judge(loop, partial(self._close, loop, begun, len(steps)))

    def _close(self, spec: StepSpec, begun: list[str], steps: int) -> bool:
        """The end of a loop: whether it has succeeded, and which of its steps was picked."""
        record, good = self.records[spec.name], begun.count("Succeeded")
        if good < steps:
            raise Failed(f"ClientError: {steps - good} of the {steps} steps of {spec.name} did not succeed.")
        try:
            picked = loops.pick(spec, len(record["Items"]), self.steps.values.properties)
        except BadExpression as error:
            raise Failed(f"ClientError: {error}") from None
        if picked:
            record["Selected by"] = picked
        return True

    def _attempt(self, spec: StepSpec) -> None:
        self._due.pop(spec.name, None)
        record = self.records[spec.name]
        record["Attempts"] += 1
        for old in ("Arn", "Stopped"):
            record.pop(old, None)
        self._judge(spec, lambda: self.steps.start(spec))

    def _judge(self, spec: StepSpec, act: Callable[[], bool]) -> None:
        """Take in what `act` says of a step: that it has succeeded, goes on, or has failed."""
        record = self.records[spec.name]
        try:
            if act():
                self._finish(record, "Succeeded")
        except Failed as error:
            if self.ending == INTERRUPTED:
                return  # what it needed was ended under it
            if not self._try_again(spec, record, error):
                stopped = self._stopping or record.pop("Stopped", False)
                self._finish(record, "Stopped" if stopped else "Failed")
                record["FailureReason"] = str(error)
        self.keeper.keep(self.records)

    def _try_again(self, spec: StepSpec, record: Record, error: Failed) -> bool:
        policy = retries.policy_for(spec.policies, error.kind) if error.kind and not self._stopping else None
        if policy is None:
            return False
        now = time.monotonic()
        pause = policy.wait(record["Attempts"], now - self._begun.setdefault(spec.name, now))
        if pause is None:
            return False
        self._due[spec.name] = now + pause
        record["Status"] = "Executing"
        return True

    def _finish(self, record: Record, status: str) -> None:
        record |= {"Status": status, "EndTime": datetime.now(UTC)}

    def _next_event(self) -> None:
        """Wait for the next event and take it in, or for the time at which a step is tried again."""
        left = max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None
        try:
            act = self._events.get(timeout=left)
        except queue.Empty:
            now = time.monotonic()
            for name in [name for name, due in self._due.items() if due <= now]:
                self._attempt(self.plan.steps[name])
            return
        if self.ending != INTERRUPTED:
            act()

    def _look_at(self, arn: str) -> None:
        for name, record in self.records.items():
            if record.get("Arn") == arn and record["Status"] in GOING and name not in self._due:
                spec = self.plan.steps[name]
                self._judge(spec, lambda spec=spec: self.steps.look(spec))  # type: ignore[misc]

    def _take_answer(self, token: str, outputs: dict[str, Any] | None, reason: str) -> None:
        for name, record in self.records.items():
            if record.get("Token") == token and record["Status"] in GOING:
                spec = self.plan.steps[name]
                self._judge(spec, lambda record=record: _answered(record, outputs, reason))  # type: ignore[misc]

    def _take_up(self, spec: StepSpec) -> None:
        """Go on with a step that ran when the local cloud ended: its job ended with it, or was over before."""
        record = self.records[spec.name]
        self._begun[spec.name] = time.monotonic()
        if (spec.type == "Callback" and "Token" in record) or (spec.type == "ForEach" and "Items" in record):
            return
        if self.ending == STOPPED or not self.steps.find(spec):
            self._attempt_again(spec)
            return
        self.keeper.watch(record["Arn"])
        self._judge(spec, lambda: self.steps.look(spec))

    def _attempt_again(self, spec: StepSpec) -> None:
        if self.ending == STOPPED:
            self._finish(self.records[spec.name], "Stopped")
            self.keeper.keep(self.records)
        else:
            self._attempt(spec)

    def _stop_all(self) -> None:
        """Start nothing more, and ask what runs to stop; a callback is waited for."""
        if self._stopping:
            return
        self._stopping = True
        for name in self._running():
            spec, record = self.plan.steps[name], self.records[name]
            record["Status"] = "Stopping"
            if name in self._due:
                del self._due[name]
                self._finish(record, "Stopped")
            else:
                self.steps.stop(spec)
        self.keeper.keep(self.records)


def _answered(record: Record, outputs: dict[str, Any] | None, reason: str) -> bool:
    if outputs is None:
        raise Failed(reason or "The callback was answered with a failure.")
    record["Outputs"] = outputs
    return True


def _nothing() -> None:
    """The queue is only to be looked at."""


def reuse(plan: Plan, source: str, before: dict[str, Any]) -> dict[str, Record]:
    """The records that a selective execution takes from an earlier one. before: that one's records."""
    assert plan.selected is not None
    read = {name for step in plan.selected for name in plan.definition.steps[step].reads} - plan.selected
    read |= {name for name, record in before.items() if record.get("Loop", [""])[0] in read}
    return {
        name: before[name] | {"Selected": source}
        for name in sorted(read)
        if before.get(name, {}).get("Status") == "Succeeded"
    }
