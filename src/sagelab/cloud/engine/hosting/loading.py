"""How the models of a container of many are loaded: into the learner's own container, by its API, or each into a
model server of its own, which stands for those of AWS's images.

https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""

from __future__ import annotations

import json
import secrets
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels, trees
from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.server import ContainerSpec, Server, VariantSpec
from sagelab.cloud.engine.hosting.targets import BadTarget
from sagelab.cloud.engine.hosting.usage import measure
from sagelab.cloud.engine.images.registry import SERVE
from sagelab.cloud.engine.images.runtimes import PYTHON
from sagelab.cloud.errors import ClientError

LESS = "SAGELAB_MODEL_MEMORY_MB"  # in a container's environment: its models may take no more than that
MULTI = {"SAGEMAKER_MULTI_MODEL": "true"}
OK, LOADED, NO_ROOM = 200, 409, 507  # what a container says; LOADED: it has the model already


class NotLoaded(Exception):
    """The container does not load the model; `reply` is what it said."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Model(ABC):
    """One model. seconds: that it took to fetch it."""

    seconds = 0.0

    @abstractmethod
    def load(self) -> None:
        """Bring it into memory. NotLoaded, JobError, ServerUnavailable: it does not come."""

    @abstractmethod
    def invoke(self, headers: dict[str, str], body: bytes) -> Reply:
        """Ask it. ServerUnavailable: no answer."""

    @property
    def lost(self) -> bool:
        """Whether it went with the process that had it."""
        return False

    @abstractmethod
    def size(self) -> int:
        """Bytes of memory that it takes; 0 where its container minds that."""

    @abstractmethod
    def processes(self) -> list[int]:
        """The pids that it has to itself."""

    @abstractmethod
    def unload(self) -> None:
        """Out of memory, and off the disk."""


class Loader(ABC):
    """Makes the models of one container."""

    def __init__(
        self, endpoint: str, spec: VariantSpec, context: EngineContext, number: int, instance: str
    ) -> None:
        self.endpoint, self.spec, self.context = endpoint, spec, context
        self.container, self.number, self.instance = spec.containers[number], number, instance

    @property
    def ready(self) -> bool:
        return True

    @abstractmethod
    def start(self) -> None:
        """What is there before any model. JobError: why it is not."""

    @abstractmethod
    def fetch(self, uri: str) -> Model:
        """A model on this machine's disk, not loaded yet. BadTarget: it is not there, or no archive."""

    @property
    def room(self) -> int | None:
        """Bytes of memory for all models together; None: the container says when it has no more."""
        return None

    def processes(self) -> list[int]:
        """The pids beside those of the models."""
        return []

    @abstractmethod
    def close(self) -> None:
        """End what was started."""

    def server(self, made_of: ContainerSpec, part: str) -> Server:
        """A server of this container. part: what tells its folder from others'."""
        containers = [*self.spec.containers]
        containers[self.number] = replace(made_of, many=False)
        notes = (*self.spec.notes, *([f"the model of {made_of.model_uri}"] if made_of.model_uri else []))
        spec = replace(self.spec, containers=tuple(containers), notes=notes)
        return Server(self.endpoint, spec, self.context, self.number, self.instance, f"-{self.number}{part}")

    def check(self, uri: str) -> None:
        """BadTarget: there is no such object, or the role may not read it."""
        place = channels.locate(uri)
        try:
            self.context.client_as(self.spec.role, "s3").head_object(Bucket=place.bucket, Key=place.key)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            raise BadTarget(
                f"Failed to download model data(bucket: {place.bucket}, key: {place.key}). Please ensure that"
                " there is an object located at the URL and that the role passed to CreateModel has permissions to"
                " download the model."
            ) from None


class Processes(Loader):
    """A model server for each model."""

    def start(self) -> None:
        launcher, uri = self.context.launcher, self.container.image
        image = launcher.images.find(uri, SERVE)
        if image is None:
            raise ClientError(f"There is no image {uri} any more.")
        launcher.environments.pull(image.environment)
        self._room = min(self.context.memory_limit, _memory(self.spec.instance_type, self.context))
        if (less := self.container.environment.get(LESS, "")).isdecimal():
            self._room = min(self._room, int(less) << 20)

    def fetch(self, uri: str) -> Model:
        self.check(uri)
        told = self.container.environment | MULTI
        made_of = replace(self.container, model_uri=uri, environment=told)
        server = self.server(made_of, f"-{secrets.token_hex(4)}")
        try:
            server.fetch()
        except ClientError as error:
            server.close()
            raise BadTarget(str(error)) from None
        return _Process(server)

    @property
    def room(self) -> int | None:
        return self._room

    def close(self) -> None:
        """Each model has its own server, and ends it."""


