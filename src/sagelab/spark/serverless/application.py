"""A job run's application: its driver on the first host, its executors on all of them where there are several."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sagelab.spark import events, java, nodes, plan
from sagelab.spark.__main__ import Job
from sagelab.spark.configuration import Configuration
from sagelab.spark.emr.objects import REMOTE, fetch
from sagelab.spark.errors import ApplicationError
from sagelab.spark.options import Submission
from sagelab.spark.serverless import archives
from sagelab.spark.serverless.output import Logs
from sagelab.spark.serverless.request import IDLE, Request, kept

logger = logging.getLogger("emr-serverless")
ENDED = 128 + signal.SIGTERM
PATIENCE = 10.0  # seconds for other hosts to put their logs
INTERPRETERS = ("spark.pyspark.python", "spark.pyspark.driver.python", "spark.executorEnv.PYSPARK_PYTHON")


class Application(Job):
    """One attempt, as the first host or as another."""

    def __init__(self, asked: Request, logs: Logs) -> None:
        self._asked, self._logs = asked, logs
        self._folder = Path(tempfile.mkdtemp(prefix="work-"))
        self._packages: list[str] = []
        self._driver: subprocess.Popen[bytes] | None = None
        self._cancelled = threading.Event()
        super().__init__(Submission(("",), {}))

    def make_plan(self, here: plan.Machine) -> plan.Plan:
        return self._asked.workers.plan(len(self.hosts), here)

    def run(self) -> None:
        """ApplicationError: it fails, or is cancelled. botocore's ClientError, OSError: something is not there."""
        signal.signal(signal.SIGTERM, self._cancel)
        archives.lay(self._asked.archives, self._folder)
        properties, own = self._asked.properties, self._asked.environment
        wanted = [own[name] for name in archives.INTERPRETERS if name in own]
        wanted += [properties[name] for name in INTERPRETERS if name in properties]
        self._packages = archives.packages(self._folder, wanted)
        for name in IDLE:
            if name in properties:
                logger.info("%s: nothing comes of it here, Glue's catalogue is no metastore of Spark's", name)
        defaults = {name: value for name, value in self._asked.defaults.items() if self._kept(name)}
        environment = {name: value for name, value in own.items() if not self._replaced(name)}
        user = Configuration(defaults=defaults, environment=environment | self._path(environment))
        if self.own == self.first:
            self._lead(user)
        else:
            self._follow(user)

    def _kept(self, name: str) -> bool:
        return kept(name) and not (self._packages and name in INTERPRETERS)

    def _replaced(self, name: str) -> bool:
        return bool(self._packages) and name in archives.INTERPRETERS

    def _path(self, environment: dict[str, str]) -> dict[str, str]:
        """PYTHONPATH, where environments bring packages."""
        if not self._packages:
            return {}
        before = environment.get("PYTHONPATH") or os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": ":".join([*self._packages, *([before] if before else [])])}

    def _properties(self) -> dict[str, str]:
        path = self._path({})
        more = {"spark.executorEnv.PYTHONPATH": path["PYTHONPATH"]} if path else {}
        return super()._properties() | {"spark.app.name": self._asked.name} | more

    def _log_events(self, stack: contextlib.ExitStack) -> dict[str, str]:  # noqa: ARG002 # it is put with the others
        return events.properties(self._logs.events.as_uri()) if self._asked.logs else {}

    def _cancel(self, *_: Any) -> None:
        """It is to end in order."""
        self._cancelled.set()
        if self._driver and self._driver.poll() is None:
            self._driver.terminate()

    def make_node(self, settings: java.Settings) -> nodes.Node:
        role = "both" if self.own == self.first else "worker"
        node = nodes.Node(settings, self.own, self.first, self.plan, role)
        self._logs.follow(lambda: _of_executors(node))
        return node

    def leave(self) -> None:
        self._logs.put()

    def _submit(self, settings: java.Settings) -> None:
        code = self._drive(settings)
        if self.meeting:
            self.meeting.dismiss(PATIENCE)
        if self._cancelled.is_set():
            raise ApplicationError("cancelled", InterruptedError("the job run was cancelled"), ENDED)
        if code:
            self._logs.tell()
            cause = subprocess.CalledProcessError(code, self._asked.entry)
            raise ApplicationError("the application failed", cause, code if code > 0 else 128 - code)

    def _drive(self, settings: java.Settings) -> int:
        """The exit code of the driver."""
        words = ["--deploy-mode", "client", *self._asked.options(self._kept), self._fetch()]
        line = java.driver(settings, self._master, [*words, *self._asked.arguments])
        if self._cancelled.is_set():
            return ENDED
        pipe = subprocess.PIPE
        self._driver = driver = subprocess.Popen(
            line, env=settings.environment, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        assert driver.stdout
        assert driver.stderr
        reading = [self._logs.read(driver.stdout, "stdout"), self._logs.read(driver.stderr, "stderr")]
        if self._cancelled.is_set():
            driver.terminate()
        code = driver.wait()
        for one in reading:
            one.join(timeout=10)  # a process that it left may hold the pipe
        return code

    def _fetch(self) -> str:
        """The application as a file of this host. botocore's ClientError: it is not to be had."""
        entry = self._asked.entry
        if entry.partition("://")[0] not in REMOTE:
            return entry.removeprefix("local://").removeprefix("file://")
        target = Path(tempfile.mkdtemp(prefix="entry-"), entry.rpartition("/")[2])
        fetch(entry, target)
        return str(target)


def _of_executors(node: nodes.Node) -> Iterator[tuple[str, Path]]:
    """The logs of those that this host has, or had: app-ID/NUMBER/stdout."""
    for file in node.files():
        yield f"SPARK_EXECUTOR/{file.parent.name}/{file.name}", file
