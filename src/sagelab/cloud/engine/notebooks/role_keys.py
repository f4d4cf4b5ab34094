"""The keys of a role where what runs for a long time finds them: a file, renewed before they expire.

boto3, both SDKs and the AWS CLI read it with `credential_process` of an AWS configuration file, and again when the
keys run out. It stands for the metadata service of an instance.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
"""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.data.trees import Tree

logger = logging.getLogger("sagelab")

CONFIG = """\
[default]
region = {region}
credential_process = /bin/cat {keys}
"""
RETRY_SECONDS = 60.0


class RoleKeys:
    """The keys of `role` in `file`, until `close`. botocore's ClientError: nobody may assume the role."""

    def __init__(self, sts: Any, role: str, file: Path) -> None:
        self._sts, self._role, self._file = sts, role, file
        self._closed = threading.Event()
        seconds = self._renew()
        threading.Thread(target=self._keep, args=(seconds,), daemon=True, name=f"keys {file}").start()

    def close(self) -> None:
        self._closed.set()

    def _keep(self, seconds: float) -> None:
        while not self._closed.wait(seconds):
            try:
                seconds = self._renew()
            except (botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError, OSError):
                logger.exception("the keys of %s could not be renewed", self._role)
                seconds = RETRY_SECONDS

    def _renew(self) -> float:
        """Write new keys as one step; the seconds until half of their time is over."""
        keys = self._sts.assume_role(RoleArn=self._role, RoleSessionName="SageMaker")["Credentials"]
        until = keys.pop("Expiration")
        content = json.dumps({"Version": 1, **keys, "Expiration": until.isoformat()})
        Tree(self._file.parent).replace(self._file.name, content.encode())
        return float((until - datetime.now(UTC)).total_seconds() / 2)
