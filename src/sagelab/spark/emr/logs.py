"""Logs of an instance, put below the cluster's LogUri as EMR does: gzipped, under names that say of what.

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-view-web-log-files.html
"""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlparse

logger = logging.getLogger("emr")
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
