"""What a request to S3 needs to be allowed. It has one reading by now (auth/s3.py).

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import parse_qsl, unquote

from sagelab.cloud.gateway.auth import s3
from sagelab.cloud.gateway.auth.needed import Context, Needed
from sagelab.cloud.gateway.http.request import Request

_BUCKETS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "CreateBucket": "CreateBucket",
    "DeleteBucket": "DeleteBucket",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketPolicyStatus": "GetBucketPolicyStatus",
    "DeleteBucketPolicy": "DeleteBucketPolicy",
    "DeleteBucketWebsite": "DeleteBucketWebsite",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
}
# A bucket's settings: their name in Get-, Put- and DeleteX of the API -> in the actions Get- and Put-.
_SETTINGS = {
    "BucketAccelerateConfiguration": "AccelerateConfiguration",
    "BucketAcl": "BucketAcl",
    "BucketCors": "BucketCORS",
    "BucketEncryption": "EncryptionConfiguration",
    "BucketLifecycle": "LifecycleConfiguration",
    "BucketLifecycleConfiguration": "LifecycleConfiguration",
    "BucketLogging": "BucketLogging",
    "BucketNotificationConfiguration": "BucketNotification",
    "BucketOwnershipControls": "BucketOwnershipControls",
    "BucketPolicy": "BucketPolicy",
    "BucketReplication": "ReplicationConfiguration",
    "BucketTagging": "BucketTagging",
    "BucketVersioning": "BucketVersioning",
    "BucketWebsite": "BucketWebsite",
    "ObjectLockConfiguration": "BucketObjectLockConfiguration",
    "PublicAccessBlock": "BucketPublicAccessBlock",
}
_OBJECTS = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "GetObjectAcl": "GetObjectAcl",
    "GetObjectAttributes": "GetObject",
    "GetObjectLegalHold": "GetObjectLegalHold",
    "GetObjectTagging": "GetObjectTagging",
    "SelectObjectContent": "GetObject",
    "ListParts": "ListMultipartUploadParts",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "DeleteObject": "DeleteObject",
    "DeleteObjectTagging": "DeleteObjectTagging",
    "PutObjectAcl": "PutObjectAcl",
    "PutObjectLegalHold": "PutObjectLegalHold",
    "PutObjectRetention": "PutObjectRetention",
    "PutObjectTagging": "PutObjectTagging",
    "RestoreObject": "RestoreObject",
}
_WRITES = frozenset(
    "PutObject CopyObject CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload".split()
)
_READS = frozenset("GetObject HeadObject GetObjectAttributes SelectObjectContent".split())
# Of these, a version has an action of its own.
_VERSIONED = {"GetObject", "GetObjectAcl", "GetObjectTagging", "PutObjectAcl", "PutObjectTagging"} | {
    "DeleteObject",
    "DeleteObjectTagging",
}
# Of these, the tags that an object has are known.
_BY_TAGS = {"GetObject", "GetObjectAcl", "GetObjectTagging", "PutObjectAcl", "PutObjectTagging"} | {
    "DeleteObjectTagging",
}
# A header by which a write does more -> what that needs as well.
_BESIDE = {
    "x-amz-tagging": "PutObjectTagging",
    "x-amz-acl": "PutObjectAcl",
    "x-amz-object-lock-mode": "PutObjectRetention",
    "x-amz-object-lock-retain-until-date": "PutObjectRetention",
    "x-amz-object-lock-legal-hold": "PutObjectLegalHold",
}
_ARN = "arn:aws:s3:::"


class Seals(Protocol):
    """Which customer's KMS key S3 has the content of an object under, and the ARN that it tells KMS with it: that
    of the object, or of its bucket; or None. And an object's tags."""

    def over(self, bucket: str, name: str, version: str | None) -> tuple[str, str] | None:
        """Of an object that is there."""

    def for_new(self, request: Request) -> tuple[str, str] | None:
        """Of the object to come that a request makes."""

    def object_tags(self, bucket: str, name: str, version: str | None) -> dict[str, str]:
        """Of an object that is there."""


def knows(operation: str) -> bool:
    """Whether it is told here what an operation needs; what nobody can be asked for is not done."""
    listed = operation in ("ListBuckets", "DeleteObjects") or operation in (
        _BUCKETS.keys() | _OBJECTS.keys() | _WRITES
    )
    return listed or _setting(operation) is not None


def needs(request: Request, operation: str, seals: Seals) -> Iterator[Needed]:
    """The actions that a request stands for, and what S3 asks KMS for in the caller's name."""
    bucket, key = request.place
    where, sent = f"{_ARN}{bucket}", request.parameters
    if operation == "ListBuckets":
        yield Needed("s3:ListAllMyBuckets", "*")
    elif operation == "DeleteObjects":
        yield from _deleted(request, where)
    elif key:
        yield from _object(request, operation, f"{where}/{key}", seals)
        yield from _sealed(request, operation, seals)
    else:
        listed = {f"s3:{name}": [sent[name]] for name in ("prefix", "delimiter", "max-keys") if name in sent}
        yield Needed(f"s3:{_BUCKETS.get(operation) or _setting(operation)}", where, listed)


