"""File systems as channels of training jobs: EFS and FSx for Lustre, reached through a VPC, mounted in a host."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.engine.vpc.networks import Network
from tests.cloud.jobs import LIGHT, Jobs
from tests.conftest import LocalCloud
from tests.waiting import until

DATA = "/opt/ml/input/data"


class Site:
    """A VPC with a way to S3, and jobs in it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.jobs, self.network = Jobs(cloud, image=LIGHT), Network(cloud.client("ec2"))
        self.network.add_gateway_endpoint()
        self.efs: Any = cloud.client("efs")
        self.fsx: Any = cloud.client("fsx")

    def admit(self, port: int) -> None:
        """Let the members of the group connect to one another at a port."""
        pair = [{"GroupId": self.network.group}]
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": pair}
        self.network.ec2.authorize_security_group_ingress(GroupId=self.network.group, IpPermissions=[rule])

    def make_efs(self) -> str:
        name = str(self.efs.create_file_system(CreationToken=uuid.uuid4().hex)["FileSystemId"])
        for subnet in self.network.subnets:
            groups = [self.network.group]
            self.efs.create_mount_target(FileSystemId=name, SubnetId=subnet, SecurityGroups=groups)
        return name

    def make_lustre(self, **config: Any) -> dict[str, Any]:
        asked: dict[str, Any] = {"DeploymentType": "SCRATCH_2"} | config
        made = self.fsx.create_file_system(
            FileSystemType="LUSTRE",
            StorageCapacity=1200,
            SubnetIds=self.network.subnets[:1],
            SecurityGroupIds=[self.network.group],
            LustreConfiguration=asked,
        )["FileSystem"]
        return self.wait(made["FileSystemId"])

    def wait(self, name: str) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            (found,) = self.fsx.describe_file_systems(FileSystemIds=[name])["FileSystems"]
            return dict(found)

        return until(ask, lambda found: found["Lifecycle"] != "CREATING")

    def channel(self, name: str, kind: str, path: str, mode: str = "ro") -> dict[str, Any]:
        source = {
            "FileSystemId": name,
            "FileSystemType": kind,
            "DirectoryPath": path,
            "FileSystemAccessMode": mode,
        }
        return {"ChannelName": "data", "DataSource": {"FileSystemDataSource": source}}

    def run(self, command: str, channel: dict[str, Any], **changes: Any) -> tuple[dict[str, Any], str]:
        """How a job ended, and all its log."""
        inside = {"VpcConfig": self.network.config} | changes
        request = self.jobs.shell(f"cd {DATA}/data && {command}", InputDataConfig=[channel], **inside)
        ended = self.jobs.run(request)
        failed_early = "Unable to mount" in ended.get("FailureReason", "")
        return ended, "" if failed_early else self.jobs.full_log(request["TrainingJobName"])


@pytest.fixture(scope="module")
def site(cloud: LocalCloud) -> Site:
    return Site(cloud)


@pytest.fixture(scope="module")
def efs(site: Site) -> Iterator[str]:
    name = site.make_efs()
    yield name
    for target in site.efs.describe_mount_targets(FileSystemId=name)["MountTargets"]:
        site.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    site.efs.delete_file_system(FileSystemId=name)
    until(lambda: name in _folders(site), lambda there: not there)


def _folders(site: Site) -> list[str]:
    return [folder.name for folder in site.jobs.cloud.home.filesystems.glob("fs-*")]


def test_a_file_system_is_reached_by_its_port_alone_and_keeps_what_jobs_write(site: Site, efs: str) -> None:
    ended, _ = site.run("true", site.channel(efs, "EFS", "/", "rw"))
    assert ended["FailureReason"].startswith(
        f"ClientError: Unable to mount file system: {efs}, directory path: /. File system connection timed out."
        " Please ensure that mount target IP address of file system is reachable and the security groups you"
        " associate with file system must allow inbound access on NFS port."
    )
    site.admit(2049)
    ended, log = site.run("mkdir sub && echo kept > sub/note", site.channel(efs, "EFS", "/", "rw"))
    assert ended["TrainingJobStatus"] == "Completed", ended
    assert f"data: {efs}:/ is mounted rw" in log
    ended, log = site.run("cat note; touch new", site.channel(efs, "EFS", "/sub", "ro"))
    assert "kept" in log
    assert "Read-only file system" in log
    assert ended["TrainingJobStatus"] == "Failed"


@pytest.mark.parametrize("path", ["/nowhere", "/link", "/sub/../..", "/file"])
def test_a_directory_that_is_none_is_not_mounted(site: Site, efs: str, path: str) -> None:
    site.admit(2049) if path == "/nowhere" and not _open(site) else None
    site.run("mkdir -p sub; touch file; ln -sfn /etc link", site.channel(efs, "EFS", "/", "rw"))
    ended, _ = site.run("ls", site.channel(efs, "EFS", path))
    assert "Unable to mount file system" in ended["FailureReason"]
    assert "director" in ended["FailureReason"]


