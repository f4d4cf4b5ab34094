"""Names of content types."""

from __future__ import annotations

from sagelab.serving.codecs import CSV, JSON, NPY
from sagelab.serving.transformers_models import IMAGES, SOUNDS

JPEG, PNG, TIFF, BMP, GIF, WEBP, X_IMAGE = IMAGES
FLAC, MP3, WAV, OGG, X_AUDIO = SOUNDS
UTF8_TYPES = [JSON, CSV]

__all__ = ["CSV", "JSON", "NPY"]
