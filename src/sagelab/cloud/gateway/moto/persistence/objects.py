"""moto's S3 with its bytes on disk: children of moto's classes that keep bytes in files and note what changes.

The bytes are encrypted (seals.py); what is told of an object is what was done with it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3 import models as s3
from moto.s3 import responses as s3_responses
from moto.s3.exceptions import (
    EntityTooSmall,
    InvalidPart,
    MalformedXML,
    MissingKey,
    NoSuchUpload,
    S3ClientError,
)
from moto.s3.utils import _VersionedKeyStore

from sagelab.cloud.gateway.http import checksums
from sagelab.cloud.gateway.http.cipher import CHUNK, Cipher
from sagelab.cloud.gateway.http.spool import Content
from sagelab.cloud.gateway.moto.persistence import seals
from sagelab.cloud.gateway.moto.persistence.bodies import Bodies, Body, Joined
from sagelab.cloud.gateway.moto.persistence.change_tracking import Item, noted
from sagelab.cloud.gateway.moto.persistence.seals import Place, Protection
from sagelab.cloud.master import Master

_PRIVATE = s3.get_canned_acl("private")
_PRIVATE_TEXT = repr(_PRIVATE)
_NOT_KEPT = frozenset({"bodies", "lock", "_value_buffer", "_transitions"})
_WHOLE = 256 << 20  # bytes of an object that are in memory at once, for what needs them all
_TRANSITIONS = [(None, "IN_PROGRESS"), ("IN_PROGRESS", "RESTORED")]


_as_files: ContextVar[bool] = ContextVar("as_files", default=False)
_protecting: ContextVar[tuple[Protection, Place] | None] = ContextVar("protecting", default=None)


@contextmanager
def as_files() -> Iterator[None]:
    """In the block, the content of an object of several chunks is a Content for this thread, and not bytes."""
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


@contextmanager
def protecting(protection: Protection | None, place: Place) -> Iterator[None]:
    """In the block, what this thread puts at a place, or uploads for it, is encrypted so. None: by its bucket."""
    before = _protecting.set((protection, place) if protection else None)
    try:
        yield
    finally:
        _protecting.reset(before)


class Key(s3.FakeKey):  # type: ignore[misc]
    """An object, or one part of an upload, whose content is a file.

    place: of the upload's object, where it is a part of one.
    """

    body: Body
    _etag: str | None
    shelf: Bodies  # where this process keeps the content of new ones
    master: Master  # of the home
    place: Place | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.bodies = Key.shelf
        by, place = _protecting.get() or (Protection(), None)
        if place is not None and kwargs.get("bucket_name") is None:
            self.place = place
        try:
            super().__init__(*args, **kwargs)
        finally:
            self.__dict__.pop("_value_buffer").close()
        del self.lock
        self.encryption, self.kms_key_id = by.algorithm, by.key or None
        self.bucket_key_enabled = "true" if by.of_bucket else None

    @property
    def value(self) -> bytes | Content:
        content = self.content()
        if self.body.size > CHUNK and _as_files.get():  # it goes out chunk by chunk: a join would be one copy more
            return content
        if self.body.size > _WHOLE:
            raise TooLarge(self.name)
        return b"".join(content)

    @value.setter
    def value(self, content: bytes | str | Content | Joined) -> None:
        data = content.encode() if isinstance(content, str) else content
        by, _ = _protecting.get() or (Protection(), None)
        if self._etag is None:  # under a key of KMS it is no digest of the content
            self._etag = secrets.token_hex(16) if by.key else _md5(data)
        seal = partial(seals.wrap, Key.master, by, self._whose())
        self.body, self.contentsize = self.bodies.write(data, seal), len(data)

    def content(self) -> Content:
        """What it holds. MissingKey: another request replaced or deleted it since this one found it.

        KeyUnusable: the key of KMS that it is under cannot be used.
        """
        cipher, seal = None, self.body.seal
        if seal is not None:
            cipher = Cipher(seals.unwrap(Key.master, seal, self._whose()))
        elif self.encryption == "aws:kms" and self.kms_key_id:  # of before content was encrypted
            seals.check(self.account_id, self.kms_key_id, self.region_name)
        try:
            return self.bodies.open(self.body, cipher)
        except FileNotFoundError:
            raise MissingKey(key=str(self.name)) from None

    def _whose(self) -> Place:
        return self.place or (str(self.bucket_name), str(self.name))

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
    """A multipart upload whose parts are joined from file to file.

    bucket: its name. protection: what was asked for as it began; None: as the bucket says.
    """

    bucket = ""
    protection: Protection | None = None

    def set_part(self, part_id: int, value: bytes | Content) -> Key:
        """A part, encrypted as its whole will be. NoSuchUpload: there is no part of that number."""
        if part_id < 1:
            raise NoSuchUpload(upload_id=part_id)
        with protecting(self.protection, (self.bucket, self.key_name)):
            key: Key = super().set_part(part_id, value)
        return key

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
        if (found := self.get(upload)) is None:
            raise NoSuchUpload(upload_id=upload)
        return found

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

    def get_bucket_encryption(self, bucket_name: str) -> dict[str, Any]:
        """What new objects of a bucket are encrypted with where nothing else is asked for."""
        found: dict[str, Any] | None = super().get_bucket_encryption(bucket_name)
        return found or {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}}

    def put_object(self, bucket_name: str, key_name: str, value: bytes, *args: Any, **kwargs: Any) -> Any:
        """An object, encrypted as its request asks for or, where it has none of S3's, as its bucket says."""
        found, place = _protecting.get(), (bucket_name, key_name)
        if found is None or found[1] != place:
            asked = (kwargs.get("encryption"), kwargs.get("kms_key_id"), kwargs.get("bucket_key_enabled"))
            found = seals.settle(self.get_bucket(bucket_name), *asked), place
        with protecting(*found):
            return super().put_object(bucket_name, key_name, value, *args, **kwargs)

    def create_multipart_upload(self, bucket_name: str, *args: Any, **kwargs: Any) -> Any:
        """An upload whose parts and whole are encrypted as its request asks for."""
        upload = super().create_multipart_upload(bucket_name, *args, **kwargs)
        found, upload.bucket = _protecting.get(), bucket_name
        upload.protection = found[0] if found else seals.settle(self.get_bucket(bucket_name), None)
        return upload

    def complete_multipart_upload(self, bucket_name: str, multipart_id: str, body: Iterable[Any]) -> Any:
        """A part of the whole is a piece of its file from now on, not a file of its own."""
        parts, upload = list(body), self.get_bucket(bucket_name).multiparts[multipart_id]
        with protecting(upload.protection, (bucket_name, upload.key_name)):
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
        part.body = Body(key.body.name, start, part.size, key.body.seal)
        part.place = (key.bucket_name, key.name)
        start += part.size


def install(shelf: Bodies, master: Master, restore: Callable[[Backend], None]) -> None:
    """From now on moto's S3 keeps its bytes on `shelf`, and fills each new backend by `restore`."""
    Key.master, Key.shelf, Backend.restore = master, shelf, staticmethod(restore)
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
