"""One run of a job of Glue's: hosts with Spark or with Python alone, a script with the job's role, and its end.

    STARTING -> RUNNING -> SUCCEEDED, FAILED, TIMEOUT; STOPPING -> STOPPED

https://docs.aws.amazon.com/glue/latest/dg/job-run-statuses.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from sagelab import prices
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.glue.hosts import GlueHosts, Keep
from sagelab.cloud.engine.images.environments import PLAIN, SPARK
from sagelab.cloud.engine.images.runtimes import Runtime, describe_here, ready
from sagelab.cloud.engine.jobs.cluster import Task
from sagelab.cloud.engine.jobs.run import INTERRUPTED, OVERTIME, STOPPED, Report, Step
from sagelab.cloud.engine.jobs.script import ScriptRun

ENDED = "The local cloud ended while the job was running."
MOST_HOSTS = 4  # with executors: they share one machine
LEAST_SECONDS = 60  # that are billed
SHELL = "pythonshell"
WITH_PYTHON = Runtime("instances", ("boto3", "boto3.s3.transfer"), ("python3",), PLAIN)
NO_ROLE = "Role {} should be given assume role permissions for Glue Service."
# Worker type -> the instance that has its processors and memory.
INSTANCES = {
    "G.025X": "m5.large",
    "G.1X": "m5.xlarge",
    "G.2X": "m5.2xlarge",
    "R.1X": "r5.xlarge",
    "R.2X": "r5.2xlarge",
}
# Arguments for what is AWS's own: read, said in the log, and without effect.
IDLE = (
    *("--enable-metrics", "--enable-observability-metrics", "--enable-job-insights", "--enable-spark-ui"),
    *("--enable-auto-scaling", "--enable-s3-parquet-optimized-committer", "--enable-glue-datacatalog"),
    *("--enable-continuous-cloudwatch-log", "--enable-continuous-log-filter", "--enable-rename-algorithm-v2"),
)


@dataclass(frozen=True)
class Order:
    """job, run: as GetJob and GetJobRun have them. arguments: of all three kinds. bookmark: of the run before."""

    job: dict[str, Any]
    run: dict[str, Any]
    arguments: dict[str, str]
    role: str
    bookmark: dict[str, Any]
    context: EngineContext

    @property
    def shell(self) -> bool:
        return bool(self.job["Command"]["Name"] == SHELL)

    @property
    def hosts(self) -> int:
        """One worker is the driver's, on AWS; here it shares the host of the first executor."""
        return 1 if self.shell else max(1, min(MOST_HOSTS, self.run["NumberOfWorkers"] - 1))


class GlueRun(ScriptRun):
    """keep: is given a bookmark that the script commits."""

    ends: ClassVar[dict[str | None, Step]] = {
        None: Step("SUCCEEDED"),
        STOPPED: Step("STOPPED"),
        OVERTIME: Step("TIMEOUT", "Job run exceeded its timeout"),
        INTERRUPTED: Step("FAILED", ENDED),
    }

    def __init__(self, order: Order, report: Report, keep: Keep) -> None:
        name = f"glue-{order.run['Id'][3:19]}-{order.run['Attempt']}"
        self._hosts = GlueHosts(name, order.hosts, order.context)
        self._hosts.keep = keep
        super().__init__(order.run["Id"], self._hosts, report)
        self._order = order
        self._began: float | None = None

    def work(self) -> None:
        order, cluster = self._order, self._hosts
        task = self._task()
        order.context.launcher.warm(task.runtime)
        self.check_role(order.context, order.role, NO_ROLE)
        kind = INSTANCES.get(order.run.get("WorkerType", ""), "m5.4xlarge")
        for number, space in enumerate(cluster.make_folders()):
            self.write_config(space.path, cluster.hosts[number], kind, {"glue": self._asked()})
        cluster.open_streams(order.run["Id"], order.role, list(self._notes()))
        self.begin(cluster, task)
        self._began = time.monotonic()
        self.report(Step("RUNNING"))
        self.follow(cluster, {OVERTIME: order.run["Timeout"] * 60 / order.context.clock.speed})
        self._bill()
        cluster.check()
        if self.ending is None and (code := self.failed):
            self.fail(self.reason or f"Command failed with exit code {code}")

    def _task(self) -> Task:
        order = self._order
        return Task(
            runtime=WITH_PYTHON if order.shell else ready(SPARK),
            argv=("python3", "-m", "sagelab.spark.glue"),
            environment={"GLUE_VERSION": order.job["GlueVersion"], "GLUE_PYTHON_VERSION": "3"},
            network=True,
            role=order.role,
            seconds=order.run["Timeout"] * 60,
        )

    def _asked(self) -> dict[str, Any]:
        """What the hosts are told (spark/glue/arguments.py)."""
        order = self._order
        return {
            "command": order.job["Command"],
            "job": order.job["Name"],
            "run": order.run["Id"],
            "version": order.job["GlueVersion"],
            "arguments": order.arguments,
            "bookmark": order.bookmark,
        }

    def _notes(self) -> Iterator[str]:
        """What is other than on AWS: the first lines of the log."""
        order, run = self._order, self._order.run
        if order.shell:
            yield f"{SHELL} with {run['MaxCapacity']} DPU is, here, {describe_here(PLAIN)}"
        else:
            workers = f"{run['NumberOfWorkers']} workers of {run['WorkerType']}"
            executors = f"{order.hosts} executor{'s' if order.hosts > 1 else ''}, the driver beside the first"
            yield f"Glue {order.job['GlueVersion']} with {workers} is, here, {describe_here(SPARK)}: {executors}"
        for name in IDLE:
            if order.arguments.get(name, "false").lower() != "false":
                yield f"{name}: nothing comes of it here"

    def _bill(self) -> None:
        """What the run would cost on AWS, in its log."""
        assert self._began is not None
        seconds, run = time.monotonic() - self._began, self._order.run
        hours = max(seconds, LEAST_SECONDS) * run["MaxCapacity"] / 3600
        flex = run.get("ExecutionClass") == "FLEX"
        table = prices.prices()
        cost = hours * table["glue"]["flex" if flex else "dpu"]
        self.facts |= {"ExecutionTime": round(seconds)} | ({"DPUSeconds": hours * 3600} if flex else {})
        self._hosts.say(
            f"{seconds:.0f} s of {run['MaxCapacity']:g} DPUs, a minute at least, are {hours:.4f} DPU-hours:"
            f" {cost:.4f} USD on AWS, by the prices of {table['date']}"
        )
