"""One processing job: inputs from S3, a container's command on each host, outputs to S3.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

import json
import os
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.mirror import Mirror
from sagelab.cloud.engine.data.workspace import Workspace, environment
from sagelab.cloud.engine.images import environments, registry, runtimes
from sagelab.cloud.engine.jobs.failures import explain_exit
from sagelab.cloud.engine.jobs.hosts import Hosts, Plan
from sagelab.cloud.engine.jobs.logs import Stream
from sagelab.cloud.engine.jobs.run import Report, Run, Stopped
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.errors import ClientError

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
BASE = "/opt/ml"
MESSAGE_LIMIT = 1024  # bytes of /opt/ml/output/message that become the job's ExitMessage
HIDDEN = ("ProcessingJobStatus", "CreationTime", "LastModifiedTime")


class ProcessingRun(Run):
    """The life of one processing job.

    job: the CreateProcessingJob request with ProcessingJobArn. notes: what it asks for and this machine does not
    do; they head the job's log.
    """

    def __init__(self, job: dict[str, Any], notes: list[str], context: EngineContext, report: Report) -> None:
        super().__init__(job["ProcessingJobName"], context, report)
        self.job, self.notes = job, notes
        self.folder = f"{self.job_name}-{time.time_ns():x}"
        count = job["ProcessingResources"]["ClusterConfig"].get("InstanceCount", 1)
        self.names = [f"algo-{number + 1}" for number in range(count)]
        self.folders: dict[str, Path] = {}
        self.streams: dict[str, Stream] = {}
        self.hosts = Hosts(context.launcher)
        image = context.launcher.images.find(job["AppSpecification"]["ImageUri"], registry.PROCESS)
        self.environment = image.environment if image else environments.TENSORFLOW

    def work(self) -> None:
        self.report("InProgress", {"ProcessingStartTime": datetime.now(UTC)})
        self._download()
        runtime = runtimes.choose(self._code(), False, self.environment)
        self._open_logs(runtime)
        codes = self._process(runtime)
        self._keep_message()
        if not (self.asked or self.hosts.overtime):
            self._judge(codes)
        self._upload()
        if self.hosts.overtime:
            raise Stopped

    def halt(self, now: bool) -> None:
        self.hosts.kill() if now else self.hosts.terminate()

    def clean(self) -> None:
        self.context.launcher.remove_folder(self.folder)

    # Folders and inputs

    def _download(self) -> None:
        for number, name in enumerate(self.names):
            folder = self.context.launcher.make_folder(self.folder, name)
            self.folders[name] = folder
            self._write_config(folder, name)
            for source in self.job.get("ProcessingInputs", []):
                self.stop_here()
                target = inside(folder, source["S3Input"]["LocalPath"])
                target.mkdir(parents=True, exist_ok=True)
                channel = {"DataSource": {"S3DataSource": source["S3Input"]}}
                channels.download_channel(
                    self.context.client_as(self.job["RoleArn"], "s3"), channel, target, number, len(self.names)
                )
            for output in self._outputs():
                inside(folder, output["LocalPath"]).mkdir(parents=True, exist_ok=True)
        self.stop_here()

    def _write_config(self, folder: Path, name: str) -> None:
        config = folder / "ml/config"
        for path in (config, folder / "ml/output"):
            path.mkdir(parents=True)
        job = {key: value for key, value in self.job.items() if key not in HIDDEN}
        (config / "processingjobconfig.json").write_text(json.dumps(job, default=str))
        hosts = {"current_host": name, "hosts": self.names, "network_interface_name": "lo"}
        (config / "resourceconfig.json").write_text(json.dumps(hosts))

    def _outputs(self) -> list[dict[str, Any]]:
        return [one["S3Output"] for one in self.job.get("ProcessingOutputConfig", {}).get("Outputs", [])]

    # The container's command

    def _command(self) -> tuple[str, ...]:
        application = self.job["AppSpecification"]
        return (*application["ContainerEntrypoint"], *application.get("ContainerArguments", []))

    def _code(self) -> Path | None:
        """The folder of the script that the command names."""
        folder = self.folders[self.names[0]]
        named = [part for part in self._command() if part.startswith(f"{BASE}/") and ".." not in part]
        files = [inside(folder, part) for part in named]
        return next((file.parent for file in files if file.is_file()), None)

    def _open_logs(self, runtime: runtimes.Runtime) -> None:
        application, kind = self.job["AppSpecification"], self._cluster["InstanceType"]
        here = f"{application['ImageUri']} on {kind} is, here, {runtimes.describe_here(self.environment)}"
        sandbox_unavailable = self.context.launcher.sandbox_unavailable(runtime)
        notes = [
            here,
            *self.notes,
            *([f"without namespaces of its own: {sandbox_unavailable}"] if sandbox_unavailable else []),
        ]
        for name in self.names:
            stream = Stream(self.context.client("logs"), LOG_GROUP, f"{self.job_name}/{name}-{int(time.time())}")
            for note in notes:
                stream.note(note)
            stream.flush()
            self.streams[name] = stream

    def _process(self, runtime: runtimes.Runtime) -> dict[str, int]:
        limit = self.job["StoppingCondition"]["MaxRuntimeInSeconds"]
        isolated = self.job.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
        hosts = [self._host(number, isolated) for number in range(len(self.names))]
        plan = Plan(self.folder, runtime, hosts, not isolated, limit)
        with self._lock:
            self.stop_here()
            readers = self.hosts.start(plan, self.streams)
        with Mirror(self.context.client_as(self.job["RoleArn"], "s3"), self._pairs("Continuous"), self._key_id):
            return self.hosts.wait(plan, readers)

    def _host(self, number: int, isolated: bool) -> HostSpec:
        name, net = self.names[number], zlib.crc32(self.folder.encode()) % 250 + 1
        limit = self.job["StoppingCondition"]["MaxRuntimeInSeconds"]
        access = {} if isolated else self.context.access(self.job["RoleArn"], limit)
        own = {"PROCESSING_JOB_NAME": self.job_name, "PROCESSING_JOB_ARN": self.job["ProcessingJobArn"]}
        return HostSpec(
            name=name,
            folder=str(self.folders[name]),
            argv=self._command(),
            env=environment(self.context.region) | own | access | self.job.get("Environment", {}),
            peers={peer: f"127.1.{net}.{n + 1}" for n, peer in enumerate(self.names)},
            memory=self.context.memory_limit,
        )

    @property
    def _cluster(self) -> dict[str, Any]:
        found: dict[str, Any] = self.job["ProcessingResources"]["ClusterConfig"]
        return found

    def _judge(self, codes: dict[str, int]) -> None:
        """JobError: why the job fails, where a host's exit code says so."""
        spaces = [Workspace(self.folders[name] / "ml") for name in self.names]
        trouble = explain_exit(codes, spaces, self.streams)
        if trouble:
            raise trouble

    # Its message and its outputs

    def _keep_message(self) -> None:
        """ExitMessage: what the hosts wrote to /opt/ml/output/message. ClientError: it is not UTF-8."""
        found = b"".join(read_message(self.folders[name]) for name in self.names)
        try:
            found.decode()
        except UnicodeDecodeError as error:
            raise ClientError(f"{BASE}/output/message is not UTF-8: {error}") from error
        if found:
            self.facts["ExitMessage"] = found[:MESSAGE_LIMIT].decode(errors="ignore")

    def _pairs(self, *modes: str) -> list[tuple[Path, channels.Location]]:
        """The folders of the outputs of these upload modes, on every host, and where their files go."""
        return [
            (inside(folder, output["LocalPath"]), channels.locate(output["S3Uri"]))
            for output in self._outputs()
            if output["S3UploadMode"] in modes
            for folder in self.folders.values()
        ]

    def _upload(self) -> None:
        for folder, location in self._pairs("EndOfJob"):
            channels.upload_folders(
                self.context.client_as(self.job["RoleArn"], "s3"), [folder], location, self._key_id
            )

    @property
    def _key_id(self) -> str | None:
        key_id: str | None = self.job.get("ProcessingOutputConfig", {}).get("KmsKeyId")
        return key_id


def inside(folder: Path, path: str) -> Path:
    """A path of the container as the local cloud sees it. ClientError: the job made a link of a part of it."""
    below = PurePosixPath(path).relative_to(BASE)
    found = (folder / "ml").resolve() / below
    if found.resolve() != found:
        raise ClientError(f"{path} is a link, not a folder")
    return found


def read_message(folder: Path) -> bytes:
    """/opt/ml/output/message; no link is followed."""
    try:
        file = inside(folder, f"{BASE}/output/message")
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ClientError):
        return b""
    with os.fdopen(descriptor, "rb") as text:
        return text.read(MESSAGE_LIMIT + 4)
