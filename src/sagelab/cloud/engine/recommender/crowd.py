"""The process of the users, seen from the local cloud."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from sagelab.cloud.engine.recommender.latencies import Latencies
from sagelab.cloud.engine.role_keys import RoleKeys
from sagelab.cloud.errors import InternalServerError

COMMAND = ("-m", "sagelab.cloud.engine.recommender.users")
SAID = 500  # characters of what it said at its end


@dataclass(frozen=True)
class Order:
    """What users send. folder, names: the samples. largest: bytes of one."""

    url: str
    region: str
    endpoint: str
    folder: str
    names: list[str]
    content_type: str
    accept: str
    largest: int


@dataclass(frozen=True)
class Deeds:
    """What users did between two looks. seconds: real ones. cpu: seconds of a core that their process took."""

    requests: int
    errors: int
    error: str
    latencies: Latencies
    seconds: float
    cpu: float


class Crowd:
    """The users of one load test. keys: of the role that asks.

    The process ends with the local cloud, whatever becomes of that: its input ends then.
    """

    def __init__(self, keys: RoleKeys) -> None:
        self._keys, self._said = keys, tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._lock = threading.Lock()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, *COMMAND],
            stdin=pipe,
            stdout=pipe,
            stderr=self._said,
            text=True,
            start_new_session=True,
        )

    def try_samples(self, order: Order) -> str:
        """Say what is to be sent, and send each sample once; what went wrong first, or nothing."""
        return str(self._ask({**asdict(order), "keys": self._read_keys()})["error"])

    def look(self, users: int) -> Deeds:
        """From now on so many users; what they did since the last look. InternalServerError: they have ended."""
        found = self._ask({"users": users, "keys": self._read_keys()})
        counts = found.pop("latencies")
        times = Latencies({int(bucket): number for bucket, number in counts["counts"]}, counts["total"])
        return Deeds(latencies=times, **found)

    def close(self) -> None:
        """End all users."""
        self._process.kill()
        with self._lock:  # nobody reads from it any more
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    if pipe:
                        pipe.close()
            self._said.close()
        self._keys.end()

    def kill(self) -> None:
        """Let whoever waits for them wait no longer."""
        self._process.kill()

    def _read_keys(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._keys.read())
        return found

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            assert self._process.stdin
            assert self._process.stdout
            try:
                self._process.stdin.write(json.dumps(command) + "\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except (OSError, ValueError):
                line = ""
            if not line:
                self._said.seek(0)
                said = self._said.read()[-SAID:].decode("utf-8", "replace")
                raise InternalServerError(f"The process of the users ended: {said}")
        found: dict[str, Any] = json.loads(line)
        return found
