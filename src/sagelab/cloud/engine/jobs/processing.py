"""One processing job: inputs from S3, a container's command on each host, outputs to S3.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.mirror import Mirror
from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.engine.images import environments, registry, runtimes
from sagelab.cloud.engine.jobs import container_metrics
from sagelab.cloud.engine.jobs.cluster import Cluster, Task, describe_stand_in
from sagelab.cloud.engine.jobs.run import OVERTIME, JobRun, Report, Step
from sagelab.cloud.errors import ClientError

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
BASE = "/opt/ml"
MESSAGE_LIMIT = 1024  # bytes of /opt/ml/output/message that become the job's ExitMessage
NO_INPUT = (
    "Failed to download data. ListObjectsV2 failed for {}. nextToken:[null]: Unable to execute request to S3"
)
NO_OUTPUT = "Failed to upload output. PutObject failed for {}: Unable to execute request to S3"
HIDDEN = ("ProcessingJobStatus", "CreationTime", "LastModifiedTime")


class ProcessingRun(JobRun):
    """The life of one processing job.

    job: the CreateProcessingJob request with ProcessingJobArn. notes: what it asks for and this machine does not
    do; they head the job's log.
    """

    def __init__(self, job: dict[str, Any], notes: list[str], context: EngineContext, report: Report) -> None:
        super().__init__(job["ProcessingJobName"], report)
        self.job, self.notes = job, notes
        self.context = context = context.inside(job.get("NetworkConfig", {}).get("VpcConfig"))
        self.resources: dict[str, Any] = job["ProcessingResources"]["ClusterConfig"]
        count, key = self.resources.get("InstanceCount", 1), self.resources.get("VolumeKmsKeyId")
        self.cluster = Cluster(self.job_name, count, context, key, self.resources["InstanceType"])
        image = context.launcher.images.find(job["AppSpecification"]["ImageUri"], registry.PROCESS)
        self.environment = image.environment if image else environments.TENSORFLOW
        self.entry_point = ("python3", "-m", image.algorithm) if image and registry.has_entry_point(image) else ()

    def work(self) -> None:
        self.report(Step("InProgress", facts={"ProcessingStartTime": datetime.now(UTC)}))
        self._download()
        self._process()
        self._keep_message()
        trouble = None if self.ending else self.cluster.explain()
        if trouble:
            raise trouble
        self._tell_metrics()
        self._upload()

    def halt(self, now: bool) -> None:
        self.cluster.kill() if now else self.cluster.terminate()

    def clean(self) -> None:
        self.cluster.remove()

    # Folders and inputs

    def _download(self) -> None:
        self.cluster.make_folders()
        for number, (name, folder) in enumerate(self.cluster.folders.items()):
            self._write_config(folder, name)
            for source in self.job.get("ProcessingInputs", []):
                self.go_on()
                self.context.require_s3(NO_INPUT.format(source["S3Input"]["S3Uri"]))
                target = inside(folder, source["S3Input"]["LocalPath"]).path
                target.mkdir(parents=True, exist_ok=True)
                channel = {"DataSource": {"S3DataSource": source["S3Input"]}}
                channels.download_channel(self._s3, channel, target, number, len(self.cluster.hosts))
            for output in self._outputs():
                inside(folder, output["LocalPath"]).path.mkdir(parents=True, exist_ok=True)
        self.go_on()

    @property
    def _s3(self) -> Any:
        """With the rights of the job's role."""
        return self.context.client_as(self.job["RoleArn"], "s3")

    def _write_config(self, folder: Path, name: str) -> None:
        config = folder / "ml/config"
        for path in (config, folder / "ml/output"):
            path.mkdir(parents=True)
        job = {key: value for key, value in self.job.items() if key not in HIDDEN}
        (config / "processingjobconfig.json").write_text(json.dumps(job, default=str))
        interface = self.cluster.interface
        hosts = {"current_host": name, "hosts": self.cluster.hosts, "network_interface_name": interface}
        (config / "resourceconfig.json").write_text(json.dumps(hosts))

    def _outputs(self) -> list[dict[str, Any]]:
        return [one["S3Output"] for one in self.job.get("ProcessingOutputConfig", {}).get("Outputs", [])]

    # The container's command

    def _command(self) -> tuple[str, ...]:
        application = self.job["AppSpecification"]
        entry_point = application.get("ContainerEntrypoint") or self.entry_point
        return (*entry_point, *application.get("ContainerArguments", []))

    def _code(self) -> Path | None:
        """The folder of the script that the command names."""
        folder = next(iter(self.cluster.folders.values()))
        named = [part for part in self._command() if part.startswith(f"{BASE}/") and ".." not in part]
        files = [inside(folder, part).path for part in named]
        return next((file.parent for file in files if file.is_file()), None)

    def _process(self) -> None:
        task, image = self._task(), self.job["AppSpecification"]["ImageUri"]
        here = describe_stand_in(image, self.resources["InstanceType"], self.environment)
        self.cluster.open_logs(LOG_GROUP, task.runtime, [here, *self.notes], role=task.role)
        self.begin(self.cluster, task)
        with Mirror(self._s3, self._pairs("Continuous"), self._key_id):
            self.follow(self.cluster, {OVERTIME: task.seconds})

    def _task(self) -> Task:
        own = {"PROCESSING_JOB_NAME": self.job_name, "PROCESSING_JOB_ARN": self.job["ProcessingJobArn"]}
        return Task(
            runtimes.choose(self._code(), False, self.environment),
            argv=self._command(),
            environment=own | self.job.get("Environment", {}),
            network=not self.job.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
            role=self.job["RoleArn"],
            seconds=self.job["StoppingCondition"]["MaxRuntimeInSeconds"],
            encrypted=self.job.get("NetworkConfig", {}).get("EnableInterContainerTrafficEncryption", False),
        )

    # Its message and its outputs

    def _keep_message(self) -> None:
        """ExitMessage: what the hosts wrote to /opt/ml/output/message. ClientError: it is not UTF-8."""
        found = b"".join(map(read_message, self.cluster.folders.values()))
        try:
            found.decode()
        except UnicodeDecodeError as error:
            raise ClientError(f"{BASE}/output/message is not UTF-8: {error}") from error
        if found:
            self.facts["ExitMessage"] = found[:MESSAGE_LIMIT].decode(errors="ignore")

    def _tell_metrics(self) -> None:
        """What a container of Model Monitor left for CloudWatch; what is no metric is said in the log."""
        environment = self.job.get("Environment", {})
        if environment.get("publish_cloudwatch_metrics") == "Enabled":
            client = self.context.client_as(self.job["RoleArn"], "cloudwatch")
            for folder in self.cluster.folders.values():
                self.cluster.say(*container_metrics.send(Tree(folder / "ml"), environment, client))

    def _pairs(self, *modes: str) -> list[tuple[Tree, channels.Location]]:
        """The folders of the outputs of these upload modes, on every host, and where their files go."""
        return [
            (inside(folder, output["LocalPath"]), channels.locate(output["S3Uri"]))
            for output in self._outputs()
            if output["S3UploadMode"] in modes
            for folder in self.cluster.folders.values()
        ]

    def _upload(self) -> None:
        for folder, location in self._pairs("EndOfJob"):
            self.context.require_s3(NO_OUTPUT.format(location))
            channels.upload_folders(self._s3, [folder], location, self._key_id)

    @property
    def _key_id(self) -> str | None:
        key_id: str | None = self.job.get("ProcessingOutputConfig", {}).get("KmsKeyId")
        return key_id


def inside(folder: Path, path: str) -> Tree:
    """A path of the container as the local cloud sees it."""
    return Tree(folder / "ml", str(PurePosixPath(path).relative_to(BASE)))


def read_message(folder: Path) -> bytes:
    """/opt/ml/output/message."""
    return Tree(folder / "ml").read("output/message", MESSAGE_LIMIT + 4)
