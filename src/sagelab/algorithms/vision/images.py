"""Strangers' JPEGs and PNGs as arrays, within bounds. Pillow reads them, which TensorFlow's environment has.

A size is looked at before a pixel is decoded: a few kilobytes can claim to be gigabytes of picture.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image

from sagelab.algorithms.job import UserError

FORMATS = ("JPEG", "PNG")
MOST_PIXELS = 50_000_000  # of one picture: 150 MB of it

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def decode(data: Any, name: str, channels: int = 3) -> Pixels:
    """(height, width, channels) of 0 to 255; channels: 3 or 1. UserError: it is no picture, or too large."""
    found = _load(data, name)
    try:
        pixels = np.asarray(found.convert("L" if channels == 1 else "RGB"), np.uint8)
    except ValueError as error:  # of a mode that has no such conversion
        raise _undecodable(name, error) from None
    return pixels.reshape(*pixels.shape[:2], channels)


def decode_mask(data: Any, name: str) -> Pixels:
    """(height, width) of the numbers that an annotation has: gray values, or indices into its palette.

    https://docs.aws.amazon.com/sagemaker/latest/dg/semantic-segmentation.html
    """
    mask = _load(data, name)
    if mask.format != "PNG" or mask.mode not in ("L", "P", "1"):
        raise UserError(f"Annotation {name} is not a single-channel 8-bit PNG image.")
    return np.asarray(mask.convert("L") if mask.mode == "1" else mask, np.uint8)


def size_of(data: Any, name: str) -> tuple[int, int]:
    """(height, width), without a pixel decoded. UserError: it is no picture."""
    found = _open(data, name)
    return found.height, found.width


def encode_mask(mask: Pixels) -> bytes:
    """The PNG of a mask (height, width)."""
    content = io.BytesIO()
    Image.fromarray(mask).save(content, "PNG")
    return content.getvalue()


def scale(pixels: Pixels, height: int, width: int, *, exact: bool = False) -> Pixels:
    """The same picture in another size. exact: a mask, between whose values there are none."""
    if pixels.shape[:2] == (height, width):
        return pixels
    how = Image.Resampling.NEAREST if exact else Image.Resampling.BILINEAR
    gray = pixels.ndim == 3 and pixels.shape[2] == 1
    drawn = Image.fromarray(pixels[:, :, 0] if gray else pixels).resize((width, height), how)
    found = np.asarray(drawn, np.uint8)
    return found[:, :, None] if gray else found


def cover(pixels: Pixels, height: int, width: int, shortest: int | None = None) -> Pixels:
    """Its shortest side as long as asked for; then only as much larger as it takes to cover a size."""
    high, wide = pixels.shape[:2]
    factor = shortest / min(high, wide) if shortest else 1.0
    factor = max(factor, height / high, width / wide)
    check_size(round(high * factor), round(wide * factor), "An image, resized,")
    return scale(pixels, max(height, round(high * factor)), max(width, round(wide * factor)))


def check_size(height: int, width: int, what: str) -> None:
    """UserError: so many pixels are not decoded."""
    if height * width > MOST_PIXELS:
        raise UserError(f"{what} has {height} x {width} pixels: more than {MOST_PIXELS} are not decoded.")


def _load(data: Any, name: str) -> Image.Image:
    """Opened and decoded; data: what bytes() takes."""
    found = _open(data, name)
    check_size(found.height, found.width, f"Image {name}")
    try:
        found.load()
    except Exception as error:  # whatever a broken picture makes Pillow's readers raise
        raise _undecodable(name, error) from None
    return found


def _open(data: Any, name: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a size that is looked at before a pixel is
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise UserError(f"Image {name} has more than {MOST_PIXELS} pixels, and is not decoded.") from None
    except Exception as error:  # as above
        raise _undecodable(name, error) from None


def _undecodable(name: str, error: Exception) -> UserError:
    return UserError(f"Unable to decode image {name}: it is not a JPEG or PNG image ({str(error)[:80]}).")
