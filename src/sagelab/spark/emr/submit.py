"""`spark-submit` on an instance of EMR: an application of the cluster, its driver here or on a core instance.

https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-spark-submit-step.html
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sagelab.spark import events, java
from sagelab.spark.emr import cluster as clusters
from sagelab.spark.emr import containers, logs
from sagelab.spark.emr.cluster import Cluster
from sagelab.spark.words import Submission, megabytes, parse

ABOVE = (
    'Exception in thread "main" java.lang.IllegalArgumentException: Required executor memory ({} MB) is above the'
    " max threshold ({} MB) of this cluster! Please check the values of 'yarn.scheduler.maximum-allocation-mb'"
    " and/or 'yarn.nodemanager.resource.memory-mb'."
)


def line(cluster: Cluster, asked: Submission, folder: Path) -> tuple[list[str], dict[str, str]]:
    """(the command of the driver's Java, its environment). ValueError: the cluster has not so much memory.

    folder: of the step or the container, for the event log, unless the application has another place for it.
    """
    user = cluster.configuration
    given = user.defaults | asked.given
    wanted = megabytes(given.get("spark.executor.memory", "0"))
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
