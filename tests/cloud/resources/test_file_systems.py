"""FSx's own operations: what a file system may be, its links to S3, its tasks and tags; and a kill."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.cloud.home import ACCOUNT, Home
from tests import clouds, signers
from tests.cloud.jobs import Jobs
from tests.cloud.kills import kill
from tests.conftest import LocalCloud
from tests.waiting import until

GOOD: dict[str, Any] = {"FileSystemType": "LUSTRE", "StorageCapacity": 1200}


class Site:
    def __init__(self, cloud: LocalCloud) -> None:
        self.jobs, ec2 = Jobs(cloud), cloud.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
        self.subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.1.0/24")["Subnet"]["SubnetId"]
        self.fsx: Any = cloud.client("fsx")

    def create(self, config: dict[str, Any] | None = None, **changes: Any) -> str:
        asked = GOOD | {"SubnetIds": [self.subnet], "LustreConfiguration": config or {}} | changes
        return str(self.fsx.create_file_system(**asked)["FileSystem"]["FileSystemId"])

    def wait(self, name: str) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            return dict(self.fsx.describe_file_systems(FileSystemIds=[name])["FileSystems"][0])

        return until(ask, lambda found: found["Lifecycle"] != "CREATING")


@pytest.fixture(scope="module")
def site(cloud: LocalCloud) -> Site:
    return Site(cloud)


@pytest.mark.parametrize(
    ("config", "changes", "code", "words"),
    [
        ({}, {"FileSystemType": "WINDOWS"}, "BadRequest", "LUSTRE is"),
        ({}, {"StorageCapacity": 1300}, "BadRequest", "1300 GiB is not valid for SCRATCH_1"),
        ({"DeploymentType": "SCRATCH_2"}, {"StorageCapacity": 3600}, "BadRequest", "increments of 2400"),
        ({"DeploymentType": "PERSISTENT_2"}, {}, "BadRequest", "one of 125, 250, 500, 1000"),
        ({"PerUnitStorageThroughput": 50}, {}, "BadRequest", "not supported for SCRATCH_1"),
        ({"AutoImportPolicy": "NEW"}, {}, "BadRequest", "needs an ImportPath"),
        ({"ImportPath": "s3://no-such-bucket-of-anyone/x"}, {}, "InvalidImportPath", "no-such-bucket"),
        ({"DataCompressionType": "LZ4"}, {}, "BadRequest", "not compressed here"),
        ({}, {"KmsKeyId": "alias/x"}, "BadRequest", "KmsKeyId is not something"),
        ({}, {"SubnetIds": ["subnet-0123456789abcdef0"]}, "InvalidNetworkSettings", "subnet-0123456789abcdef0"),
        ({}, {"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidNetworkSettings", "sg-0123456789abcdef0"),
    ],
)
def test_what_cannot_be_is_refused(
    site: Site, config: dict[str, Any], changes: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ClientError, match=words) as error:
        site.create(config, **changes)
    assert error.value.response["Error"]["Code"] == code


def test_a_token_makes_one_file_system_and_tags_are_kept(site: Site) -> None:
    token, tags = uuid.uuid4().hex, [{"Key": "Name", "Value": "one"}]
    name = site.create(ClientRequestToken=token, Tags=tags)
    assert site.create(ClientRequestToken=token, Tags=tags) == name
    found = site.wait(name)
    assert (found["Lifecycle"], found["LustreConfiguration"]["MountName"]) == ("AVAILABLE", "fsx")
    assert site.fsx.list_tags_for_resource(ResourceARN=found["ResourceARN"])["Tags"] == tags
    site.fsx.untag_resource(ResourceARN=found["ResourceARN"], TagKeys=["Name"])
    assert site.fsx.list_tags_for_resource(ResourceARN=found["ResourceARN"])["Tags"] == []
    with pytest.raises(site.fsx.exceptions.BadRequest, match="can only be increased"):
        site.fsx.update_file_system(FileSystemId=name, StorageCapacity=1200)
    changed = site.fsx.update_file_system(FileSystemId=name, StorageCapacity=2400)["FileSystem"]
    assert changed["StorageCapacity"] == 2400
    site.fsx.delete_file_system(FileSystemId=name)


def test_associations_and_tasks(site: Site) -> None:
    site.jobs.put("lake/a", b"a")
    bucket = f"s3://{site.jobs.bucket}"
    name = site.create({"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 125})
    linked = {"FileSystemId": name, "BatchImportMetaDataOnCreate": True}
    made = site.fsx.create_data_repository_association(
        **linked, FileSystemPath="/ns", DataRepositoryPath=f"{bucket}/lake"
    )["Association"]["AssociationId"]
    ended = until(
        lambda: site.fsx.describe_data_repository_associations(AssociationIds=[made])["Associations"][0],
        lambda found: found["Lifecycle"] != "CREATING",
    )
    assert ended["Lifecycle"] == "AVAILABLE"
    with pytest.raises(site.fsx.exceptions.BadRequest, match="overlaps with /ns"):
        site.fsx.create_data_repository_association(
            **linked, FileSystemPath="/ns/below", DataRepositoryPath=f"{bucket}/x"
        )
    with pytest.raises(site.fsx.exceptions.BadRequest, match="AutoExportPolicy is not something"):
        site.fsx.create_data_repository_association(
            **linked,
            FileSystemPath="/other",
            DataRepositoryPath=f"{bucket}/y",
            S3={"AutoExportPolicy": {"Events": ["NEW"]}},
        )
    site.jobs.put("lake/b", b"b")
    task = site.fsx.create_data_repository_task(
        Type="IMPORT_METADATA_FROM_REPOSITORY", FileSystemId=name, Paths=["ns"], Report={"Enabled": False}
    )["DataRepositoryTask"]["TaskId"]
    done = until(
        lambda: site.fsx.describe_data_repository_tasks(TaskIds=[task])["DataRepositoryTasks"][0],
        lambda found: found["Lifecycle"] in ("SUCCEEDED", "FAILED"),
    )
    assert (done["Lifecycle"], done["Status"]["SucceededCount"]) == ("SUCCEEDED", 1), done
    with pytest.raises(site.fsx.exceptions.DataRepositoryTaskNotFound):
        site.fsx.describe_data_repository_tasks(TaskIds=["task-0123456789abcdef0"])
    site.fsx.delete_data_repository_association(AssociationId=made, DeleteDataInFileSystem=True)
    with pytest.raises(site.fsx.exceptions.BadRequest, match="not linked"):
        site.fsx.create_data_repository_task(
            Type="EXPORT_TO_REPOSITORY", FileSystemId=name, Report={"Enabled": False}
        )
    site.fsx.delete_file_system(FileSystemId=name)


def as_user(cloud: LocalCloud, *actions: str) -> Any:
    """A client of FSx's of a user who may do this alone."""
    iam, user = cloud.client("iam"), f"linker-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    session = signers.session(key["AccessKeyId"], key["SecretAccessKey"])
    return session.client("fsx", endpoint_url=cloud.url)


