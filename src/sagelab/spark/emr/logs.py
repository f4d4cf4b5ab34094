"""Logs of an instance, put below the cluster's LogUri as EMR does: gzipped, under names that say of what.

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-view-web-log-files.html
"""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

from sagelab.spark.events import UNFINISHED

logger = logging.getLogger("emr")
EVENTS = "events"  # the folder of an application's event log, in that of its step or container
EVERY = 15.0  # seconds between two copies of the logs of what runs; on AWS minutes
MOST = 256 << 20  # bytes of one log that are kept: its end


def put(prefix: str, name: str, file: Path) -> str:
    """The URI of a log that is in S3 now; "" where it may not be put there, or no logs are kept."""
    if not prefix or not file.exists():
        return ""
    import boto3

    place = urlparse(prefix)
    key = f"{place.path.strip('/')}/{name}.gz".lstrip("/")
    try:
        with tempfile.TemporaryFile() as packed:
            with file.open("rb") as plain, gzip.open(packed, "wb") as out:
                plain.seek(max(0, os.fstat(plain.fileno()).st_size - MOST))
                shutil.copyfileobj(plain, out)
            packed.seek(0)
            boto3.client("s3").put_object(Bucket=place.netloc, Key=key, Body=packed)
    except Exception as error:  # as on AWS: a step does not fail because its log cannot be kept
        logger.warning("%s is not kept: %s", name, error)
        return ""
    return f"s3://{place.netloc}/{key}"


def put_events(prefix: str, name: str, folder: Path) -> None:
    """The event log of the application of a step or container, beside its other logs. folder: its own."""
    for file in sorted((folder / EVENTS).glob("[!.]*")):
        put(prefix, f"{name}/{EVENTS}/{file.name.removesuffix(UNFINISHED)}", file)


@contextmanager
def following(prefix: str, name: str, folder: Path) -> Iterator[None]:
    """Put the event log as it grows, and all of it at the end."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(EVERY):
            put_events(prefix, name, folder)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        put_events(prefix, name, folder)
