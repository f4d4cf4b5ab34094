"""What goes wrong with a delivery, in the log that the stream names, in AWS's codes and words.

https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.firehose.settings import Settings
from sagelab.cloud.engine.firehose.spool import Parcel

PAUSE = 10.0  # seconds in which the same is not said again
_DENIED = (
    "Access was denied. Ensure that the trust policy for the provided IAM role allows Firehose to assume the role,"
    " and the access policy allows access to the S3 bucket."
)
_WORDS = {
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "NoSuchEntity": _DENIED,
    "NoSuchBucket": (
        "The specified bucket does not exist. Create the bucket or use a different bucket that does exist."
    ),
    "KMS.NotFoundException": (
        "The provided AWS KMS key was not found. If you are using what you believe to be a valid AWS KMS key with"
        " the correct role, check if there is a problem with the account to which the AWS KMS key is attached."
    ),
    "MethodNotAllowed": (
        "The specified method is not allowed against this resource. Modify the bucket's policy to allow the"
        " correct Amazon S3 operation permissions."
    ),
}
_INTERNAL = (
    "An internal error occurred while attempting to deliver data. Delivery will be retried; if the error persists,"
    " then it will be reported to AWS for resolution."
)

logger = logging.getLogger("sagelab")


def explain(error: Exception, start: str = "S3") -> tuple[str, str]:
    """(code, words) for an error of a request."""
    if not isinstance(error, ClientError):
        return "InternalError", _INTERNAL
    code = str(error.response["Error"].get("Code", ""))
    if error.operation_name == "AssumeRole":
        code = "AccessDenied"
    said = str(error.response["Error"].get("Message", ""))
    if start != "S3":
        return f"{start}.{code}", said
    return f"S3.{code.removesuffix('Exception') if code.startswith('Access') else code}", _WORDS.get(code, said)


class Complaints:
    """Says each thing once in a while."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._said: dict[str, float] = {}

    def of_parcel(self, settings: Settings, parcel: Parcel) -> None:
        """What failed of records, by the first line of it."""
        told = json.loads(parcel.body.partition(b"\n")[0])
        code = told.get("errorCode") or told.get("lastErrorCode")
        words = told.get("errorMessage") or told.get("lastErrorMessage")
        self.say(settings, code, words)

    def say(self, settings: Settings, code: str, words: str) -> None:
        now = time.monotonic()
        if now - self._said.get(code, -PAUSE) < PAUSE:
            return
        self._said = {code: now} | {one: when for one, when in self._said.items() if now - when < PAUSE}
        logger.warning("the delivery stream %s: %s: %s", settings.name, code, words)
        group, stream = settings.log
        if not group:
            return
        told: dict[str, Any] = {
            "deliveryStreamARN": settings.arn,
            "destination": f"arn:aws:s3:::{settings.place.bucket}",
            "deliveryStreamVersionId": int(settings.version),
            "message": words,
            "errorCode": code,
        }
        line = {"timestamp": int(time.time() * 1000), "message": json.dumps(told)}
        try:
            client = self._context.client_as(settings.place.role, "logs")
            client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[line])
        except (ClientError, BotoCoreError) as error:
            logger.warning("the log of the delivery stream %s is not written: %s", settings.name, error)
