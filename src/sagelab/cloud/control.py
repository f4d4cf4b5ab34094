"""A local cloud seen from another process: start it, end it, ask how it is, point programs at it."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from sagelab import credential_helper
from sagelab.cloud import tls as wire
from sagelab.cloud.console.tokens import write_token
from sagelab.cloud.errors import ControlError, HomeRefused, NotRunning, StartFailed
from sagelab.cloud.home import DEFAULT_REGION, Home
from sagelab.redirect import FOLDER as REDIRECT

STARTUP = Path(__file__).parent.parent / "lab" / "startup.py"  # what each Python prompt and kernel runs first
GRACE = 30.0  # seconds between asking a local cloud to end and killing it
ANSWER = 5.0  # seconds it may take to say how it is
LOG_END = 20  # lines of the log that explain a failed start
FOREIGN = (
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)


@dataclass(frozen=True)
class Status:
    """A running local cloud. started: aware. disk: bytes of its home, of which S3 may have `limit`.

    runs: a kind of resource, "training jobs", -> how many of it run; what runs none is absent. clock: its speed.
    """

    url: str
    console: str
    pid: int
    home: str
    version: str
    started: datetime
    runs: dict[str, int]
    disk: int
    limit: int
    clock: float

    @property
    def jobs(self) -> int:
        """How many jobs of any kind run."""
        return sum(count for kind, count in self.runs.items() if kind.endswith("jobs"))

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return (datetime.now(UTC) - self.started).total_seconds()

    def facts(self) -> dict[str, Any]:
        """The same as plain JSON; `uptime` and `disk` in seconds and bytes."""
        uptime = round(self.uptime, 1)
        return {**self.__dict__, "jobs": self.jobs, "started": self.started.isoformat(), "uptime": uptime}


def up(home: Home, port: int | None = None, owner: int | None = None) -> str:
    """The URL of the local cloud of `home`, started in the background if none runs; returns when it is ready.

    port: where to listen; by default where this home listened last. owner: a process that it ends with, however
    that one goes. StartFailed: it ended before it was ready, and the message has the end of its log.
    """
    with home.starting():
        running = home.server()
        return str(running["url"]) if running else _start(home, port, owner)


@contextmanager
def running(home: Home) -> Iterator[str]:
    """The URL of a local cloud that runs for the block: the one that runs already, else one of its own."""
    was_running = home.server() is not None
    url = up(home)
    try:
        yield url
    finally:
        if not was_running:
            down(home)


def down(home: Home) -> bool:
    """End the local cloud of `home`, by force after 30 s. False: none ran."""
    with home.starting():
        running = home.server()
        if running is None:
            return False
        if not end(running["pid"], signal.SIGTERM, GRACE):
            end(running["pid"], signal.SIGKILL, GRACE)
        return True


def status(home: Home) -> Status | None:
    """How the local cloud of `home` is; None where none runs. ControlError: it runs but does not answer."""
    running = home.server()
    if running is None:
        return None
    answer = ask(home, "Status")
    return Status(
        url=running["url"],
        console=running["console"],
        pid=running["pid"],
        home=str(home.path),
        version=running["version"],
        started=datetime.fromisoformat(running["started"]),
        runs=answer["Running"],
        disk=home.disk(),
        limit=answer["DiskLimit"],
        clock=answer.get("Clock", 1.0),  # one that was started before it had a clock has none
    )


def console(home: Home) -> str:
    """The address that opens the console of the running local cloud, once, within an hour. NotRunning: none runs.

    The token is behind a #, which browsers keep to themselves: no log and no other server ever sees it.
    """
    running = _server(home)
    token = write_token(home.credentials().secret_access_key, running["started"])
    return f"{running['console']}/#token={token}"


def reset(home: Home) -> None:
    """End the local cloud of `home` and delete all it keeps. Its credentials stay."""
    down(home)
    with home.starting():
        home.clear()


def environment(home: Home, tls: bool | None = None) -> dict[str, str]:
    """The variables that point a program at the running local cloud of `home`. NotRunning: none runs.

    boto3, the AWS CLI and both SageMaker SDKs read them. A profile or an endpoint of one service in the
    user's own AWS files would win over some of them, so those files are left out. Unset FOREIGN besides.
    tls: whether by TLS; by default where this process is led there by TLS already.
    """
    keys, url = home.credentials(), find_url(home)
    secure = wire.is_spoken(os.environ) if tls is None else tls
    return {
        "AWS_ENDPOINT_URL": wire.secured(url) if secure else url,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_DEFAULT_REGION": DEFAULT_REGION,
        "AWS_REGION": DEFAULT_REGION,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(home.sdk_defaults),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), _direct_hosts(os.environ)),
        "PYTHONPATH": os.pathsep.join([str(REDIRECT), *_python_path(os.environ)]),
        "SAGELAB_HOME": str(home.path),
        **credential_helper.settings(url, shlex.quote(sys.executable)),
        **(wire.environment(home, os.environ) if secure else {}),
    }


def foreign(variables: Mapping[str, str]) -> list[str]:
    """The names among `variables` that would lead a program away from the local cloud."""
    return [name for name in variables if name in FOREIGN or name.startswith("AWS_ENDPOINT_URL_")]


def surroundings(home: Home) -> dict[str, str]:
    """This process's environment, pointed at the local cloud of `home`."""
    dropped = foreign(os.environ)
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {"PYTHONSTARTUP": str(STARTUP), **kept, **environment(home)}


