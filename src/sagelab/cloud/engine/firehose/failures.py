"""What cannot be delivered as it was meant, and what is written of it under the prefix of errors.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-error-handling.html
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any

from sagelab.cloud.engine.firehose.spool import Record

PROCESSING, CONVERSION = "processing-failed", "format-conversion-failed"
EXTRACTION, PARTITIONING = "metadata-extraction-failed", "dynamic-partitioning-failed"


@dataclass(frozen=True)
class Failure:
    """kind: error-output-type. attempts: that were made. more: members of the line beside the usual ones."""

    record: Record
    kind: str
    code: str
    message: str
    attempts: int = 1
    more: dict[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        """A line of JSON."""
        converted = self.kind == CONVERSION
        told = {
            "attemptsMade": self.attempts,
            "arrivalTimestamp": int(self.record.arrived * 1000),
            "lastErrorCode" if converted else "errorCode": self.code,
            "lastErrorMessage" if converted else "errorMessage": self.message[:1000],
            "attemptEndingTimestamp": int(time.time() * 1000),
            "rawData": base64.b64encode(self.record.data).decode(),
        }
        if converted:
            told |= {"sequenceNumber": self.record.facts.get("sequence"), "subSequenceNumber": None}
        return json.dumps(told | self.more).encode() + b"\n"