def _setting(operation: str) -> str | None:
    """The action for a setting of a bucket; one is deleted by who may put it."""
    for verb, action in (("Get", "Get"), ("Put", "Put"), ("Delete", "Put")):
        if operation.startswith(verb) and (found := _SETTINGS.get(operation.removeprefix(verb))):
            return action + found
    return None


def _object(request: Request, operation: str, where: str, seals: Seals) -> Iterator[Needed]:
    context = _of_version(request.parameters.get("versionId"))
    if operation not in _WRITES:
        action = _OBJECTS[operation]
        context |= _tagged(f"{_ARN}{'/'.join(request.place)}", context, action, seals)
        yield Needed(f"s3:{_versioned(action, context)}", where, context)
        if operation == "GetObjectAttributes":
            of_version = "s3:versionid" in context
            yield Needed(f"s3:{'GetObjectVersionAttributes' if of_version else operation}", where, context)
        if request.header("x-amz-bypass-governance-retention"):
            yield Needed("s3:BypassGovernanceRetention", where)
        return
    if source := request.header("x-amz-copy-source"):
        place, version = copied(source)
        of = _of_version(version)
        tags = _tagged(f"{_ARN}{place}", of, "GetObject", seals)
        yield Needed(f"s3:{_versioned('GetObject', of)}", f"{_ARN}{place}", of | tags)
    new = _given_tags(request.header("x-amz-tagging") or "")
    yield Needed("s3:PutObject", where, new)
    for action in dict.fromkeys(action for header, action in _BESIDE.items() if request.header(header)):
        yield Needed(f"s3:{action}", where, new if action == "PutObjectTagging" else {})


def _tagged(arn: str, version: Context, action: str, seals: Seals) -> Context:
    """The tags of an object that is there, for the actions that AWS lists the condition key of."""
    bucket, _, name = arn.removeprefix(_ARN).partition("/")
    if action not in _BY_TAGS or not name:
        return {}
    tags = seals.object_tags(bucket, name, next(iter(version.get("s3:versionid", ())), None))
    return {f"s3:existingobjecttag/{key.lower()}": [value] for key, value in tags.items()}


def _given_tags(header: str) -> Context:
    """Those that an object is put with, written as a query; of two by one name the first counts, as for moto."""
    tags = dict(reversed(parse_qsl(header, keep_blank_values=True)))
    found = {f"s3:requestobjecttag/{key.lower()}": [value] for key, value in tags.items()}
    return found | ({"s3:requestobjecttagkeys": list(tags)} if tags else {})


def _sealed(request: Request, operation: str, seals: Seals) -> Iterator[Needed]:
    """What S3 asks KMS for in the caller's name.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms
    """
    bucket, key = request.place
    opened = None
    if operation in _READS | {"RestoreObject"}:
        opened = seals.over(bucket, key, request.parameters.get("versionId"))
    elif source := request.header("x-amz-copy-source"):
        place, version = copied(source)
        holder, _, name = place.partition("/")
        opened = seals.over(holder, name, version) if name else None
    if opened:
        yield _of_kms("kms:Decrypt", *opened)
    made = operation in ("PutObject", "CopyObject", "CreateMultipartUpload")
    if made and (new := seals.for_new(request)):
        yield _of_kms("kms:GenerateDataKey", *new)


def _of_kms(action: str, key: str, purpose: str) -> Needed:
    """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html"""
    _, _, _, region, account, _ = key.split(":", 5)
    context = {
        "kms:viaservice": [f"s3.{region}.amazonaws.com"],
        "kms:calleraccount": [account],
        "kms:encryptioncontext:aws:s3:arn": [purpose],
        "kms:encryptioncontextkeys": ["aws:s3:arn"],
    }
    return Needed(action, key, context, {"aws:s3:arn": purpose})


def copied(source: str) -> tuple[str, str | None]:
    """("bucket/key", version or None) that x-amz-copy-source names."""
    place, _, version = source.removeprefix("/").partition("?versionId=")
    return unquote(place), version or None


def _deleted(request: Request, where: str) -> Iterator[Needed]:
    if request.header("x-amz-bypass-governance-retention"):
        yield Needed("s3:BypassGovernanceRetention", f"{where}/*")
    for one in s3.doomed(request.content()):
        context = _of_version(one.get("VersionId"))
        yield Needed(f"s3:{_versioned('DeleteObject', context)}", f"{where}/{one['Key']}", context)


def _of_version(version: str | None) -> Context:
    return {"s3:versionid": [version]} if version else {}


def _versioned(action: str, context: Context) -> str:
    if "s3:versionid" not in context or action not in _VERSIONED:
        return action
    return action.replace("Object", "ObjectVersion", 1)
