"""One environment of a function: a host like a job's, in which its handler waits for the next event.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import json
import math
import platform
import secrets
import signal
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sagelab import relay
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data.workspace import PATH
from sagelab.cloud.engine.functions.function import Call, Function, Outcome, failure
from sagelab.cloud.engine.functions.log import FunctionLog
from sagelab.cloud.engine.functions.packages import Packages
from sagelab.cloud.engine.images.environments import PLAIN
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.functions import wire

# What a function most often imports, and what its first process does.
RUNTIME = Runtime("functions", ("boto3", "sagelab.functions.runtime"), ("function",), PLAIN)
HERE = f"python{platform.python_version().rpartition('.')[0]}"
TASK, LAYERS, SOCKET = "/var/task", "/opt", "function.sock"
START = 60.0  # seconds for the host, before anything of the function's runs: the machine may have much to do
INIT = 10.0  # seconds for its module, beside those of a call
GRACE = 5.0  # seconds in which what was killed is gone
KEPT_FREE = ("ml", "sagelab", "program")  # of /opt: the local cloud's own
PROCESSES = 1024  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
OVERHEAD = 64 << 20  # bytes of the warm Python that a function's memory is not charged with
BASE = 64 << 20  # bytes of disk beside /tmp


class Unusable(Exception):
    """The environment has no handler, or has ended. outcome: what the call that wanted it comes to."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.payload.decode("utf-8", "replace"))
        self.outcome = outcome


@dataclass(frozen=True)
class Keys:
    """Of a session of the function's role. half: when half of their time is over (epoch seconds)."""

    access_key: str
    secret: str
    token: str
    half: float
    until: float


