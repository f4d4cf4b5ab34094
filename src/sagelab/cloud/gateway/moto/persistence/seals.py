"""Under which key an object of S3 is, by AWS's rules, and the object's own key wrapped under that.

Every new object is encrypted: under a key of KMS (SSE-KMS) where the request or its bucket asks for that, else
under the home's master key (SSE-S3). What is wrapped is good for one object alone, or one bucket with bucket keys.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.errors import InvalidArgument, NotImplementedHere, ServiceError
from sagelab.cloud.gateway.moto import keys
from sagelab.cloud.master import Master, Wrapping

Place = tuple[str, str]  # (bucket, key)
Pairs = tuple[tuple[str, str], ...]

_HEADER = "x-amz-server-side-encryption"
PLAIN, KMS, LAYERS = "AES256", "aws:kms", "aws:kms:dsse"
_NEEDSKMS = f"Server Side Encryption with AWS KMS managed key requires HTTP header {_HEADER} : aws:kms"
_NO_SUCH = "The encryption method specified is not supported"
_NO_CONTEXT = (
    f"The header '{_HEADER}-context' shall be Base64-encoded UTF-8 string holding JSON which represents a"
    " string-string map"
)
NO_LAYERS = "Encryption in two layers (aws:kms:dsse) is not something the local cloud can do. Use aws:kms."
_OWN = "Encryption with a key of the customer's own (SSE-C) is not something the local cloud can do. Use aws:kms."


class KeyUnusable(ServiceError):
    """The key of KMS that an object is under, or is to be, cannot be used.

    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """

    def __init__(self, code: str, message: str) -> None:
        """code: that of KMS."""
        super().__init__(message)
        self.code = f"KMS.{code}"


@dataclass(frozen=True)
class Protection:
    """What an object is to be encrypted with. key: the ARN of a key of KMS, "" for the home's own. of_bucket: with
    a bucket key. context: what the request says that the content is, beside its place."""

    key: str = ""
    of_bucket: bool = False
    context: Pairs = ()

    @property
    def algorithm(self) -> str:
        return KMS if self.key else PLAIN


@dataclass(frozen=True)
class Seal:
    """The key of an object's file, wrapped, and by what."""

    wrapped: bytes
    by: Protection


def by_headers(headers: Mapping[str, str], bucket: Any) -> Protection:
    """What the request of a new object, or of its upload, asks for. bucket: moto's.

    InvalidArgument, NotImplementedHere, KeyUnusable: it is none.
    """
    if any(name.startswith(f"{_HEADER}-customer-") for name in headers):
        raise NotImplementedHere(_OWN)
    context = headers.get(f"{_HEADER}-context")
    algorithm, key, of_bucket = asked(headers)
    return settle(bucket, algorithm, key, of_bucket, _read(context) if context else ())


def settle(
    bucket: Any,
    algorithm: str | None,
    key: str | None = None,
    of_bucket: str | bool | None = None,
    context: Pairs = (),
) -> Protection:
    """What a new object of a bucket is encrypted with, of what was asked for and the bucket's default."""
    rule = bucket.encryption["Rule"] if bucket.encryption else {}
    if algorithm is None:
        if key is not None:
            raise InvalidArgument(_NEEDSKMS)
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        algorithm, key = default.get("SSEAlgorithm", PLAIN), default.get("KMSMasterKeyID")
    if algorithm == LAYERS:
        raise NotImplementedHere(NO_LAYERS)
    if algorithm not in (PLAIN, KMS):
        raise InvalidArgument(_NO_SUCH)
    if algorithm == PLAIN:
        if key:
            raise InvalidArgument(_NEEDSKMS)
        return Protection()
    asked = rule.get("BucketKeyEnabled", False) if of_bucket is None else of_bucket
    found = usable(bucket, key)
    return Protection(found.arn, str(asked).lower() == "true", context)


def usable(bucket: Any, key: str | None) -> Any:
    """moto's key of KMS for what is put into a bucket. key: as it is named; None: the one that AWS manages.

    KeyUnusable: it cannot be used, in the words of S3.
    """
    if not key:
        return keys.managed_key(bucket.account_id, bucket.region_name)
    if key.startswith("arn:") and (region := (key.split(":", 5) + [""] * 4)[3]) != bucket.region_name:
        raise KeyUnusable("NotFoundException", f"Invalid arn {region}")
    return _enabled(keys.find_key(bucket.account_id, key, bucket.region_name), key, bucket)


def wrap(master: Master, by: Protection, place: Place, key: bytes) -> Seal:
    """The key of an object's file under that which protects the object. KeyUnusable: that cannot be used."""
    return Seal(_wrapping(master, by).wrap(key, _context(by, place)), by)


def unwrap(master: Master, seal: Seal, place: Place) -> bytes:
    """The key of an object's file.

    KeyUnusable: what it is under cannot be used. Unreadable: it is another object's.
    """
    return _wrapping(master, seal.by).unwrap(seal.wrapped, _context(seal.by, place))


def check(account: str, key: str, region: str) -> None:
    """KeyUnusable: a key of KMS cannot be used; one that nobody knows passes, as it protected nothing."""
    if (found := keys.find_key(account, key, region)) is not None:
        _enabled(found, key)


def arn_in_context(of_bucket: bool, place: Place) -> str:
    """What S3 tells KMS that a key is for."""
    return f"arn:aws:s3:::{place[0]}" if of_bucket else f"arn:aws:s3:::{place[0]}/{place[1]}"


def asked(headers: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    """The algorithm, the key, and whether it is to be a bucket key, as far as headers say."""
    return (
        headers.get(_HEADER),
        headers.get(f"{_HEADER}-aws-kms-key-id"),
        headers.get(f"{_HEADER}-bucket-key-enabled"),
    )


def _wrapping(master: Master, by: Protection) -> Wrapping:
    if not by.key:
        return master
    found = keys.find_key(by.key.split(":")[4], by.key, "")
    return Wrapping(_enabled(found, by.key).key_material)


def _enabled(key: Any, named: str, bucket: Any = None) -> Any:
    """A key of moto's that can encrypt now."""
    if key is None:
        if bucket is not None and not named.startswith("arn:"):
            where = f"{bucket.region_name}:{bucket.account_id}"
            if len(named) != 36:
                raise KeyUnusable("NotFoundException", f"Invalid keyId '{named}'")
            named = f"arn:aws:kms:{where}:key/{named}"
        raise KeyUnusable("NotFoundException", f"Key '{named}' does not exist")
    if (refused := keys.refusal(key)) is not None:
        raise KeyUnusable(*refused)
    if not keys.is_symmetric(key):
        words = f"{key.arn} key usage is {keys.usage(key)} which is not valid for GenerateDataKey."
        raise KeyUnusable("InvalidKeyUsageException", words)
    return key


def _context(by: Protection, place: Place) -> bytes:
    """What a key is wrapped for: the place of its object, and what the request said of the content."""
    pairs = {"aws:s3:arn": arn_in_context(by.of_bucket, place), **dict(by.context)}
    return json.dumps(sorted(pairs.items())).encode()


def _read(header: str) -> Pairs:
    """The pairs of an encryption context. InvalidArgument: it is none."""
    try:
        found = json.loads(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidArgument(_NO_CONTEXT) from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidArgument(_NO_CONTEXT)
    return tuple(sorted(found.items()))
