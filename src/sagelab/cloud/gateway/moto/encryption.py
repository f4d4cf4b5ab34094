"""With which key of KMS a request to S3 has to do, and what a new object is encrypted with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.moto.environ import Environ
from sagelab.cloud.gateway.moto.keys import find_key
from sagelab.cloud.gateway.moto.persistence import objects, seals

_MAKES = ("PutObject", "CopyObject", "CreateMultipartUpload")
_HEADER = "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION"


@contextmanager
def protecting(context: Context, environ: Environ) -> Iterator[None]:
    """For the block, encrypt a new object of S3 as its request asks for."""
    request = context.request
    bucket = objects.bucket_of(request.place[0]) if context.service == "s3" else None
    if context.operation not in _MAKES or bucket is None:
        yield
        return
    found = seals.by_headers(request.headers, bucket)
    if context.operation == "CreateMultipartUpload":  # which moto answers with what was asked for
        environ[_HEADER] = found.algorithm
        if found.key:
            environ[f"{_HEADER}_AWS_KMS_KEY_ID"] = found.key
    with objects.protecting(found, request.place):
        yield


def key_over(bucket: str, name: str, version: str | None) -> tuple[str, str] | None:
    """The ARN of the customer's KMS key that an object's content is under, and of what it is told it is for."""
    holder = objects.bucket_of(bucket)
    versions = holder.keys.getlist(name, []) if holder is not None else []
    found = next((one for one in reversed(versions) if version in (None, str(one.version_id))), None)
    if not isinstance(found, objects.Key) or found.encryption != seals.KMS or not found.kms_key_id:
        return None
    key = find_key(found.account_id, found.kms_key_id, found.region_name)
    if key is None or key.key_manager == "AWS":
        return None
    of_bucket = found.body.seal is not None and found.body.seal.by.of_bucket
    return key.arn, seals.arn_in_context(of_bucket, (bucket, name))


def key_for_new(request: Request) -> tuple[str, str] | None:
    """The ARN of the customer's key that a new object will be under, and of what it is for, or None."""
    algorithm, named, of_bucket = seals.asked(request.headers)
    bucket = objects.bucket_of(request.place[0])
    if bucket is None:
        return None
    rule = bucket.encryption["Rule"] if bucket.encryption else {}
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    if algorithm is None:
        algorithm, named = default.get("SSEAlgorithm"), default.get("KMSMasterKeyID")
    key = find_key(bucket.account_id, named, bucket.region_name) if algorithm == seals.KMS and named else None
    if key is None or key.key_manager == "AWS":
        return None
    whole = str(of_bucket or rule.get("BucketKeyEnabled", False)).lower() == "true"
    return key.arn, seals.arn_in_context(whole, request.place)