class Environment:
    """`start`, then one `call` at a time. used: when it ended its last call (monotonic)."""

    def __init__(self, function: Function, context: EngineContext, packages: Packages) -> None:
        self.function, self._context, self._packages = function, context, packages
        self.id = secrets.token_hex(16)
        self._stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{self.id}"
        self.used = time.monotonic()
        self.init_time = 0.0
        self._channel: socket.socket | None = None
        self._running: Running | None = None
        self._keys: Keys | None = None
        self.log: FunctionLog | None = None

    @property
    def fresh(self) -> bool:
        """Whether it can take another call: it runs, and its keys are good for long enough."""
        keys, running = self._keys, self._running
        return bool(running and keys and not running.group.ended.is_set() and time.time() < keys.half)

    def start(self, call: Call) -> None:
        """Bring it up for its first call.

        Unusable: its handler is not to be had. botocore's ClientError: nobody may assume its role. BadPackage: its
        code is gone. RuntimeError, OSError: nothing can be started now.
        """
        began, function = time.monotonic(), self.function
        self._keys = _keys(self._context, function)
        folder = self._context.launcher.make_folder(f"function-{self.id}", "function")
        listener = relay.listen(folder / "run" / SOCKET)
        with listener:
            network = self._context.network()
            running = self._context.launcher.start(RUNTIME, [self._host(folder)], network)
            self._running = running
            connect = partial(self._context.client_as, function.role, "logs")
            self.log = FunctionLog(running.outputs["function"], connect, function.group, self._stream)
            self.log.begin()
            if function.runtime != HERE:
                self.log.write(f"[sagelab] {function.runtime} is, here, {HERE}")
            self._channel = self._accept(listener)
        self._await_handler(call)
        self.init_time = time.monotonic() - began

    def call(self, call: Call) -> Outcome:
        """Hand it an event; what its handler makes of it. After one that it did not survive it is not `fresh`."""
        assert self.log
        function, began = self.function, time.monotonic()
        first, self.init_time = self.init_time, 0.0
        if not first:
            self.log.begin()
        self.log.write(f"START RequestId: {call.request_id} Version: {function.version}")
        try:
            head, payload = self._exchange(call, began + function.timeout)
            report = _Report(_size(head.get("memory")), "")
            outcome = Outcome(payload, "Unhandled" if head["kind"] == "failed" else "")
        except TimeoutError:
            self._kill()
            report, outcome = _Report(function.memory, "timeout"), self._timed_out(call)
        except (EOFError, OSError, ValueError) as error:
            if isinstance(error, ValueError):  # its first process says what makes no sense
                self._kill()
            report = _Report(function.memory, "error\tError Type: Runtime.ExitError")
            outcome = self._exited(call)
        taken = min(time.monotonic() - began, function.timeout)
        self.log.drain()
        if report.status:
            self._note_end(call, report, outcome)
        self.log.write(f"END RequestId: {call.request_id}")
        self.log.write(report.line(call, function, taken, first))
        self.log.flush()
        self.used = time.monotonic()
        return Outcome(outcome.payload, outcome.error, self.log.tail())

    def close(self) -> None:
        """End it with all that it runs; its log is sent, its keys are good for nothing."""
        self._kill()
        if self._channel:
            self._channel.close()
        if self.log:
            self.log.join(GRACE)
        if self._keys:
            self._context.end_key(self._keys.access_key, self._keys.until)
        self._context.launcher.remove_folder(f"function-{self.id}")

    def _host(self, folder: Path) -> HostSpec:
        function, memory = self.function, self.function.memory << 20
        return HostSpec(
            name="function",
            folder=str(folder),
            argv=RUNTIME.forks,
            env=self._variables(),
            memory=min(memory + OVERHEAD, self._context.memory_limit),
            read_only=self._mounts(),
            processes=PROCESSES,
            disk=(function.storage << 20) + BASE,
        )

    def _mounts(self) -> dict[str, str]:
        """The function's code, and what its layers have, at their places: it can change neither."""
        found = {TASK: str(self._packages.unpack([self.function.package]))}
        if self.function.layers:
            merged = self._packages.unpack(self.function.layers)
            entries = [entry for entry in sorted(merged.iterdir()) if entry.name not in KEPT_FREE]
            found |= {f"{LAYERS}/{entry.name}": str(entry) for entry in entries}
        return found

    def _variables(self) -> dict[str, str]:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
        function, keys = self.function, self._keys
        assert keys
        return {
            "PATH": f"{PATH}:/opt/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "LD_LIBRARY_PATH": "/var/task:/var/task/lib:/opt/lib",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._context.surroundings,
            **dict(function.environment),
            "_HANDLER": function.handler,
            "LAMBDA_TASK_ROOT": TASK,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret,
            "AWS_SESSION_TOKEN": keys.token,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self._stream,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "SAGELAB_FUNCTION": f"/run/sagelab/{SOCKET}",
            "SAGELAB_FUNCTION_LAYERS": f"{LAYERS}/python",
        }

    def _accept(self, listener: socket.socket) -> socket.socket:
        """The connection of its first process, before any of the function runs in it. RuntimeError: none comes."""
        assert self._running
        if (channel := self._running.accept(listener, START)) is not None:
            return channel
        raise RuntimeError(self._running.group.trouble or "its host did not start")

    def _await_handler(self, call: Call) -> None:
        """Wait until its module is imported. Unusable: it cannot be, ends, or takes too long."""
        assert self.log
        try:
            head, payload = self._next(time.monotonic() + INIT + self.function.timeout)
        except TimeoutError:
            self._kill()
            raise self._unusable(call, self._timed_out(call)) from None
        except (EOFError, OSError, ValueError):
            raise self._unusable(call, self._exited(call)) from None
        if head["kind"] != "ready":
            raise self._unusable(call, Outcome(payload, "Unhandled"), _size(head.get("memory")))
        self.log.drain()

    def _unusable(self, call: Call, outcome: Outcome, used: int = 0) -> Unusable:
        assert self.log
        self.log.drain()
        self.log.write(f"START RequestId: {call.request_id} Version: {self.function.version}")
        self.log.write(f"END RequestId: {call.request_id}")
        report = _Report(used, "error")
        self.log.write(report.line(call, self.function, time.monotonic() - self.used, 0.0))
        return Unusable(Outcome(outcome.payload, outcome.error, self.log.tail()))

    def _exchange(self, call: Call, until: float) -> tuple[wire.Head, bytes]:
        """Send an event, and its answer. TimeoutError, EOFError, OSError, ValueError: there is none."""
        assert self._channel
        deadline = (time.time() + until - time.monotonic()) * 1000
        head = {"id": call.request_id, "arn": call.arn, "deadline": deadline, "client": call.client}
        self._channel.settimeout(max(0.001, until - time.monotonic()))
        wire.send(self._channel, {"kind": "call", **head}, call.payload)
        found, payload = self._next(until)
        if found["kind"] not in ("done", "failed") or found.get("id") != call.request_id:
            raise ValueError("an answer to something else")
        try:
            json.loads(payload)
        except RecursionError:
            raise ValueError("an answer that nests too deeply") from None
        return found, payload

    def _next(self, until: float) -> tuple[wire.Head, bytes]:
        """The next message that is not for the log."""
        assert self._channel
        assert self.log
        while True:
            head, payload = wire.receive(self._channel, until)
            if head["kind"] != "log":
                return head, payload
            self.log.drain()
            self.log.write(payload.decode("utf-8", "replace"))

    def _kill(self) -> None:
        if self._running:
            self._running.group.kill()
            self._running.group.ended.wait(GRACE)

    def _timed_out(self, call: Call) -> Outcome:
        words = f"RequestId: {call.request_id} Error: Task timed out after {self.function.timeout:.2f} seconds"
        return Outcome(failure("Sandbox.Timedout", words), "Unhandled")

    def _exited(self, call: Call) -> Outcome:
        """Its first process has ended, or has closed its socket, and is ended."""
        words = "Runtime exited with error: signal: killed"
        if self._running:
            group = self._running.group
            if not group.ended.wait(1.0):
                self._kill()
            words = _ending(group.codes.get("function", 128 + signal.SIGKILL))
        return Outcome(failure("Runtime.ExitError", f"RequestId: {call.request_id} Error: {words}"), "Unhandled")

    def _note_end(self, call: Call, report: _Report, outcome: Outcome) -> None:
        """What the log says of a call that its environment did not survive."""
        assert self.log
        if report.status == "timeout":
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self.log.write(f"{now} {call.request_id} Task timed out after {self.function.timeout:.2f} seconds")
        else:
            self.log.write(f"{json.loads(outcome.payload)['errorMessage']}\nRuntime.ExitError")


