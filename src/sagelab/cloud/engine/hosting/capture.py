"""Data capture: what went into an endpoint and what came out, as JSON lines in S3.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.hosting.batch_sender import BatchSender

logger = logging.getLogger("sagelab")

PAUSE = 5.0
FULL = 8_000_000  # characters that wait; with more, nobody waits for the pause to end


@dataclass(frozen=True)
class Exchange:
    """One invocation, both ways."""

    variant: str
    content_type: str
    request: bytes
    accept: str
    response: bytes
    inference_id: str | None = None


class Capture:
    """The capture of one endpoint; records go out every few seconds, and when it is closed."""

    def __init__(self, endpoint: str, config: dict[str, Any], s3: Any) -> None:
        self._endpoint, self._config, self._s3 = endpoint, config, s3
        modes = {option["CaptureMode"] for option in config.get("CaptureOptions", [])}
        self._modes = {"Input", "Output"} if "InputAndOutput" in modes else modes
        self._lock = threading.Lock()
        self._records: dict[str, list[str]] = {}
        self._size = 0
        self._sender = BatchSender(f"capture {endpoint}", lambda: PAUSE, self._send)

    def take(self, exchange: Exchange) -> None:
        """Keep the exchange, or not, by the sampling percentage."""
        if random.random() * 100 >= self._config["InitialSamplingPercentage"]:
            return
        line = json.dumps(self._record(exchange))
        with self._lock:
            self._records.setdefault(exchange.variant, []).append(line)
            self._size += len(line)
            full = self._size > FULL
        self._sender.wake(hurry=full)

    def close(self) -> None:
        """Send the rest."""
        self._sender.close()

    def _send(self) -> None:
        with self._lock:
            records, self._records, self._size = self._records, {}, 0
        for variant, lines in records.items():
            self._put(variant, lines)

    def _put(self, variant: str, lines: list[str]) -> None:
        now = datetime.now(UTC)
        name = f"{now:%M-%S}-{now.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        base = channels.locate(self._config["DestinationS3Uri"])
        location = base.join(self._endpoint, variant, f"{now:%Y/%m/%d/%H}", name)
        body, key = "\n".join(lines).encode() + b"\n", self._config.get("KmsKeyId")
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        try:
            self._s3.put_object(Bucket=location.bucket, Key=location.key, Body=body, **encrypted)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            logger.exception("captured data of endpoint %s could not be written to %s", self._endpoint, location)

    def _record(self, exchange: Exchange) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if "Input" in self._modes:
            data["endpointInput"] = self._side("INPUT", exchange.content_type, exchange.request)
        if "Output" in self._modes:
            data["endpointOutput"] = self._side("OUTPUT", exchange.accept, exchange.response)
        meta = {"eventId": str(uuid.uuid4()), "inferenceTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        if exchange.inference_id:
            meta["inferenceId"] = exchange.inference_id
        return {"captureData": data, "eventMetadata": meta, "eventVersion": "0"}

    def _side(self, mode: str, kind: str, body: bytes) -> dict[str, str]:
        encoding = self._encoding(kind.partition(";")[0].strip().lower())
        try:
            data = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode()
        except UnicodeDecodeError:
            encoding, data = "BASE64", base64.b64encode(body).decode()
        return {"observedContentType": kind, "mode": mode, "data": data, "encoding": encoding}

    def _encoding(self, kind: str) -> str:
        headers = self._config.get("CaptureContentTypeHeader", {})
        for name, encoding in (("JsonContentTypes", "JSON"), ("CsvContentTypes", "CSV")):
            if kind in headers.get(name, []):
                return encoding
        return {"text/csv": "CSV", "application/json": "JSON"}.get(kind, "BASE64")
