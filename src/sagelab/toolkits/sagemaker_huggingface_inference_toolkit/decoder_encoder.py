"""Bodies as pipelines of transformers take them, and their answers as bodies."""

from __future__ import annotations

from typing import Any

from sagelab.serving import transformers_models
from sagelab.toolkits.sagemaker_huggingface_inference_toolkit import content_types


def decode(content: str | bytes, content_type: str = content_types.JSON) -> Any:
    """What a pipeline takes. BadRequest: the content type is none of these, or the body not of its own."""
    return transformers_models.read(content.encode() if isinstance(content, str) else bytes(content), content_type)


def encode(content: Any, content_type: str = content_types.JSON) -> str | bytes:
    """Text of JSON and CSV, bytes of NumPy's form and of pictures. BadRequest: it is none of them."""
    body, _ = transformers_models.write(content, content_type)
    return body.decode() if content_type in content_types.UTF8_TYPES else body
