"""FSx for Lustre: file systems that training jobs mount, each a folder of the home.

https://docs.aws.amazon.com/fsx/latest/LustreGuide/what-is.html
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.filesystems import repositories
from sagelab.cloud.engine.filesystems.repositories import Failed, Repository
from sagelab.cloud.resources import file_system_rules, listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.file_system_rules import bad
from sagelab.cloud.resources.tags import TagsByArn
from sagelab.cloud.store import Document, Missing, Resource

KIND = "fsx-file-system"
CREATING, AVAILABLE, DELETING = "CREATING", "AVAILABLE", "DELETING"
MISCONFIGURED = "MISCONFIGURED"
OWN = "Own"
WORKERS = 2


def arn_of(call: Call, name: str) -> str:
    return f"arn:aws:fsx:{call.region}:{call.account}:file-system/{name}"


def new_id(start: str) -> str:
    return f"{start}-0{secrets.token_hex(8)}"


def read_tags(params: Params) -> dict[str, str]:
    """Beside: there are more than a resource can have."""
    tags = {one["Key"]: one.get("Value", "") for one in params.get("Tags") or []}
    if len(tags) > 50:
        raise bad("A resource has 50 tags at most.")
    return tags


class FileSystems(TagsByArn, Family):
    """The file systems of one local cloud, and the threads that bring what is known of S3 up to date."""

    service = "fsx"
    tags_page, too_many = 50, "BadRequest"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._pool = ThreadPoolExecutor(WORKERS, "fsx")
        self.cloud.listen(self._on_change)
        for arn, document in self.store.with_status(KIND, CREATING):
            self.later(self._finish, arn, document)
        for _, document in self.store.with_status(KIND, DELETING):
            self._remove(document)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def later(self, act: Callable[..., None], *arguments: Any) -> None:
        """Do something in a thread of the family's; what the end of the local cloud cuts off begins anew."""
        with suppress(RuntimeError):  # it ends
            self._pool.submit(act, *arguments)

    # The record

    def find(self, call: Call, name: str) -> Document:
        """Beside: there is none by that id."""
        try:
            return self.store.get(arn_of(call, name))
        except Missing:
            raise Beside("FileSystemNotFound", f"File system '{name}' does not exist.") from None

    def told(self, document: Document) -> Params:
        tags = self.store.tags(document["ResourceARN"])
        rows = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {name: value for name, value in document.items() if name != OWN} | {"Tags": rows}

    @operation("CreateFileSystem")
    def create(self, call: Call) -> Params:
        params, ec2 = call.params, self.cloud.client("ec2", call.region)
        if known := self._made_by(call):
            return {"FileSystem": self.told(known)}
        asked = file_system_rules.check(params)
        for member, code in (("ImportPath", "InvalidImportPath"), ("ExportPath", "InvalidExportPath")):
            if asked.get(member):
                file_system_rules.check_bucket(asked[member], self.cloud, call.region, code)
        vpc, groups = file_system_rules.check_network(params, ec2)
        tags, name, now = read_tags(params), new_id("fs"), datetime.now(UTC)
        interface = self._interface(ec2, params["SubnetIds"][0], groups, name)
        document = {
            "OwnerId": call.account,
            "CreationTime": now,
            "FileSystemId": name,
            "FileSystemType": "LUSTRE",
            "Lifecycle": CREATING,
            "StorageCapacity": params["StorageCapacity"],
            "StorageType": "SSD",
            "VpcId": vpc,
            "SubnetIds": params["SubnetIds"],
            "NetworkInterfaceIds": [interface],
            "DNSName": f"{name}.fsx.{call.region}.amazonaws.com",
            "ResourceARN": arn_of(call, name),
            "FileSystemTypeVersion": params.get("FileSystemTypeVersion", "2.15"),
            "LustreConfiguration": _configuration(asked, now),
            OWN: {"Token": params.get("ClientRequestToken"), "Region": call.region},
        }
        arn = document["ResourceARN"]
        self.store.add(Resource(arn, KIND, call.region, name, CREATING, document), tags)
        self.later(self._finish, arn, document)
        return {"FileSystem": self.told(document)}

    def _made_by(self, call: Call) -> Document | None:
        """What an earlier request of the same ClientRequestToken has made."""
        token = call.params.get("ClientRequestToken")
        found = (one for one in self.store.documents(KIND, call.region) if one[OWN]["Token"] == token)
        return next(found, None) if token else None

    def _interface(self, ec2: Any, subnet: str, groups: list[str], name: str) -> str:
        words = f"Created by Amazon FSx for {name}"
        try:
            made = ec2.create_network_interface(SubnetId=subnet, Groups=groups, Description=words)
        except botocore.exceptions.ClientError as error:
            raise Beside("InvalidNetworkSettings", error.response["Error"]["Message"]) from None
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def _finish(self, arn: str, document: Document) -> None:
        """It is there once what its repository has is known."""
        config, name = (
            document["LustreConfiguration"].get("DataRepositoryConfiguration", {}),
            document["FileSystemId"],
        )
        self.cloud.shares.tree(name)
        trouble = ""
        if uri := config.get("ImportPath"):
            s3, repository = (
                self.cloud.client("s3", document[OWN]["Region"]),
                Repository(file_system_rules.place(uri)),
            )
            try:
                repositories.take_over(self.cloud.shares, name, s3, repository, repositories.ALL)
            except Failed as error:
                trouble = str(error)

        def edit(found: Document) -> str:
            if found["Lifecycle"] != CREATING:
                return str(found["Lifecycle"])
            found["Lifecycle"] = AVAILABLE
            if config:
                own = found["LustreConfiguration"]["DataRepositoryConfiguration"]
                own["Lifecycle"] = MISCONFIGURED if trouble else AVAILABLE
                if trouble:
                    own["FailureDetails"] = {"Message": trouble}
            return AVAILABLE

        with suppress(Missing):
            self.store.change(arn, edit)

    @operation("DescribeFileSystems")
    def describe(self, call: Call) -> Params:
        if names := call.params.get("FileSystemIds"):
            found = [self.find(call, name) for name in names]
        else:
            found = list(self.store.documents(KIND, call.region))
        return listing.page(call, "FileSystems", [self.told(one) for one in found], 100)

    @operation("UpdateFileSystem")
    def update(self, call: Call) -> Params:
        params, document = call.params, self.find(call, call.params["FileSystemId"])
        asked, size = dict(params.get("LustreConfiguration") or {}), params.get("StorageCapacity")
        policy, deployment = asked.pop("AutoImportPolicy", None), document["LustreConfiguration"]["DeploymentType"]
        others = [*asked, *(one for one in params if one not in _UPDATES)]
        if others or (size is None and policy is None):
            raise bad(f"{others[0] if others else 'No update'} is not something the local cloud can do.")
        if size is not None:
            file_system_rules.check_capacity(size, deployment)
            if size <= document["StorageCapacity"]:
                raise bad("StorageCapacity can only be increased.")
        if policy and "DataRepositoryConfiguration" not in document["LustreConfiguration"]:
            raise bad("AutoImportPolicy needs a file system with an ImportPath.")

        def edit(found: Document) -> None:
            found["StorageCapacity"] = size or found["StorageCapacity"]
            if policy:
                found["LustreConfiguration"]["DataRepositoryConfiguration"]["AutoImportPolicy"] = policy

        return {"FileSystem": self.told(self.store.change(document["ResourceARN"], edit))}

    @operation("DeleteFileSystem")
    def delete(self, call: Call) -> Params:
        name = call.params["FileSystemId"]
        if not (call.params.get("LustreConfiguration") or {}).get("SkipFinalBackup", True):
            raise bad("Nothing is backed up here: SkipFinalBackup must be true.")
        document = self.find(call, name)

        def edit(found: Document) -> str:
            found["Lifecycle"] = DELETING
            return DELETING

        self._remove(self.store.change(document["ResourceARN"], edit))
        return {"FileSystemId": name, "Lifecycle": DELETING}

    def _remove(self, document: Document) -> None:
        """What it has goes first: a file system that is cut off here is deleted at the next start."""
        name, region = document["FileSystemId"], document[OWN]["Region"]
        for kind in ("fsx-association", "fsx-task"):
            for one in list(self.store.documents(kind, region)):
                if one["FileSystemId"] == name:
                    self.store.remove(one["ResourceARN"])
        for interface in document["NetworkInterfaceIds"]:
            with suppress(botocore.exceptions.ClientError):
                self.cloud.client("ec2", region).delete_network_interface(NetworkInterfaceId=interface)
        self.cloud.shares.remove(name)
        with suppress(Missing):
            self.store.remove(document["ResourceARN"])

    # Those of EFS, whose records are another service's

    def _on_change(self, service: str, _name: str) -> None:
        if service == "elasticfilesystem":
            self.later(self._clear)

    def _clear(self) -> None:
        """Delete the files of file systems that are gone."""
        there = {document["FileSystemId"] for document in self._everywhere()}
        left = [name for name in self.cloud.shares.names() if name not in there]
        if not left:
            return
        for region in self.cloud.client("ec2").describe_regions()["Regions"]:
            found = self.cloud.client("efs", region["RegionName"]).describe_file_systems()["FileSystems"]
            there |= {one["FileSystemId"] for one in found}
        for name in left:
            if name not in there:
                self.cloud.shares.remove(name)

    def _everywhere(self) -> list[Document]:
        return [document for _, document in self.store.with_status(KIND, CREATING, AVAILABLE, DELETING)]

    # Tags

    def tagged(self, call: Call) -> str:
        arn = str(call.params["ResourceARN"])
        if not arn.startswith(f"arn:aws:fsx:{call.region}:{call.account}:") or not self.store.has(arn):
            raise Beside("ResourceNotFound", f"The resource '{arn}' does not exist.")
        return arn


