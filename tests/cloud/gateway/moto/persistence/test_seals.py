"""S3's bytes on disk are encrypted, under the key that AWS's rules say, and unreadable without it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.config import Config

from sagelab.cloud.gateway.http.cipher import CHUNK
from sagelab.cloud.gateway.moto.keys import find_key
from sagelab.cloud.gateway.moto.persistence import objects
from sagelab.cloud.gateway.moto.persistence.bodies import Body
from tests.cloud.gateway.conftest import Serving

SECRET = b"what nobody reads in a copy of the home"
LARGE = SECRET * (3 << 15)  # nearly 4 MB: it comes by a file
PLAIN = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
KMS = {"ServerSideEncryption": "aws:kms"}


@pytest.fixture
def s3(gateway: Serving) -> Any:
    return gateway.client("s3", PLAIN)


@pytest.fixture
def bucket(s3: Any, unique: Callable[[str], str]) -> str:
    name = unique("sealed")
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def key(gateway: Serving) -> str:
    """The ARN of a new key of KMS."""
    return str(gateway.client("kms").create_key()["KeyMetadata"]["Arn"])


def held(bucket: str, name: str) -> objects.Key:
    """moto's object, for what lies behind the API."""
    found: objects.Key = objects.bucket_of(bucket).keys[name]
    return found


def file_of(gateway: Serving, key: objects.Key) -> Path:
    """Where its bytes are."""
    return gateway.home.path / "objects" / key.body.name[:2] / key.body.name


def read(s3: Any, bucket: str, name: str, **more: Any) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key=name, **more)["Body"].read()
    return content


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        call(**params)
    error = trouble.value.response["Error"]
    return error["Code"], error.get("Message", "")


def encrypt_by_default(s3: Any, bucket: str, **rule: Any) -> None:
    default = {"ApplyServerSideEncryptionByDefault": rule.pop("default"), **rule}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [default]})


def test_nothing_of_an_object_and_of_a_key_is_plain_in_the_home(gateway: Serving, s3: Any, bucket: str) -> None:
    kms = gateway.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    data = kms.generate_data_key(KeyId=key, KeySpec="AES_256")["Plaintext"]
    s3.put_object(Bucket=bucket, Key="small", Body=SECRET)
    s3.put_object(Bucket=bucket, Key="large", Body=LARGE, SSEKMSKeyId=key, **KMS)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/large")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="begun")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="begun", UploadId=upload, PartNumber=1, Body=LARGE)
    material = find_key("123456789012", key, "us-east-1").key_material
    for file in gateway.home.path.rglob("*"):
        content = file.read_bytes() if file.is_file() and file.name != "master.key" else b""
        assert not any(secret in content for secret in (SECRET, material, data)), file
    assert read(s3, bucket, "small") == SECRET
    assert read(s3, bucket, "large") == read(s3, bucket, "copy") == LARGE
    assert read(s3, bucket, "large", Range="bytes=1000000-1000099") == LARGE[1000000:1000100]


