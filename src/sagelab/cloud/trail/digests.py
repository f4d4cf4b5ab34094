"""Digests: what was delivered, each signed and bound to the one before, so that what is changed or lost shows.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.store import Document
from sagelab.cloud.trail import records
from sagelab.cloud.trail.event import stamp
from sagelab.cloud.trail.records import OWN
from sagelab.cloud.trail.signing import ALGORITHM, Signer


@dataclass(frozen=True)
class Digest:
    """key: of its object. metadata: that of the object. kept: what the next one says of it."""

    key: str
    text: str
    metadata: dict[str, str]
    kept: Document


def make(
    trail: Document,
    region: str,
    account: str,
    files: list[Document],
    before: Document | None,
    signer: Signer,
    now: float,
) -> Digest:
    """The digest of a trail in a region. before: what was kept of the one before; None: it begins a chain."""
    end = datetime.fromtimestamp(now, UTC)
    name = (
        f"{account}_CloudTrail-Digest_{region}_{trail['Name']}_{trail['HomeRegion']}_{end:%Y%m%dT%H%M%SZ}.json.gz"
    )
    key = f"{records.place(trail, account, 'CloudTrail-Digest')}/{region}/{end:%Y/%m/%d}/{name}"
    times = [one[side] for one in files for side in ("oldestEventTime", "newestEventTime")]
    kept = before or {}
    content: dict[str, Any] = {
        "awsAccountId": account,
        "digestStartTime": kept.get("End") or stamp(trail[OWN]["Times"]["Started"]),
        "digestEndTime": stamp(now),
        "digestS3Bucket": trail["S3BucketName"],
        "digestS3Object": key,
        "digestPublicKeyFingerprint": signer.public().fingerprint,
        "digestSignatureAlgorithm": ALGORITHM,
        "newestEventTime": max(times, default=None),
        "oldestEventTime": min(times, default=None),
        "previousDigestS3Bucket": kept.get("Bucket"),
        "previousDigestS3Object": kept.get("Key"),
        "previousDigestHashValue": kept.get("Hash"),
        "previousDigestHashAlgorithm": "SHA-256" if before else None,
        "previousDigestSignature": kept.get("Signature"),
        "logFiles": files,
    }
    text = json.dumps(content, separators=(",", ":"))
    found = hashlib.sha256(text.encode()).hexdigest()
    signed = (content["digestEndTime"], f"{trail['S3BucketName']}/{key}", found, kept.get("Signature") or "null")
    signature = signer.sign("\n".join(signed))
    next_ = {"Bucket": trail["S3BucketName"], "Key": key, "Hash": found, "Signature": signature}
    metadata = {"signature": signature, "signature-algorithm": ALGORITHM}
    return Digest(key, text, metadata, next_ | {"End": content["digestEndTime"]})