def test_who_may_not_read_a_bucket_cannot_link_it(cloud: LocalCloud, site: Site) -> None:
    linking = ("iam:CreateServiceLinkedRole", "iam:AttachRolePolicy", "iam:PutRolePolicy")
    fsx = as_user(cloud, "fsx:*", *linking)
    asked = GOOD | {"SubnetIds": [site.subnet]}
    made = fsx.create_file_system(**asked)["FileSystem"]
    with pytest.raises(ClientError, match="s3:ListBucket"):
        fsx.create_file_system(**asked, LustreConfiguration={"ImportPath": f"s3://{site.jobs.bucket}/x"})
    with pytest.raises(ClientError, match="s3:PutObject"):
        fsx.create_data_repository_task(
            Type="IMPORT_METADATA_FROM_REPOSITORY",
            FileSystemId=made["FileSystemId"],
            Report={
                "Enabled": True,
                "Scope": "FAILED_FILES_ONLY",
                "Format": "REPORT_CSV_20191124",
                "Path": f"s3://{site.jobs.bucket}/report",
            },
        )
    fsx.delete_file_system(FileSystemId=made["FileSystemId"])


def test_the_role_behind_a_link_is_no_way_around_iam(cloud: LocalCloud, site: Site) -> None:
    fsx = as_user(cloud, "fsx:*", "s3:*")
    config = {"ImportPath": f"s3://{site.jobs.bucket}/x"}
    with pytest.raises(ClientError, match="iam:CreateServiceLinkedRole"):
        fsx.create_file_system(**GOOD, SubnetIds=[site.subnet], LustreConfiguration=config)


def test_what_was_acknowledged_is_there_after_a_kill(home: Home, sagelab: Callable[..., Any]) -> None:
    site = Site(clouds.start(home))
    site.jobs.put("lake/a", b"a")
    name = site.create({"ImportPath": f"s3://{site.jobs.bucket}/lake"})
    kill(home)
    again: Any = clouds.start(home).client("fsx")
    found = until(
        lambda: again.describe_file_systems(FileSystemIds=[name])["FileSystems"][0],
        lambda one: one["Lifecycle"] != "CREATING",
    )
    assert (found["Lifecycle"], found["OwnerId"]) == ("AVAILABLE", ACCOUNT)
    assert sagelab("down", home=home.path).returncode == 0
