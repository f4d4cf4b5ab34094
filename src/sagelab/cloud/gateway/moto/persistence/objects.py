"""moto's S3 with its bytes on disk: children of moto's classes that keep bytes in files and note what changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.kms.models import kms_backends
from moto.s3 import models as s3
from moto.s3 import responses as s3_responses
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML, MissingKey, S3ClientError
from moto.s3.utils import _VersionedKeyStore

from sagelab.cloud.gateway.http import checksums
from sagelab.cloud.gateway.http.spool import SMALL, Content
from sagelab.cloud.gateway.moto.persistence.bodies import Bodies, Body, Joined
from sagelab.cloud.gateway.moto.persistence.change_tracking import Item, noted

_PRIVATE = s3.get_canned_acl("private")
_PRIVATE_TEXT = repr(_PRIVATE)
_NOT_KEPT = frozenset({"bodies", "lock", "_value_buffer", "_transitions"})
_WHOLE = 256 << 20  # bytes of an object that are in memory at once, for what needs them all
_TRANSITIONS = [(None, "IN_PROGRESS"), ("IN_PROGRESS", "RESTORED")]


_as_files: ContextVar[bool] = ContextVar("as_files", default=False)


@contextmanager
def as_files() -> Iterator[None]:
    """In the block, the content of a large object is a Content for this thread, and not bytes."""
    before = _as_files.set(True)
    try:
        yield
    finally:
        _as_files.reset(before)


class TooLarge(S3ClientError):  # type: ignore[misc]
    """What a service reads of S3 at once is more than fits."""

    code = 400

    def __init__(self, name: str) -> None:
        super().__init__("EntityTooLarge", f"{name} has more than the {_WHOLE >> 20} MB that can be read at once.")


class Disabled(S3ClientError):  # type: ignore[misc]
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"""

    code = 400

    def __init__(self, arn: str, state: str) -> None:
        super().__init__("KMS.DisabledException", f"{arn} is {state}.")


def check_enabled(account: str, key: str, region: str) -> None:
    """Disabled: the key is, or it is to be deleted. key: an id, an ARN, or an alias; an unknown one passes."""
    found = find_key(account, key, region)
    if found is not None and found.key_state != "Enabled":
        words = {"PendingDeletion": "pending deletion"}
        raise Disabled(found.arn, words.get(found.key_state, "disabled"))


def find_key(account: str, key: str, region: str) -> Any:
    """moto's KMS key of an id, an ARN or an alias, or None."""
    arn = key.split(":") if key.startswith("arn:") else []
    backend = kms_backends[account][arn[3] if arn else ("us-east-1" if region == "aws" else region)]
    name = arn[5].removeprefix("key/") if arn else key
    return backend.keys.get(backend.get_key_id_from_alias(name) if name.startswith("alias/") else name)


def key_over(bucket: str, name: str, version: str | None) -> str | None:
    """The ARN of the customer's KMS key that an object's content is under, or None."""
    holder = bucket_of(bucket)
    versions = holder.keys.getlist(name, []) if holder is not None else []
    found = next((one for one in reversed(versions) if version in (None, str(one.version_id))), None)
    if not isinstance(found, Key) or found.encryption != "aws:kms" or not found.kms_key_id:
        return None
    key = find_key(found.account_id, found.kms_key_id, found.region_name)
    return key.arn if key is not None else None


def key_for_new(bucket: str, named: str | None) -> str | None:
    """The ARN of the customer's KMS key that a new object's content will be under, or None.

    named: the key that the request asks for; without one, the bucket's default counts.
    """
    found = bucket_of(bucket)
    if found is None:
        return None
    if named is None and found.encryption:
        named = found.encryption["Rule"]["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")
    key = find_key(found.account_id, named, found.region_name) if named else None
    return key.arn if key is not None else None


