"""The body of a request as an array."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from sagelab.serving import codecs
from sagelab.toolkits.sagemaker_inference import content_types, errors


def decode(obj: str | bytes, content_type: str) -> Any:
    """An array; of CSV with the types that it shows. UnsupportedFormatError: it is no type of these."""
    if content_type not in (*content_types.UTF8_TYPES, content_types.NPY):
        raise errors.UnsupportedFormatError(content_type)
    body = obj.encode() if isinstance(obj, str) else bytes(obj)
    if content_type == content_types.CSV:
        return np.genfromtxt(io.StringIO(body.decode()), dtype=None, delimiter=",", encoding="utf-8")
    return codecs.decode(body, content_type)
