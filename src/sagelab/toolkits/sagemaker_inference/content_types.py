"""Names of content types."""

from __future__ import annotations

from sagelab.serving.codecs import CSV, JSON, NPY

OCTET_STREAM, ANY = "application/octet-stream", "*/*"
UTF8_TYPES = [JSON, CSV]

__all__ = ["ANY", "CSV", "JSON", "NPY", "OCTET_STREAM", "UTF8_TYPES"]