_UPDATES = ("FileSystemId", "ClientRequestToken", "StorageCapacity", "LustreConfiguration")


def _configuration(asked: Params, now: datetime) -> Params:
    """A LustreConfiguration as it is described."""
    deployment = asked["DeploymentType"]
    letters = string.ascii_lowercase + string.digits
    mount = "fsx" if deployment == "SCRATCH_1" else "".join(secrets.choice(letters) for _ in range(8))
    kept = ("WeeklyMaintenanceStartTime", "PerUnitStorageThroughput", "CopyTagsToBackups")
    found: Params = {name: asked[name] for name in kept if name in asked}
    found |= {"DeploymentType": deployment, "MountName": mount, "DataCompressionType": "NONE"}
    if uri := asked.get("ImportPath"):
        bucket = file_system_rules.place(uri).bucket
        usual = f"s3://{bucket}/FSxLustre{now:%Y%m%dT%H%M%SZ}"
        found["DataRepositoryConfiguration"] = {
            "Lifecycle": CREATING,
            "ImportPath": uri,
            "ExportPath": asked.get("ExportPath", usual),
            "ImportedFileChunkSize": asked.get("ImportedFileChunkSize", 1024),
            "AutoImportPolicy": asked.get("AutoImportPolicy", "NONE"),
        }
    return found
