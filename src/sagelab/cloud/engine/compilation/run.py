"""One compilation job, from STARTING to its end, in a host of its own like a training job's.

The host has no network and no keys: what it needs is put into its folder, what it makes is taken out of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.compilation import options, targets
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import archives, channels
from sagelab.cloud.engine.data.workspace import Workspace, environment
from sagelab.cloud.engine.images import neo, runtimes
from sagelab.cloud.engine.jobs.failures import find_error
from sagelab.cloud.engine.jobs.logs import Reader, Stream
from sagelab.cloud.engine.jobs.training import INTERRUPTED, Step, Stopped
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.errors import ClientError, InternalServerError, JobError
from sagelab.neo import emulator, room, runtime
from sagelab.neo.compiler import OUT_OF_MEMORY

logger = logging.getLogger("sagelab")

LOG_GROUP = "/aws/sagemaker/CompilationJobs"
HOST = "neo"
COMMAND = ("python3", "-m", "sagelab.neo", "input/config/request.json")
MEMORY = 12 << 30  # bytes that a process of a compilation job may ask for, where the machine has so many
CRASHES = (134, 139)  # SIGABRT, SIGSEGV
OVERTIME = "TimeOut"
UNPACK = "InputConfiguration: Unable to untar input model. Please confirm the model is a tar.gz file."


@dataclass(frozen=True)
class Order:
    """What is compiled for what. notes: what the request asks for and is not done here; they head the log."""

    job: dict[str, Any]
    target: targets.Target
    options: options.Options
    notes: tuple[str, ...] = ()

    @property
    def framework(self) -> str:
        return str(self.job["InputConfig"]["Framework"])


@dataclass
class _Ending:
    """Why a run ends early: "Stopped", OVERTIME or INTERRUPTED."""

    why: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class CompilationRun(threading.Thread):
    """The life of one compilation job. cache: a folder for what is fetched once.

    report: called with each Step, in order, from this thread.
    """

    def __init__(self, order: Order, context: EngineContext, cache: Path, report: Callable[[Step], None]) -> None:
        self.job_name: str = order.job["CompilationJobName"]
        super().__init__(daemon=True, name=f"compilation {self.job_name}")
        self.order, self.context, self.cache, self.report = order, context, cache, report
        self.folder = f"{self.job_name}-{time.time_ns():x}"
        self.running: Running | None = None
        self._ending = _Ending()

    def stop(self, why: str = "Stopped") -> None:
        """End the job's processes: a compiler has nothing to save, so that there is nothing to wait for."""
        with self._ending.lock:
            self._ending.why = self._ending.why or why
            if self.running:
                self.running.group.kill()

    def interrupt(self) -> None:
        """The local cloud itself ends."""
        self.stop(INTERRUPTED)

    def run(self) -> None:
        end = self._live()
        self.context.launcher.remove_folder(self.folder)
        self.report(end)

    def _live(self) -> Step:
        """All of the job's life; what is returned is its end, not yet reported."""
        try:
            facts = self._work()
        except JobError as error:
            return Step("FAILED", str(error))
        except Stopped:
            return self._early()
        except Exception as error:
            if self._ending.why:
                return self._early()  # what it needed was ended under it
            logger.exception("compilation job %s", self.job_name)
            return Step("FAILED", str(InternalServerError(f"The local cloud failed: {error!r}")))
        return Step("COMPLETED", "", facts)

    def _early(self) -> Step:
        if self._ending.why == OVERTIME:
            seconds = self.order.job["StoppingCondition"]["MaxRuntimeInSeconds"]
            why = f"TimeOut: the compilation did not end within MaxRuntimeInSeconds ({seconds})."
            return Step("FAILED", str(ClientError(why)))
        if self._ending.why == INTERRUPTED:
            return Step("FAILED", str(InternalServerError(INTERRUPTED)))
        return Step("STOPPED", "")

    def _work(self) -> dict[str, Any]:
        self.report(Step("INPROGRESS", ""))
        space = Workspace(self.context.launcher.make_folder(self.folder, HOST) / "ml")
        self._download(space)
        stream = self._open_log()
        self._prepare(space, stream)
        code = self._compile(space, stream)
        if self._ending.why:
            raise Stopped
        if code:
            raise explain(code, space.failure(), list(stream.tail), room.is_tight(_size(space), self._memory))
        return self._upload(space)

    # In

    def _download(self, space: Workspace) -> None:
        model = space.path / "input/model"
        for folder in (model, space.path / "input/config", space.path / "output", space.model):
            folder.mkdir(parents=True)
        s3, uri = self.context.client_as(self.order.job["RoleArn"], "s3"), self.order.job["InputConfig"]["S3Uri"]
        location = channels.locate(uri)
        try:
            s3.head_object(Bucket=location.bucket, Key=location.key)
        except botocore.exceptions.ClientError:
            raise ClientError(
                f"InputConfiguration: S3 object does not exist. Bucket: {location.bucket}, Key: {location.key}"
            ) from None
        try:
            channels.download_archive(s3, uri, model, space.path.parent / "model.tar.gz")
        except ClientError as error:
            why = str(error).partition(f"{uri}: ")[2]
            raise ClientError(f"{UNPACK} {why[:1].upper()}{why[1:]}.") from None

    def _open_log(self) -> Stream:
        stream = Stream(self.context.client("logs"), LOG_GROUP, self.job_name)
        target = self.order.target
        stream.note(f"{target.name} is {target.cpu.cpu} ({target.cpu.triple}), by {target.source}")
        for note in (target.note, *self.order.options.notes, *self.order.notes):
            if note:
                stream.note(note)
        if sandbox_unavailable := self.context.launcher.sandbox_unavailable(self._runtime):
            stream.note(f"without namespaces of its own: {sandbox_unavailable}")
        stream.flush()
        return stream

    def _prepare(self, space: Workspace, stream: Stream) -> None:
        """The request for the compiler, and what it needs to check code for ARM64."""
        config = self.order.job["InputConfig"]
        request = {
            "archive": "input/model",
            "out": "model",
            "failure": "output/failure",
            "framework": self.order.framework,
            "target": self.order.target.name,
            "family": self.order.target.family,
            "cpu": asdict(self.order.target.cpu),
            "data_input_config": config.get("DataInputConfig"),
            "signature": self.order.options.signature,
            "cache": "input/emulator",
        }
        (space.path / "input/config/request.json").write_text(json.dumps(request))
        if self.order.target.cpu.triple.startswith("aarch64"):
            self._lend_emulator(space.path / "input/emulator", stream)

    def _lend_emulator(self, folder: Path, stream: Stream) -> None:
        try:
            program = emulator.fetch(self.cache).program
        except emulator.NoEmulator as error:
            stream.note(f"no emulation of ARM64: {error}")
            stream.flush()
            return
        folder = folder / program.parent.name
        folder.mkdir(parents=True)
        shutil.copy2(program, folder / program.name)

    # The compiler

    @property
    def _memory(self) -> int:
        return min(MEMORY, self.context.memory_limit)

    @property
    def _runtime(self) -> runtimes.Runtime:
        return runtimes.PYTHON if self.order.framework == "ONNX" else runtimes.TENSORFLOW

    def _compile(self, space: Workspace, stream: Stream) -> int:
        """Run the compiler to its end; its exit code."""
        host = HostSpec(
            name=HOST,
            folder=str(space.path.parent),
            argv=COMMAND,
            env=environment(self.context.region),
            memory=self._memory,
        )
        with self._ending.lock:
            if self._ending.why:
                raise Stopped
            self.running = self.context.launcher.start(self.folder, self._runtime, [host], network=False)
        readers = [Reader(pipe, stream, lambda: None) for pipe in self.running.outputs.values()]
        for reader in readers:
            reader.start()
        group, seconds = self.running.group, self.order.job["StoppingCondition"]["MaxRuntimeInSeconds"]
        if not group.ended.wait(seconds):
            self.stop(OVERTIME)
            group.ended.wait()
        for reader in readers:
            reader.join()
        if group.trouble:
            raise InternalServerError(group.trouble)
        return group.codes.get(HOST, 137)

    # Out

    def _upload(self, space: Workspace) -> dict[str, Any]:
        """The artifact, as one archive; what DescribeCompilationJob tells of it."""
        manifest = runtime.read_manifest(space.model)
        archive = space.path.parent / "artifact.tar.gz"
        archives.pack([space.model], archive)
        location = channels.locate(artifact_uri(self.order.job))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        key_id = self.order.job["OutputConfig"].get("KmsKeyId")
        channels.upload_file(self.context.client_as(self.order.job["RoleArn"], "s3"), archive, location, key_id)
        facts: dict[str, Any] = {
            "ModelArtifacts": {"S3ModelArtifacts": str(location)},
            "ModelDigests": {"ArtifactDigest": f"sha256:{digest}"},
        }
        if "DataInputConfig" not in self.order.job["InputConfig"]:
            facts["DerivedInformation"] = {"DerivedDataInputConfig": derived(manifest, self.order.framework)}
        if self.order.target.family:
            facts["InferenceImage"] = neo.uri(self.order.framework, self.context.region)
        return facts