class _Process(Model):
    def __init__(self, server: Server) -> None:
        self.server = server

    def load(self) -> None:
        self.server.run()

    def invoke(self, headers: dict[str, str], body: bytes) -> Reply:
        return self.server.invoke("/invocations", headers, body)

    def size(self) -> int:
        return measure(self.processes())

    def processes(self) -> list[int]:
        return [pid for pids in self.server.processes().values() for pid in pids]

    def unload(self) -> None:
        self.server.close()


class Contained(Loader):
    """The learner's own container, which has many models at a time."""

    def __init__(
        self, endpoint: str, spec: VariantSpec, context: EngineContext, number: int, instance: str
    ) -> None:
        super().__init__(endpoint, spec, context, number, instance)
        own = self.container.environment | MULTI
        self.process = self.server(replace(self.container, model_uri=None, environment=own), "")

    def start(self) -> None:
        self.process.start()
        try:
            answer = str(self.process.ask("GET", "/models", {}, b"").status)
        except ServerUnavailable as trouble:
            answer = f"nothing ({trouble})"
        if answer != str(OK):
            raise ClientError(
                f"The container {self.container.image} answers GET /models with {answer}: it does not serve many"
                " models."
            )

    @property
    def ready(self) -> bool:
        return self.process.ready

    def fetch(self, uri: str) -> Model:
        self.check(uri)
        name = secrets.token_hex(16)
        folder, s3 = self.process.folder, self.context.client_as(self.spec.role, "s3")
        try:
            channels.download_archive(s3, uri, folder / f"draft-{name}", folder / f"{name}.tar.gz")
            Tree(folder / "ml").take_in(f"models/{name}/model", folder / f"draft-{name}")
        except (ClientError, OSError) as error:
            raise BadTarget(str(error)) from None
        base = f"{folder}/ml" if self.context.launcher.sandbox_unavailable(PYTHON) else "/opt/ml"
        return _Contained(self.process, name, f"{base}/models/{name}/model")

    def processes(self) -> list[int]:
        return [pid for pids in self.process.processes().values() for pid in pids]

    def close(self) -> None:
        self.process.close()


class _Contained(Model):
    def __init__(self, process: Server, name: str, url: str) -> None:
        self.process, self.name, self.url, self.start = process, name, url, process.restarts

    def load(self) -> None:
        self.start = self.process.restarts
        body = json.dumps({"model_name": self.name, "url": self.url}).encode()
        reply = self.process.ask("POST", "/models", {"Content-Type": "application/json"}, body)
        if reply.status >= 400 and reply.status != LOADED:
            raise NotLoaded(reply)

    def invoke(self, headers: dict[str, str], body: bytes) -> Reply:
        return self.process.invoke(f"/models/{self.name}/invoke", headers, body)

    @property
    def lost(self) -> bool:
        return self.start != self.process.restarts

    def size(self) -> int:
        return 0

    def processes(self) -> list[int]:
        return []

    def unload(self) -> None:
        with suppress(ServerUnavailable):
            self.process.ask("DELETE", f"/models/{self.name}", {}, b"")
        with suppress(OSError):
            trees.discard(self.process.folder / "ml/models", (self.name,))


def make(endpoint: str, spec: VariantSpec, context: EngineContext, number: int, instance: str) -> Loader:
    """What loads the models of a container."""
    image = context.launcher.images.find(spec.containers[number].image, SERVE)
    kind = Contained if image and image.program else Processes
    return kind(endpoint, spec, context, number, instance)


def timed(loader: Loader, uri: str) -> Model:
    """Fetch a model, and note how long that took."""
    began = time.perf_counter()
    model = loader.fetch(uri)
    model.seconds = time.perf_counter() - began
    return model


def _memory(instance_type: str, context: EngineContext) -> int:
    """Bytes of memory that an instance of the type has on AWS; where EC2 does not know it, this machine's."""
    try:
        found = context.client("ec2").describe_instance_types(InstanceTypes=[instance_type.removeprefix("ml.")])
    except botocore.exceptions.ClientError:
        return context.memory
    size: int = found["InstanceTypes"][0]["MemoryInfo"]["SizeInMiB"]
    return size << 20