def test_objects_are_encrypted_by_s3s_own_key_by_default(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="one", Body=SECRET)
    head = s3.head_object(Bucket=bucket, Key="one")
    assert put["ServerSideEncryption"] == head["ServerSideEncryption"] == "AES256"
    assert head["ETag"].strip('"') == hashlib.md5(SECRET, usedforsecurity=False).hexdigest()
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules == [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
    begun = s3.create_multipart_upload(Bucket=bucket, Key="parts")
    assert begun["ServerSideEncryption"] == "AES256"


def test_request_or_bucket_says_the_key(gateway: Serving, s3: Any, bucket: str, key: str) -> None:
    kms = gateway.client("kms")
    kms.create_alias(AliasName=f"alias/{bucket}", TargetKeyId=key)
    encrypt_by_default(
        s3, bucket, default={"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": f"alias/{bucket}"}, BucketKeyEnabled=True
    )
    by_bucket = s3.put_object(Bucket=bucket, Key="by-bucket", Body=SECRET)
    assert (by_bucket["ServerSideEncryption"], by_bucket["SSEKMSKeyId"]) == ("aws:kms", key)
    assert by_bucket["BucketKeyEnabled"]
    assert by_bucket["ETag"].strip('"') != hashlib.md5(SECRET, usedforsecurity=False).hexdigest()
    assert "SSEKMSKeyId" not in s3.put_object(
        Bucket=bucket, Key="plain", Body=SECRET, ServerSideEncryption="AES256"
    )
    other = kms.create_key()["KeyMetadata"]
    by_request = {"SSEKMSKeyId": other["KeyId"], "BucketKeyEnabled": False, **KMS}
    asked = s3.copy_object(Bucket=bucket, Key="asked", CopySource=f"{bucket}/by-bucket", **by_request)
    assert asked["SSEKMSKeyId"] == other["Arn"]
    assert not s3.head_object(Bucket=bucket, Key="asked").get("BucketKeyEnabled")
    managed = s3.put_object(Bucket=bucket, Key="managed", Body=SECRET, **KMS)["SSEKMSKeyId"]
    assert kms.describe_key(KeyId=managed)["KeyMetadata"]["KeyManager"] == "AWS"
    assert kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"] == managed
    for name in ("by-bucket", "plain", "asked", "managed"):
        assert read(s3, bucket, name) == SECRET


def test_upload_is_encrypted_as_it_began(s3: Any, bucket: str, key: str) -> None:
    context = base64.b64encode(json.dumps({"team": "vision"}).encode()).decode()
    begun = s3.create_multipart_upload(
        Bucket=bucket, Key="parts", SSEKMSKeyId=key, SSEKMSEncryptionContext=context, **KMS
    )
    assert (begun["ServerSideEncryption"], begun["SSEKMSKeyId"]) == ("aws:kms", key)
    where = {"Bucket": bucket, "Key": "parts", "UploadId": begun["UploadId"]}
    parts, content = [], [b"1" * (5 << 20), b"2" * 1000]
    for number, body in enumerate(content, 1):
        part = s3.upload_part(**where, PartNumber=number, Body=body)
        assert (part["ServerSideEncryption"], part["SSEKMSKeyId"]) == ("aws:kms", key)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert (done["ServerSideEncryption"], done["SSEKMSKeyId"]) == ("aws:kms", key)
    assert done["ETag"].endswith('-2"')
    assert read(s3, bucket, "parts") == b"".join(content)


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("disabled", "KMS.DisabledException", "{} is disabled."),
        ("pending", "KMS.KMSInvalidStateException", "{} is pending deletion."),
        ("gone", "KMS.NotFoundException", "Key '{}' does not exist"),
    ],
)
def test_object_whose_key_cannot_be_used_is_not_readable(
    gateway: Serving, s3: Any, bucket: str, key: str, state: str, code: str, words: str
) -> None:
    kms, asked = gateway.client("kms"), {"SSEKMSKeyId": key, **KMS}
    s3.put_object(Bucket=bucket, Key="one", Body=SECRET, **asked)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="begun", **asked)["UploadId"]
    if state == "disabled":
        kms.disable_key(KeyId=key)
    else:
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    if state == "gone":
        found = find_key("123456789012", key, "us-east-1")
        found.deletion_date = found.deletion_date.replace(year=2020)
    said = (code, words.format(key))
    assert refused(s3.get_object, Bucket=bucket, Key="one") == said
    assert refused(s3.copy_object, Bucket=bucket, Key="two", CopySource=f"{bucket}/one") == said
    assert refused(s3.put_object, Bucket=bucket, Key="one", Body=b"other", **asked) == said
    where = {"Bucket": bucket, "Key": "begun", "UploadId": upload}
    assert refused(s3.upload_part, **where, PartNumber=1, Body=b"part") == said
    assert s3.head_object(Bucket=bucket, Key="one")["SSEKMSKeyId"] == key
    if state == "disabled":
        kms.enable_key(KeyId=key)
        assert read(s3, bucket, "one") == SECRET


def test_key_that_is_none_is_refused_and_nothing_is_made(gateway: Serving, s3: Any, bucket: str) -> None:
    far = gateway.session().client("kms", region_name="eu-west-1", endpoint_url=gateway.url)
    other = far.create_key()["KeyMetadata"]["Arn"]
    signing = gateway.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["Arn"]
    missing = other.replace("eu-west-1", "us-east-1")
    needs = "Server Side Encryption with AWS KMS managed key requires HTTP header"
    for asked, code, words in (
        ({"SSEKMSKeyId": other, **KMS}, "KMS.NotFoundException", "Invalid arn eu-west-1"),
        ({"SSEKMSKeyId": missing, **KMS}, "KMS.NotFoundException", f"Key '{missing}' does not exist"),
        ({"SSEKMSKeyId": missing[-36:], **KMS}, "KMS.NotFoundException", f"Key '{missing}' does not exist"),
        ({"SSEKMSKeyId": "none", **KMS}, "KMS.NotFoundException", "Invalid keyId 'none'"),
        ({"SSEKMSKeyId": signing, **KMS}, "KMS.InvalidKeyUsageException", f"{signing} key usage is SIGN_VERIFY"),
        ({"SSEKMSKeyId": signing}, "InvalidArgument", needs),
        ({"SSEKMSKeyId": signing, "ServerSideEncryption": "AES256"}, "InvalidArgument", needs),
        ({"ServerSideEncryption": "rot13"}, "InvalidArgument", "The encryption method specified is not supported"),
        ({"ServerSideEncryption": "aws:kms:dsse"}, "NotImplemented", "two layers"),
        ({"SSEKMSEncryptionContext": "no", **KMS}, "InvalidArgument", "shall be Base64-encoded"),
    ):
        found = refused(s3.put_object, Bucket=bucket, Key="one", Body=SECRET, **asked)
        assert (found[0], words in found[1]) == (code, True), found
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_default_that_is_none_is_refused(s3: Any, bucket: str) -> None:
    for default, code in (
        ({"SSEAlgorithm": "AES256", "KMSMasterKeyID": "alias/any"}, "InvalidArgument"),
        ({"SSEAlgorithm": "aws:kms:dsse"}, "NotImplemented"),
        ({"SSEAlgorithm": "rot13"}, "MalformedXML"),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=code):
            encrypt_by_default(s3, bucket, default=default)
    assert s3.put_object(Bucket=bucket, Key="one", Body=SECRET)["ServerSideEncryption"] == "AES256"
    encrypt_by_default(s3, bucket, default={"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/none"})
    assert refused(s3.put_object, Bucket=bucket, Key="two", Body=SECRET)[0] == "KMS.NotFoundException"


