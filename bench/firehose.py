"""Firehose and Kinesis: records a second that are taken, delivered and read, through kills of the local cloud."""

from __future__ import annotations

import gzip
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from place import Place, local_cloud, new_home
from table import Result

from sagelab.cloud import control
from sagelab.cloud.home import Home

BUCKET, NAME, ROLE = "bench-firehose", "bench", "bench-firehose"
BATCH, RATE = 500, 5_000.0  # records of a request; a second
TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "firehose.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}
RIGHTS = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}

Put = Callable[[list[bytes]], None]


class Refused(Exception):
    """Records that were not taken."""


def firehose(quick: bool) -> Iterator[Result]:
    seconds, kills = (3.0, 2) if quick else (15.0, 20)
    with new_home() as home:
        with local_cloud(home) as place:
            _make(place)
            put = _putting(place)
            rate, acknowledged = _press(put, 0, seconds)
            late, wrong = _await_all(place, acknowledged)
            seen = f"{len(acknowledged):,} records of 200 bytes by PutRecordBatch, one client"
            yield Result("Firehose: records taken", rate, RATE, "/s", at_least=True, seen=seen)
            yield Result(
                "the last of them in S3 after", late, 10.0, "s", seen="gzip, a buffer of 1 MiB, no interval"
            )
            yield Result("records lost or doubled without a kill", wrong, 0.0)
            rate = _press_kinesis(place, seconds)
            yield Result("Kinesis: records taken", rate, RATE, "/s", True, "PutRecords, 8 shards")
        yield _through_kills(home, acknowledged, kills)


def _make(place: Place) -> None:
    place.client("s3").create_bucket(Bucket=BUCKET)
    iam = place.client("iam")
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=json.dumps(RIGHTS))
    where = {"RoleARN": role, "BucketARN": f"arn:aws:s3:::{BUCKET}", "CompressionFormat": "GZIP"}
    hints = {"SizeInMBs": 1, "IntervalInSeconds": 0}
    place.client("firehose").create_delivery_stream(
        DeliveryStreamName=NAME, ExtendedS3DestinationConfiguration=where | {"BufferingHints": hints}
    )


def _putting(place: Place) -> Put:
    client = place.client("firehose")

    def put(records: list[bytes]) -> None:
        answer = client.put_record_batch(DeliveryStreamName=NAME, Records=[{"Data": one} for one in records])
        if answer["FailedPutCount"]:
            raise Refused(f"{answer['FailedPutCount']} records were refused")

    return put


def _records(start: int) -> list[bytes]:
    return [
        json.dumps({"n": number, "text": "x" * 170}).encode() + b"\n" for number in range(start, start + BATCH)
    ]


def _press(put: Put, start: int, seconds: float) -> tuple[float, set[int]]:
    """(records a second, those that were acknowledged)."""
    acknowledged, began = set[int](), time.perf_counter()
    while time.perf_counter() - began < seconds:
        put(_records(start))
        acknowledged |= set(range(start, start + BATCH))
        start += BATCH
    return len(acknowledged) / (time.perf_counter() - began), acknowledged


def _await_all(place: Place, acknowledged: set[int]) -> tuple[float, int]:
    """Seconds until all of them are in S3, two minutes at most; how many are missing then, or there twice."""
    began, s3 = time.perf_counter(), place.client("s3")
    counts, bodies = Counter[int](), dict[str, list[int]]()
    while time.perf_counter() - began < 120:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        for key in [one["Key"] for page in pages for one in page.get("Contents", [])]:
            if key not in bodies:
                bodies[key] = _numbers(s3, key)
        counts = Counter(number for numbers in bodies.values() for number in numbers)
        if acknowledged <= counts.keys():
            break
        time.sleep(0.2)
    wrong = len(acknowledged - counts.keys()) + sum(count > 1 for count in counts.values())
    return time.perf_counter() - began, wrong


def _numbers(s3: Any, key: str) -> list[int]:
    content = gzip.decompress(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    return [json.loads(line)["n"] for line in content.splitlines()]


def _press_kinesis(place: Place, seconds: float) -> float:
    client = place.client("kinesis")
    client.create_stream(StreamName=NAME, ShardCount=8)
    count, taken, began = 0, 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        made = enumerate(_records(count), count)
        entries = [{"Data": one, "PartitionKey": str(number)} for number, one in made]
        taken += BATCH - client.put_records(StreamName=NAME, Records=entries)["FailedRecordCount"]
        count += BATCH
    return taken / (time.perf_counter() - began)


def _through_kills(home: Home, acknowledged: set[int], kills: int) -> Result:
    """Put for a second and kill, again and again; then look for every record."""
    start = max(acknowledged) + 1
    for _ in range(kills):
        with local_cloud(home) as place:
            start = _until_killed(home, _putting(place), start, acknowledged)
    with local_cloud(home) as place:
        late, wrong = _await_all(place, acknowledged)
    seen = (
        f"{kills} kills (SIGKILL), {len(acknowledged):,} records acknowledged; the last in S3 after {late:.1f} s"
    )
    return Result("records lost or doubled over kills", wrong, 0.0, seen=seen)


def _until_killed(home: Home, put: Put, start: int, acknowledged: set[int]) -> int:
    """Put until the local cloud is gone; where the next record begins."""
    running = home.server()
    assert running is not None
    killer = threading.Timer(1.0, control.end, [running["pid"], signal.SIGKILL, 30])
    killer.start()
    while True:
        try:
            put(_records(start))
        except (ClientError, BotoCoreError):
            killer.join()
            return start + BATCH
        acknowledged |= set(range(start, start + BATCH))
        start += BATCH
