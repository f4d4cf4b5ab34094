"""An array as the body of an answer."""

from __future__ import annotations

from typing import Any

from sagelab.serving import codecs
from sagelab.toolkits.sagemaker_inference import content_types, errors


def encode(array_like: Any, content_type: str) -> str | bytes:
    """Text of JSON and CSV, bytes of NumPy's form. UnsupportedFormatError: it is none of them."""
    if content_type not in (*content_types.UTF8_TYPES, content_types.NPY):
        raise errors.UnsupportedFormatError(content_type)
    body, _ = codecs.encode(array_like, content_type)
    return body.decode() if content_type in content_types.UTF8_TYPES else body
