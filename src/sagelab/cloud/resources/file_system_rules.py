"""What a file system of FSx and its links to S3 may be. Messages are FSx's where it has one for the case.

https://docs.aws.amazon.com/fsx/latest/APIReference/API_CreateFileSystemLustreConfiguration.html
"""

from __future__ import annotations

from typing import Any

import botocore.exceptions

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.data.channels import Location, locate
from sagelab.cloud.resources.call import Beside, Params

PERSISTENT_2 = "PERSISTENT_2"
THROUGHPUTS = {"PERSISTENT_1": (50, 100, 200), PERSISTENT_2: (125, 250, 500, 1000)}
LEAST = 1200  # GiB
# What would change how a file system is kept: to leave it out would be to pretend.
REFUSED = ("KmsKeyId", "WindowsConfiguration", "OntapConfiguration", "OpenZFSConfiguration")
REFUSED_OF_LUSTRE = (
    "DriveCacheType",
    "EfaEnabled",
    "LogConfiguration",
    "RootSquashConfiguration",
    "MetadataConfiguration",
    "ThroughputCapacity",
    "DataReadCacheConfiguration",
    "DailyAutomaticBackupStartTime",
)


def bad(message: str) -> Beside:
    return Beside("BadRequest", message)


def check(params: Params) -> Params:
    """The LustreConfiguration of a CreateFileSystem request, with its defaults. Beside: none such is here."""
    if params["FileSystemType"] != "LUSTRE":
        raise bad(f"{params['FileSystemType']} is not something the local cloud can do: LUSTRE is.")
    for name in REFUSED:
        if params.get(name):
            raise bad(f"{name} is not something the local cloud can do.")
    if params.get("StorageType", "SSD") != "SSD":
        raise bad(f"StorageType {params['StorageType']} is not something the local cloud can do: SSD is.")
    asked = dict(params.get("LustreConfiguration") or {})
    for name in REFUSED_OF_LUSTRE:
        if asked.get(name):
            raise bad(f"{name} is not something the local cloud can do.")
    if asked.get("DataCompressionType", "NONE") != "NONE":
        raise bad("DataCompressionType must be NONE: files are not compressed here.")
    if asked.get("AutomaticBackupRetentionDays"):
        raise bad("Nothing is backed up here: AutomaticBackupRetentionDays must be 0.")
    asked.setdefault("DeploymentType", "SCRATCH_1")
    check_capacity(params.get("StorageCapacity"), asked["DeploymentType"])
    _check_throughput(asked)
    _check_paths(asked)
    return asked


def check_capacity(size: int | None, deployment: str) -> None:
    """Beside: no file system of such a type has that many GiB."""
    if size is None:
        raise bad("StorageCapacity is required.")
    step = 3600 if deployment == "SCRATCH_1" else 2400
    if size != LEAST and (size < 2400 or (size != 2400 and size % step)):
        raise bad(
            f"Storage capacity of {size} GiB is not valid for {deployment}. Valid values are 1200, 2400 and"
            f" increments of {step} GiB."
        )


def _check_throughput(asked: Params) -> None:
    deployment, wanted = asked["DeploymentType"], asked.get("PerUnitStorageThroughput")
    allowed = THROUGHPUTS.get(deployment, ())
    if allowed and wanted not in allowed:
        values = ", ".join(map(str, allowed))
        raise bad(f"PerUnitStorageThroughput for {deployment} must be one of {values}; it is {wanted}.")
    if not allowed and wanted is not None:
        raise bad(f"PerUnitStorageThroughput is not supported for {deployment}.")


def _check_paths(asked: Params) -> None:
    paths = [name for name in ("ImportPath", "ExportPath", "AutoImportPolicy") if asked.get(name)]
    if paths and asked["DeploymentType"] == PERSISTENT_2:
        raise bad(f"{paths[0]} is not supported for PERSISTENT_2: use CreateDataRepositoryAssociation.")
    if paths and not asked.get("ImportPath"):
        raise bad(f"{paths[0]} needs an ImportPath.")
    if asked.get("AutoImportPolicy") and asked["DeploymentType"] == "SCRATCH_1":
        raise bad("AutoImportPolicy is not supported for SCRATCH_1.")
    if asked.get("ExportPath") and place(asked["ExportPath"]).bucket != place(asked["ImportPath"]).bucket:
        raise Beside("InvalidExportPath", "The ExportPath must be in the same bucket as the ImportPath.")


def place(uri: str, code: str = "BadRequest") -> Location:
    """Where an s3:// URI leads. Beside, of a code: it is none."""
    try:
        return locate(uri)
    except ValueError as error:
        raise Beside(code, f"{error}.") from None


def check_bucket(uri: str, cloud: Cloud, region: str, code: str) -> None:
    """Beside, of a code: the bucket of an s3:// URI is not there."""
    bucket = place(uri, code).bucket
    try:
        cloud.client("s3", region).head_bucket(Bucket=bucket)
    except (botocore.exceptions.ClientError, botocore.exceptions.ParamValidationError) as error:
        raise Beside(code, f"The bucket of {uri} cannot be accessed: {error}") from None


def check_network(params: Params, ec2: Any) -> tuple[str, list[str]]:
    """The VPC and the security groups of a file system. Beside: they are not there together."""
    subnets = params["SubnetIds"]
    if len(subnets) != 1:
        raise bad("A file system of Lustre has exactly one subnet.")
    try:
        (subnet,) = ec2.describe_subnets(SubnetIds=subnets)["Subnets"]
        own = [{"Name": "vpc-id", "Values": [subnet["VpcId"]]}, {"Name": "group-name", "Values": ["default"]}]
        if asked := params.get("SecurityGroupIds"):
            groups = ec2.describe_security_groups(GroupIds=asked)["SecurityGroups"]
        else:
            groups = ec2.describe_security_groups(Filters=own)["SecurityGroups"]
    except botocore.exceptions.ClientError as error:
        raise Beside("InvalidNetworkSettings", error.response["Error"]["Message"]) from None
    if strange := [one["GroupId"] for one in groups if one["VpcId"] != subnet["VpcId"]]:
        raise Beside("InvalidNetworkSettings", f"{strange[0]} is in another VPC than {subnets[0]}.")
    return subnet["VpcId"], [one["GroupId"] for one in groups]
