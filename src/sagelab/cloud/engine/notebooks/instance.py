"""One notebook instance: JupyterLab in namespaces of its own, on a volume that outlives it.

    the browser --TCP, 127.0.0.1--> Relay --run/jupyter.sock--> JupyterLab
    its kernels --the ways out of a host, sandbox/network.py--> the local cloud, its role's keys, the internet

What runs inside is the package `sagelab.workbench`. Every instance has a port, and so an origin, of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions

from sagelab import relay
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import encrypted
from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.hosting.client import Channel, ServerUnavailable
from sagelab.cloud.engine.images import runtimes
from sagelab.cloud.engine.jobs.logs import Reader, Stream
from sagelab.cloud.engine.notebooks.volumes import Volume
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import Network
from sagelab.cloud.errors import FAILURE_REASON_LIMIT, JobError
from sagelab.redirect import FOLDER as REDIRECT
from sagelab.workbench import hooks, tokens
from sagelab.workbench.__main__ import SOCKET

LOG_GROUP = "/aws/sagemaker/NotebookInstances"
HOME, FILES, RUN = "/home/ec2-user", "/home/ec2-user/SageMaker", "/run/sagelab"
NO_NEWS = '{"fetchNews": "false", "checkForUpdates": false}'  # JupyterLab would ask at every start
STARTUP = 180.0  # seconds that JupyterLab may take, after the scripts
LOOK = 0.05
SUDO = """\
#!/bin/sh
# There is one user here, so `sudo -u ec2-user COMMAND` is COMMAND with that user's home.
while [ $# -gt 0 ]; do
  case "$1" in
    -u|--user) [ "$2" = root ] || export HOME={home}; shift 2 ;;
    -g|--group) shift 2 ;;
    --) shift; break ;;
    -*) shift ;;
    *=*) export "$1"; shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || set -- /bin/bash
exec "$@"
"""


class NotStarted(JobError):
    """Why an instance is Failed, in AWS's words where it has some: they begin with no kind of error."""

    def __str__(self) -> str:
        return Exception.__str__(self)[:FAILURE_REASON_LIMIT]


@dataclass(frozen=True)
class InstanceSpec:
    """What an instance is made of.

    scripts: hook -> shell script. config: ARN of the lifecycle configuration they are from. vpc: the subnet and
    security groups by which all goes in and out, where it has no internet of its own. root: terminals have sudo.
    port: the one it had before. defaults: the SDK's defaults file. limit: seconds for a script. notes: what is
    asked for and not done here; they head the log.
    """

    name: str
    arn: str
    instance_type: str
    role: str
    volume: Volume
    defaults: Path
    scripts: dict[str, bytes] = field(default_factory=dict)
    config: str = ""
    vpc: dict[str, Any] | None = None
    root: bool = True
    port: int = 0
    limit: float = 300.0
    notes: tuple[str, ...] = ()


