"""One compilation job, from STARTING to its end, in a host of its own like a training job's.

The host has no network and no keys: what it needs is put into its folder, what it makes is taken out of it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.exceptions

from sagelab.cloud.engine.compilation import options, targets
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import archives, channels
from sagelab.cloud.engine.data.workspace import Workspace
from sagelab.cloud.engine.images import neo, runtimes
from sagelab.cloud.engine.jobs.cluster import Cluster, Task
from sagelab.cloud.engine.jobs.failures import KILLED, find_error
from sagelab.cloud.engine.jobs.run import OVERTIME, JobRun, Report, Step, failure
from sagelab.cloud.errors import ClientError, JobError
from sagelab.neo import room
from sagelab.neo.compiler import OUT_OF_MEMORY

if TYPE_CHECKING:
    from sagelab.neo import runtime

LOG_GROUP = "/aws/sagemaker/CompilationJobs"
MANIFEST_LIMIT = 1 << 20  # bytes
COMMAND = ("python3", "-m", "sagelab.neo", "input/config/request.json")
MEMORY = 12 << 30  # bytes that a process of a compilation job may ask for, where the machine has so many
CRASHES = (134, 139)  # SIGABRT, SIGSEGV
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


class CompilationRun(JobRun):
    """The life of one compilation job. cache: a folder for what is fetched once."""

    def __init__(self, order: Order, context: EngineContext, cache: Path, report: Report) -> None:
        super().__init__(order.job["CompilationJobName"], report)
        self.order, self.context, self.cache = order, context, cache
        self.cluster = Cluster(self.job_name, 1, context)

    def halt(self, now: bool) -> None:  # noqa: ARG002 - a compiler has nothing to save, so there is nothing to wait for
        self.cluster.kill()

    def clean(self) -> None:
        self.cluster.remove()

    def end(self) -> Step | None:
        if self.facts:
            return Step("Completed")  # the artifact is there, whatever came after
        if self.ending != OVERTIME:
            return super().end()
        why = f"the compilation did not end within MaxRuntimeInSeconds ({self._seconds})."
        return failure(ClientError(f"TimeOut: {why}"))

    def work(self) -> None:
        self.report(Step("InProgress", facts={"CompilationStartTime": datetime.now(UTC)}))
        (space,) = self.cluster.make_folders()
        self._download(space)
        self._open_log()
        self._prepare(space)
        self._compile(space)
        self.facts |= self._upload(space)

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

    def _open_log(self) -> None:
        target = self.order.target
        first = f"{target.name} is {target.cpu.cpu} ({target.cpu.triple}), by {target.source}"
        notes = [note for note in (target.note, *self.order.options.notes, *self.order.notes) if note]
        self.cluster.open_logs(LOG_GROUP, self._runtime, [first, *notes], name="{job}")

    def _prepare(self, space: Workspace) -> None:
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
            self._lend_emulator(space.path / "input/emulator")

    def _lend_emulator(self, folder: Path) -> None:
        from sagelab.neo import emulator  # NumPy, which no local cloud needs at its start

        try:
            program = emulator.fetch(self.cache).program
        except emulator.NoEmulator as error:
            self.cluster.say(f"no emulation of ARM64: {error}")
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

    @property
    def _seconds(self) -> int:
        seconds: int = self.order.job["StoppingCondition"]["MaxRuntimeInSeconds"]
        return seconds

    def _compile(self, space: Workspace) -> None:
        """Run the compiler to its end. JobError: why it did not compile."""
        role, limit = self.order.job["RoleArn"], self._seconds
        task = Task(self._runtime, COMMAND, {}, network=False, role=role, seconds=limit, memory=self._memory)
        self.begin(self.cluster, task)
        self.follow(self.cluster, {OVERTIME: task.seconds})
        self.go_on()
        self.cluster.check()
        ((host, code),) = self.cluster.codes.items()
        if code:
            tail = list(self.cluster.streams[host].tail)
            raise explain(code, space.failure(), tail, room.is_tight(_size(space), self._memory))

    # Out

    def _upload(self, space: Workspace) -> dict[str, Any]:
        """The artifact, as one archive; what DescribeCompilationJob tells of it."""
        from sagelab.neo import runtime

        model = space.tree.below("model")
        manifest = runtime.parse_manifest(model.read(runtime.MANIFEST, MANIFEST_LIMIT), "what the compiler made")
        location = channels.locate(artifact_uri(self.order.job))
        with model.scratch() as archive:
            archives.pack([model], archive)
            digest = hashlib.file_digest(archive, "sha256").hexdigest()
            archive.seek(0)
            key_id = self.order.job["OutputConfig"].get("KmsKeyId")
            channels.upload(self.context.client_as(self.order.job["RoleArn"], "s3"), archive, location, key_id)
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
    return sum(entry.facts.st_size for entry in space.tree.below("input/model").walk() if entry.is_file)


def explain(code: int, failure: str, tail: list[str], tight: bool = False) -> JobError:
    """Why a compiler that ended with this code did not compile: its own reason, or what its last lines say.

    tight: its memory is little for the model, so that a crash without a word comes of that.
    """
    if failure:
        return ClientError(failure)
    said = find_error(tail) or "\n".join(tail[-5:])
    if code == KILLED or (tight and code in CRASHES) or any(OUT_OF_MEMORY.search(line) for line in tail):
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