class Key(s3.FakeKey):  # type: ignore[misc]
    """An object, or one part of an upload, whose content is a file."""

    body: Body
    _etag: str | None
    shelf: Bodies  # where this process keeps the content of new ones

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.bodies = Key.shelf
        super().__init__(*args, **kwargs)
        self._value_buffer.close()
        del self._value_buffer, self.lock

    @property
    def value(self) -> bytes | Content:
        content = self.content()
        if self.body.size > SMALL and _as_files.get():
            return content
        if self.body.size > _WHOLE:
            raise TooLarge(self.name)
        return b"".join(content)

    @value.setter
    def value(self, content: bytes | str | Content | Joined) -> None:
        data = content.encode() if isinstance(content, str) else content
        if self._etag is None:
            self._etag = _md5(data)
        self.body, self.contentsize = self.bodies.write(data), len(data)

    def content(self) -> Content:
        """What it holds. MissingKey: another request replaced or deleted it since this one found it."""
        self._check_key()
        try:
            return self.bodies.open(self.body)
        except FileNotFoundError:
            raise MissingKey(key=str(self.name)) from None

    def _check_key(self) -> None:
        """Raise what S3 says where the content is under a key of KMS that cannot be used."""
        if getattr(self, "encryption", None) == "aws:kms" and self.kms_key_id:
            check_enabled(self.account_id, self.kms_key_id, self.region_name)

    @property
    def etag(self) -> str:
        return f'"{self._etag}"'

    def dispose(self, garbage: bool = False) -> None:
        """Nothing: the file goes with its row."""

    def __del__(self) -> None:
        """Nothing, as moto's own would close the file."""

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name not in _NOT_KEPT}
        if repr(self.acl) == _PRIVATE_TEXT:
            del state["acl"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"bodies": Key.shelf, "acl": _PRIVATE, "_transitions": _TRANSITIONS} | state)


def _md5(content: bytes | Content | Joined) -> str:
    if isinstance(content, Content):
        return content.md5()
    digest = hashlib.md5(usedforsecurity=False)
    for part in [content] if isinstance(content, bytes) else content:
        digest.update(part)
    return digest.hexdigest()


class Upload(s3.FakeMultipart):  # type: ignore[misc]
    """A multipart upload whose parts are joined from file to file."""

    def complete(self, body: Iterable[tuple[int, str]]) -> tuple[Joined, str, tuple[str, str, int] | None]:
        """The whole, its ETag, and its checksum's type, value and number of parts, where one was asked for.

        body: number and ETag of each part. EntityTooSmall, InvalidPart, MalformedXML: they are no whole.
        """
        parts: list[Key] = []
        for number, etag in body:
            part = self.parts.get(number)
            if part is None or part.etag.replace('"', "") != etag.replace('"', ""):
                raise InvalidPart
            if parts and parts[-1].contentsize < s3.S3_UPLOAD_PART_MIN_SIZE:
                raise EntityTooSmall
            parts.append(part)
        if not parts:
            raise MalformedXML
        sums = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
        whole = Joined([part.content for part in parts], sum(part.contentsize for part in parts))
        return whole, f"{_md5(sums)}-{len(parts)}", self._checksum(parts, whole)

    def _checksum(self, parts: list[Key], whole: Joined) -> tuple[str, str, int] | None:
        algorithm = self.metadata.get("x-amz-checksum-algorithm")
        if not algorithm or not checksums.known(algorithm):
            return None
        if self.metadata.get("x-amz-checksum-type") == "FULL_OBJECT":
            return "FULL_OBJECT", checksums.compute(whole, algorithm).decode(), 1
        each = [checksums.compute(part.content(), algorithm, encode_base64=False) for part in parts]
        return "COMPOSITE", checksums.compute(each, algorithm).decode(), len(parts)


class _Keys(_VersionedKeyStore):  # type: ignore[misc]
    """The objects of a bucket by name, each a list of versions."""

    def __init__(self, bucket: str) -> None:
        super().__init__()
        self._bucket = bucket

    def __setitem__(self, name: str, value: Any) -> None:
        noted().changed.add(Item("object", self._bucket, name))
        super().__setitem__(name, value)

    def setlist(self, name: str, versions: Any) -> None:
        noted().changed.add(Item("object", self._bucket, name))
        super().setlist(name, versions)

    def pop(self, name: str) -> None:
        noted().changed.add(Item("object", self._bucket, name))
        super().pop(name)


class _Uploads(s3.MultipartDict):  # type: ignore[misc]
    """The multipart uploads of a bucket that are under way."""

    def __init__(self, bucket: str) -> None:
        super().__init__()
        self._bucket = bucket

    def __getitem__(self, upload: str) -> Any:
        noted().looked_up.add(Item("upload", self._bucket, upload))
        return super().__getitem__(upload)

    def __setitem__(self, upload: str, value: Any) -> None:
        noted().changed.add(Item("upload", self._bucket, upload))
        super().__setitem__(upload, value)

    def __delitem__(self, upload: str) -> None:
        noted().changed.add(Item("upload", self._bucket, upload))
        dict.__delitem__(self, upload)