def test_what_was_exchanged_or_cut_on_disk_is_not_served(gateway: Serving, s3: Any, bucket: str) -> None:
    for name in ("one", "two"):
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode() * 1000)
        s3.put_object(Bucket=bucket, Key=f"large-{name}", Body=name.encode() * (1 << 20))
    one, two = held(bucket, "one"), held(bucket, "two")
    own, theirs = one.body, file_of(gateway, two).read_bytes()
    content = file_of(gateway, one).read_bytes()
    for changed in (theirs, content[:-1], b"", b"x" + content[1:]):
        file_of(gateway, one).write_bytes(changed)
        assert refused(s3.get_object, Bucket=bucket, Key="one")[0] == "InternalFailure"
    file_of(gateway, one).write_bytes(content)
    one.body = replace(own, seal=two.body.seal)  # another object's key
    assert refused(s3.get_object, Bucket=bucket, Key="one")[0] == "InternalFailure"
    one.body = two.body  # all of another object
    assert refused(s3.get_object, Bucket=bucket, Key="one")[0] == "InternalFailure"
    one.body = own
    assert read(s3, bucket, "one") == b"one" * 1000
    large = file_of(gateway, held(bucket, "large-one"))
    large.write_bytes(large.read_bytes()[: 2 << 20])
    with pytest.raises(botocore.exceptions.ResponseStreamingError):
        read(s3, bucket, "large-one")


def test_object_of_before_they_were_encrypted_stays_readable(gateway: Serving, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="old", Body=b"as it is")
    old = held(bucket, "old")
    file_of(gateway, old).write_bytes(LARGE)
    old.body, old.contentsize = Body(old.body.name, 0, len(LARGE)), len(LARGE)
    del old.body.__dict__["seal"]  # as it was pickled then
    assert read(s3, bucket, "old") == LARGE
    assert read(s3, bucket, "old", Range="bytes=-10") == LARGE[-10:]
    s3.copy_object(Bucket=bucket, Key="new", CopySource=f"{bucket}/old")
    assert SECRET not in file_of(gateway, held(bucket, "new")).read_bytes()
    assert read(s3, bucket, "new") == LARGE


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, 5 * CHUNK - 1])
def test_parts_are_read_at_the_edges_of_chunks(s3: Any, bucket: str, size: int) -> None:
    content = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="a", Body=content)
    edges = (0, CHUNK - 1, CHUNK, size - 1)
    for first, last in [(a, b) for a in edges for b in (*edges, size + 7) if a <= b and a < size]:
        assert read(s3, bucket, "a", Range=f"bytes={first}-{last}") == content[first : last + 1]
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidRange"):
        read(s3, bucket, "a", Range=f"bytes={size}-")


def test_alias_that_is_led_elsewhere_takes_no_object_with_it(
    gateway: Serving, s3: Any, bucket: str, key: str, unique: Callable[[str], str]
) -> None:
    kms, alias = gateway.client("kms"), f"alias/{unique('key')}"
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    s3.put_object(Bucket=bucket, Key="a", Body=SECRET, **KMS, SSEKMSKeyId=alias)
    kms.update_alias(AliasName=alias, TargetKeyId=other)
    kms.disable_key(KeyId=other)
    assert read(s3, bucket, "a") == SECRET
    kms.enable_key(KeyId=other)
    kms.disable_key(KeyId=key)
    assert refused(s3.get_object, Bucket=bucket, Key="a")[0] == "KMS.DisabledException"
    assert refused(s3.copy_object, Bucket=bucket, Key="b", CopySource=f"{bucket}/a")[0] == "KMS.DisabledException"
