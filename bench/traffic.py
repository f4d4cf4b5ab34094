"""What the gateway adds to the calls that moto answers: to one client's wait, and to what sixteen get done."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import crowd
from botocore.exceptions import BotoCoreError, ClientError
from crowd import CLIENTS, Done, Load
from place import Place, local_cloud, plain_moto
from table import Result
from turns import Call, compare

BUCKET, LISTED, CROWDED = "bench", "bench-listed", "bench-crowded"
GROUP, STREAM, ROLE = "/bench", "stream", "bench"
KB, MB = 1 << 10, 1 << 20
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def gateway(quick: bool) -> Iterator[Result]:
    """Each call on the local cloud and on plain moto in turn; then sixteen clients on one and on the other."""
    with local_cloud() as ours, plain_moto() as moto:
        yield from _compare_waits(ours, moto, count=30 if quick else 200)
        yield from _compare_crowds(ours, moto, rounds=1 if quick else 3, pairs=10 if quick else 30)


# One client


def _compare_waits(ours: Place, moto: Place, count: int) -> Iterator[Result]:
    here, there = _calls(ours), _calls(moto)
    for name in here:
        gate, plain = compare(here[name], there[name], count)
        seen = f"p50 of {count}: {gate:.1f} ms; moto {plain:.1f} ms"
        yield Result(f"gateway / plain moto: {name}", gate / plain, 1.2, "x", seen=seen)


def _calls(place: Place) -> dict[str, Call]:
    """Every call that is compared, by name, with what it needs made ready."""
    s3, logs, iam, sts = (place.client(service) for service in ("s3", "logs", "iam", "sts"))
    _prepare(s3, logs, iam)
    lines = [f"epoch {epoch}/10 - loss: 0.1212 - acc: 0.9631" for epoch in range(1, 11)]

    def put_log_events() -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines]
        logs.put_log_events(logGroupName=GROUP, logStreamName=STREAM, logEvents=events)

    return {
        "S3 put of 1 KB": lambda: s3.put_object(Bucket=BUCKET, Key="small", Body=b"x" * KB),
        "S3 get of 1 KB": lambda: s3.get_object(Bucket=BUCKET, Key="small")["Body"].read(),
        "S3 put of 1 MB": lambda: s3.put_object(Bucket=BUCKET, Key="large", Body=b"x" * MB),
        "S3 get of 1 MB": lambda: s3.get_object(Bucket=BUCKET, Key="large")["Body"].read(),
        "S3 list of 100 keys": lambda: s3.list_objects_v2(Bucket=LISTED),
        "Logs put_log_events": put_log_events,
        "IAM get_role": lambda: iam.get_role(RoleName=ROLE),
        "STS get_caller_identity": sts.get_caller_identity,
    }


def _prepare(s3: Any, logs: Any, iam: Any) -> None:
    for bucket in (BUCKET, LISTED, CROWDED):
        s3.create_bucket(Bucket=bucket)
    for number in range(100):
        s3.put_object(Bucket=LISTED, Key=f"digits/{number:03}", Body=b"x" * 100)
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))


# Sixteen clients


def _compare_crowds(ours: Place, moto: Place, rounds: int, pairs: int) -> Iterator[Result]:
    loads: dict[Place, list[list[Load]]] = {ours: [], moto: []}
    with crowd.clients() as pool:
        for number in range(rounds):
            for place, gathered in loads.items():
                tasks = [(place, f"{number}/{client}", pairs) for client in range(CLIENTS)]
                gathered.append(crowd.rush(pool, _prepare_pairs, tasks))
    here, there = (crowd.rate(loads[place]) for place in (ours, moto))
    seen = f"{here:.0f} requests/s; moto {there:.0f}; puts and gets of 1 KB, {CLIENTS} processes"
    yield Result(f"gateway / plain moto: {CLIENTS} clients", here / there, 1.0, "x", at_least=True, seen=seen)
    errors, others = (crowd.errors(loads[place]) for place in (ours, moto))
    seen = f"of {crowd.sent(loads[ours])} requests; moto {len(others)}" + "".join(f"; {one}" for one in errors[:1])
    yield Result(f"errors with {CLIENTS} clients", len(errors), 0, seen=seen)
    kept = {key for one in loads[ours] for load in one for key in load.kept}
    yield Result(f"objects lost with {CLIENTS} clients", len(_lost(ours, kept)), 0, seen=f"of {len(kept)}")


def _prepare_pairs(place: Place, prefix: str, pairs: int) -> Callable[[], Done]:
    s3 = place.client("s3")
    s3.head_bucket(Bucket=CROWDED)
    return lambda: _do_pairs(s3, [f"{prefix}/{number}" for number in range(pairs)])


def _do_pairs(s3: Any, keys: list[str]) -> Done:
    errors, kept = [], []
    for key in keys:
        try:
            s3.put_object(Bucket=CROWDED, Key=key, Body=_body(key))
            kept.append(key)
            if s3.get_object(Bucket=CROWDED, Key=key)["Body"].read() != _body(key):
                errors.append(f"{key} came back changed")
        except (BotoCoreError, ClientError) as error:
            errors.append(repr(error))
    return 2 * len(keys), errors, kept


def _body(key: str) -> bytes:
    return key.encode().ljust(KB, b".")


def _lost(place: Place, kept: set[str]) -> set[str]:
    """Keys that were acknowledged and are not there as they were sent."""
    pages = place.client("s3").get_paginator("list_objects_v2").paginate(Bucket=CROWDED)
    found = {item["Key"]: item["ETag"].strip('"') for page in pages for item in page.get("Contents", [])}
    return {key for key in kept if found.get(key) != hashlib.md5(_body(key)).hexdigest()}
