"""python3 -m sagelab.spark, which is `smspark-submit` in a host: one application, on one host or several."""

from __future__ import annotations

import contextlib
import json
import logging
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from sagelab.spark import configuration, events, java, nodes, options, plan
from sagelab.spark.configuration import Configuration
from sagelab.spark.errors import BASE, ApplicationError, SparkError
from sagelab.spark.options import Submission

CONFIGURATION = "processing/input/conf/configuration.json"
logger = logging.getLogger("smspark-submit")


def main() -> None:
    """Run it; the exit code is the application's."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        logger.info("Parsing arguments. argv: %s", sys.argv)
        Job(options.parse(sys.argv[1:])).run()
    except SparkError as error:
        error.leave()
    except Exception as error:
        ApplicationError("error running Spark job", error).leave()


class Job:
    """One application on the hosts of /opt/ml/config/resourceconfig.json."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        hosts = _read("config/resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
        self.hosts: list[str] = hosts["hosts"]
        self.own = nodes.address(hosts["current_host"], self.hosts)
        self.first = nodes.address(self.hosts[0], self.hosts)
        self.meeting: nodes.Gathering | None = None
        here = plan.Machine.here()
        self.plan = self.make_plan(here)
        logger.info("%d host(s) of this machine (%s): %s", len(self.hosts), here, self.plan)

    def make_plan(self, here: plan.Machine) -> plan.Plan:
        """Memory and cores: by the job's instance type."""
        cluster = (
            _read("config/processingjobconfig.json", {}).get("ProcessingResources", {}).get("ClusterConfig", {})
        )
        logger.info("%s", cluster)
        return plan.make(cluster.get("InstanceType", "ml.m5.xlarge"), len(self.hosts), here)

    def make_node(self, settings: java.Settings) -> nodes.Node:
        """The node of this host."""
        return nodes.Node(settings, self.own, self.first, self.plan)

    def leave(self) -> None:
        """The application is over: what another host than the first does before it goes."""

    def run(self) -> None:
        """As the first host or as another. ApplicationError: it fails."""
        user = configuration.read(BASE / CONFIGURATION)
        for name in user.idle:
            logger.info("configuration %s: there is no YARN, HDFS or Hive here, so nothing comes of it", name)
        if self.own == self.first:
            self._lead(user)
        else:
            self._follow(user)

    def _follow(self, user: Configuration) -> None:
        node = self.make_node(java.settle(self._properties(), user, self.own))
        node.wait_ready()
        nodes.attend(self.first, self.leave)
        logger.info("primary is down, worker now exiting")
        node.end()

    def _lead(self, user: Configuration) -> None:
        with contextlib.ExitStack() as stack:
            settings = java.settle(self._properties() | self._log_events(stack), user, self.own)
            if len(self.hosts) > 1:
                self.meeting = nodes.Gathering(self.own, len(self.hosts) - 1)
                stack.callback(self.meeting.end)
                node = self.make_node(settings)
                stack.callback(node.end)
                node.wait_ready()
                logger.info("Waiting for hosts to bootstrap: %s", self.hosts)
                self.meeting.wait_all()
            self._submit(settings)

    def _properties(self) -> dict[str, str]:
        count = len(self.hosts)
        own = {"spark.driver.host": self.own, "spark.driver.bindAddress": self.own}
        # An application begins once it has all of its cores: of those it must know the number.
        several = {"spark.executor.instances": str(count), "spark.cores.max": str(count * self.plan.cores)}
        return self.plan.defaults() | own | (several if count > 1 else {})

    @property
    def _master(self) -> str:
        return f"local[{self.plan.cores}]" if len(self.hosts) == 1 else f"spark://{self.first}:{nodes.MASTER}"

    def _log_events(self, stack: contextlib.ExitStack) -> dict[str, str]:
        if uri := self.submission.event_logs_uri:
            _make_prefix(uri)
            return events.properties(uri)
        if folder := self.submission.event_logs_folder:
            publisher = stack.enter_context(events.Publisher(Path(folder)))
            return events.properties(str(publisher.source))
        return {}

    def _submit(self, settings: java.Settings) -> None:
        words = self.submission.command(self._master)
        said = shlex.join(words)
        logger.info("running spark submit command: %s", said)
        line = java.driver(settings, self._master, words[3:])
        code = subprocess.run(line, env=settings.environment).returncode
        if code:
            cause = subprocess.CalledProcessError(code, said)
            exit_code = code if code > 0 else 128 - code
            raise ApplicationError("spark failed with a non-zero exit code", cause, exit_code)
        logger.info("spark submit was successful. primary node exiting.")


def _read(name: str, otherwise: dict[str, Any]) -> dict[str, Any]:
    file = BASE / name
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else otherwise
    return found


def _make_prefix(uri: str) -> None:
    """Spark asks that the folder of its log be there."""
    import boto3

    place = urlparse(uri)
    prefix = place.path.strip("/")
    if prefix:
        boto3.client("s3").put_object(Bucket=place.netloc, Key=f"{prefix}/")


if __name__ == "__main__":
    main()
