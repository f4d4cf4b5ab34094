"""One attempt at a training job: its hosts for as long as it has its instances.

An ordinary job has one. A spot job has one more after each interruption, and a job with a RetryStrategy after each
fault of the platform; nothing of the attempt before is left then but the checkpoints in S3.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.checkpoints import CheckpointFolder, Checkpoints
from sagelab.cloud.engine.data.workspace import Workspace, checkpoint_path, job_environment
from sagelab.cloud.engine.images import environments, registry, runtimes
from sagelab.cloud.engine.jobs.failures import explain_exit
from sagelab.cloud.engine.jobs.logs import Listener, Reader, Stream
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.errors import ClientError, JobError

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
KILLED = 137

GoOn = Callable[[], None]  # raises where the attempt is not to go on


class Attempt:
    """The hosts of a job, in the order of their life: download, open_logs, start, wait, save, upload, remove."""

    def __init__(self, job: dict[str, Any], context: EngineContext) -> None:
        """job: the CreateTrainingJob request with TrainingJobArn."""
        self.job, self.context = job, context
        self.name: str = job["TrainingJobName"]
        self.folder = f"{self.name}-{time.time_ns():x}"
        self.hosts = [f"algo-{number + 1}" for number in range(job["ResourceConfig"]["InstanceCount"])]
        # The folder that the job's image stands for, where it is the user's own.
        image = context.launcher.images.find(job["AlgorithmSpecification"]["TrainingImage"], registry.TRAIN)
        self.program = image.program if image else None
        self.environment = image.environment if image else environments.TENSORFLOW
        self.spaces: list[Workspace] = []
        self.streams: dict[str, Stream] = {}
        self.running: Running | None = None
        self.checkpoints: Checkpoints | None = None
        self._readers: list[Reader] = []
        self._kill: threading.Timer | None = None

    # Downloading

    def download(self, go_on: GoOn) -> None:
        """Lay out every host and fill it from S3. ClientError: the data cannot be had."""
        s3 = self.context.client_as(self.job["RoleArn"], "s3")
        for number, host in enumerate(self.hosts):
            folder = self.context.launcher.make_folder(self.folder, host)
            space = Workspace(folder / "ml")
            space.make(self.job, host, self.hosts)
            self.spaces.append(space)
            for channel in self.job.get("InputDataConfig", []):
                go_on()
                target = space.channel(channel["ChannelName"])
                channels.download_channel(s3, channel, target, number, len(self.hosts))
            self._download_code(s3, space, folder / "sourcedir.tar.gz")
        self._download_checkpoints(s3)
        go_on()

    def _download_code(self, s3: Any, space: Workspace, scratch: Path) -> None:
        """Script Mode's sourcedir.tar.gz, moved by the platform so that no network is needed in the job."""
        uri = self.job.get("HyperParameters", {}).get("sagemaker_submit_directory", "").strip('"')
        if self._toolkit and uri.startswith("s3://"):
            channels.download_archive(s3, uri, space.code, scratch)

    def _download_checkpoints(self, s3: Any) -> None:
        if "CheckpointConfig" not in self.job:
            return
        location = channels.locate(self.job["CheckpointConfig"]["S3Uri"])
        folders = [
            CheckpointFolder(s3, location, space.checkpoints(self.job), space.path.parent) for space in self.spaces
        ]
        self.checkpoints = Checkpoints(folders, self.say)
        self.checkpoints.fill()

    @property
    def _toolkit(self) -> bool:
        """Whether SageMaker's toolkit runs the job: neither an entry point nor an image of the user's own."""
        return "ContainerEntrypoint" not in self.job["AlgorithmSpecification"] and self.program is None

    def choose_runtime(self) -> runtimes.Runtime:
        """What runs the code that was downloaded."""
        if self.program:
            return runtimes.PYTHON
        space = self.spaces[0]
        code = space.code if any(space.code.iterdir()) else space.channel("code")
        return runtimes.choose(code if code.is_dir() else None, self._toolkit, self.environment)

    # Logs

    def open_logs(self, runtime: runtimes.Runtime, notes: list[str], listener: Listener) -> None:
        """A log stream for each host, headed by what the local cloud has to say. listener: hears every line."""
        logs, now = self.context.client("logs"), int(time.time())
        for host in self.hosts:
            self.streams[host] = Stream(logs, LOG_GROUP, f"{self.name}/{host}-{now}", listener)
        for line in [*self._first_lines(runtime), *notes]:
            self.say(line)

    def say(self, line: str) -> None:
        """Put a line of the local cloud's own into the log of every host."""
        for stream in self.streams.values():
            stream.note(line)
            stream.flush()

    def _first_lines(self, runtime: runtimes.Runtime) -> list[str]:
        kind = self.job["ResourceConfig"]["InstanceType"]
        here = f"{self.job['AlgorithmSpecification']['TrainingImage']} on {kind} is, here, "
        sandbox_unavailable = self.context.launcher.sandbox_unavailable(runtime)
        lines = [here + runtimes.describe_here(self.environment)]
        return [*lines, f"without namespaces of its own: {sandbox_unavailable}"] if sandbox_unavailable else lines

    # Training

    def start(self, runtime: runtimes.Runtime, after: GoOn, cores: tuple[int, ...]) -> None:
        """Start the hosts. after: called whenever lines of theirs went to the log. cores: all of them if empty."""
        hosts = [replace(self._host(number), cores=cores) for number in range(len(self.hosts))]
        if any(host.mounts for host in hosts) and self.context.launcher.sandbox_unavailable(runtime):
            raise ClientError("Without namespaces, CheckpointConfig.LocalPath must be a folder in /opt/ml")
        isolated = self.job.get("EnableNetworkIsolation", False)
        self.running = self.context.launcher.start(self.folder, runtime, hosts, network=not isolated)
        outputs, kill = self.running.outputs.items(), self.running.group.kill
        self._readers = [Reader(pipe, self.streams[host], after, kill) for host, pipe in outputs]
        for reader in self._readers:
            reader.start()
        if self.checkpoints:
            self.running.group.started.wait()
            self.checkpoints.watch(self.running.group.pid)

    def terminate(self, grace: float) -> None:
        """Ask the hosts to end: SIGTERM now, SIGKILL after `grace` seconds. Nothing where none runs."""
        if self.running is None or self.running.group.ended.is_set() or self._kill:
            return
        try:
            if self.checkpoints:
                self.checkpoints.hold()
        finally:
            self.running.group.terminate()
        self._kill = threading.Timer(grace, self._kill_hosts)
        self._kill.daemon = True
        self._kill.start()

    def _kill_hosts(self) -> None:
        assert self.running is not None
        try:
            if self.checkpoints:
                self.checkpoints.hold()
        finally:
            self.running.group.kill()

    def kill(self) -> None:
        """End the hosts at once, with nothing saved: the local cloud itself ends."""
        if self.running:
            self.running.group.kill()

    def read_rest(self) -> None:
        """Return when all that the hosts printed is in the log."""
        for reader in self._readers:
            reader.join()

    def save(self, asked: bool, timeout: float) -> None:
        """Send the last checkpoints. asked: the hosts were told to end. ClientError: S3 does not take them."""
        if self.checkpoints:
            assert self.running is not None
            well = not self.running.group.trouble and not any(self._codes().values())
            self.checkpoints.leave(self.running.group.half)
            self.checkpoints.finish(crashed=not (well or asked), timeout=timeout)

    def explain(self) -> JobError | None:
        """Why the hosts failed; None where all ended well."""
        return explain_exit(self._codes(), self.spaces, self.streams)

    def _codes(self) -> dict[str, int]:
        assert self.running is not None
        return {host: self.running.group.codes.get(host, KILLED) for host in self.hosts}

    def _host(self, number: int) -> HostSpec:
        algorithm = self.job["AlgorithmSpecification"]
        argv = (*algorithm.get("ContainerEntrypoint", ["train"]), *algorithm.get("ContainerArguments", []))
        folder = self.spaces[number].path.parent
        return HostSpec(
            name=self.hosts[number],
            folder=str(folder),
            argv=argv,
            env=job_environment(self.job, self.context.region) | self._access() | self.job.get("Environment", {}),
            peers={
                host: f"127.1.{zlib.crc32(self.folder.encode()) % 250 + 1}.{n + 1}"
                for n, host in enumerate(self.hosts)
            },
            memory=self.context.memory_limit,
            disk=self.job["ResourceConfig"]["VolumeSizeInGB"] << 30,
            mounts=self._mounts(self.spaces[number]),
            program=str(self.program) if self.program else None,
        )

    def _mounts(self, space: Workspace) -> dict[str, str]:
        """The checkpoint folder, where the job wants it outside of /opt/ml."""
        if "CheckpointConfig" not in self.job:
            return {}
        folder = space.checkpoints(self.job)
        return {} if folder.is_relative_to(space.path) else {checkpoint_path(self.job): str(folder)}

    def _access(self) -> dict[str, str]:
        """Keys of the job's own role; none where it has no network to use them."""
        if self.job.get("EnableNetworkIsolation"):
            return {}
        return self.context.access(self.job["RoleArn"], self.job["StoppingCondition"]["MaxRuntimeInSeconds"])

    # Uploading

    def upload(self, model: bool, go_on: GoOn) -> None:
        """model.tar.gz and output.tar.gz, or their files one by one; of a failed job only the output."""
        config = self.job["OutputDataConfig"]
        s3, key_id = self.context.client_as(self.job["RoleArn"], "s3"), config.get("KmsKeyId")
        location = channels.locate(config["S3OutputPath"]).join(self.name, "output")
        parts = {"output": [space.output for space in self.spaces]}
        if model:
            parts["model"] = [space.model for space in self.spaces]
        for name, folders in parts.items():
            go_on()
            if any(folder.is_symlink() for folder in folders):
                raise ClientError(f"/opt/ml/{name} is a link, not a folder")
            if config.get("CompressionType") == "NONE":
                channels.upload_folders(s3, folders, location.join(name), key_id)
            else:
                channels.upload_packed(s3, folders, location.join(f"{name}.tar.gz"), key_id)

    def remove(self) -> None:
        """Leave nothing of it on this machine."""
        if self._kill:
            self._kill.cancel()
        self.context.launcher.remove_folder(self.folder)
