"""What a request to FSx needs: its action on what it is about, and what linking S3 takes.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonfsx.html
https://docs.aws.amazon.com/fsx/latest/LustreGuide/using-service-linked-roles.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagelab.cloud.engine.data.channels import locate
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.store import Missing, Store

LINKED = "role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/AWSServiceRoleForFSxS3Access_*"
READ, WRITE = ("ListBucket", "GetObject"), ("PutObject",)


def needs(operation: str, params: dict[str, Any], where: str, store: Store) -> Iterator[Needed]:
    """where: "REGION:ACCOUNT". Whoever links a place in S3 may read it, and whoever exports to it may write it."""
    start = f"arn:aws:fsx:{where}:"
    for one in _named(operation, params, start):
        yield Needed(f"fsx:{operation}", one)
    config = params.get("LustreConfiguration") or {}
    if operation == "CreateFileSystem" and config.get("ImportPath"):
        yield from _link(str(config["ImportPath"]), where)
    elif operation == "CreateDataRepositoryAssociation":
        yield from _link(str(params.get("DataRepositoryPath")), where)
    elif operation == "CreateDataRepositoryTask":
        report = params.get("Report") or {}
        if report.get("Enabled"):
            yield from _of_place(str(report.get("Path")), WRITE)
        if params.get("Type") == "EXPORT_TO_REPOSITORY":
            for uri in _targets(str(params.get("FileSystemId")), start, store):
                yield from _of_place(uri, WRITE)


def _named(operation: str, params: dict[str, Any], start: str) -> list[str]:
    if arn := params.get("ResourceARN"):
        return [str(arn)]
    if name := params.get("FileSystemId"):
        return [f"{start}file-system/{name}"]
    if names := params.get("FileSystemIds"):
        return [f"{start}file-system/{one}" for one in names]
    if name := params.get("AssociationId"):
        return [f"{start}association/*/{name}"]
    return [f"{start}file-system/*"] if operation == "CreateFileSystem" else ["*"]


def _link(uri: str, where: str) -> Iterator[Needed]:
    """A role of the file system's own, and the right to read what it is to have."""
    account = where.rpartition(":")[2]
    for action in ("CreateServiceLinkedRole", "AttachRolePolicy", "PutRolePolicy"):
        yield Needed(f"iam:{action}", f"arn:aws:iam::{account}:{LINKED}")
    yield from _of_place(uri, READ)


def _of_place(uri: str, actions: tuple[str, ...]) -> Iterator[Needed]:
    try:
        place = locate(uri)
    except ValueError:
        return  # which is refused later
    bucket = f"arn:aws:s3:::{place.bucket}"
    for action in actions:
        below = f"{place.key.rstrip('/')}/*" if place.key else "*"
        yield Needed(f"s3:{action}", bucket if action == "ListBucket" else f"{bucket}/{below}")


def _targets(name: str, start: str, store: Store) -> Iterator[str]:
    """The places in S3 that a file system's files would go to."""
    try:
        config = store.get(f"{start}file-system/{name}")["LustreConfiguration"]
    except Missing:
        return
    if own := config.get("DataRepositoryConfiguration"):
        yield str(own["ExportPath"])
    region = start.split(":")[3]
    for one in store.documents("fsx-association", region):
        if one["FileSystemId"] == name:
            yield str(one["DataRepositoryPath"])