def _size(space: Workspace) -> int:
    """Bytes of the model."""
    return sum(file.stat().st_size for file in (space.path / "input/model").rglob("*") if file.is_file())


def explain(code: int, failure: str, tail: list[str], tight: bool = False) -> JobError:
    """Why a compiler that ended with this code did not compile: its own reason, or what its last lines say.

    tight: its memory is little for the model, so that a crash without a word comes of that.
    """
    if failure:
        return ClientError(failure)
    said = find_error(tail) or "\n".join(tail[-5:])
    if code == 137 or (tight and code in CRASHES) or any(OUT_OF_MEMORY.search(line) for line in tail):
        return ClientError(
            f"OutOfMemory: the model does not fit into the memory of the job. Exit code: {code}. {said[-600:]}"
        )
    return ClientError(f"CompilerFailed: the compiler crashed. Exit code: {code}. {said[-600:]}")


def artifact_uri(job: dict[str, Any]) -> str:
    """Where the artifact of a job is, once it is uploaded: <model>-<target>.tar.gz."""
    model = job["InputConfig"]["S3Uri"].rpartition("/")[2].removesuffix(".tar.gz")
    output = job["OutputConfig"]
    name = f"{model}-{targets.name_of(output)}.tar.gz"
    return str(channels.locate(output["S3OutputLocation"]).join(name))


def derived(manifest: runtime.Manifest, framework: str) -> str:
    """The DataInputConfig that the model itself gave, in the framework's own form."""
    from sagelab.neo import shapes

    turn = shapes.first if framework == "KERAS" else tuple
    return json.dumps({tensor.name: list(turn(tensor.shape)) for tensor in manifest.inputs})
