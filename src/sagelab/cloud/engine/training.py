"""One training job, from Starting to its end: what happens, in the order in which SageMaker does it.

The run tells each step to `report` (resources/training_jobs.py), which is all that a status ever moves on.
"""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagelab.cloud.engine import channels, runtimes
from sagelab.cloud.engine.failures import explain_exit
from sagelab.cloud.engine.launcher import Running
from sagelab.cloud.engine.logs import Reader, Stream
from sagelab.cloud.engine.metrics import Metrics
from sagelab.cloud.engine.sandbox import HostSpec
from sagelab.cloud.engine.surroundings import Surroundings
from sagelab.cloud.engine.workspace import Workspace, job_environment
from sagelab.cloud.errors import ClientError, InternalServerError, JobError

logger = logging.getLogger("sagelab")

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
GRACE_SECONDS = 120.0  # between SIGTERM and SIGKILL, as StopTrainingJob has it
OVERTIME = "MaxRuntimeExceeded"
INTERRUPTED = "The local cloud ended while the job was running; nothing of the job is left. Create it again."


@dataclass(frozen=True)
class Step:
    """A job has come to a new secondary status. facts: what DescribeTrainingJob tells from now on."""

    status: str
    message: str
    facts: dict[str, Any] = field(default_factory=dict)


class Stopped(Exception):
    """The job was asked to stop, or ran into its time limit, before its hosts ran."""


