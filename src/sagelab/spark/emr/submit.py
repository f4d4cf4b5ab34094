"""`spark-submit` on an instance of EMR: an application of the cluster, its driver here or on a core instance.

https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-spark-submit-step.html
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sagelab.spark import events, java
from sagelab.spark.emr import cluster as clusters
from sagelab.spark.emr import containers, logs
from sagelab.spark.emr.cluster import Cluster

FLAGS = frozenset("--supervise --verbose -v --version --help -h --usage-error --load-spark-defaults".split())
MODES = ("client", "cluster")
MEMORY = re.compile(r"(\d{1,9})([kmgt]?)b?", re.IGNORECASE)
UNITS = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1 << 20, "": 1}
ABOVE = (
    'Exception in thread "main" java.lang.IllegalArgumentException: Required executor memory ({} MB) is above the'
    " max threshold ({} MB) of this cluster! Please check the values of 'yarn.scheduler.maximum-allocation-mb'"
    " and/or 'yarn.nodemanager.resource.memory-mb'."
)


@dataclass
class Submission:
    """What spark-submit is told. words: without where it runs. application: from the script or jar on."""

    mode: str = "client"
    words: list[str] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    application: list[str] = field(default_factory=list)


def parse(words: list[str]) -> Submission:
    """ValueError: a deploy mode that is none."""
    found = Submission()
    options = _options(words, found)
    for name, value in options:
        if name == "--master" or (name == "--conf" and value.startswith("spark.master=")):
            continue
        if name == "--deploy-mode" or (name == "--conf" and value.startswith("spark.submit.deployMode=")):
            found.mode = value.rpartition("=")[2] if name == "--conf" else value
            continue
        found.words += [name] if name in FLAGS else [name, value]
        found.given.update(_property(name, value))
    if found.mode not in MODES:
        raise ValueError(f'Error: --deploy-mode must be either "client" or "cluster", not "{found.mode}"')
    return found


def _options(words: list[str], found: Submission) -> Iterator[tuple[str, str]]:
    """Names and values, up to the application."""
    left = list(words)
    while left and left[0].startswith("-"):
        name, equal, value = left.pop(0).partition("=")
        name = "--conf" if name == "-c" else name
        if name in FLAGS:
            yield name, ""
        else:
            yield name, value if equal else (left.pop(0) if left else "")
    found.application = left


_PROPERTIES = {
    "--executor-memory": "spark.executor.memory",
    "--executor-cores": "spark.executor.cores",
    "--num-executors": "spark.executor.instances",
    "--driver-memory": "spark.driver.memory",
}


def _property(name: str, value: str) -> dict[str, str]:
    if name == "--conf":
        key, _, content = value.partition("=")
        return {key: content}
    return {_PROPERTIES[name]: value} if name in _PROPERTIES else {}


def line(cluster: Cluster, asked: Submission, folder: Path) -> tuple[list[str], dict[str, str]]:
    """(the command of the driver's Java, its environment). ValueError: the cluster has not so much memory.

    folder: of the step or the container, for the event log, unless the application has another place for it.
    """
    user = cluster.configuration
    given = user.defaults | asked.given
    wanted = _megabytes(given.get("spark.executor.memory", "0"))
    if not cluster.alone and wanted > cluster.room:
        raise ValueError(ABOVE.format(int(wanted), cluster.room))
    own = {"spark.driver.host": cluster.own, "spark.driver.bindAddress": cluster.own}
    (folder / logs.EVENTS).mkdir(exist_ok=True)
    own |= events.properties((folder / logs.EVENTS).as_uri())
    settings = java.settle(cluster.plan.defaults() | own, user, cluster.own)
    words = ["--deploy-mode", "client", *asked.words, *_bounds(cluster, given), *asked.application]
    driver = given.get("spark.driver.memory")
    if driver:  # of a client's driver, Java is told when it starts
        settings.defaults["spark.driver.memory"] = driver
    return java.driver(settings, cluster.master, words), settings.environment


def _bounds(cluster: Cluster, given: dict[str, str]) -> list[str]:
    """So many executors: Spark's own manager knows a number of cores alone."""
    count, cores = given.get("spark.executor.instances", ""), given.get("spark.executor.cores", "")
    if cluster.alone or not count.isdecimal() or "spark.cores.max" in given:
        return []
    each = int(cores) if cores.isdecimal() else cluster.plan.cores
    return ["--conf", f"spark.cores.max={int(count) * each}"]


def _megabytes(text: str) -> float:
    found = MEMORY.fullmatch(text.strip())
    return int(found[1]) * UNITS[found[2].lower()] if found else 0.0


def main() -> int:
    """The application's exit code."""
    try:
        asked, cluster = parse(sys.argv[1:]), clusters.read()
        if asked.mode == "cluster":
            return containers.submit(cluster, [*asked.words, *asked.application])
        command, environment = line(cluster, asked, Path.cwd())
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return os.execve(command[0], command, environment)


def drive(cluster: Cluster, words: list[str], folder: Path, out: int, err: int) -> subprocess.Popen[bytes]:
    """The driver of somebody else's application, here. folder: of its container."""
    command, environment = line(cluster, parse(words), folder)
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
    )


if __name__ == "__main__":
    sys.exit(main())
