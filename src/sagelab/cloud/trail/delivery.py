"""What a trail delivers: log files in its bucket, a notice to its topic, lines in its log group, digests.

Everything goes through the front door as cloudtrail.amazonaws.com, so the bucket's policy decides each time anew.
How far a trail has come is kept once its files are written: after a kill a file's events may be delivered twice,
and none is left out.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import secrets
import string
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.context import TRAILS
from sagelab.cloud.store import Document, Missing
from sagelab.cloud.trail import digests, records
from sagelab.cloud.trail.event import stamp
from sagelab.cloud.trail.journal import Journal, Row
from sagelab.cloud.trail.marks import Mark
from sagelab.cloud.trail.records import OWN
from sagelab.cloud.trail.signing import Signer

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

CHUNK = 5_000  # events that are looked at, and so at most in a file
LOG_BATCH, LOG_BYTES = 1_000, 900_000  # of one PutLogEvents
HOUR = 3_600
_LETTERS = string.ascii_letters + string.digits

logger = logging.getLogger("sagelab")


@dataclass(frozen=True)
class File:
    """A log file that was delivered."""

    region: str
    key: str
    digest: str
    rows: Sequence[Row]

    def told(self, bucket: str) -> Document:
        """As a digest tells of it."""
        return {
            "s3Bucket": bucket,
            "s3Object": self.key,
            "hashValue": self.digest,
            "hashAlgorithm": "SHA-256",
            "newestEventTime": stamp(self.rows[-1].time),
            "oldestEventTime": stamp(self.rows[0].time),
        }


class Delivery:
    """Delivers for the trails of one local cloud."""

    def __init__(self, cloud: Cloud, journal: Journal, signer: Signer) -> None:
        self._cloud, self._store, self._journal, self._signer = cloud, cloud.store, journal, signer

    def bucket(self, trail: Document) -> Any:
        """S3 as CloudTrail speaks to it for a trail. Its policies may ask for the trail's ARN."""
        keys = (*self._cloud.service_keys[TRAILS], None)
        return self._cloud.client_with(keys, "s3", trail["HomeRegion"], Mark(TRAILS, trail["TrailARN"]))

    def deliver(self, arn: str) -> None:
        """Write what is new of what a trail takes. It never fails: what went wrong is in the trail's status."""
        try:
            while self._next(self._store.get(arn)):
                pass
        except Missing:
            return  # deleted meanwhile
        except (ClientError, BotoCoreError) as error:
            self._failed(arn, "Delivery", error)

    def _next(self, trail: Document) -> bool:
        """Deliver some of it; whether there may be more."""
        own, arn = trail[OWN], trail["TrailARN"]
        last = self._journal.last()
        until = own["Until"] if own["Until"] is not None else last
        # A journal that was put aside, and begun anew, has smaller numbers.
        start = own["Cursor"] if own["Cursor"] <= last else 0
        rows = self._journal.after(start, until, CHUNK) if until <= last else []
        if not rows:
            if own["Until"] is not None:
                self._store.change(arn, lambda document: document[OWN].update({"Cursor": own["Until"]}))
            return False
        chosen = records.selectors(trail)
        wanted: dict[str, list[Row]] = {}
        for row in rows:
            if records.takes(trail, chosen, row):
                wanted.setdefault(records.region_of(trail, row), []).append(row)
        now = self._cloud.clock.real()
        files = [self._write(trail, region, found) for region, found in wanted.items()]
        self._store.change(arn, lambda document: _advance(document, rows[-1].number, files, now))
        for act, about in ((self._notify, "Notification"), (self._log, "CloudWatchLogsDelivery")):
            self._beside(trail, files, act, about)
        return len(rows) == CHUNK

    def _write(self, trail: Document, region: str, rows: Sequence[Row]) -> File:
        now, account = datetime.fromtimestamp(self._cloud.clock.real(), UTC), self._cloud.account
        text = '{"Records":[' + ",".join(row.record for row in rows) + "]}"
        name = f"{account}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_{_random()}.json.gz"
        key = f"{records.place(trail, account, 'CloudTrail')}/{region}/{now:%Y/%m/%d}/{name}"
        self._put(trail, key, text)
        return File(region, key, hashlib.sha256(text.encode()).hexdigest(), rows)

    def _put(self, trail: Document, key: str, text: str, **more: Any) -> None:
        self.bucket(trail).put_object(
            Bucket=trail["S3BucketName"],
            Key=key,
            Body=gzip.compress(text.encode(), 6),
            ContentType="application/json",
            ContentEncoding="gzip",
            ACL="bucket-owner-full-control",
            **records.seal(trail),
            **more,
        )

    def _beside(
        self, trail: Document, files: list[File], act: Callable[[Document, list[File]], bool], about: str
    ) -> None:
        """What is done besides: where it fails, the files are delivered all the same."""
        try:
            if files and act(trail, files):
                self._note(trail["TrailARN"], about)
        except (ClientError, BotoCoreError) as error:
            self._failed(trail["TrailARN"], about, error)

    def _notify(self, trail: Document, files: list[File]) -> bool:
        topic = trail.get("SnsTopicARN")
        if not topic:
            return False
        if not self._cloud.alarms.actions.takes(TRAILS, "sns:Publish", topic, trail["TrailARN"]):
            raise ClientError({"Error": {"Code": "AuthorizationError"}}, "Publish")
        message = {"s3Bucket": trail["S3BucketName"], "s3ObjectKey": [file.key for file in files]}
        sns = self._cloud.client("sns", topic.split(":")[3], by=TRAILS)
        sns.publish(TopicArn=topic, Message=json.dumps(message))
        return True

    def _log(self, trail: Document, files: list[File]) -> bool:
        group = trail.get("CloudWatchLogsLogGroupArn") or ""
        if not group:
            return False
        logs = self._cloud.client_as(trail["CloudWatchLogsRoleArn"], "logs", group.split(":")[3], by=TRAILS)
        for file in files:
            where = {
                "logGroupName": group.split(":")[6],
                "logStreamName": f"{self._cloud.account}_CloudTrail_{file.region}",
            }
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_stream(**where)
            for batch in _batches(file.rows):
                events = [{"timestamp": int(row.time * 1000), "message": row.record} for row in batch]
                logs.put_log_events(**where, logEvents=events)
        return True

    def digest(self, arn: str) -> None:
        """Sign what was delivered since the last digest, once in an hour of the clock."""
        try:
            trail, hour = self._store.get(arn), int(self._cloud.clock.now() // HOUR)
            if not trail["LogFileValidationEnabled"] or trail[OWN].get("Hour") in (None, hour):
                return
            regions = {trail["HomeRegion"], *trail[OWN]["Files"], *trail[OWN]["Digests"]}
            for region in sorted(regions):
                self._sign(trail, region)
            self._store.change(arn, lambda document: document[OWN].update({"Hour": hour}))
            self._note(arn, "DigestDelivery")
        except Missing:
            return
        except (ClientError, BotoCoreError) as error:
            self._failed(arn, "DigestDelivery", error)

    def _sign(self, trail: Document, region: str) -> None:
        before, files = trail[OWN]["Digests"].get(region), trail[OWN]["Files"].get(region, [])
        made = digests.make(
            trail, region, self._cloud.account, files, before, self._signer, self._cloud.clock.real()
        )
        self._put(trail, made.key, made.text, Metadata=made.metadata)

        def edit(document: Document) -> None:
            document[OWN]["Digests"][region] = made.kept
            document[OWN]["Files"][region] = document[OWN]["Files"].get(region, [])[len(files) :]

        self._store.change(trail["TrailARN"], edit)

    def _note(self, arn: str, about: str) -> None:
        def edit(document: Document) -> None:
            document[OWN]["Times"][about] = self._cloud.clock.real()
            document[OWN]["Errors"].pop(about, None)

        self._store.change(arn, edit)

    def _failed(self, arn: str, about: str, error: Exception) -> None:
        code = error.response["Error"].get("Code", "") if isinstance(error, ClientError) else type(error).__name__
        logger.warning("%s of trail %s failed: %s", about, arn, error)

        def edit(document: Document) -> None:
            document[OWN]["Errors"][about] = code
            document[OWN]["Times"][f"{about}Attempt"] = self._cloud.clock.real()

        try:
            self._store.change(arn, edit)
        except Missing:
            return


def _advance(document: Document, number: int, files: Sequence[File], now: float) -> None:
    own = document[OWN]
    own["Cursor"] = number
    if not files:
        return
    own["Times"] |= {"Delivery": now, "DeliveryAttempt": now}
    own["Errors"].pop("Delivery", None)
    if document["LogFileValidationEnabled"]:
        for file in files:
            own["Files"].setdefault(file.region, []).append(file.told(document["S3BucketName"]))


def _batches(rows: Sequence[Row]) -> list[list[Row]]:
    found: list[list[Row]] = [[]]
    size = 0
    for row in rows:
        size += 4 * len(row.record) + 26 if not row.record.isascii() else len(row.record) + 26
        if found[-1] and (size > LOG_BYTES or len(found[-1]) == LOG_BATCH):
            found.append([])
            size = len(row.record) + 26
        found[-1].append(row)
    return found


def _random() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(16))
