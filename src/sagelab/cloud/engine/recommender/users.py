"""The users of a load test, in a process of their own, so that what they take of this machine is measured.

    python -m sagelab.cloud.engine.recommender.users

An order comes as one line of JSON; the answer says how each sample was taken. Then each line says how many users
there are to be, and is answered with what they did since the line before. The end of the input is their end.

A user is a thread and a connection, and asks again when it has its answer. Its requests are signed as anybody's; a
signature is good for minutes, so it is made once a minute and not once a request.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.engine.recommender.latencies import Latencies
from sagelab.cloud.engine.recommender.traffic import MOST_USERS
from sagelab.http1 import Asked

TIMEOUT = 70.0  # seconds: an invocation may take sixty
SIGNED = 60.0  # seconds that a signature is used
TOLD = 500  # characters of an error
LARGEST = 128 << 20  # bytes of an answer
PAUSE = 0.1  # seconds after an error, so that a refusal is not asked for in a tight loop

Headers = dict[str, str]


class Samples:
    """The samples as signed requests to one endpoint."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.address = urlsplit(order["url"])
        self.path = f"/endpoints/{order['endpoint']}/invocations"
        self._order, self._url = order, f"{order['url']}{self.path}"
        tree = Tree(Path(order["folder"]))
        self._bodies = [tree.read(name, order["largest"]) for name in order["names"]]
        self._signed: list[tuple[Headers, bytes]] = []
        self._until = 0.0

    def __len__(self) -> int:
        return len(self._bodies)

    def sign(self, keys: dict[str, str]) -> None:
        """Sign them with these keys, if that is due."""
        if self._signed and time.monotonic() < self._until:
            return
        credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"])
        signer = SigV4Auth(credentials, "sagemaker", self._order["region"])
        self._signed = [(self._headers(signer, body), body) for body in self._bodies]
        self._until = time.monotonic() + SIGNED

    def _headers(self, signer: SigV4Auth, body: bytes) -> Headers:
        fields = {"Content-Type": self._order["content_type"], "Accept": self._order["accept"]}
        request = AWSRequest("POST", self._url, headers=fields, data=body)
        signer.add_auth(request)
        return {"Host": self.address.netloc, **dict(request.headers.items())}

    def take(self, number: int) -> tuple[Headers, bytes]:
        """A sample, by a number that may be any."""
        signed = self._signed
        return signed[number % len(signed)]


class Tally:
    """What all users did since it was read last."""

    def __init__(self) -> None:
        self._lock, self._latencies = threading.Lock(), Latencies()
        self._requests = self._errors = 0
        self._error = ""
        self._cpu, self._began = time.process_time(), time.perf_counter()

    def note(self, seconds: float, error: str | None) -> None:
        """One request, and what went wrong with it."""
        with self._lock:
            self._requests += 1
            if error is None:
                self._latencies.add(1000 * seconds)
            else:
                self._errors += 1
                self._error = self._error or error

    def read(self) -> dict[str, Any]:
        """Requests, errors, the first error, latencies in ms, real seconds, and this process's own CPU seconds."""
        cpu, now = time.process_time(), time.perf_counter()
        with self._lock:
            found = {
                "requests": self._requests,
                "errors": self._errors,
                "error": self._error,
                "latencies": self._latencies.plain(),
                "seconds": now - self._began,
                "cpu": cpu - self._cpu,
            }
            self._requests = self._errors = 0
            self._error, self._latencies = "", Latencies()
            self._cpu, self._began = cpu, now
        return found


class User(threading.Thread):
    """One user. number: of it, from 0."""

    def __init__(self, number: int, samples: Samples, tally: Tally) -> None:
        super().__init__(daemon=True, name=f"user {number}")
        self._samples, self._tally, self._number = samples, tally, number
        self._socket: socket.socket | None = None
        self.leaving = threading.Event()

    def run(self) -> None:
        for turn in count(self._number):
            if self.leaving.is_set():
                self.hang_up()
                return
            began = time.perf_counter()
            error = self.ask(turn)
            self._tally.note(time.perf_counter() - began, error)
            if error:
                self.leaving.wait(PAUSE)

    def ask(self, turn: int) -> str | None:
        """Send one sample and read the answer; what went wrong."""
        headers, body = self._samples.take(turn)
        try:
            connection = self._dial()
            answer = connection.ask("POST", self._samples.path, headers.items(), body)
            parts, size = [], 0
            for part in connection.body(answer):
                size += len(part)
                if size > LARGEST:
                    raise ValueError("the answer is too large")
                parts.append(part if answer.status >= 300 else b"")
            if not answer.kept:
                self.hang_up()
        except (OSError, ValueError) as error:
            self.hang_up()
            return f"no answer: {error}"[:TOLD]
        if answer.status < 300:
            return None
        return _explain(answer.status, answer.fields.get("x-amzn-errortype", ""), b"".join(parts))

    def _dial(self) -> Asked:
        if self._socket is None:
            address = self._samples.address
            self._socket = socket.create_connection((address.hostname or "", address.port or 80), TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._asked = Asked(self._socket)
        return self._asked

    def hang_up(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


class Users:
    """All users of one load test."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._samples, self._tally = Samples(order), Tally()
        self._samples.sign(order["keys"])
        self._there: list[User] = []

    def probe(self) -> dict[str, Any]:
        """Send each sample once; the first error, or none."""
        user = User(0, self._samples, self._tally)
        errors = (user.ask(number) for number in range(len(self._samples)))
        found = next((error for error in errors if error), "")
        user.hang_up()
        return {"error": found}

    def look(self, users: int, keys: dict[str, str]) -> dict[str, Any]:
        """From now on so many users; what they did since the last look."""
        self._samples.sign(keys)
        found = self._tally.read()
        while len(self._there) > users:
            self._there.pop().leaving.set()
        while len(self._there) < min(users, MOST_USERS):
            self._there.append(User(len(self._there), self._samples, self._tally))
            self._there[-1].start()
        return found


def _explain(status: int, kind: str, body: bytes) -> str:
    """An error of InvokeEndpoint as an SDK tells it."""
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        text = str(found.get("Message") or found.get("message") or text)
    except (ValueError, AttributeError):
        pass
    kind = kind.partition(":")[0] or str(status)
    return f"{kind} when calling the InvokeEndpoint operation: {text}"[:TOLD]


def main() -> None:
    users = Users(json.loads(sys.stdin.readline()))
    print(json.dumps(users.probe()), flush=True)
    for line in sys.stdin:
        print(json.dumps(users.look(**json.loads(line))), flush=True)
    os._exit(0)  # some still wait for answers that nobody asks for


if __name__ == "__main__":
    main()
