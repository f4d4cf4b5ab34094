"""Delivery streams of Firehose as tests make them: a bucket and a role of a test module's own."""

from __future__ import annotations

import gzip
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tests.cloud.builds import make_role
from tests.conftest import LocalCloud
from tests.waiting import until

SOON = {"SizeInMBs": 1, "IntervalInSeconds": 0}
PARTITIONED = {"SizeInMBs": 64, "IntervalInSeconds": 1}


@dataclass
class Firehoses:
    """there: whether the bucket is made already."""

    cloud: LocalCloud
    bucket: str = field(default_factory=lambda: f"hose-{uuid.uuid4().hex[:8]}")
    role: str = ""
    there: bool = False
    region: str = "us-east-1"

    def __post_init__(self) -> None:
        self.api, self.s3 = self.cloud.client("firehose", region_name=self.region), self.cloud.client("s3")
        self.role = self.role or make_role(self.cloud, "firehose")
        if not self.there:
            self.s3.create_bucket(Bucket=self.bucket)

    def place(self, **more: Any) -> dict[str, Any]:
        return {"RoleARN": self.role, "BucketARN": f"arn:aws:s3:::{self.bucket}", "BufferingHints": SOON} | more

    def make(self, name: str = "", source: dict[str, Any] | None = None, **more: Any) -> str:
        """The name of a new stream. more: of its destination."""
        name = name or f"hose-{uuid.uuid4().hex[:8]}"
        asked = {"DeliveryStreamName": name, "ExtendedS3DestinationConfiguration": self.place(**more)}
        self.api.create_delivery_stream(**asked, **(source or {}))
        return name

    def put(self, name: str, *records: Any) -> dict[str, Any]:
        """Each record as it is, or as a line of JSON."""
        entries = [
            {"Data": one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n"} for one in records
        ]
        found: dict[str, Any] = self.api.put_record_batch(DeliveryStreamName=name, Records=entries)
        return found

    def keys(self, prefix: str = "", bucket: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket or self.bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def body(self, key: str) -> bytes:
        found: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return gzip.decompress(found) if key.endswith(".gz") else found

    def content(self, prefix: str) -> bytes:
        """What all objects under a prefix have, one after the other."""
        return b"".join(self.body(key) for key in self.keys(prefix))

    def lines(self, prefix: str) -> list[Any]:
        return [json.loads(line) for line in self.content(prefix).splitlines()]

    def await_lines(self, prefix: str, count: int) -> list[Any]:
        """So many lines of JSON under a prefix, and no more."""
        found = until(lambda: self.lines(prefix), lambda lines: len(lines) >= count)
        assert len(found) == count
        return found

    def settings(self, name: str) -> dict[str, Any]:
        found = self.api.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        told: dict[str, Any] = found["Destinations"][0]["ExtendedS3DestinationDescription"]
        return told

    def update(self, name: str, **change: Any) -> None:
        found = self.api.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        self.api.update_destination(
            DeliveryStreamName=name,
            CurrentDeliveryStreamVersionId=found["VersionId"],
            DestinationId=found["Destinations"][0]["DestinationId"],
            ExtendedS3DestinationUpdate=change,
        )

    def refusal(self, **more: Any) -> str:
        """Why a stream with such a destination is not made."""
        try:
            self.make(**more)
        except ClientError as error:
            told = error.response["Error"]
            return f"{told['Code']}: {told['Message']}"
        raise AssertionError("it was made")