@dataclass(frozen=True)
class _Report:
    """used: MB of memory. status: "" of a call that its environment survived."""

    used: int
    status: str

    def line(self, call: Call, function: Function, taken: float, init: float) -> str:
        """taken, init: seconds."""
        parts = [
            f"REPORT RequestId: {call.request_id}",
            f"Duration: {taken * 1000:.2f} ms",
            f"Billed Duration: {math.ceil((taken + init) * 1000)} ms",
            f"Memory Size: {function.memory} MB",
            f"Max Memory Used: {min(self.used, function.memory)} MB",
        ]
        if init:
            parts.append(f"Init Duration: {init * 1000:.2f} ms")
        if self.status:
            parts.append(f"Status: {self.status}")
        return "\t".join(parts) + "\t"


def _keys(context: EngineContext, function: Function) -> Keys:
    """Of a new session of the function's role. botocore's ClientError: nobody may assume it."""
    asked = {"RoleArn": function.role, "RoleSessionName": function.name}
    made = context.client("sts").assume_role(**asked)["Credentials"]
    now, until = time.time(), made["Expiration"].timestamp()
    return Keys(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], now + (until - now) / 2, until)


def _ending(code: int) -> str:
    """How Lambda says that a process has ended."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 128:
        return f"Runtime exited with error: signal: {(signal.strsignal(code - 128) or 'unknown').lower()}"
    return f"Runtime exited with error: exit status {code}"


def _size(told: Any) -> int:
    """A number that an environment tells, if it is one."""
    return told if isinstance(told, int) and 0 <= told < 1 << 20 else 0
