"""A request to a model for pictures: one picture in, JSON out."""

from __future__ import annotations

import json
import os
from typing import Any

from sagelab.algorithms.answers import JSON, JSON_LINES, Unanswered
from sagelab.algorithms.job import UserError
from sagelab.algorithms.vision import images

JPEG, PNG, ANY = CONTENT_TYPES = ("image/jpeg", "image/png", "application/x-image")


def picture(body: bytes, content_type: str, channels: int = 3) -> images.Pixels:
    """(height, width, channels). Unanswered: it is no picture, or not said to be one."""
    if kind_of(content_type) not in CONTENT_TYPES:
        raise Unanswered(
            f"Content-type '{content_type[:80]}' is not supported. Supported content-types are"
            f" {', '.join(CONTENT_TYPES)}.",
            415,
        )
    try:
        return images.decode(body, "of the request", channels)
    except UserError as error:
        raise Unanswered(f"unable to evaluate payload provided: {error}") from None


def write(plain: Any, line: Any, accept: str) -> tuple[bytes, str]:
    """JSON, or a line of it, as batches have it. Unanswered: something else is wanted."""
    usual = JSON_LINES if os.environ.get("SAGEMAKER_BATCH") else JSON
    for part in (accept or usual).split(","):
        kind = usual if kind_of(part) in ("*/*", "application/*") else kind_of(part)
        if kind == JSON:
            return json.dumps(plain).encode(), JSON
        if kind == JSON_LINES:
            return json.dumps(line).encode() + b"\n", JSON_LINES
    raise Unanswered(f"Accept type '{accept[:80]}' is not supported.", 406)


def kind_of(content_type: str) -> str:
    """Without its options."""
    return content_type.partition(";")[0].strip().lower()
