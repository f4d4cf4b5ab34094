"""One container of an instance: a model server in namespaces of its own, and the way to it.

It listens on a socket in its own /run, so that any number of them stand side by side and none needs a port.
A server that dies is started again until it is closed.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels, trees
from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.hosting import containers
from sagelab.cloud.engine.hosting.client import PRIMARY, TIMEOUT, Channel, Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.containers import Container
from sagelab.cloud.engine.hosting.instance import Instance, new_name
from sagelab.cloud.engine.hosting.usage import descendants
from sagelab.cloud.engine.images.registry import ALGORITHM, SERVE
from sagelab.cloud.engine.images.runtimes import PYTHON
from sagelab.cloud.engine.jobs.logs import Reader, Stream
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.errors import FAILURE_REASON_LIMIT, ClientError, JobError

logger = logging.getLogger("sagelab")

LOG_GROUP = "/aws/sagemaker/Endpoints/{}"
A_VCPU = 1769  # MB of memory that come with one in Lambda, which AWS runs serverless endpoints on
SPARE = 2 << 30  # bytes by which a process of such an environment can go over its memory before it is looked at
PING_PAUSE = 0.02
LONGEST_PAUSE = 30.0
SOCKETS = ("http.sock", "python.sock")  # in a folder that the model's code can change
GRACE = 10.0  # seconds that a server has to end after SIGTERM


NO_WAY = (
    'Failed to download model data from URL "{}". Please ensure that an S3 VPC endpoint exists in route table or'
    " NAT gateway for the VPC mode and the URL is reachable from within the subnets provided."
)


class NotDownloaded(ClientError):
    """Why an endpoint fails, in AWS's words, which begin with no kind of error."""

    def __str__(self) -> str:
        return Exception.__str__(self)[:FAILURE_REASON_LIMIT]


@dataclass(frozen=True)
class Serverless:
    """How a variant that has no instances is run.

    memory: MB of an environment. most: requests at a time. provisioned: environments that are always there.
    proven: it served before, and need not show once more that it can start.
    """

    memory: int
    most: int
    provisioned: int = 0
    proven: bool = False


@dataclass(frozen=True)
class ContainerSpec:
    """What one container of a variant runs.

    model_uri: s3:// of a model.tar.gz, or of an object or a prefix where `packed` is False; None: the image has
    its own. name: its host name, where a variant has several. many: model_uri is a prefix of archives, models that
    are loaded when they are asked for. cached: those stay loaded.
    """

    image: str
    model_uri: str | None
    packed: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    name: str = PRIMARY
    many: bool = False
    cached: bool = True


@dataclass(frozen=True)
class VariantSpec:
    """What a production variant is made of.

    containers: all of them are on each instance. direct: each is asked by its name; else one after the other.
    startup: seconds in which a server must answer /ping. isolated: no network. vpc: its VpcConfig. notes: what is
    asked for and not done here; they head the log. timeout: seconds for one invocation of a container. log_group:
    where its log goes, by default the endpoint's own. zones: those that its instances may stand in, by default all
    of the region; of one instance, the one that it stands in. serverless: it has no instances, and its
    instance_type only says so.
    """

    name: str
    containers: tuple[ContainerSpec, ...]
    role: str
    instance_type: str
    count: int
    weight: float
    direct: bool = False
    accelerator: str | None = None
    isolated: bool = False
    vpc: Mapping[str, Any] | None = None
    startup: float = 600.0
    notes: tuple[str, ...] = ()
    timeout: float = TIMEOUT
    log_group: str | None = None
    zones: tuple[str, ...] = ()
    serverless: Serverless | None = None
    volume_key: str | None = None

    @property
    def threads(self) -> int:
        """Its share of this machine: the vCPUs of its instance or of its memory, as far as there are cores."""
        if self.serverless is None:
            return containers.threads(self.instance_type)
        return min(math.ceil(self.serverless.memory / A_VCPU), os.cpu_count() or 1)


