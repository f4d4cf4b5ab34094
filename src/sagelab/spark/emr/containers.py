"""Drivers on core instances (`--deploy-mode cluster`): a port of each, and who asks for one there.

spark-submit -- {token, name, words} --> core instance
             <-- {"state": "RUNNING"} ... {"code": 0} --
"""

from __future__ import annotations

import contextlib
import hmac
import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sagelab.spark.emr import logs
from sagelab.spark.emr.cluster import Cluster

PORT = 8042  # YARN's of a node
LARGEST = 1 << 20  # bytes of what is asked
FAILED = 'Exception in thread "main" org.apache.spark.SparkException: Application {} finished with failed status'
FIRST = "container_{}_01_000001"


def submit(cluster: Cluster, words: list[str]) -> int:
    """As YARN's client: it waits for the application, and tells of it. words: of spark-submit."""
    name = f"application_{time.time_ns() // 1_000_000}_{threading.get_native_id() % 10_000:04d}"
    say(f"Submitting application {name} to ResourceManager")
    asked = {"token": cluster.token, "name": name, "words": words}
    code = 1
    with contextlib.suppress(OSError, ValueError), _ask(cluster, asked) as answers:
        for line in answers:
            told = json.loads(line)
            if "state" in told:
                say(f"Application report for {name} (state: {told['state']})")
            code = int(told.get("code", code))
    say(f"Application report for {name} (state: FINISHED)")
    say(f"final status: {'FAILED' if code else 'SUCCEEDED'}")
    if code:
        print(FAILED.format(name), file=sys.stderr)
    return 1 if code else 0


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%y/%m/%d %H:%M:%S} INFO Client: {text}", file=sys.stderr, flush=True)


def _ask(cluster: Cluster, asked: dict[str, Any]) -> IO[str]:
    """Of the first core instance that answers; of a cluster that has none, this one."""
    for address in [*cluster.drivers, cluster.first]:
        with contextlib.suppress(OSError):
            channel = socket.create_connection((address, PORT), timeout=30)
            channel.settimeout(None)
            channel.sendall(json.dumps(asked).encode() + b"\n")
            return channel.makefile("r")
    raise ConnectionRefusedError("no core instance takes a driver")


Drive = Callable[[Cluster, list[str], Path, int, int], Any]


class Containers:
    """Takes drivers of applications, each in a thread. drive: starts one. cluster: as it is known by now."""

    def __init__(self, address: str, cluster: Callable[[], Cluster], drive: Drive) -> None:
        self._cluster, self._drive = cluster, drive
        self._listener = socket.create_server((address, PORT))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                channel = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._take, args=(channel,), daemon=True).start()

    def _take(self, channel: socket.socket) -> None:
        with (
            contextlib.suppress(OSError, ValueError, KeyError, TypeError),
            channel,
            channel.makefile("rw") as file,
        ):
            asked, cluster = json.loads(file.readline(LARGEST)), self._cluster()
            if not hmac.compare_digest(str(asked["token"]), cluster.token):
                return
            tell(file, state="ACCEPTED")
            tell(file, code=self._run(cluster, asked, file))

    def _run(self, cluster: Cluster, asked: dict[str, Any], file: IO[str]) -> int:
        folder = Path(tempfile.mkdtemp(prefix="driver-"))
        container = FIRST.format(str(asked["name"]).removeprefix("application_"))
        place = f"containers/{asked['name']}/{container}"
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            try:
                process = self._drive(cluster, asked["words"], folder, out.fileno(), err.fileno())
                tell(file, state="RUNNING")
                with logs.following(cluster.logs, place, folder):
                    code = int(process.wait())
            except ValueError as error:
                err.write(f"{error}\n".encode())
                code = 1
        for name in ("stdout", "stderr"):
            logs.put(cluster.logs, f"{place}/{name}", folder / name)
        return code


def tell(file: IO[str], **words: Any) -> None:
    file.write(json.dumps(words) + "\n")
    file.flush()