class Bucket(s3.FakeBucket):  # type: ignore[misc]
    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(name, *args, **kwargs)
        self.keys, self.multiparts = _Keys(name), _Uploads(name)
        noted().changed.add(Item("bucket", name))

    def get_permission(self, action: str, resource: str) -> Any:  # noqa: ARG002 - moto's names
        """Whether its policy lets a request through was decided before moto has it."""
        return PermissionResult.NEUTRAL

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("keys", "multiparts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.keys, self.multiparts = _Keys(self.name), _Uploads(self.name)


class Backend(s3.S3Backend):  # type: ignore[misc]
    """Every bucket of an account; what was kept of them is there from the start."""

    restore: Callable[[Backend], None]  # fills a new one

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        Backend.restore(self)

    def get_bucket(self, bucket_name: str) -> Any:
        noted().looked_up.add(Item("bucket", bucket_name))
        return super().get_bucket(bucket_name)

    def get_object(self, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> Any:
        noted().looked_up.add(Item("object", bucket_name, key_name))
        return super().get_object(bucket_name, key_name, *args, **kwargs)

    def put_object(self, bucket_name: str, key_name: str, value: bytes, *args: Any, **kwargs: Any) -> Any:
        """Nothing is put under a key that cannot be used."""
        if key := kwargs.get("kms_key_id"):
            check_enabled(self.account_id, key, self.region_name)
        return super().put_object(bucket_name, key_name, value, *args, **kwargs)

    def complete_multipart_upload(self, bucket_name: str, multipart_id: str, body: Iterable[Any]) -> Any:
        """A part of the whole is a piece of its file from now on, not a file of its own."""
        parts = list(body)
        key = super().complete_multipart_upload(bucket_name, multipart_id, iter(parts))
        if key is not None:
            _slice(key, [number for number, _ in parts])
        return key

    def copy_object(
        self, src_key: Any, dest_bucket_name: str, dest_key_name: str, *rest: Any, **more: Any
    ) -> None:
        """A copy is one whole, however its source came to be: it has no part numbers."""
        super().copy_object(src_key, dest_bucket_name, dest_key_name, *rest, **more)
        self.get_object(dest_bucket_name, dest_key_name).multipart = None


def _slice(key: Key, numbers: list[int]) -> None:
    upload, start = key.multipart, 0
    upload.parts = {number: upload.parts[number] for number in numbers}
    for part in upload.parts.values():
        part.body = Body(key.body.name, start, part.size)
        start += part.size


def install(shelf: Bodies, restore: Callable[[Backend], None]) -> None:
    """From now on moto's S3 keeps its bytes on `shelf`, and fills each new backend by `restore`."""
    Key.shelf, Backend.restore = shelf, staticmethod(restore)
    s3.FakeKey, s3.FakeMultipart, s3.FakeBucket, s3.s3_backends.backend = Key, Upload, Bucket, Backend
    s3_responses.compute_checksum = checksums.compute


def backend(account: str) -> Any:
    """moto's backend of an account."""
    return s3.s3_backends[account]["aws"]


def backend_of(bucket: str) -> Any:
    """moto's backend that holds a bucket, or None."""
    partition, account = s3.s3_backends.bucket_accounts.get(bucket, (None, None))
    return None if account is None else s3.s3_backends[account][partition]


def bucket_of(name: str) -> Any:
    """A bucket as moto has it now, or None."""
    backend = backend_of(name)
    return None if backend is None else backend.buckets.get(name)


def enter(backend: Any, bucket: Any) -> None:
    """Put a bucket that was kept where moto looks for it."""
    backend.buckets[bucket.name] = bucket
    s3.s3_backends.bucket_accounts[bucket.name] = (bucket.partition, backend.account_id)


def leave(name: str) -> None:
    """Take a bucket away from moto."""
    if (backend := backend_of(name)) is not None:
        backend.buckets.pop(name, None)
        s3.s3_backends.bucket_accounts.pop(name, None)


def packed(versions: list[Any], tags: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Each version of an object with its tags.

    A delete marker is its fields without the version that it hides: that may hide another, and so on.
    """
    return [
        (version, tags.get(version.arn))
        if isinstance(version, Key)
        else ({name: value for name, value in vars(version).items() if name != "key"}, None)
        for version in versions
    ]


def unpacked(kept: list[tuple[Any, Any]]) -> tuple[list[Any], dict[str, Any]]:
    """The versions of an object, and the tags of each that has some, by ARN."""
    versions: list[Any] = []
    for version, _ in kept:
        if isinstance(version, dict):
            marker = s3.FakeDeleteMarker.__new__(s3.FakeDeleteMarker)
            marker.__dict__.update(version, key=versions[-1] if versions else None)
            version = marker
        versions.append(version)
    return versions, {version.arn: tags for version, tags in kept if tags}
