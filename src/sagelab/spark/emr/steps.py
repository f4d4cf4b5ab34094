"""One step of a cluster, on its master: a command, its logs as EMR keeps them, and why it failed.

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-work-with-steps.html
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sagelab.spark.emr import logs
from sagelab.spark.emr.cluster import Cluster
from sagelab.spark.emr.objects import fetch

RUNNER, SCRIPTS = "command-runner.jar", "script-runner.jar"
TAIL = 1 << 16  # bytes of a log that are looked at for an error
ERROR = re.compile(r"(?:Exception in thread .*|(?:[A-Za-z_][\w$]*\.)*[A-Za-z_]\w*(?:Error|Exception)\b.*)")
STARTED = "hadoop jar /var/lib/aws/emr/step-runner/hadoop-jars/{} {}"
TOO_LONG = 400  # characters of a message


class Step:
    """asked: id, jar, args. `run` once; `cancel` at any time."""

    def __init__(self, asked: dict[str, Any], cluster: Cluster) -> None:
        self.id, self._asked, self._cluster = str(asked["id"]), asked, cluster
        self.folder = Path(tempfile.mkdtemp(prefix=f"step-{self.id}-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled: int | None = None
        self._lock, self._over = threading.Lock(), threading.Event()

    def run(self) -> dict[str, Any]:
        """code, and of a step that failed: message, log. Its logs are in S3 by then."""
        began = time.monotonic()
        for name in ("stdout", "stderr", "syslog"):
            (self.folder / name).touch()
        keeping = threading.Thread(target=self._keep, daemon=True)
        keeping.start()
        code = self._run()
        took = round(time.monotonic() - began)
        how = "INFO Step succeeded" if code == 0 else "WARN Step failed"
        self._say(f"{how} with exitCode {code} and took {took} seconds")
        self._over.set()
        keeping.join()
        log = self._put()
        return {"code": code} | ({"message": self._why(), "log": log} if code else {})

    def cancel(self, number: int) -> None:
        """Send its processes a signal."""
        with self._lock:
            self._cancelled = number
            if self._process and self._process.poll() is None:
                os.killpg(self._process.pid, number)

    def _run(self) -> int:
        jar, args = str(self._asked["jar"]).rpartition("/")[2], list(self._asked["args"])
        self._say(f"INFO Ensure step jar file {self._asked['jar']}")
        self._say(f"INFO startExec '{STARTED.format(jar, shlex.join(args))}'")
        try:
            command = self._command(jar, args)
            with (
                (self.folder / "stdout").open("wb") as out,
                (self.folder / "stderr").open("wb") as err,
                self._lock,
            ):
                if self._cancelled:
                    return 128 + self._cancelled
                self._process = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
        except Exception as error:
            (self.folder / "stderr").write_text(f"{error}\n")
            return 1
        self._say(f"INFO ProcessRunner started child process {self._process.pid}")
        code = self._process.wait()
        self._say(f"INFO waitProcessCompletion ended with exit code {code} : {STARTED.format(jar, '')}")
        return code if code >= 0 else 128 - code

    def _command(self, jar: str, args: list[str]) -> list[str]:
        """FileNotFoundError: there is no such program. botocore's ClientError: nor such a script."""
        if jar == SCRIPTS:
            script = self.folder / "script"
            fetch(args[0], script)
            script.chmod(0o755)
            return [str(script), *args[1:]]
        if not args:
            raise FileNotFoundError("command-runner.jar is given no command")
        if args[0] == "spark-submit" and "spark" in self._cluster.applications:
            return [sys.executable, "-m", "sagelab.spark.emr.submit", *args[1:]]
        program = shutil.which(args[0])
        if program is None:
            raise FileNotFoundError(
                'Exception in thread "main" java.lang.RuntimeException: java.io.IOException: Cannot run program'
                f' "{args[0]}" (in directory "."): error=2, No such file or directory'
            )
        return [program, *args[1:]]

    def _say(self, line: str) -> None:
        now = datetime.now(UTC)
        with (self.folder / "controller").open("a") as file:
            file.write(f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z {line}\n")

    def _keep(self) -> None:
        while not self._over.wait(logs.EVERY):
            self._put()

    def _put(self) -> str:
        """The URI of its standard error."""
        places = {
            name: logs.put(self._cluster.logs, f"steps/{self.id}/{name}", self.folder / name)
            for name in ("controller", "stdout", "stderr", "syslog")
        }
        logs.put_events(self._cluster.logs, f"steps/{self.id}", self.folder)
        return places["stderr"]

    def _why(self) -> str:
        """The last error that it printed."""
        with (self.folder / "stderr").open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
        found = [line for line in lines if ERROR.match(line)]
        return (found[-1] if found else (lines[-1] if lines else ""))[:TOO_LONG]


INTERRUPT, TERMINATE = signal.SIGINT, signal.SIGKILL
