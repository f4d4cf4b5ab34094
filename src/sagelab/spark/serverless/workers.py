"""The workers that a job run of EMR Serverless asks for by Spark's properties, and what a machine makes of them.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html
https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/app-behavior.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sagelab.spark.plan import LEAST, SHARE, Machine, Plan
from sagelab.spark.words import megabytes

CORES, MEMORY, DISK, EXECUTORS = "4", "14g", "20g", "3"  # where nothing is said
MOST_HOSTS = 4  # with executors: they share one machine
OVERHEAD, LEAST_OVERHEAD = 0.1, 384  # beside a Java's memory: of it; MB
FREE_DISK = 20  # GB of a worker that cost nothing
# vCPUs of a worker -> the GB that it has at least, and at most.
SIZES = {1: (2, 8), 2: (4, 16), 4: (8, 30), 8: (16, 60), 16: (32, 120)}
# Properties that say how many workers there are and of what size: the plan is made of them, and stands for them.
PLANNED = (
    *("spark.dynamicAllocation.", "spark.emr-serverless.", "spark.driver.memory", "spark.executor.memory"),
    *("spark.driver.cores", "spark.executor.cores", "spark.executor.instances", "spark.archives"),
)


@dataclass(frozen=True)
class Worker:
    """cores: vCPUs. heap: MB of its Java. memory, disk: GB of all of it."""

    cores: int
    heap: int
    memory: int
    disk: int

    def __str__(self) -> str:
        return f"{self.cores} vCPU and {self.memory} GB"


@dataclass(frozen=True)
class Workers:
    """count: of executors that are asked for. dynamic: whether Spark would ask for more, or give some back."""

    driver: Worker
    executor: Worker
    count: int
    dynamic: bool

    def hosts(self, machine: Machine) -> int:
        """How many executors there are here; a single one shares its Java with the driver."""
        fitting = machine.cores // self.executor.cores if self.dynamic else self.count
        return max(1, min(self.count, fitting, MOST_HOSTS))

    def plan(self, hosts: int, machine: Machine) -> Plan:
        """Memory and cores of each host, as far as this machine has them."""
        share = max(LEAST, int(machine.memory * SHARE) // (hosts + int(hosts > 1)))
        cores = max(1, min(self.executor.cores, machine.cores))
        driver = self.driver.heap + (self.executor.heap if hosts == 1 else 0)
        return Plan(
            driver=max(LEAST, min(driver, share)),
            executor=max(LEAST, min(self.executor.heap, share)),
            cores=cores,
            parallelism=max(2, hosts * cores * 2),
        )

    def total(self, executors: int) -> tuple[int, int, int]:
        """vCPUs, GB of memory and of disk of the driver and so many executors."""
        both = (self.driver, *([self.executor] * executors))
        return sum(one.cores for one in both), sum(one.memory for one in both), sum(one.disk for one in both)


def asked(properties: Mapping[str, str]) -> Workers:
    """ValueError: there is no such worker."""
    dynamic = properties.get("spark.dynamicAllocation.enabled", "true").lower() == "true"
    told = "spark.executor.instances" in properties
    first = properties.get("spark.dynamicAllocation.initialExecutors", EXECUTORS)
    count = _whole(properties, "spark.executor.instances", first if dynamic else EXECUTORS)
    most = properties.get("spark.dynamicAllocation.maxExecutors", "infinity")
    if dynamic and most.isdecimal():
        count = min(count, int(most))
    executor, driver = (_worker(properties, name) for name in ("executor", "driver"))
    return Workers(driver, executor, max(1, count), dynamic and not told)


def _worker(properties: Mapping[str, str], name: str) -> Worker:
    cores = _whole(properties, f"spark.{name}.cores", CORES)
    if cores not in SIZES:
        known = ", ".join(map(str, SIZES))
        raise ValueError(f"spark.{name}.cores={cores}: a worker has {known} vCPU.")
    heap = _megabytes(properties, f"spark.{name}.memory", MEMORY)
    factor = properties.get("spark.emr-serverless.memoryOverheadFactor", str(OVERHEAD))
    beside = properties.get(f"spark.{name}.memoryOverhead")
    overhead = megabytes(beside) if beside else max(LEAST_OVERHEAD, heap * _number(factor))
    least, most = SIZES[cores]
    memory = max(least, math.ceil((heap + overhead) / 1024))
    if memory > most:
        raise ValueError(
            f"spark.{name}.memory={heap / 1024:g}g with {overhead:.0f} MB beside it: a worker with {cores} vCPU"
            f" has {least} to {most} GB of memory."
        )
    disk = _megabytes(properties, f"spark.emr-serverless.{name}.disk", DISK) // 1024
    if not 20 <= disk <= 2000:
        raise ValueError(f"spark.emr-serverless.{name}.disk={disk}g: a worker has 20 to 2000 GB of disk.")
    return Worker(cores, int(heap), memory, disk)


def _whole(properties: Mapping[str, str], name: str, usual: str) -> int:
    text = properties.get(name, usual).strip()
    if not text.isdecimal() or len(text) > 9:
        raise ValueError(f"{name}={text[:40]}: a whole number is needed.")
    return int(text)


def _number(text: str) -> float:
    try:
        return min(10.0, max(0.0, float(text)))
    except ValueError:
        raise ValueError(f"spark.emr-serverless.memoryOverheadFactor={text[:40]}: a number is needed.") from None


def _megabytes(properties: Mapping[str, str], name: str, usual: str) -> int:
    text = properties.get(name, usual)
    if not (found := megabytes(text)):
        raise ValueError(f"{name}={text[:40]}: a size is needed, as 4g.")
    return int(found)
