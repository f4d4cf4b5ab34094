"""The process of one local cloud: builds it, serves it, and ends it in order.

    python -m sagelab.cloud.server --home DIR [--port N] [--ready-fd FD] [--owner PID]

`sagelab up` runs `serve` in its own process, `sagelab up --detach` runs this module in a session of its own.
Both are ready when server.json stands and the port answers.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from typing import IO, Any

import sagelab
from sagelab import catalog
from sagelab.cloud import clock, damage, resources, tls, zones
from sagelab.cloud.console.server import ConsoleServer
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import await_ends
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.errors import ControlError, HomeDamaged, PortTaken, is_unwritable
from sagelab.cloud.gateway.app import Gateway, Internal
from sagelab.cloud.home import CONSOLE_PORT, DEFAULT_REGION, HOST, PORT, ROLE_NAME, Home
from sagelab.cloud.resources.call import Family
from sagelab.cloud.store import Store

BACKLOG = 128
LOG_LIMIT = 5_000_000  # bytes; the log before that is kept once more as server.log.1
LAST_WORDS = 10.0  # seconds for jobs to tell their end, and for the last lines of the logs
M_MMAP_THRESHOLD, LARGE = -3, 1 << 19  # of mallopt(3); bytes
POLL = 0.1  # seconds between two looks for the end, inside socketserver
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "sagemaker:*",
                "s3:*",
                "logs:*",
                "cloudwatch:*",
                "ecr:*",
                "kms:*",
                "ec2:*",
                "codecommit:*",
                "codebuild:*",
                "application-autoscaling:*",
            ],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": [
                "iam:GetRole",
                "iam:PassRole",
                "iam:SimulatePrincipalPolicy",
                "iam:CreateServiceLinkedRole",
            ],
            "Resource": "*",
        },
        {"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": "*"},
    ],
}

log = logging.getLogger("sagelab")

# A home is let go by the end of the process alone, so that whoever waits for that finds nothing of it left.
_held: list[IO[str]] = []


def serve(home: Home, port: int | None, ready: Callable[[str], None]) -> None:
    """Serve `home` until SIGTERM or SIGINT; call `ready` with the URL once it answers.

    BlockingIOError: another process serves this home. PortTaken: another program listens on `port`.
    """
    outside = dict(os.environ)
    _forget_surroundings()
    wanted = [port] if port else _usual(home.last_port(), PORT)
    wanted_console = _usual(home.last_port("console"), CONSOLE_PORT)
    _held.append(home.hold())
    with ExitStack() as closing:
        closing.enter_context(_write_log(home))
        damage.refuse(home)
        listener, console_listener = (closing.enter_context(_listen(ports)) for ports in (wanted, wanted_console))
        ended = _watch_signals()
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        cloud, families = _build(home, url, closing, outside)
        gateway = Gateway(cloud, families, internal=_own(cloud))
        closing.callback(gateway.close)
        closing.callback(_serve_in_background(gateway, listener, partial(_handshakes, home)))
        # Last lines and last steps go through the front door and into the store: what runs ends before those do.
        closing.callback(await_ends, LAST_WORDS)
        closing.callback(cloud.launcher.close)
        closing.callback(gateway.rest)
        for family in families:
            closing.callback(family.close)
        home.note_databases()
        _create_role(cloud)
        started = datetime.now(UTC).isoformat()
        console = ConsoleServer(cloud, console_listener, started)
        closing.callback(console.close)
        facts = {"url": url, "console": console.url, "pid": os.getpid(), "started": started}
        home.announce(**facts, version=sagelab.__version__)
        log.info("up at %s", url)
        ready(url)
        threading.Thread(target=_warm, args=(gateway, console), name="warm", daemon=True).start()
        ended()
        log.info("going down")


def _build(home: Home, url: str, closing: ExitStack, outside: dict[str, str]) -> tuple[Cloud, list[Family]]:
    """Cloud and families; the store is closed last of all."""
    store = Store(home.database)
    closing.callback(store.close)
    launcher = Launcher(home, outside)
    closing.callback(launcher.close)
    cloud = Cloud(home, store, launcher, url, DEFAULT_REGION)
    with store.refusing():
        return cloud, resources.families(cloud)


def _warm(gateway: Gateway, console: ConsoleServer) -> None:
    gateway.warm()
    console.warm()


def _own(cloud: Cloud) -> Internal:
    """The local cloud's own operations."""
    return {
        "Status": lambda _: _status(cloud),
        "SetClock": partial(clock.put_on, cloud.home, cloud.clock),
        "SetZone": partial(zones.put_on, cloud.home, cloud.zones),
        "DescribeZones": partial(zones.describe, cloud.zones),
    }


def _status(cloud: Cloud) -> dict[str, Any]:
    counts = {kind.plural: len(cloud.store.with_status(kind.arn, *kind.running)) for kind in catalog.KINDS}
    return {
        "Running": {name: count for name, count in counts.items() if count},
        "DiskLimit": cloud.home.limit,
        "Clock": cloud.clock.speed,
    }


