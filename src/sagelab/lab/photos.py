"""A picture as a learner has it, a file, its bytes or an array of any kind, made one kind of array."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, np.dtype[Any]]

LEAST = 12  # pixels: a digit that is lower and narrower than this is a blot
MOST = 50_000_000  # pixels: what fits into memory with ease
HUGE = f"The picture has more than {MOST:,} pixels: scale it down."


class HandwritingError(Exception):
    """No digit can be read from this; the text says why and what to do."""


def decode(photo: str | Path | bytes | Array) -> Array:
    """The photo upright and opaque, uint8 (h, w, 3)."""
    pixels = _from_array(photo) if isinstance(photo, np.ndarray) else _from_file(photo)
    if min(pixels.shape[:2]) < LEAST:
        raise HandwritingError(f"The picture is less than {LEAST} pixels wide or high: take a larger one.")
    return pixels


def _from_file(photo: str | Path | bytes) -> Array:
    from PIL import Image, UnidentifiedImageError

    content, name = (io.BytesIO(photo), "This") if isinstance(photo, bytes) else (photo, str(photo))
    try:
        with Image.open(content) as image:
            if image.width * image.height > MOST:
                raise HandwritingError(HUGE)
            return _rgb(image)
    except FileNotFoundError:
        raise HandwritingError(f"There is no file {name}.") from None
    except UnidentifiedImageError:
        raise HandwritingError(f"{name} is not a picture: give a PNG or a JPEG.") from None
    except Image.DecompressionBombError:
        raise HandwritingError(HUGE) from None
    # Pillow's decoders say what is broken in any of these.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise HandwritingError(f"{name} cannot be read as a picture, it may be damaged: {error}") from error


def _rgb(image: Image) -> Array:
    """A picture of any mode as uint8 (h, w, 3), turned as its camera was held; what is clear becomes white."""
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel, which convert() would cut off at 255
        deep = np.asarray(upright, dtype=float)
        upright = Image.fromarray((255 * (deep - deep.min()) / max(np.ptp(deep), 1)).astype(np.uint8))
    clear = upright.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")
    return np.asarray(Image.alpha_composite(white, clear).convert("RGB"))


def _from_array(array: Array) -> Array:
    from PIL import Image

    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise HandwritingError(f"A picture is an array (h, w), (h, w, 3) or (h, w, 4); this is {array.shape}.")
    if not array.size or not np.isfinite(array).all():
        raise HandwritingError("The picture is empty, or some of its pixels are no numbers.")
    if array.shape[0] * array.shape[1] > MOST:
        raise HandwritingError(HUGE)
    plain = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    scaled = plain if plain.dtype == np.uint8 else plain * (255.0 if plain.max() <= 1 else 1.0)
    return _rgb(Image.fromarray(scaled.clip(0, 255).astype(np.uint8)))
