"""The client of S3 in the host, by the keys of the endpoint's role, which are renewed as they run out."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config


def s3(url: str, region: str) -> Any:
    config = Config(retries={"total_max_attempts": 3}, s3={"addressing_style": "path"})
    return boto3.Session(region_name=region).client("s3", endpoint_url=url, config=config)
