"""Checks that requests of several families have in common, in AWS's words where it has them.

Each raises ValidationException where the request breaks the rule. What a kind checks beside is in its own rules.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import botocore.exceptions

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.data import channels, encrypted
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Params

MAX_DAYS = 28
DAY = 86400
# Families of instances whose volumes are in the instance, encrypted by its hardware:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-store-volumes.html
_OWN_DISKS = re.compile(r"ml\.(g[4-9]\w*|gr6|i\d\w*|p3dn|p4de?|p5\w*|p6\S*|trn\d\w*|[a-z]\d+[a-z]*d[a-z]*)\.")
FORBIDDEN = ("403", "AccessDenied")
REFUSALS = (botocore.exceptions.ClientError, botocore.exceptions.ParamValidationError)


def role(arn: str, cloud: Cloud) -> None:
    """The role is there, in this account, and SageMaker may assume it."""
    if arn.split(":")[4] != cloud.account:
        raise ValidationException(f"Cross-account pass role is not allowed: {arn}")
    try:
        found = cloud.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
        good = found["Arn"] == arn and "sagemaker.amazonaws.com" in str(found["AssumeRolePolicyDocument"])
    except botocore.exceptions.ClientError:
        good = False
    if not good:
        raise ValidationException(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal"
            " 'sagemaker.amazonaws.com' to assume the role."
        )


def location(member: str, uri: str) -> channels.Location:
    """The place in S3 that the s3:// URI in `member` names."""
    try:
        return channels.locate(uri)
    except ValueError as error:
        raise ValidationException(f"{member}: {error}.") from None


def bucket(member: str, uri: str, cloud: Cloud) -> None:
    """The bucket of the s3:// URI in `member` is there. Whom its policy lets in shows when the job comes to it."""
    s3, name = cloud.client("s3"), location(member, uri).bucket
    try:
        s3.head_bucket(Bucket=name)
    except REFUSALS as error:
        code = _code(error) or "InvalidBucketName"
        if code in FORBIDDEN:
            return
        raise ValidationException(
            f'The bucket "{name}" of {member} could not be reached ({code}). Please ensure that the bucket exists'
            f" in the selected region ({s3.meta.region_name})."
        ) from None


def has_objects(s3: Any, place: channels.Location, prefix: bool = True) -> bool:
    """Whether an object is there under a prefix, or by exactly this key; so it may be where nobody may look."""
    try:
        if prefix:
            return bool(channels.find_objects(s3, place, limit=1))
        return bool(place.key) and bool(s3.head_object(Bucket=place.bucket, Key=place.key))
    except REFUSALS as error:
        return _code(error) in FORBIDDEN


def _code(error: Exception) -> str:
    """Of AWS's, in an answer; "" where there was none."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def data(uri: str, role_arn: str, cloud: Cloud) -> None:
    """There are objects under the s3:// URI of an S3DataSource, which the role is to read."""
    s3, place = cloud.client("s3"), location("S3Uri", uri)
    if not has_objects(s3, place):
        raise ValidationException(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the'
            f" bucket exists in the selected region ({s3.meta.region_name}), that objects exist under that S3"
            f' prefix, and that the role "{role_arn}" has "s3:ListBucket" permissions on bucket "{place.bucket}".'
        )


def unique(what: str, names: Iterable[Any], where: str) -> None:
    """No name stands twice. what: "Channel name". where: the member that has them."""
    for name, count in Counter(names).items():
        if count > 1:
            raise ValidationException(f"{what} {name} is used more than once in {where}.")


def days(condition: Params) -> None:
    """A job runs for four weeks at the most."""
    if condition.get("MaxRuntimeInSeconds", 0) > MAX_DAYS * DAY:
        raise ValidationException(f"MaxRuntimeInSeconds must not be longer than {MAX_DAYS} days.")


def refused(given: Params, features: Mapping[str, str], where: str = "") -> None:
    """None of these is asked for: to leave them out would be to pretend. features: member -> what it would do.

    An empty one asks for nothing, and is as good as not there: it is taken out of what is given.
    """
    for name, what in features.items():
        if given.get(name):
            raise ValidationException(f"{where}{name}: the local cloud does not do {what}.")
        if given.get(name) in ({}, [], ""):
            del given[name]


def noted(given: Params, features: Mapping[str, str]) -> list[str]:
    """A sentence for each thing that is asked for and that this machine does not do. features: member -> why."""
    return [f"{name}: {why}" for name, why in features.items() if given.get(name)]


def volume_key(member: str, key: str | None, instance_types: Iterable[str | None]) -> None:
    """A volume can be under a key: neither is it part of an instance of such a type, nor is this machine unable.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html
    """
    if not key:
        return
    for one in instance_types:
        if _OWN_DISKS.match(one or ""):
            raise ValidationException(
                f"You can't request a {member} when using an instance type with local storage: {one} encrypts its"
                " volumes itself."
            )
    if reason := encrypted.unavailable():
        raise ValidationException(f"{member}: a volume cannot be encrypted on this machine: {reason}.")


def positive(value: int | None, path: str) -> None:
    """A number of instances, or of gigabytes, that the model lets be 0 or left out is there, and at least 1."""
    if value is None:
        raise missing(path)
    if value < 1:
        raise ValidationException(
            f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint:"
            " Member must have value greater than or equal to 1"
        )


def missing(path: str) -> ValidationException:
    """AWS's words for a member that is not there."""
    return ValidationException(
        f"1 validation error detected: Value null at '{path}' failed to satisfy constraint:"
        " Member must not be null"
    )
