"""One environment of a serverless variant: a model server that is started for a request, and just once.

What S3 has of the model is fetched once for all environments of a variant. Each unpacks it into a folder of its
own, and none of them sees where it was fetched to, so that no model's code changes what the next one begins with.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.hosting.server import Server, VariantSpec
from sagelab.cloud.engine.hosting.usage import Usage
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.errors import ClientError

ARCHIVE, CODE = "model.tar.gz", "sourcedir.tar.gz"
PAUSE = 0.2  # seconds until the log hears of a start


class Fetched:
    """What S3 has of a variant's model, fetched when an environment first needs it."""

    def __init__(self, endpoint: str, spec: VariantSpec, context: EngineContext) -> None:
        self._container, self._role, self._context = spec.containers[0], spec.role, context
        self._job = f"{endpoint}-model-{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._closed = False

    def lay_out(self, place: Path) -> None:
        """Give an environment its copy. place: its /opt/ml. ClientError: S3 has none, or what is no archive."""
        folder, uri, code = self._fetch(), self._container.model_uri or "", self._code
        if code:
            channels.unpack_archive(code, folder / CODE, place / "code")
        if self._container.packed:
            channels.unpack_archive(uri, folder / ARCHIVE, place / "model")
        else:
            shutil.copytree(folder / "model", place / "model", dirs_exist_ok=True)

    def close(self) -> None:
        """Remove it; no environment is laid out any more."""
        with self._lock:
            self._closed, folder = True, self._folder
        if folder:
            self._context.launcher.remove_folder(self._job)

    @property
    def _code(self) -> str:
        """Where the code is that the platform brings, if it brings any."""
        code = self._container.environment.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
        return code if code.startswith("s3://") else ""

    def _fetch(self) -> Path:
        with self._lock:
            if self._closed:
                raise ClientError("The endpoint is not in service any more.")
            if self._folder is None:
                launcher = self._context.launcher
                try:
                    self._folder = self._download(launcher.make_folder(self._job, "s3") / "ml")
                except BaseException:
                    launcher.remove_folder(self._job)
                    raise
            return self._folder

    def _download(self, folder: Path) -> Path:
        s3, uri = self._context.client_as(self._role, "s3"), self._container.model_uri or ""
        if self._code:
            channels.fetch_archive(s3, self._code, folder / CODE)
        if self._container.packed:
            channels.fetch_archive(s3, uri, folder / ARCHIVE)
        else:
            source = {"S3DataType": "S3Prefix", "S3Uri": uri}
            channels.download_channel(s3, {"DataSource": {"S3DataSource": source}}, folder / "model", 0, 1)
        return folder


class Environment(Server):
    """kept: of the provisioned concurrency. since: when it began to wait, in epoch seconds. setup: how many its
    start took."""

    def __init__(
        self,
        endpoint: str,
        spec: VariantSpec,
        context: EngineContext,
        model: Fetched,
        kept: bool,
        ended: Callable[[], None],
    ) -> None:
        """ended: called when its processes have ended."""
        super().__init__(endpoint, spec, context)
        self.kept, self.since, self.setup = kept, 0.0, 0.0
        self._model, self._tell_end = model, ended
        self._downloaded = self._loaded = 0.0

    def start(self) -> None:
        """As a server's, and say in the log how long its parts took."""
        began = time.perf_counter()
        super().start()
        self.setup = time.perf_counter() - began
        assert self._stream
        launched = self.setup - self._downloaded - self._loaded
        self._stream.note(
            f"cold start of {self.setup:.3f} s: {self._downloaded:.3f} s to download and unpack the model,"
            f" {launched:.3f} s to start processes, {self._loaded:.3f} s until /ping was answered"
        )

    @property
    def alive(self) -> bool:
        """Whether it can take a request."""
        return self.ready and self._running is not None and not self._running.group.ended.is_set()

    def memory(self) -> int:
        """Bytes that its processes have in memory, the libraries of the warm Python among them."""
        return Usage().look([pid for pids in self.processes().values() for pid in pids])[1]

    def _download(self, model: Path, uri: str) -> None:  # noqa: ARG002 - what `Fetched` knows
        began = time.perf_counter()
        self._model.lay_out(model.parent)
        self._downloaded = time.perf_counter() - began

    def _wait_ping(self, running: Running) -> None:
        began = time.perf_counter()
        super()._wait_ping(running)
        self._loaded = time.perf_counter() - began

    def _guard(self) -> None:
        """Say when it has ended; whoever needs another one starts it."""
        assert self._running
        assert self._stream
        self._running.group.ended.wait(PAUSE)  # the request goes first
        self._stream.flush()
        self._running.group.ended.wait()
        self.ready = False
        self._channel.forget()
        self._tell_end()