class TrainingRun(threading.Thread):
    """The life of one training job.

    job: the CreateTrainingJob request with TrainingJobArn. notes: what the request asks for and this machine
    does not do; they head the job's log. report: called with each Step, in order, from this thread.
    """

    def __init__(
        self,
        job: dict[str, Any],
        notes: list[str],
        place: Surroundings,
        report: Callable[[Step], None],
    ) -> None:
        super().__init__(daemon=True, name=f"training {job['TrainingJobName']}")
        self.job, self.notes, self.place, self.report = job, notes, place, report
        self.name: str = job["TrainingJobName"]
        self.folder = f"{self.name}-{time.time_ns():x}"
        count = job["ResourceConfig"]["InstanceCount"]
        self.hosts = [f"algo-{number + 1}" for number in range(count)]
        self.metrics = Metrics(job["AlgorithmSpecification"].get("MetricDefinitions", []))
        self.streams: dict[str, Stream] = {}
        self.spaces: list[Workspace] = []
        self.running: Running | None = None
        self.ending: str | None = None  # why it ends early: "Stopped", OVERTIME or INTERRUPTED
        self._lock = threading.Lock()
        self._kill: threading.Timer | None = None

    def stop(self, why: str = "Stopped") -> None:
        """Ask the job to end: SIGTERM now, SIGKILL after the grace period."""
        with self._lock:
            if self.ending:
                return
            self.ending = why
            if self.running:
                self.running.group.terminate()
                self._kill = threading.Timer(GRACE_SECONDS, self.running.group.kill)
                self._kill.daemon = True
                self._kill.start()

    def interrupt(self) -> None:
        """End the job's processes at once: the local cloud itself ends."""
        with self._lock:
            self.ending = INTERRUPTED
            if self.running:
                self.running.group.kill()

    def run(self) -> None:
        end = self._live()
        if self._kill:
            self._kill.cancel()
        self.place.launcher.remove_folder(self.folder)
        self.report(end)

    def _live(self) -> Step:
        """All of the job's life; what is returned is its end, not yet reported."""
        try:
            self._work()
        except JobError as error:
            return Step("Failed", str(error))
        except Stopped:
            pass
        except Exception as error:
            logger.exception("training job %s", self.name)
            return Step("Failed", str(InternalServerError(f"The local cloud failed: {error!r}")))
        return Step(*self._end_words())

    def _work(self) -> None:
        self.report(Step("Starting", "Preparing the instances for training"))
        self.report(Step("Downloading", "Downloading input data"))
        self._download()
        runtime = self._choose_runtime()
        if not self.place.launcher.is_warm(runtime):
            self.report(Step("Downloading", "Downloading the training image"))
        self._open_logs(runtime)
        self.report(Step("Training", "Training image download completed. Training in progress."))
        codes = self._train(runtime)
        if self.ending == INTERRUPTED:
            raise Stopped
        finals = {"FinalMetricDataList": self.metrics.final()}
        trouble = None if self.ending else explain_exit(codes, self.spaces, self.streams)
        self.report(Step("Uploading", "Uploading generated training model", finals))
        self._upload(model=trouble is None)
        if trouble:
            raise trouble

    def _end_words(self) -> tuple[str, str]:
        words = {
            None: ("Completed", "Training job completed"),
            "Stopped": ("Stopped", "Training job stopped"),
            OVERTIME: (OVERTIME, "Training job runtime exceeded MaxRuntimeInSeconds provided"),
            INTERRUPTED: ("Failed", str(InternalServerError(INTERRUPTED))),
        }
        return words[self.ending]

    # Starting and downloading

    @property
    def _toolkit(self) -> bool:
        """Whether the image's own `train` runs the job: no entry point of the user's own."""
        return "ContainerEntrypoint" not in self.job["AlgorithmSpecification"]

    def _download(self) -> None:
        s3 = self.place.client("s3")
        for number, host in enumerate(self.hosts):
            folder = self.place.launcher.make_folder(self.folder, host)
            space = Workspace(folder / "ml")
            space.make(self.job, host, self.hosts)
            self.spaces.append(space)
            for channel in self.job.get("InputDataConfig", []):
                self._stop_here()
                target = space.channel(channel["ChannelName"])
                channels.download_channel(s3, channel, target, number, len(self.hosts))
            self._download_code(s3, space, folder / "sourcedir.tar.gz")
        self._stop_here()

    def _download_code(self, s3: Any, space: Workspace, scratch: Path) -> None:
        """Script Mode's sourcedir.tar.gz, moved by the platform so that no network is needed in the job."""
        uri = self.job.get("HyperParameters", {}).get("sagemaker_submit_directory", "").strip('"')
        if self._toolkit and uri.startswith("s3://"):
            channels.download_archive(s3, uri, space.code, scratch)

    def _stop_here(self) -> None:
        if self.ending:
            raise Stopped

    def _choose_runtime(self) -> runtimes.Runtime:
        space = self.spaces[0]
        code = space.code if any(space.code.iterdir()) else space.channel("code")
        return runtimes.choose(code if code.is_dir() else None, self._toolkit)

    # Training

    def _open_logs(self, runtime: runtimes.Runtime) -> None:
        logs, now = self.place.client("logs"), int(time.time())
        for host in self.hosts:
            stream = Stream(logs, LOG_GROUP, f"{self.name}/{host}-{now}", self.metrics.read)
            for note in self._first_lines(runtime):
                stream.note(note)
            stream.flush()
            self.streams[host] = stream

    def _first_lines(self, runtime: runtimes.Runtime) -> list[str]:
        kind = self.job["ResourceConfig"]["InstanceType"]
        here = f"{self.job['AlgorithmSpecification']['TrainingImage']} on {kind} is, here, "
        weaker = self.place.launcher.weaker(runtime)
        lines = [here + runtimes.describe_here(), *self.notes]
        return [*lines, f"without namespaces of its own: {weaker}"] if weaker else lines

    def _train(self, runtime: runtimes.Runtime) -> dict[str, int]:
        """Run the hosts to their end; the exit code of each."""
        hosts = [self._host(number) for number in range(len(self.hosts))]
        isolated = self.job.get("EnableNetworkIsolation", False)
        with self._lock:
            if self.ending:
                raise Stopped
            self.running = self.place.launcher.start(self.folder, runtime, hosts, network=not isolated)
        readers = [
            Reader(pipe, self.streams[host], self._send_metrics) for host, pipe in self.running.outputs.items()
        ]
        for reader in readers:
            reader.start()
        self._wait(self.running)
        for reader in readers:
            reader.join()
        if self.running.group.trouble:
            raise InternalServerError(self.running.group.trouble)
        return {host: self.running.group.codes.get(host, 137) for host in self.hosts}

    def _wait(self, running: Running) -> None:
        group = running.group
        limit = time.monotonic() + self.job["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)
        while not group.ended.is_set():
            group.changed.wait(max(0.0, limit - time.monotonic()))
            group.changed.clear()
            if time.monotonic() >= limit:
                self.stop(OVERTIME)
                limit = float("inf")
                group.ended.wait()
            elif any(group.codes.values()) and len(group.codes) < len(self.hosts) and not self.ending:
                group.kill()  # one host failed: the others would wait for it for ever

    def _send_metrics(self) -> None:
        self.metrics.send(self.place.client("cloudwatch"), self.name)

    def _host(self, number: int) -> HostSpec:
        algorithm = self.job["AlgorithmSpecification"]
        argv = (*algorithm.get("ContainerEntrypoint", ["train"]), *algorithm.get("ContainerArguments", []))
        folder = self.spaces[number].path.parent
        return HostSpec(
            name=self.hosts[number],
            folder=str(folder),
            argv=argv,
            env=job_environment(self.job, self.place.region) | self._access() | self.job.get("Environment", {}),
            peers={
                host: f"127.1.{zlib.crc32(self.folder.encode()) % 250 + 1}.{n + 1}"
                for n, host in enumerate(self.hosts)
            },
            memory=self.place.memory_limit,
            disk=self.job["ResourceConfig"]["VolumeSizeInGB"] << 30,
        )

    def _access(self) -> dict[str, str]:
        """Keys of the job's own role; none where it has no network to use them."""
        if self.job.get("EnableNetworkIsolation"):
            return {}
        return self.place.access(self.job["RoleArn"], "SageMaker")

    # Uploading

    def _upload(self, model: bool) -> None:
        """model.tar.gz and output.tar.gz, or their files one by one; of a failed job only the output."""
        config = self.job["OutputDataConfig"]
        s3, key_id = self.place.client("s3"), config.get("KmsKeyId")
        place = channels.locate(config["S3OutputPath"]).join(self.name, "output")
        parts = {"output": [space.output for space in self.spaces]}
        if model:
            parts["model"] = [space.model for space in self.spaces]
        for name, folders in parts.items():
            if any(folder.is_symlink() for folder in folders):
                raise ClientError(f"/opt/ml/{name} is a link, not a folder")
            if config.get("CompressionType") == "NONE":
                channels.upload_folders(s3, folders, place.join(name), key_id)
            else:
                channels.upload_packed(s3, folders, place.join(f"{name}.tar.gz"), key_id)


def artifact_uri(job: dict[str, Any]) -> str:
    """Where a job's model is, once it is uploaded."""
    config = job["OutputDataConfig"]
    name = "model/" if config.get("CompressionType") == "NONE" else "model.tar.gz"
    return str(channels.locate(config["S3OutputPath"]).join(job["TrainingJobName"], "output", name))
