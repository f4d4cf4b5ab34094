"""Memory and cores for Spark: smspark's plan for an instance, as far as this machine has it.

https://github.com/aws/sagemaker-spark-container/blob/master/src/smspark/bootstrapper.py
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

MB = 1 << 20
DRIVER, EXECUTOR, OVERHEAD = 0.9, 0.95, 0.1  # of an instance's memory; of what an executor has
SHARE = 0.5  # of this machine's memory, for all Javas of a job together
LEAST = 512  # MB of a Java
GB_A_VCPU = {"c": 2, "r": 8, "x": 16}  # families of instances; others have 4
SMALL = {"nano": 2, "micro": 2, "small": 2, "medium": 2, "large": 2, "xlarge": 4}  # vCPUs


@dataclass(frozen=True)
class Machine:
    """What there is: MB of memory, processors."""

    memory: int
    cores: int

    @classmethod
    def here(cls) -> Machine:
        """This one, as far as a process may use it."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MB
        return cls(memory, len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class Plan:
    """Of a job on so many hosts. driver, executor: MB of heap. cores: of each host. parallelism: of all."""

    driver: int
    executor: int
    cores: int
    parallelism: int

    def defaults(self) -> dict[str, str]:
        """As Spark's properties."""
        return {
            "spark.driver.memory": f"{self.driver}m",
            "spark.executor.memory": f"{self.executor}m",
            "spark.executor.cores": str(self.cores),
            "spark.default.parallelism": str(self.parallelism),
            "spark.sql.shuffle.partitions": str(self.parallelism),
        }


def instance(name: str) -> Machine:
    """An instance type of AWS's, by its family and its size."""
    parts = name.removeprefix("ml.").split(".")
    family, size = parts[0], parts[-1]
    times = re.fullmatch(r"(\d{1,3})xlarge", size)
    cores = 4 * int(times[1]) if times else SMALL.get(size, 4)
    memory = 4 if size == "medium" else cores * GB_A_VCPU.get(family[:1], 4)
    return Machine(memory * 1024, cores)


def make(name: str, hosts: int, here: Machine, beside: int | None = None) -> Plan:
    """For an instance type and a number of hosts, which share this machine.

    beside: Javas beside those of executors, by default the driver's where there are several hosts: alone, it is
    the executor, too.
    """
    there = instance(name)
    javas = hosts + (int(hosts > 1) if beside is None else beside)
    share = max(LEAST, int(here.memory * SHARE) // javas)
    cores = max(1, min(there.cores, here.cores))
    return Plan(
        driver=max(LEAST, min(int(there.memory * DRIVER), share)),
        executor=max(LEAST, min(int(there.memory * EXECUTOR * (1 - OVERHEAD)), share)),
        cores=cores,
        parallelism=max(2, hosts * cores * 2),
    )
