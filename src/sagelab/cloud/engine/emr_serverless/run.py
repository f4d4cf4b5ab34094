"""One attempt of a job run of EMR Serverless's: it waits for its turn, runs on hosts with Spark, and ends.

    PENDING, QUEUED -> SCHEDULED -> RUNNING -> SUCCESS, FAILED; CANCELLING -> CANCELLED

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/job-states.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from sagelab import prices
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.emr_serverless.hosts import Wanted, WorkerHosts
from sagelab.cloud.engine.emr_serverless.places import Place, Places
from sagelab.cloud.engine.images.environments import SPARK
from sagelab.cloud.engine.images.runtimes import describe_here, ready
from sagelab.cloud.engine.jobs.cluster import Task
from sagelab.cloud.engine.jobs.failures import KILLED
from sagelab.cloud.engine.jobs.run import INTERRUPTED, OVERTIME, STOPPED, Report, Step
from sagelab.cloud.engine.jobs.script import ScriptRun
from sagelab.cloud.engine.sandbox import limits

ENDED = "The local cloud ended while the job run was under way."
DETAILS = 256  # characters
LEAST_SECONDS = 60  # that are billed
FREE_DISK = 20  # GB of each worker
KIND = "m5.xlarge"  # an instance in the files of configuration: the plan is made of the workers
NO_ROLE = (
    "Could not assume runtime role {} because it doesn't exist or isn't setup with the required trust"
    " relationship."
)
FAILED = (
    "Job failed, please check complete logs in configured logging destination. ExitCode: {}."
    " Last few exceptions: {}"
)
MEMORY = "Worker has been killed as memory usage exceeded configured memory size, consider increasing memory size."
QUEUED = "Job run was queued for longer than the queue timeout of the application."
CANCELLED = "Job run was cancelled."
TIMEOUT = "Job run exceeded its execution timeout of {} minutes."
FULL = "The local cloud runs {} job runs at a time; this one waits."


@dataclass(frozen=True)
class Order:
    """run: as GetJobRun has it. request: what its hosts are told (spark/serverless/request.py). hosts: how many.

    workers: what is asked for, in words; total: the vCPUs, GB of memory and GB of disk of the driver and of the
    executors that there are here. minutes: that it may run, 0: any. refusal: why it cannot run at all.
    """

    run: dict[str, Any]
    request: dict[str, Any]
    hosts: int
    workers: str
    total: tuple[int, int, int]
    minutes: int
    role: str
    wanted: Wanted
    place: Place
    places: Places
    context: EngineContext
    refusal: str = ""


class ServerlessRun(ScriptRun):
    """`start` begins to wait for its turn."""

    ends: ClassVar[dict[str | None, Step]] = {
        None: Step("SUCCESS"),
        STOPPED: Step("CANCELLED", CANCELLED),
        OVERTIME: Step("CANCELLED"),
        INTERRUPTED: Step("FAILED", ENDED),
    }

    def __init__(self, order: Order, report: Report) -> None:
        key = f"{order.run['jobRunId']}-{order.run['attempt']}"
        self._hosts = WorkerHosts(f"emr-{key}", order.hosts, order.context)
        super().__init__(key, self._hosts, report)
        self._order = order
        order.place.asked = self.asked
        self._began: float | None = None

    def work(self) -> None:
        order, cluster = self._order, self._hosts
        if order.refusal:
            self.fail(order.refusal)
        self._wait()
        self.report(Step("SCHEDULED"))
        task = self._task()
        self.check_role(order.context, order.role, NO_ROLE)
        order.context.launcher.warm(task.runtime)
        for number, space in enumerate(cluster.make_folders()):
            self.write_config(space.path, cluster.hosts[number], KIND, {"serverless": order.request})
        cluster.open_streams(order.wanted, list(self._notes()))
        self.begin(cluster, task)
        self._began = time.monotonic()
        self.report(Step("RUNNING"))
        seconds = order.minutes * 60 / order.context.clock.speed
        self.follow(cluster, {OVERTIME: seconds} if seconds else {})
        cluster.check()
        if self.ending is None and (code := self.failed):
            self.fail(self._details(code))

    def _wait(self) -> None:
        """Stopped: it is to end before its turn comes. JobError: its application does not start."""
        order = self._order
        if order.places.crowded(order.place):
            self.report(Step("QUEUED"))
        else:
            self.report(Step("PENDING", FULL.format(order.places.at_once) if order.places.full else ""))
        if not order.places.wait(order.place):
            self.go_on()
            self.fail(QUEUED)

    def _task(self) -> Task:
        order = self._order
        return Task(
            runtime=ready(SPARK),
            argv=("python3", "-m", "sagelab.spark.serverless"),
            environment={},
            network=True,
            role=order.role,
            seconds=order.minutes * 60,
        )

    def _notes(self) -> Iterator[str]:
        """What is other than on AWS: the first lines of the log."""
        order = self._order
        executors = f"{order.hosts} executor{'s' if order.hosts > 1 else ''}, the driver beside the first"
        yield f"{order.run['releaseLabel']} with {order.workers} is, here, {describe_here(SPARK)}: {executors}"

    def _details(self, code: int) -> str:
        tails = [line for stream in self._hosts.streams.values() for line in stream.tail]
        killed = code == KILLED or any(line.startswith(limits.MARK) for line in tails)
        return shorten(FAILED.format(KILLED if killed else code, MEMORY if killed else self.reason))

    def on_due(self, why: str) -> None:
        self.report(Step("CANCELLING"))
        super().on_due(why)

    def _explain(self, error: Exception) -> Step:
        """In its own words alone."""
        found = super()._explain(error)
        return Step("FAILED", found.message.partition(": ")[2] or found.message)

    def end(self) -> Step | None:
        found = super().end()
        if self.ending == OVERTIME:
            found = Step("CANCELLED", TIMEOUT.format(self._order.minutes))
        self._bill()
        return found

    def _bill(self) -> None:
        """What was used of AWS's workers, and what it would cost there, in the log."""
        if self._began is None:
            return
        seconds, (cores, memory, disk) = time.monotonic() - self._began, self._order.total
        hours, billed = seconds / 3600, max(seconds, LEAST_SECONDS) / 3600
        paid = max(0, disk - FREE_DISK * (self._order.hosts + 1))
        used = _utilization(hours, cores, memory, disk), _utilization(billed, cores, memory, paid)
        self.facts |= {"totalResourceUtilization": used[0], "billedResourceUtilization": used[1]}
        self.facts["totalExecutionDurationSeconds"] = round(seconds)
        table = prices.prices()
        own = table["emr_serverless"]
        cost = billed * (cores * own["vcpu"] + memory * own["memory"] + paid * own["storage"])
        self._hosts.say(
            f"{seconds:.0f} s of {cores} vCPU and {memory} GB, a minute at least, are {billed * cores:.4f}"
            f" vCPU-hours and {billed * memory:.4f} GB-hours: {cost:.4f} USD on AWS,"
            f" by the prices of {table['date']}"
        )

    def halt(self, now: bool) -> None:
        self._order.places.wake()
        super().halt(now)

    def clean(self) -> None:
        self._order.places.leave(self._order.place)
        super().clean()


def _utilization(hours: float, cores: int, memory: int, disk: int) -> dict[str, float]:
    amounts = {"vCPUHour": cores, "memoryGBHour": memory, "storageGBHour": disk}
    return {name: round(hours * amount, 3) for name, amount in amounts.items()}


def shorten(text: str) -> str:
    """As details of a state have room."""
    return text if len(text) <= DETAILS else f"{text[: DETAILS - 3]}..."
