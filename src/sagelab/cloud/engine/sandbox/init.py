"""Process 1 of a host: runs its first command, reaps the rest, and hands out forks of the warm Python.

Where the host grew from a warm Python (HostSpec.forks), the command `python3` in it is `shim.py`: it sends its
arguments, environment, folder and standard streams over a socket, and process 1 forks itself to run the script,
so that the script finds TensorFlow imported. What such a fork cannot stand in for (options of the interpreter,
pip) the shim leaves to the real interpreter, and where it would be another than a fresh one the fork does
(interpreter.py).

A request to end (SIGTERM) goes to the user's scripts, and not to the shells and drivers around them, which then
see their command end and finish their work. What such a script has started itself is the script's to end, if it
hears the request; else it is asked, too.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import re
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from sagelab.cloud.engine.sandbox import interpreter, privileges, processes
from sagelab.cloud.engine.sandbox.interpreter import Command
from sagelab.cloud.engine.sandbox.limits import MARK, PAUSE, Limits
from sagelab.cloud.engine.sandbox.processes import descendants

SOCKET = "/run/sagelab/python.sock"
REQUESTS = (signal.SIGTERM, signal.SIGUSR1)  # to ask the user's processes to end; to end all of them
REPORTED = 2_500  # files half written, of a host that left more behind
TOOLKIT = "sagelab.frameworks.toolkit"
TRAIN = ("train",)  # the command of an image that SageMaker's toolkit runs
# First commands that are modules of the warm Python -> the module.
MODULES: dict[tuple[str, ...], str] = {
    TRAIN: TOOLKIT,
    ("function",): "sagelab.functions",
    ("lake",): "sagelab.lake",
    ("instance",): "sagelab.spark.emr",
    ("replication",): "sagelab.replication",
}
SHELL = re.compile(r"\S*\b(sh|bash|dash|busybox|sudo|env|timeout|nohup|nice|time|tini|dumb-init)\b")
DRIVERS = ("/sm_drivers/", "sagemaker_training")  # of both SDKs


class Init:
    """Process 1. `run` returns the exit code of the first command: 128 + n if signal n ended it.

    report: a pipe to tell over what was half written at the end. python: the real interpreter of the host.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        env: dict[str, str],
        forks: tuple[str, ...],
        report: int,
        limits: Limits | None = None,
        python: str = sys.executable,
    ) -> None:
        self.argv, self.env, self.forks, self.report, self.limits = argv, env, forks, report, limits
        self.python = python
        self.events = selectors.DefaultSelector()
        self.clients: dict[int, socket.socket] = {}
        self.forked: dict[int, tuple[int, str]] = {}  # pid of a fork -> its shim's, its command
        self.served = False
        self.wakers: list[int] = []
        self.first: int = 0
        self.code: int | None = None
        self.asked = False  # to end

    def run(self) -> int:
        wake, waker = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waker, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.terminate())
        signal.signal(signal.SIGUSR1, lambda *_: self.kill())
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self.wakers.append(waker)
        self.events.register(wake, selectors.EVENT_READ, self._reap)
        if "python3" in self.forks:
            self._listen()
        self.first = self._start_first()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUESTS)
        while self.code is None:
            for key, _ in self.events.select(PAUSE if self.limits else None):
                key.data(key.fileobj)
            self._hold_to_limits()
        self._report_half()
        if os.getpid() != 1:
            self.kill_rest()
        return self.code

    def _report_half(self) -> None:
        """What the first command left behind ends with it: stop it, and tell which files it was writing."""
        written = processes.find_written(processes.freeze(os.getpid(), above=0))
        if written:
            files = " ".join(f"{device}:{number}" for device, number in sorted(written)[:REPORTED])
            os.write(self.report, f"half {files}\n".encode())

    def _hold_to_limits(self) -> None:
        if self.limits and self.code is None and (reason := self.limits.breach()):
            os.write(2, f"\n{MARK}{reason}\n".encode())
            self.kill()

    def terminate(self) -> None:
        """Ask the user's own processes to end. One that stands still hears it too, before anything else."""
        self.asked = True
        tree, forked = descendants(os.getpid()), dict(self.forked)
        forks = {pid: shim for pid, (shim, _) in forked.items() if pid in tree and shim in tree}
        shims = {shim for shim, _ in forked.values()}
        for pid in processes.find_heads(os.getpid(), tree | forks, shims, self._drives):
            processes.send(pid, signal.SIGTERM)
        for pid in tree:
            processes.send(pid, signal.SIGCONT)

    def _drives(self, pid: int) -> bool:
        """Whether a process is there to run another one: a shell, or the program that AWS has around a script."""
        if pid == self.first and self.argv == TRAIN:
            return True
        command = self.forked[pid][1] if pid in self.forked else processes.command(pid)
        return bool(SHELL.match(command)) or any(mark in command for mark in DRIVERS)

    def kill(self) -> None:
        """End every process of the host now."""
        self.kill_rest()
        self.code = 128 + signal.SIGKILL

    def kill_rest(self) -> None:
        """Where this is not process 1: what the first command left behind ends with it."""
        for pid in descendants(os.getpid()):
            processes.send(pid, signal.SIGKILL)

    def _start_first(self) -> int:
        if self.argv in MODULES and self.argv[0] in self.forks:
            module = ["-m", MODULES[self.argv]]
            return self._fork(lambda: interpreter.run(Command(module, self.env, self.python, own=True)))
        return self._fork(lambda: _execute(self.argv, self.env))

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(SOCKET)
        listener.listen(64)
        self.events.register(listener, selectors.EVENT_READ, self._accept)

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        client.setblocking(False)  # whoever asks and does not listen holds up nobody
        self.events.register(client, selectors.EVENT_READ, self._serve)

    def _serve(self, client: socket.socket) -> None:
        """A request of a shim, or its end: a shim that was killed takes its fork with it."""
        message, streams = receive(client)
        if not _is_request(message) or client in self.clients.values():
            self._forget(client)
        else:
            self._run(client, message, streams)
        for stream in streams:
            os.close(stream)

    def _run(self, client: socket.socket, message: dict[str, Any], streams: list[int]) -> None:
        begins, self.served = not self.served, True
        pid = self._fork(lambda: _run_request(message, streams, self.python))
        self.forked[pid] = message["shim"], " ".join(message["arguments"])
        if self.asked and begins and self.argv == TRAIN:
            # Whom the request reached was a helper of SageMaker's toolkit, which went on to start the script.
            processes.send(pid, signal.SIGTERM)
        self.clients[pid] = client
        with contextlib.suppress(OSError):  # the shim is gone, as its end of the channel tells next
            client.send(json.dumps({"pid": pid}).encode())

    def _forget(self, client: socket.socket) -> None:
        self.events.unregister(client)
        for pid in [pid for pid, other in self.clients.items() if other is client]:
            del self.clients[pid]
            processes.send(pid, signal.SIGKILL)
        client.close()

    def _reap(self, wake: int) -> None:
        os.read(wake, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(pid, os.waitstatus_to_exitcode(status))

    def _ended(self, pid: int, code: int) -> None:
        if pid == self.first:
            self.code = code if code >= 0 else 128 - code
        self.forked.pop(pid, None)
        client = self.clients.pop(pid, None)
        if client is not None:
            with contextlib.suppress(OSError):  # the shim is gone
                client.send(json.dumps({"code": code}).encode())
            self.events.unregister(client)
            client.close()

    def _fork(self, act: Callable[[], None]) -> int:
        """A child that does `act`. A request to end that reaches it before it is itself waits until it is: with
        this process's handler it would be taken, and lost."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return pid
        try:
            self._become_child()
            act()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(127)

    def _become_child(self) -> None:
        if self.limits:
            privileges.forget()
        privileges.hide(False)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, *REQUESTS):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUESTS)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for own in (self.report, *self.wakers):
            os.close(own)
        for key in list(self.events.get_map().values()):
            os.close(key.fd)
        self.events.close()


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One message and the file descriptors sent with it; {} at the channel's end, and for what is no message."""
    try:
        data, ancillary, _, _ = channel.recvmsg(1 << 20, socket.CMSG_SPACE(64 * 4))
    except (ConnectionError, BlockingIOError):
        return {}, []
    passed = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            passed.frombytes(content[: len(content) - len(content) % passed.itemsize])
    try:
        message = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        message = {}
    return (message if isinstance(message, dict) else {}), list(passed)


def _is_request(message: dict[str, Any]) -> bool:
    """Whether this is a shim's, as far as process 1 reads it: any program of the host can write to its socket."""
    arguments = message.get("arguments")
    texts = isinstance(arguments, list) and all(isinstance(argument, str) for argument in arguments)
    return texts and bool(arguments) and isinstance(message.get("shim"), int)


def _run_request(message: dict[str, Any], streams: list[int], python: str) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        if stream > 2:
            os.close(stream)
    os.chdir(message["folder"])
    options = tuple(message["options"])
    interpreter.run(Command(message["arguments"], message["env"], python, options))


def _execute(argv: tuple[str, ...], env: dict[str, str]) -> None:
    try:
        os.execvpe(argv[0], list(argv), env)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127)
