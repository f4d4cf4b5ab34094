"""Who did what: CloudTrail's events as tables, from its history and from a trail's files in S3.

A call is in the history some minutes after it on AWS, and in a trail's files about five minutes later; so what a
table must have is waited for.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sagelab.lab import least, watch

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

LATE = {"local": 30.0, "aws": 1_200.0}  # seconds until a call is in the history, at the most
FILES_LATE = {"local": 600.0, "aws": 1_800.0}  # seconds until it is in a trail's files, at the most
COLUMNS = ("time", "who", "service", "call", "about", "refused", "origin", "used_by")

Record = dict[str, Any]


class NotRecorded(Exception):
    """What should be in the trail is not there; the text says what is."""


def history(
    lab: Lab, attribute: str, value: str, at_least: int = 1, since: datetime | None = None
) -> pd.DataFrame:
    """The calls that CloudTrail's history has, the newest first; waits until there are so many.

    attribute: of LookupEvents, "EventName", "Username", "ResourceName", ... Columns: as of `table`. NotRecorded:
    there are fewer, though there should not be by now.
    """
    asked: dict[str, Any] = {"LookupAttributes": [{"AttributeKey": attribute, "AttributeValue": value}]}
    asked |= {"StartTime": since} if since else {}

    def look() -> list[Record]:
        pages = lab.client("cloudtrail").get_paginator("lookup_events").paginate(**asked)
        return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]

    return table(_wait(lab, look, lambda found: len(found) >= at_least, LATE))


def delivered(
    lab: Lab, bucket: str, prefix: str = "", until: Callable[[list[Record]], bool] = bool
) -> pd.DataFrame:
    """The calls in a trail's files, in order; waits until they satisfy `until`: by default, until there is one.

    prefix: the trail's S3KeyPrefix. Columns: as of `table`. NotRecorded: they do not, though they should by now.
    """
    return table(records(lab, bucket, prefix, until))


def records(lab: Lab, bucket: str, prefix: str = "", until: Callable[[list[Record]], bool] = bool) -> list[Record]:
    """The same calls as CloudTrail's records, whole."""
    start = f"{prefix}/" if prefix else ""

    def look() -> list[Record]:
        found = [record for key in _keys(lab, bucket, f"{start}AWSLogs/") for record in _read(lab, bucket, key)]
        return sorted(found, key=lambda record: str(record["eventTime"]))

    return _wait(lab, look, until, FILES_LATE)


def admit(lab: Lab, bucket: str) -> None:
    """Let CloudTrail write the files of this account's trails into a bucket, as CreateTrail wants it.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    arn, service = f"arn:aws:s3:::{bucket}", {"Service": "cloudtrail.amazonaws.com"}
    look = {"Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl", "Resource": arn}
    write = look | {"Action": "s3:PutObject", "Resource": f"{arn}/AWSLogs/{lab.account}/*"}
    write |= {"Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}}
    lab.client("s3").put_bucket_policy(Bucket=bucket, Policy=least.document([look, write]))


def table(records: Iterable[Record]) -> pd.DataFrame:
    """A row a call.

    time: in UTC. who: ROLE/SESSION, the user's name, or the service that called for itself. about: the ARN or the
    name of what it was about. refused: the error, or "". origin: an address or a service. used_by: the service
    that used somebody's rights, or "".
    """
    import pandas as pd

    frame = pd.DataFrame(map(_row, records), columns=list(COLUMNS))
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    return frame


def _row(record: Record) -> tuple[str, ...]:
    who = record["userIdentity"]
    return (
        record["eventTime"],
        _name(who),
        record["eventSource"].partition(".")[0],
        record["eventName"],
        _about(record),
        record.get("errorCode", ""),
        record.get("sourceIPAddress", ""),
        who.get("invokedBy", "") if "arn" in who else "",
    )


def _name(who: Record) -> str:
    """ROLE/SESSION of a session, a user's name, or a service."""
    arn = str(who.get("arn", ""))
    if ":assumed-role/" in arn:
        return arn.partition(":assumed-role/")[2]
    return str(who.get("userName") or arn or who.get("invokedBy", ""))


def _about(record: Record) -> str:
    for resource in record.get("resources") or ():
        if found := resource.get("ARN") or resource.get("ARNPrefix"):
            return str(found)
    asked = record.get("requestParameters") or record.get("serviceEventDetails") or {}
    return str(next((value for value in asked.values() if isinstance(value, str)), ""))


def _keys(lab: Lab, bucket: str, prefix: str) -> Iterator[str]:
    pages = lab.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for item in page.get("Contents", []):
            if item["Key"].endswith(".json.gz") and "/CloudTrail/" in item["Key"]:
                yield item["Key"]


def _read(lab: Lab, bucket: str, key: str) -> list[Record]:
    body = lab.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    found: list[Record] = json.loads(gzip.decompress(body))["Records"]
    return found


def _wait(
    lab: Lab, look: Callable[[], list[Record]], done: Callable[[list[Record]], bool], late: dict[str, float]
) -> list[Record]:
    found = watch.until(lab, look, done, late[lab.target], slowly=True)
    if not done(found):
        names = ", ".join(sorted({str(record["eventName"]) for record in found})) or "nothing"
        raise NotRecorded(f"CloudTrail has {len(found)} calls of it, {names}, and that is not all.")
    return found
