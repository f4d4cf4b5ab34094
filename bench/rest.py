"""What encryption at rest costs: puts and gets of S3 by its own key and by one of KMS, and writing to a volume."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from place import local_cloud
from table import Result

from sagelab.cloud.engine.data import encrypted

MB = 1 << 20
MOST, LEAST = 1.1, 100.0  # a put under a key of KMS beside one under S3's own; MB/s written to a volume


def rest(quick: bool) -> Iterator[Result]:
    """Puts and gets of 1 MB in turn, by either key; 200 MB written to an encrypted volume."""
    with local_cloud() as place:
        s3, key = place.client("s3"), place.client("kms").create_key()["KeyMetadata"]["Arn"]
        s3.create_bucket(Bucket="bench-rest")
        body, count = os.urandom(MB), 20 if quick else 200
        put = {"Bucket": "bench-rest", "Body": body}
        by_key = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
        puts = _in_turn(
            count,
            lambda: s3.put_object(Key="s3", **put),
            lambda: s3.put_object(Key="kms", **put, **by_key),
        )
        yield _compared("put of 1 MB, SSE-KMS / SSE-S3", puts)
        gets = _in_turn(count, lambda: _read(s3, "s3"), lambda: _read(s3, "kms"))
        yield _compared("get of 1 MB, SSE-KMS / SSE-S3", gets)
    if encrypted.unavailable() is None:
        yield _volume(50 if quick else 200)


def _read(s3: Any, key: str) -> bytes:
    content: bytes = s3.get_object(Bucket="bench-rest", Key=key)["Body"].read()
    return content


def _in_turn(count: int, *acts: Callable[[], Any]) -> list[float]:
    """The median seconds of each of several acts, one after the other."""
    spent: list[list[float]] = [[] for _ in acts]
    for _ in range(count):
        for act, times in zip(acts, spent, strict=True):
            begin = time.perf_counter()
            act()
            times.append(time.perf_counter() - begin)
    return [statistics.median(times) for times in spent]


def _compared(name: str, spent: list[float]) -> Result:
    plain, by_key = spent
    return Result(name, by_key / plain, MOST, "x", seen=f"{by_key * 1e3:.2f} and {plain * 1e3:.2f} ms")


def _volume(megabytes: int) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        opened = encrypted.open_folder(Path(folder, "stored"), Path(folder, "seen"), b"k" * 44)
        mounted = time.perf_counter() - begin
        try:
            piece, begin = os.urandom(MB), time.perf_counter()
            with Path(folder, "seen/file").open("wb") as file:
                for _ in range(megabytes):
                    file.write(piece)
                os.fsync(file.fileno())
            spent = time.perf_counter() - begin
        finally:
            opened.close()
    seen = f"{megabytes / spent:.0f} MB/s; made and mounted in {mounted * 1e3:.0f} ms"
    return Result("MB/s written to an encrypted volume", megabytes / spent, LEAST, "", at_least=True, seen=seen)