def ask(home: Home, operation: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answer of one of the local cloud's own operations. ControlError: it did not answer."""
    request = _sign(home, operation, json.dumps(params or {}).encode())
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=ANSWER) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except (URLError, TimeoutError) as error:
        raise ControlError(f"The local cloud at {find_url(home)} runs but does not answer: {error}") from error


def _sign(home: Home, operation: str, body: bytes) -> Request:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    keys = home.credentials()
    headers = {"X-Amz-Target": f"Sagelab.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", find_url(home) + "/", headers=headers, data=body)
    key_pair = Credentials(keys.access_key_id, keys.secret_access_key)
    SigV4Auth(key_pair, "sagelab", DEFAULT_REGION).add_auth(request)
    return Request(request.url, data=body, headers=dict(request.headers.items()), method="POST")


def find_url(home: Home) -> str:
    """The URL of the running local cloud of `home`. NotRunning: none runs."""
    return str(_server(home)["url"])


def _server(home: Home) -> dict[str, Any]:
    running = home.server()
    if running is None:
        raise NotRunning(f"No local cloud runs on {home.path}; start it with: sagelab up --detach")
    return running


def _start(home: Home, port: int | None, owner: int | None) -> str:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as ready, home.log.open("ab") as log:
        said_before = log.tell()
        try:
            subprocess.run(
                [*_command(home, port, writer), *(["--owner", str(owner)] if owner else [])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=home.path,
                pass_fds=[writer],
            )
        finally:
            os.close(writer)
        if ready.read(1):
            return find_url(home)
    raise _failure(home, said_before)


def _failure(home: Home, said_before: int) -> ControlError:
    try:
        home.check_room()
    except OSError as error:
        if refused := HomeRefused.of(error):
            return refused
    return StartFailed(_explain(home, said_before))


def python_of(home: Home) -> str:
    """The Python that a local cloud is started in: SAGELAB_PYTHON, else the home's own environment, else this one.

    Where notebooks have a Python that the local cloud cannot live in, it has an environment of its own
    (`tools/setup.py ~/.sagelab/environment`).
    """
    own = home.path / "environment" / "bin" / "python"
    return os.environ.get("SAGELAB_PYTHON") or (str(own) if own.exists() else sys.executable)


def _command(home: Home, port: int | None, writer: int) -> list[str]:
    command = [python_of(home), "-P", "-m", "sagelab.cloud.server", "--home", str(home.path)]
    return [*command, "--ready-fd", str(writer), *(["--port", str(port)] if port else [])]


def _explain(home: Home, said_before: int) -> str:
    with home.log.open("rb") as log:
        log.seek(said_before)
        said = log.read().decode(errors="replace").splitlines()[-LOG_END:]
    return "\n".join(["The local cloud ended before it was ready. Its log says:", *said])


def end(pid: int, how: signal.Signals, seconds: float) -> bool:
    """Signal the process and wait until nothing of it is left. False: it did not end in time."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(process, how)
        waiting = select.poll()
        waiting.register(process, select.POLLIN)
        return bool(waiting.poll(seconds * 1000))
    finally:
        os.close(process)


def _direct_hosts(variables: Mapping[str, str]) -> str:
    """The hosts no proxy stands before: this machine besides those the user has named."""
    named = variables.get("no_proxy") or variables.get("NO_PROXY") or ""
    hosts = [host.strip() for host in named.split(",") if host.strip()]
    return ",".join([*hosts, *(host for host in ("127.0.0.1", "localhost") if host not in hosts)])


def _python_path(variables: Mapping[str, str]) -> list[str]:
    entries = variables.get("PYTHONPATH", "").split(os.pathsep)
    return [entry for entry in entries if entry and entry != str(REDIRECT)]