class NotebookInstance:
    """A started instance. lost: called once with the reason if it ends by itself after it was ready."""

    def __init__(self, spec: InstanceSpec, context: EngineContext, lost: Callable[[str], None]) -> None:
        self.spec, self.context, self._lost = spec, context.inside(spec.vpc), lost
        self.key = secrets.token_hex(32)
        self.port = 0
        self.closing = False
        self._folder = Path()
        self._sandbox_unavailable: str | None = None
        self._running: Running | None = None
        self._relay: relay.Relay | None = None
        self._opened: encrypted.Opened | None = None
        self._readers: list[Reader] = []
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """Host and port of its JupyterLab, as the browser reaches it."""
        return f"127.0.0.1:{self.port}"

    def presign(self, session: int) -> str:
        """An address that opens its JupyterLab, valid for five minutes. session: seconds that it is then open."""
        return f"http://{self.address}/lab?authToken={tokens.sign(self.key, time.time(), session)}"

    def start(self) -> None:
        """Fill the volume, run the scripts, wait until JupyterLab answers. NotStarted: why it does not."""
        spec = self.spec
        try:
            self._opened = self._open_volume()
            fresh = spec.volume.fill()
            wanted = [hook for hook in hooks.HOOKS if hook in spec.scripts and (hook != "OnCreate" or fresh)]
            folder = f"notebook-{secrets.token_hex(4)}"
            self._folder = self.context.launcher.make_folder(folder, "notebook")
            self._sandbox_unavailable = self.context.launcher.sandbox_unavailable(runtimes.PYTHON)
            self._lay_out()
            running = self._launch(wanted)
            self._wait_answer(running, STARTUP + spec.limit * len(wanted))
            self._open_port()
        except BaseException:
            self.close()
            raise
        spec.volume.settle()
        threading.Thread(target=self._watch, args=[running], daemon=True, name=f"watch {spec.name}").start()

    def close(self) -> None:
        """Switch it off: end every process, close its port, remove all but the volume."""
        with self._lock:
            self.closing, running = True, self._running
            port, self._relay = self._relay, None
        if running:
            running.group.kill()
            running.group.ended.wait()
        self._close_streams()
        if port:
            port.close()
        if self._folder != Path():
            self.context.launcher.remove_folder(self._folder.parent.name)
        with self._lock:
            opened, self._opened = self._opened, None
        if opened:
            opened.close()

    def _open_volume(self) -> encrypted.Opened | None:
        try:
            return self.spec.volume.open(self.context.client("kms"))
        except JobError as error:
            raise NotStarted(error.args[0]) from None

    def _lay_out(self) -> None:
        """The files of an instance beside its volume, as AWS has them as far as programs look for them."""
        run, spec = self._folder / "run", self.spec
        settings = self._folder / "user/.jupyter/lab/user-settings/@jupyterlab/apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(NO_NEWS)
        metadata = self._folder / "ml/metadata"
        metadata.mkdir()
        facts = {"ResourceArn": spec.arn, "ResourceName": spec.name}
        (metadata / "resource-metadata.json").write_text(json.dumps(facts))
        (run / "bin").mkdir()
        home = self._folder / "user" if self._sandbox_unavailable else HOME
        _write_command(run / "bin/sudo", SUDO.format(home=home).encode())
        (run / "aws.config").write_text(f"[default]\nregion = {self.context.region}\n")
        shutil.copyfile(spec.defaults, run / "sdk.yaml")
        for hook, script in spec.scripts.items():
            _write_command(run / hook, script)

    def _launch(self, wanted: list[str]) -> Running:
        spec, context = self.spec, self.context
        if self._sandbox_unavailable and spec.vpc:
            raise NotStarted(
                "DirectInternetAccess Disabled: this machine forbids namespaces, so the local cloud cannot cut the"
                f" network of an instance ({self._sandbox_unavailable}); `sagelab doctor` says more."
            )
        network = self._network()
        for hook in wanted:
            self._follow_script(hook)
        with self._lock:
            if self.closing:
                raise NotStarted("The local cloud ended while the notebook instance was starting.")
            hosts = [self._host(wanted)]
            running = self._running = context.launcher.start(runtimes.PYTHON, hosts, network)
        self._follow(running)
        return running

    def _network(self) -> Network:
        try:
            return self.context.network(self.spec.role)
        except botocore.exceptions.ClientError as error:
            raise NotStarted(f"Could not assume role {self.spec.role}: {error}") from None

    def _host(self, wanted: list[str]) -> HostSpec:
        spec = self.spec
        options = ["--run", RUN, "--files", FILES, "--limit", str(spec.limit)]
        options += ["--root"] if spec.root else []
        return HostSpec(
            name="notebook",
            folder=str(self._folder),
            argv=("python3", "-m", "sagelab.workbench", *options, *wanted),
            env=self._environment(),
            memory=self.context.memory_limit,
            mounts={HOME: str(self._folder / "user"), FILES: str(spec.volume.files)},
            terminals=True,
        )

    def _environment(self) -> dict[str, str]:
        """JUPYTER_...: of its image, where its Python is that of a layer (sandbox/layer.py)."""
        return environment(self.context.region) | {
            tokens.KEY: self.key,
            **self.context.surroundings,
            "AWS_CONFIG_FILE": f"{RUN}/aws.config",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAGEMAKER_USER_CONFIG_OVERRIDE": f"{RUN}/sdk.yaml",
            "SAGELAB_INSTANCE": self.spec.name,
            "PYTHONPATH": str(REDIRECT),
            "JUPYTER_PATH": f"{sys.prefix}/share/jupyter",
            "JUPYTER_CONFIG_PATH": f"{sys.prefix}/etc/jupyter",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    # Logs

    def _stream(self, name: str) -> Stream:
        return Stream(self.context.client("logs"), LOG_GROUP, f"{self.spec.name}/{name}")

    def _read(self, pipe: int, stream: Stream) -> None:
        reader = Reader(pipe, stream, lambda: None)
        self._readers.append(reader)
        reader.start()

    def _follow(self, running: Running) -> None:
        stream, spec = self._stream("jupyter.log"), self.spec
        stream.note(f"{spec.instance_type} is, here, {runtimes.describe_here()}")
        if self._sandbox_unavailable:
            stream.note(f"the instance runs without namespaces of its own: {self._sandbox_unavailable}")
        for note in spec.notes:
            stream.note(note)
        stream.flush()
        self.context.hear(stream.say)
        for pipe in running.outputs.values():
            self._read(pipe, stream)

    def _follow_script(self, hook: str) -> None:
        """A script prints to a named pipe, and so to a log stream of its own."""
        pipe = self._folder / "run" / hooks.log_name(hook)
        os.mkfifo(pipe, 0o600)
        self._read(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), self._stream(hooks.log_name(hook)))

    def _close_streams(self) -> None:
        """Have all that was printed in the log. A pipe that no script opened is opened: its reader ends."""
        for hook in hooks.HOOKS:
            with suppress(OSError):
                pipe = self._folder / "run" / hooks.log_name(hook)
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
        for reader in self._readers:
            reader.join()

    # Readiness, and after it

    def _wait_answer(self, running: Running, seconds: float) -> None:
        channel, limit = Channel(self._folder / "run" / SOCKET), time.monotonic() + seconds
        while time.monotonic() < limit:
            if running.group.ended.wait(LOOK):
                raise NotStarted(self._why_ended(running))
            with suppress(ServerUnavailable):
                if channel.ask("GET", "/api", {"Host": "localhost"}, b"").status == 200:
                    channel.forget()
                    return
        raise NotStarted(f"JupyterLab did not answer within {STARTUP:.0f} seconds. {LOOK_THERE}")

    def _why_ended(self, running: Running) -> str:
        code = next(iter(running.group.codes.values()), 137)
        who = f"Notebook Instance Lifecycle Config '{self.spec.config}' for Notebook Instance '{self.spec.arn}'"
        if code in hooks.TOO_LONG:
            return f"{who} took longer than {_minutes(self.spec.limit)}. {LOOK_THERE}"
        if code in hooks.FAILED:
            return f"{who} failed. {LOOK_THERE}"
        return f"JupyterLab ended with exit code {code}. {LOOK_THERE} {running.group.trouble or ''}".rstrip()

    def _open_port(self) -> None:
        listener = _listen(self.spec.port)
        self.port = listener.getsockname()[1]
        path = self._folder / "run" / SOCKET
        self._relay = relay.Relay(listener, lambda: relay.dial(path))

    def _watch(self, running: Running) -> None:
        running.group.ended.wait()
        if not self.closing:
            self.close()
            self._lost(self._why_ended(running))


LOOK_THERE = "Please check your CloudWatch logs for more details if your Notebook Instance has Internet access."


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 60 else f"{seconds:g} seconds"


def _listen(port: int) -> socket.socket:
    """On the port it had before, so that a tab left open finds it again; on any where that is taken."""
    with suppress(OSError):
        return socket.create_server(("127.0.0.1", port))
    return socket.create_server(("127.0.0.1", 0))


def _write_command(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    file.chmod(0o700)
