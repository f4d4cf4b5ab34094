"""One attempt at a training job: its hosts for as long as it has its instances.

An ordinary job has one. A spot job has one more after each interruption, and a job with a RetryStrategy after each
fault of the platform; nothing of the attempt before is left then but the checkpoints in S3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from sagelab.algorithms.program import USERS_FAULT
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels, fastfiles, pipes
from sagelab.cloud.engine.data.checkpoints import CheckpointFolder, Checkpoints
from sagelab.cloud.engine.data.fastfiles import FastFolder
from sagelab.cloud.engine.data.feeds import Feed
from sagelab.cloud.engine.data.workspace import Workspace, checkpoint_path, input_mode, job_environment
from sagelab.cloud.engine.filesystems import mounts
from sagelab.cloud.engine.images import environments, registry, runtimes
from sagelab.cloud.engine.images.registry import ALGORITHM, is_algorithm
from sagelab.cloud.engine.jobs import distribution
from sagelab.cloud.engine.jobs.cluster import Cluster, Task, describe_stand_in
from sagelab.cloud.engine.jobs.metrics import Metrics
from sagelab.cloud.engine.sandbox.namespaces import HostSpec, Share
from sagelab.cloud.errors import ClientError, JobError
from sagelab.frameworks.pytorch import BY_TORCHRUN

LOG_GROUP = "/aws/sagemaker/TrainingJobs"

GoOn = Callable[[], None]  # raises where the attempt is not to go on

# In AWS's words, after what has failed.
NO_WAY = (
    "Please ensure that the subnet's route table has a route to an S3 VPC endpoint or a NAT device, and both the"
    " security groups and the subnet's network ACL allow outbound traffic to S3"
)


class Attempt(Cluster):
    """The hosts of a training job: download, head_logs, start, wait, save, upload, remove.

    job: the CreateTrainingJob request with TrainingJobArn. cores: the processors that its hosts are held to; all
    of them if empty.
    """

    def __init__(
        self, job: dict[str, Any], context: EngineContext, metrics: Metrics, cores: tuple[int, ...] = ()
    ) -> None:
        resources = job["ResourceConfig"]
        key = resources.get("VolumeKmsKeyId")
        count, kind = resources["InstanceCount"], resources["InstanceType"]
        super().__init__(job["TrainingJobName"], count, context, key, kind)
        uri = job["AlgorithmSpecification"]["TrainingImage"]
        self.request, self.metrics, self.cores = job, metrics, cores
        self.listener = self._read
        # The folder that the job's image stands for, where it is the user's own.
        image, hyperparameters = context.launcher.images.find(uri, registry.TRAIN), job.get("HyperParameters", {})
        self.program = image.program if image else None
        self.algorithm = image.algorithm if image and is_algorithm(image, hyperparameters) else ""
        self.version = (image.version(uri) if image and image.algorithm else None) or ""
        self.module = image.module if image else ""
        self.users_fault = USERS_FAULT if image and image.server == ALGORITHM else None
        self.environment = image.environment if image else environments.TENSORFLOW
        self.checkpoints: Checkpoints | None = None
        self.feeds: list[Feed] = []
        self.shares: list[Share] = []
        self.fast: dict[tuple[str, str], FastFolder] = {}  # by host and channel
        self.said: list[str] = []  # of all that, at the beginning of the log

    # Downloading

    def download(self, go_on: GoOn) -> None:
        """Lay out every host and fill it from S3. ClientError: the data cannot be had."""
        objects = [one for one in self.request.get("InputDataConfig", []) if "S3DataSource" in one["DataSource"]]
        if objects or "CheckpointConfig" in self.request or self._code:
            self.context.require_s3(f"Data download failed:{NO_WAY}")
        self._mount_shares(go_on)
        s3 = self.context.client_as(self.request["RoleArn"], "s3")
        for number, space in enumerate(self.make_folders()):
            space.make(self.request, self.hosts[number], self.hosts, self.interface)
            for channel in objects:
                go_on()
                self._download_channel(s3, space, channel, number)
            self._download_code(s3, space)
        self._download_checkpoints(s3)
        go_on()

    def _download_channel(self, s3: Any, space: Workspace, channel: dict[str, Any], number: int) -> None:
        """Have a channel's data in the folder of a host, or on its way there."""
        name, hosts = channel["ChannelName"], len(self.hosts)
        asked = (s3, channel, space.channel(name), number, hosts)
        mode = input_mode(self.request, channel)
        if mode == "FastFile" and self._has_fast_files:
            files = fastfiles.list_files(s3, channel, number, hosts)
            folder = space.path.with_name("fast") / name
            self.fast[self.hosts[number], name] = FastFolder(s3, files, folder, self.say)
        elif mode != "Pipe":
            channels.download_channel(*asked)
        elif self.algorithm:
            pipes.fill(*asked, self.request["ResourceConfig"]["VolumeSizeInGB"] << 30)
        else:
            parts = partial(pipes.stream, s3, channel, number, hosts)
            self.feeds.append(Feed(space.tree.below("input/data"), name, parts, self.kill))

    @cached_property
    def _has_fast_files(self) -> bool:
        """Whether files can come when they are opened; the log says why not."""
        reason = fastfiles.unavailable() or self.context.launcher.sandbox_unavailable(runtimes.PYTHON)
        if reason:
            self.said.append(f"FastFile: the files are all downloaded before the job starts: {reason}")
        return not reason

    def _mount_shares(self, go_on: GoOn) -> None:
        """The file systems that are channels, the same for each host."""
        for channel in self.request.get("InputDataConfig", []):
            if source := channel["DataSource"].get("FileSystemDataSource"):
                share, said = mounts.mount(self.context, channel["ChannelName"], source, go_on)
                self.shares.append(share)
                self.said += said

    def _download_code(self, s3: Any, space: Workspace) -> None:
        """Script Mode's sourcedir.tar.gz, moved by the platform so that no network is needed in the job."""
        if self._code:
            channels.download_archive(s3, self._code, space.code, space.path.with_name("sourcedir.tar.gz"))

    @property
    def _code(self) -> str:
        """Where it is; "" where there is none."""
        uri: str = self.request.get("HyperParameters", {}).get("sagemaker_submit_directory", "").strip('"')
        return uri if self._toolkit and uri.startswith("s3://") else ""

    def _download_checkpoints(self, s3: Any) -> None:
        if "CheckpointConfig" not in self.request:
            return
        location = channels.locate(self.request["CheckpointConfig"]["S3Uri"])
        folders = [CheckpointFolder(s3, location, space.checkpoints(self.request)) for space in self.spaces]
        self.checkpoints = Checkpoints(folders, self.say)
        self.checkpoints.fill()

    @property
    def _toolkit(self) -> bool:
        """Whether SageMaker's toolkit runs the job: neither an entry point nor an image of the user's own."""
        return "ContainerEntrypoint" not in self.request["AlgorithmSpecification"] and self.program is None

    @property
    def _distributed(self) -> bool:
        """Whether TensorFlow's hosts are to be told of one another."""
        of_tensorflow = self._toolkit and "tensorflow" in self.environment.imports
        return of_tensorflow and distribution.is_asked_for(self.request.get("HyperParameters", {}))

    @property
    def _meets(self) -> bool:
        """Whether PyTorch's hosts are to find one another."""
        hyperparameters = self.request.get("HyperParameters", {})
        return bool(self.module) and any(distribution.is_on(hyperparameters, name) for name in BY_TORCHRUN)

    def choose_runtime(self) -> runtimes.Runtime:
        """What runs the code that was downloaded."""
        if self.program:
            return runtimes.PYTHON
        if self.users_fault is not None:
            return runtimes.ready(self.environment)
        space = self.spaces[0]
        code = space.code if any(space.code.iterdir()) else space.channel("code")
        return runtimes.choose(code if code.is_dir() else None, self._toolkit, self.environment)

    # Training

    def head_logs(self, runtime: runtimes.Runtime, notes: list[str]) -> None:
        image = self.request["AlgorithmSpecification"]["TrainingImage"]
        here = describe_stand_in(image, self.request["ResourceConfig"]["InstanceType"], self.environment)
        lacks = self.context.launcher.environments.lacks(self.environment)
        lines = [here, *([lacks] if lacks else []), *notes, *self.said]
        self.open_logs(LOG_GROUP, runtime, lines, role=self.request["RoleArn"])

    def task(self, runtime: runtimes.Runtime) -> Task:
        """What the hosts run. ClientError: they cannot, on this machine."""
        if any(map(self._mounts, self.spaces)) and self.context.launcher.sandbox_unavailable(runtime):
            raise ClientError("Without namespaces, CheckpointConfig.LocalPath must be a folder in /opt/ml")
        if self.shares and self.context.launcher.sandbox_unavailable(runtime):
            raise ClientError("Without namespaces, a file system cannot be mounted")
        together = len(self.hosts) > 1 and (self._distributed or self._meets)
        if together and self.context.launcher.sandbox_unavailable(runtime):
            raise ClientError("Without namespaces, hosts cannot train together: they have no addresses")
        asked, own = self.request["AlgorithmSpecification"], self.request.get("Environment", {})
        train = ["python3", "-m", self.algorithm] if self.algorithm else ["train"]
        version = {"SAGEMAKER_FRAMEWORK_VERSION": self.version} if self.version else {}
        module = {"SAGEMAKER_TRAINING_MODULE": self.module} if self.module else {}
        module |= distribution.ENVIRONMENT if self._distributed else {}
        return Task(
            runtime,
            argv=(*asked.get("ContainerEntrypoint", train), *asked.get("ContainerArguments", [])),
            environment=job_environment(self.request) | version | module | own,
            network=not self.request.get("EnableNetworkIsolation", False),
            role=self.request["RoleArn"],
            seconds=self.request["StoppingCondition"]["MaxRuntimeInSeconds"],
            encrypted=self.request.get("EnableInterContainerTrafficEncryption", False),
        )

    def host(self, name: str, task: Task, env: dict[str, str]) -> HostSpec:
        return replace(
            super().host(name, task, env),
            disk=self.request["ResourceConfig"]["VolumeSizeInGB"] << 30,
            mounts=self._mounts(Workspace(self.folders[name] / "ml")),
            program=str(self.program) if self.program else None,
            cores=self.cores,
            shares=tuple(self.shares),
            read_only={
                f"/opt/ml/input/data/{channel}": str(folder.seen)
                for (host, channel), folder in self.fast.items()
                if host == name
            },
        )

    def _mounts(self, space: Workspace) -> dict[str, str]:
        """The checkpoint folder, where the job wants it outside of /opt/ml."""
        if "CheckpointConfig" not in self.request:
            return {}
        folder = space.checkpoints(self.request)
        return {} if folder.root == space.path else {checkpoint_path(self.request): str(folder.path)}

    def start(self, task: Task) -> None:
        super().start(task)
        for feed in self.feeds:
            feed.start()
        if self.checkpoints:
            group = self.running.group
            group.started.wait()
            self.checkpoints.watch(group.pid)

    def explain(self) -> JobError | None:
        """The first trouble with data that came by a pipe, else why the hosts failed."""
        return next((feed.trouble for feed in self.feeds if feed.trouble), None) or super().explain()

    def remove(self) -> None:
        for feed in self.feeds:
            feed.end()
        for (host, name), folder in self.fast.items():
            self.say(f"FastFile: {name} on {host}: {folder.described}")
            folder.close()
        super().remove()

    def _read(self, line: str, time_ms: int) -> None:
        if said := self.metrics.read(line, time_ms):
            self.say(*said)

    def on_lines(self) -> None:
        self.metrics.send(self.context.client("cloudwatch"), self.job)

    def hold(self) -> None:
        if self.checkpoints:
            self.checkpoints.hold()

    def save(self, asked: bool, timeout: float) -> None:
        """Send the last checkpoints. asked: the hosts were told to end. ClientError: S3 does not take them."""
        if self.checkpoints:
            group = self.running.group
            well = not group.trouble and not any(self.codes.values())
            self.checkpoints.leave(group.half)
            self.checkpoints.finish(crashed=not (well or asked), timeout=timeout)

    # Uploading

    def upload(self, model: bool, go_on: GoOn) -> None:
        """model.tar.gz and output.tar.gz, or their files one by one; of a failed job only the output."""
        self.context.require_s3(f"Artifact upload failed:{NO_WAY}")
        config = self.request["OutputDataConfig"]
        s3, key_id = self.context.client_as(self.request["RoleArn"], "s3"), config.get("KmsKeyId")
        location = channels.locate(config["S3OutputPath"]).join(self.job, "output")
        parts = {"output": [space.tree.below("output/data") for space in self.spaces]}
        if model:
            parts["model"] = [space.tree.below("model") for space in self.spaces]
        for name, folders in parts.items():
            go_on()
            if config.get("CompressionType") == "NONE":
                channels.upload_folders(s3, folders, location.join(name), key_id)
            else:
                channels.upload_packed(s3, folders, location.join(f"{name}.tar.gz"), key_id)