def _handshakes(home: Home) -> ssl.SSLContext:
    """ConnectionRefusedError: there can be none, as the log says."""
    try:
        return tls.server_context(home)
    except HomeDamaged as error:
        log.error("%s", error)
        raise ConnectionRefusedError(str(error)) from None


def _serve_in_background(
    gateway: Gateway, listener: socket.socket, context: Callable[[], ssl.SSLContext]
) -> Callable[[], None]:
    """Answer requests from now on; what is returned stops it."""
    from sagelab.cloud.gateway.http.server import Server

    server = Server(listener, gateway.answer, gateway.spool, context)
    gateway.sources.take = server.take
    thread = threading.Thread(target=server.serve_forever, args=(POLL,), name="serve", daemon=True)
    thread.start()

    def stop() -> None:
        gateway.sources.close()
        server.shutdown()
        thread.join()

    return stop


def _create_role(cloud: Cloud) -> None:
    """The execution role that notebooks and jobs name, as the console's quick setup makes one."""
    iam = cloud.client("iam")
    try:
        iam.create_role(RoleName=ROLE_NAME, AssumeRolePolicyDocument=json.dumps(TRUST))
    except iam.exceptions.EntityAlreadyExistsException:
        return
    iam.put_role_policy(RoleName=ROLE_NAME, PolicyName="SageMakerLab", PolicyDocument=json.dumps(RIGHTS))


def _usual(last: int | None, usual: int) -> list[int]:
    """The ports to listen on, in order: the last one, the usual one, any."""
    return [usual, 0] if last is None else [last, usual, 0]


def _listen(ports: list[int]) -> socket.socket:
    """A listening socket on the first of `ports` that is free; 0 stands for any."""
    for port in ports:
        try:
            return socket.create_server((HOST, port), backlog=BACKLOG)
        except OSError as error:
            taken = error
    raise PortTaken(f"Cannot listen on {HOST}:{ports[-1]} ({taken.strerror}); choose another with --port.")


def _watch_signals() -> Callable[[], None]:
    """A function that returns once SIGTERM, SIGINT or SIGHUP has come, be it before or after the call.

    The number of a signal goes into the pipe as it comes, whichever thread the kernel gives it to.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in ends:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wait() -> None:
        while os.read(reader, 1)[0] not in ends:
            pass

    return wait


def _end_with(owner: int) -> None:
    """End this process, as a SIGTERM does, once another one is gone."""

    def wait() -> None:
        with suppress(ProcessLookupError):  # it is gone already
            ended = select.poll()
            ended.register(os.pidfd_open(owner), select.POLLIN)
            ended.poll()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="owner", daemon=True).start()


def _forget_surroundings() -> None:
    """The caller's AWS settings and proxies are not this cloud's: it speaks to itself alone."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            del os.environ[name]


class _BoundedLog(logging.StreamHandler[Any]):
    """Appends to the home's log; past LOG_LIMIT, what stands there moves to server.log.1.

    The file is copied and cut, not renamed: whatever else writes to it, such as this process's own standard
    error, goes on writing to the same file.
    """

    def __init__(self, home: Home) -> None:
        self._file, self._before = home.log, home.log.with_suffix(".log.1")
        super().__init__(home.log.open("a"))

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if self.stream.tell() > LOG_LIMIT:
            shutil.copyfile(self._file, self._before)
            self.stream.truncate(0)

    def __enter__(self) -> _BoundedLog:
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
        self.stream.close()


def _write_log(home: Home) -> _BoundedLog:
    handler = _BoundedLog(home)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    log.setLevel(logging.INFO)
    return handler


def _leave_parent() -> None:
    """Go on as nobody's child, in a session of one's own: no terminal ends it, and nobody has to reap it."""
    if os.fork():
        os._exit(0)
    os.setsid()


def _give_memory_back() -> None:
    """Large buffers go back to the system when they are freed: glibc keeps them in pieces for its many threads."""
    with suppress(AttributeError):  # another library than glibc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)


def main() -> None:
    """Serve as a process of its own; exit code 1 with one sentence on standard error where that fails."""
    parser = argparse.ArgumentParser(prog="sagelab.cloud.server")
    parser.add_argument("--home", required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--owner", type=int)
    options = parser.parse_args()

    def ready(url: str) -> None:
        if options.ready_fd is None:
            print(f"sagelab is up at {url}", flush=True)
            return
        with os.fdopen(options.ready_fd, "wb") as waiting, suppress(BrokenPipeError):
            waiting.write(b".")
            waiting.flush()

    _give_memory_back()
    try:
        if options.ready_fd is not None:
            _leave_parent()
        if options.owner is not None:
            _end_with(options.owner)
        serve(Home(options.home), options.port, ready)
    except (ControlError, BlockingIOError) as error:
        sys.exit(str(error))
    except (OSError, sqlite3.OperationalError) as error:
        if not is_unwritable(error):
            raise
        sys.exit(f"The local cloud cannot write to its home {options.home}: {error}")
    except sqlite3.DatabaseError as error:
        log.exception("the home is damaged")
        sys.exit(
            f"A database in {options.home} is damaged ({error}); `sagelab doctor` says which, and what to do."
        )


if __name__ == "__main__":
    main()