class Server(Instance):
    """One model server, all of an instance or one of its containers."""

    ready = False

    def __init__(
        self,
        endpoint: str,
        spec: VariantSpec,
        context: EngineContext,
        number: int = 0,
        instance: str = "",
        part: str = "",
    ) -> None:
        """number: of its container. instance: the name of that which it is part of; by default a new one.

        part: what tells its folder from those of the instance's other servers.
        """
        super().__init__(instance or new_name())
        self.endpoint, self.spec, self.context = endpoint, spec, context.inside(spec.vpc, zone_of(spec))
        self.container, self._part = spec.containers[number], part
        self.folder = Path()
        self.restarts = 0
        self._running: Running | None = None
        self._readers: list[Reader] = []
        self._closed = threading.Event()
        self._stream: Stream | None = None
        self._way: Container | None = None
        self._channel = Channel(Path())

    def start(self) -> None:
        """Unpack the model, start the server, wait until it answers. JobError: why it does not."""
        self.fetch()
        self.run()

    def fetch(self) -> None:
        """Unpack the model. JobError: why it cannot be had."""
        launcher, spec = self.context.launcher, self.spec
        name = f"{self.endpoint}-{self.instance}{self._part}"
        passphrase = self.context.volume_passphrase(spec.volume_key, f"{name}/{spec.name}")
        self.folder = launcher.make_folder(name, spec.name, passphrase)
        self._channel = Channel(self.folder / "run" / SOCKETS[0], spec.timeout)
        model = self.folder / "ml/model"
        model.mkdir()
        if self.container.model_uri:
            require_s3(self.context, self.container.model_uri)
            self._download(model, self.container.model_uri)

    def run(self) -> None:
        """Start the server and wait until it answers. JobError: why it does not."""
        spec = self.spec
        self._way = self._choose_container()
        logs = self.context.client("logs")
        group = spec.log_group or LOG_GROUP.format(self.endpoint)
        own = "" if self.container.name == PRIMARY else f"/{self.container.name}"
        self._stream = Stream(logs, group, f"{spec.name}/{self.instance}{own}")
        self._note_start()
        self._launch()
        threading.Thread(target=self._guard, daemon=True, name=f"server {self.instance}").start()

    def invoke(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Send one request to the server. ServerUnavailable: no answer."""
        self._begin()
        try:
            return self._channel.ask("POST", path, headers, body)
        finally:
            self._end()

    def stream(self, headers: dict[str, str], body: bytes) -> tuple[Reply, Iterator[bytes]]:
        """Invoke, and read the answer as it comes: the Reply has no body.

        ServerUnavailable: no answer, or no end of it.
        """
        self._begin()
        try:
            reply, parts = self._channel.stream("/invocations", headers, body)
        except ServerUnavailable:
            self._end()
            raise
        return reply, self._until_end(parts)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """A request that is no invocation. ServerUnavailable: no answer."""
        return self._channel.ask(method, path, headers, body)

    def processes(self) -> dict[str, list[int]]:
        """The pids of the server on this machine, for the measurement of CPU and memory."""
        return {self.container.name: self._pids() if self.ready else []}

    def _pids(self) -> list[int]:
        """The model server's; of an image of the learner's own all of its host's."""
        own = self._way and self._way.program and self._running
        return descendants(self._running.group.pid) if own and self._running else [self._channel.peer]

    def kill(self) -> None:
        with self._lock:
            self._closed.set()
            running = self._running
        self.ready = False
        if running:
            running.group.kill()

    def close(self) -> None:
        """End the server and remove its folder."""
        with self._lock:
            self._closed.set()
            running, readers = self._running, self._readers
        self.ready = False
        if running:
            running.group.terminate()
            if not running.group.ended.wait(GRACE):
                running.group.kill()
                running.group.ended.wait(GRACE)
        for reader in readers:  # the last lines are in the log
            reader.join(GRACE)
        self._channel.forget()
        if self.folder != Path():
            self.context.launcher.remove_folder(self.folder.parent.name)

    def _download(self, model: Path, uri: str) -> None:
        s3 = self.context.client_as(self.spec.role, "s3")
        code = self.container.environment.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
        if code.startswith("s3://"):  # the platform moves it, so that no network is needed in the container
            channels.download_archive(s3, code, model.with_name("code"), self.folder / "sourcedir.tar.gz")
        if self.container.packed:
            channels.download_archive(s3, uri, model, self.folder / "model.tar.gz")
            return
        source = {"S3DataType": "S3Prefix", "S3Uri": uri}
        channels.download_channel(s3, {"DataSource": {"S3DataSource": source}}, model, 0, 1)

    def _choose_container(self) -> Container:
        spec, launcher = self.spec, self.context.launcher
        uri = self.container.image
        image = launcher.images.find(uri, SERVE)
        if image is None:
            raise ClientError(f"There is no image {uri} any more; `sagelab image add` brings it back.")
        if image.program:
            row, forbidden = len(spec.containers) > 1, launcher.sandbox_unavailable(PYTHON)
            return containers.own_image(image.program, forbidden, spec.isolated, row)
        if image.server in containers.SCRIPTED:
            return containers.script_serving(image, uri, self.folder, spec.threads, spec.isolated)
        if image.server == ALGORITHM:
            return containers.algorithm_serving(image, spec.threads, spec.isolated)
        if image.server == "neo":
            return containers.neo_serving(spec.instance_type, spec.threads, spec.isolated)
        return containers.tensorflow_serving(self.folder, spec.threads, spec.accelerator, spec.isolated)

    def _note_start(self) -> None:
        assert self._stream
        assert self._way
        first, *others = self._way.notes
        where = f" in {self.spec.zones[0]}" if self.spec.zones else ""
        self._stream.note(f"{self.container.image} on {self.spec.instance_type}{where} is, here, {first}")
        for note in (*others, *self.spec.notes):
            self._stream.note(note)
        self._stream.flush()
        self.context.hear(self._stream.say)

    def _launch(self) -> None:
        """Start the process and wait for its first answer to /ping."""
        assert self._stream
        container = self._way
        assert container
        trees.discard(self.folder / "run", SOCKETS)
        with self._lock:
            if self._closed.is_set():
                raise ClientError("The endpoint was deleted while it was created.")
            hosts = [self._host(container)]
            network = self.context.network(self.spec.role) if container.network else None
            running = self.context.launcher.start(container.runtime, hosts, network)
            self._running = running
            self._readers = [Reader(pipe, self._stream, lambda: None) for pipe in running.outputs.values()]
            for reader in self._readers:
                reader.start()
        self._wait_ping(running)

    def _host(self, container: Container) -> HostSpec:
        context, serverless = self.context, self.spec.serverless
        surroundings = context.surroundings if container.network else {}
        memory = serverless.memory << 20 if serverless else None
        return HostSpec(
            name="model",
            folder=str(self.folder),
            argv=("/bin/sh", "-c", container.command),
            env=environment(context.region) | container.environment | surroundings | self.container.environment,
            memory=memory or context.memory_limit,
            each=min(memory + SPARE, context.memory_limit) if memory else None,
            program=str(container.program) if container.program else None,
        )

    def _wait_ping(self, running: Running) -> None:
        limit = time.monotonic() + self.spec.startup
        while time.monotonic() < limit:
            if running.group.ended.wait(PING_PAUSE):
                raise ClientError(self._last_words(running))
            try:
                if self._channel.ask("GET", "/ping", {}, b"").status == 200:
                    self.ready = True
                    return
            except ServerUnavailable:
                continue
        running.group.kill()
        raise ClientError(
            f"The {self._who} did not pass the ping health check. Please check CloudWatch logs for this endpoint."
        )

    @property
    def _who(self) -> str:
        return f"{self.container.name} container for production variant {self.spec.name}"

    def _last_words(self, running: Running) -> str:
        from sagelab.cloud.engine.jobs.failures import advise, find_error

        tail = list(self._stream.tail) if self._stream else []
        error = find_error(tail) or "\n".join(tail[-5:]) or running.group.trouble or "it printed nothing"
        why = advise(error, tail)
        code = next(iter(running.group.codes.values()), 137)
        return f"The {self._who} ended before it answered /ping (exit code {code}): {why[-600:]}"

    def _guard(self) -> None:
        """Start the server again whenever it ends, at once at first, then ever more slowly."""
        pause = 0.0
        while not self._closed.is_set():
            running = self._running
            assert running
            running.group.ended.wait()
            self.ready = False
            self._channel.forget()
            if self._closed.wait(pause):
                return
            pause = min(LONGEST_PAUSE, 2 * pause or 0.5)
            self._restart()

    def _restart(self) -> None:
        self.restarts += 1
        assert self._stream
        self._stream.note(f"the server ended; start number {self.restarts + 1}")
        try:
            self._launch()
        except JobError as error:
            self._stream.note(str(error))
        except botocore.exceptions.ClientError as error:
            self._stream.note(f"Could not assume role {self.spec.role}: {error}")
        except (RuntimeError, OSError) as error:
            self._stream.note(f"the server cannot be started now: {error}")
            logger.exception("server %s of %s", self.instance, self.endpoint)


def require_s3(context: EngineContext, uri: str) -> None:
    """NotDownloaded: S3 is not reached from the model's subnet."""
    try:
        context.require_s3(NO_WAY.format(uri))
    except ClientError as error:
        raise NotDownloaded(*error.args) from None


def zone_of(spec: VariantSpec) -> str:
    """The one that an instance stands in; "" where it may be any."""
    return spec.zones[0] if len(spec.zones) == 1 else ""


def close_all(servers: Sequence[Instance]) -> None:
    """Close servers at once: those that ignore SIGTERM take as long together as one of them."""
    if servers:
        with ThreadPoolExecutor(len(servers)) as pool:
            for closed in [pool.submit(server.close) for server in servers]:
                closed.result()
