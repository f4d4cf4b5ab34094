"""Places in S3 that a request names: read, and looked for, in AWS's words where that fails."""

from __future__ import annotations

from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.data import channels
from sagelab.cloud.errors import ValidationException


def check_bucket(field: str, uri: str, s3: Any) -> None:
    """ValidationException: the bucket of the s3:// URI in `field` is not there, or not the caller's."""
    bucket = locate(field, uri).bucket
    try:
        s3.head_bucket(Bucket=bucket)
    except (botocore.exceptions.ClientError, botocore.exceptions.ParamValidationError):
        raise ValidationException(
            f'The bucket "{bucket}" of {field} could not be reached. Please ensure that the bucket exists in the'
            f" selected region ({s3.meta.region_name})."
        ) from None


def locate(field: str, uri: str) -> channels.Location:
    """The place that an s3:// URI names. ValidationException: it names none."""
    try:
        return channels.locate(uri)
    except ValueError as error:
        raise ValidationException(f"{field}: {error}.") from None
