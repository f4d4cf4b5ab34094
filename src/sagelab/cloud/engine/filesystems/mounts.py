"""A file system as a channel of a job: whether its hosts reach it, and what they mount.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_FileSystemDataSource.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data.channels import locate
from sagelab.cloud.engine.data.trees import Refused
from sagelab.cloud.engine.filesystems import repositories, shares
from sagelab.cloud.engine.filesystems.repositories import Repository
from sagelab.cloud.engine.sandbox.namespaces import Share
from sagelab.cloud.engine.vpc.reach import NoWay
from sagelab.cloud.errors import ClientError

EFS, LUSTRE = "EFS", "FSxLustre"
PORTS = {EFS: 2049, LUSTRE: 988}
NAMES = {EFS: "NFS port", LUSTRE: "the Lustre port 988"}
# In AWS's words, of a file system of EFS.
UNREACHED = (
    "File system connection timed out. Please ensure that mount target IP address of file system is reachable and"
    " the security groups you associate with file system must allow inbound access on "
)


@dataclass(frozen=True)
class Interface:
    """Where a file system is reached."""

    name: str
    subnet: str
    groups: tuple[str, ...]


def mount(
    context: EngineContext, channel: str, source: dict[str, Any], go_on: Callable[[], None]
) -> tuple[Share, list[str]]:
    """What a host mounts for a channel, filled with what it has from S3; and what the log says of it.

    source: a FileSystemDataSource. ClientError: it cannot be mounted.
    """
    name, kind, path = source["FileSystemId"], source["FileSystemType"], source["DirectoryPath"]
    found = _efs(context, name) if kind == EFS else _lustre(context, name)
    if isinstance(found, str):
        raise _cannot(source, found)
    interfaces, record = found
    _check_way(context, source, interfaces)
    inner = PurePosixPath(path.lstrip("/"))
    if record is not None:
        inner = _below_mount(source, inner, record["LustreConfiguration"]["MountName"])
    if ".." in inner.parts or "\0" in path:
        raise _cannot(source, "The directory path is none.")
    below = "" if str(inner) == "." else str(inner)
    said = _load(context, source, record, below, go_on) if record is not None else []
    tree = context.shares.tree(name).below(below)
    try:
        with tree.folder():
            pass
    except (Refused, OSError):
        raise _cannot(source, "The directory does not exist in the file system.") from None
    writable = source["FileSystemAccessMode"] == "rw"
    share = Share(f"/opt/ml/input/data/{channel}", str(tree.root), below, writable)
    return share, [f"{channel}: {name}:{path} is mounted {'rw' if writable else 'ro'}", *said]


def _cannot(source: dict[str, Any], why: str) -> ClientError:
    where = f"{source['FileSystemId']}, directory path: {source['DirectoryPath']}"
    return ClientError(f"Unable to mount file system: {where}. {why}")


Found = tuple[list[Interface], dict[str, Any] | None]


def _efs(context: EngineContext, name: str) -> Found | str:
    """Its mount targets in the zone of the job; or why there is none."""
    efs, source = context.client("efs"), context.source
    try:
        targets = efs.describe_mount_targets(FileSystemId=name)["MountTargets"]
        near = [one for one in targets if source and one["AvailabilityZoneName"] == source.zone]
        found = [
            Interface(
                one["MountTargetId"],
                one["SubnetId"],
                tuple(
                    efs.describe_mount_target_security_groups(MountTargetId=one["MountTargetId"])["SecurityGroups"]
                ),
            )
            for one in near
        ]
    except botocore.exceptions.ClientError as error:
        return str(error.response["Error"].get("Message", error))
    return (found, None) if found else f"{UNREACHED}{NAMES[EFS]}. It has no mount target in the job's zone."


def _lustre(context: EngineContext, name: str) -> Found | str:
    """Its network interface and its record; or why it has none."""
    try:
        (record,) = context.client("fsx").describe_file_systems(FileSystemIds=[name])["FileSystems"]
        ec2 = context.source.ec2 if context.source else None
        known = [ec2.interface(context.region, one) for one in record["NetworkInterfaceIds"] if ec2]
    except botocore.exceptions.ClientError as error:
        return str(error.response["Error"].get("Message", error))
    if record["Lifecycle"] not in ("AVAILABLE", "UPDATING"):
        return f"The file system is {record['Lifecycle']}."
    found = [
        Interface(name, one["SubnetId"], tuple(group["GroupId"] for group in one["Groups"]))
        for one in known
        if one
    ]
    return found, record


def _check_way(context: EngineContext, source: dict[str, Any], interfaces: list[Interface]) -> None:
    """ClientError: no interface of the file system is reached from the job's subnet."""
    kind, whys = source["FileSystemType"], []
    for one in interfaces:
        try:
            if context.source:
                context.source.connect_to(one.name, one.subnet, one.groups, PORTS[kind])
            return
        except NoWay as why:
            whys.append(str(why))
    raise _cannot(source, f"{UNREACHED}{NAMES[kind]}. ({'; '.join(whys)})")


def _below_mount(source: dict[str, Any], path: PurePosixPath, mount_name: str) -> PurePosixPath:
    """The path below the mount name, with which one of FSx begins."""
    if path.parts[:1] != (mount_name,):
        raise _cannot(source, f"The directory path must begin with /{mount_name}, its MountName.")
    return path.relative_to(mount_name)


def repositories_of(fsx: Any, record: dict[str, Any]) -> list[tuple[Repository, list[str]]]:
    """The repositories of a file system, and which events of each are taken over by themselves."""
    found = []
    config = record["LustreConfiguration"].get("DataRepositoryConfiguration", {})
    if uri := config.get("ImportPath"):
        policy = config.get("AutoImportPolicy", "NONE")
        events = [] if policy == "NONE" else policy.split("_")
        return [(Repository(locate(uri)), events)]  # and none of these is associated
    wanted = [{"Name": "file-system-id", "Values": [record["FileSystemId"]]}]
    for one in fsx.describe_data_repository_associations(Filters=wanted)["Associations"]:  # a few: of one page
        events = one.get("S3", {}).get("AutoImportPolicy", {}).get("Events", [])
        path = one["FileSystemPath"].strip("/")
        found.append((Repository(locate(one["DataRepositoryPath"]), path), events))
    return found


def _load(
    context: EngineContext, source: dict[str, Any], record: dict[str, Any], below: str, go_on: Callable[[], None]
) -> list[str]:
    """Load what is below a directory and not there yet; what the log says of it. ClientError."""
    name, s3 = source["FileSystemId"], context.client("s3")
    linked = repositories_of(context.client("fsx"), record)
    try:
        for repository, events in linked:
            if events:
                repositories.take_over(context.shares, name, s3, repository, events)
        capacity = record["StorageCapacity"] << 30
        moved = repositories.load(context.shares, name, s3, below, go_on, capacity)
    except (repositories.Failed, shares.NoRoom) as error:
        raise _cannot(source, f"Its data repository cannot be loaded: {error}") from error
    if not linked:
        return []
    lines = [f"{name}: {moved.count:,} files, {moved.size / 1e6:,.1f} MB, loaded from S3; the others were there"]
    return lines + [f"{name}: {file} was not loaded: {why}" for file, why in list(moved.failed.items())[:10]]