def _open(site: Site) -> bool:
    (group,) = site.network.ec2.describe_security_groups(GroupIds=[site.network.group])["SecurityGroups"]
    return any(rule.get("FromPort") == 2049 for rule in group["IpPermissions"])


def test_two_hosts_see_the_same_files(site: Site, efs: str) -> None:
    if not _open(site):
        site.admit(2049)
    channel = site.channel(efs, "EFS", "/", "rw")
    wait = "for i in $(seq 600); do [ $(ls | grep -c algo) -ge 2 ] && exit 0; sleep 0.1; done"
    command = f"touch $(hostname); {wait}"
    request = site.jobs.shell(
        f"cd {DATA}/data && {command}; exit 1", InputDataConfig=[channel], VpcConfig=site.network.config
    )
    request["ResourceConfig"]["InstanceCount"] = 2
    assert site.jobs.run(request)["TrainingJobStatus"] == "Completed"


def test_lustre_loads_from_s3_once_and_gives_back(site: Site) -> None:
    site.admit(988)
    for name in ("train/a", "train/b", "other/c"):
        site.jobs.put(f"lake/{name}", name.encode())
    bucket = f"s3://{site.jobs.bucket}"
    made = site.make_lustre(ImportPath=f"{bucket}/lake", ExportPath=f"{bucket}/back")
    name, mount = made["FileSystemId"], made["LustreConfiguration"]["MountName"]
    assert made["LustreConfiguration"]["DataRepositoryConfiguration"]["Lifecycle"] == "AVAILABLE"
    try:
        channel = site.channel(name, "FSxLustre", f"/{mount}/train", "rw")
        _, log = site.run("cat a b && echo made > result", channel)
        assert "train/atrain/b" in log
        assert f"{name}: 2 files" in log
        _, log = site.run("cat result", channel)
        assert "made" in log
        assert f"{name}: 0 files" in log
        ended, _ = site.run("ls", site.channel(name, "FSxLustre", "/train"))
        assert f"must begin with /{mount}" in ended["FailureReason"]
        task = site.fsx.create_data_repository_task(
            Type="EXPORT_TO_REPOSITORY", FileSystemId=name, Report={"Enabled": False}
        )["DataRepositoryTask"]["TaskId"]
        ended = until(
            lambda: site.fsx.describe_data_repository_tasks(TaskIds=[task])["DataRepositoryTasks"][0],
            lambda found: found["Lifecycle"] in ("SUCCEEDED", "FAILED"),
        )
        assert (ended["Lifecycle"], ended["Status"]["SucceededCount"]) == ("SUCCEEDED", 1), ended
        body = site.jobs.s3.get_object(Bucket=site.jobs.bucket, Key="back/train/result")["Body"].read()
        assert body == b"made\n"
    finally:
        assert site.fsx.delete_file_system(FileSystemId=name)["Lifecycle"] == "DELETING"
    with pytest.raises(site.fsx.exceptions.FileSystemNotFound, match=f"File system '{name}' does not exist."):
        site.fsx.describe_file_systems(FileSystemIds=[name])
    assert name not in _folders(site)
    ended, _ = site.run("ls", channel)
    assert "does not exist" in ended["FailureReason"]


def test_a_file_system_of_another_vpc_is_not_reached(site: Site, cloud: LocalCloud) -> None:
    other = Site(cloud)
    name = other.make_efs()
    ended, _ = site.run("ls", site.channel(name, "EFS", "/"))
    assert f"Unable to mount file system: {name}" in ended["FailureReason"]
    assert "connection timed out" in ended["FailureReason"]


def test_what_a_file_system_cannot_be_is_refused_at_once(site: Site, efs: str) -> None:
    jobs, channel = site.jobs, site.channel(efs, "EFS", "/")
    inside = {"VpcConfig": site.network.config}
    for changed, config, words in (
        ({}, {}, "needs a VpcConfig"),
        ({"InputMode": "Pipe"}, inside, "has InputMode File, not Pipe"),
        ({"CompressionType": "Gzip"}, inside, "CompressionType Gzip is for an S3DataSource"),
        ({"ShuffleConfig": {"Seed": 1}}, inside, "ShuffleConfig is for an S3DataSource"),
    ):
        request = jobs.shell("true", InputDataConfig=[channel | changed], **config)
        with pytest.raises(jobs.sagemaker.exceptions.ClientError, match=words):
            jobs.sagemaker.create_training_job(**request)
