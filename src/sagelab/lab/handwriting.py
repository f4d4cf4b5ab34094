"""A photo of a handwritten digit -> the 28 by 28 pixels that a network trained on MNIST knows how to read.

MNIST's digits are white ink on black, fitted into 20 by 20 pixels and centred by their mass (LeCun, Cortes and
Burges, "The MNIST database of handwritten digits"). A photo has colour, shadows, lines and a pen of any width;
a network that never saw those misreads it. So the ink is told from the paper first, then drawn as MNIST's is.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[int, int, int, int]

SIDE, FITTED = 28, 20  # pixels: MNIST's picture, and the box its digits are fitted into
STROKE = 2.4  # pixels: how wide a stroke of MNIST is, about
LEAST = 12  # pixels: a digit that is lower and narrower than this is a blot
MOST = 50_000_000  # pixels: what fits into memory with ease
WORKED_ON = 640  # pixels: the longest side of what is worked on; a digit gains nothing from more


class HandwritingError(Exception):
    """No digit can be read from this; the text says why and what to do."""


@dataclass(frozen=True, repr=False)
class Reading:
    """A digit found in a photo.

    original: the photo, uint8 (h, w, 3). box: left, top, right, bottom of the digit in it, in pixels.
    pixels: the digit as MNIST has it, float32 (28, 28), 0 is paper and 1 is ink.
    """

    original: Array
    box: Box
    pixels: Array

    @property
    def instance(self) -> Array:
        """What the model of lab 1 takes as one instance: float32 (28, 28, 1), 0 to 1."""
        return self.pixels[..., np.newaxis]

    def __repr__(self) -> str:
        height, width = self.original.shape[:2]
        left, top, right, bottom = self.box
        return f"a digit of {right - left} by {bottom - top} pixels in a photo of {width} by {height}"


def read(photo: str | Path | bytes | Array) -> Reading:
    """Find the digit in a photo of one: dark on light or light on dark, any size, place and colour.

    photo: a file, what is in one (PNG, JPEG, ...), or an array (h, w), (h, w, 3) or (h, w, 4), uint8 or 0 to 1.
    HandwritingError: it is no picture, too small or too large, or shows no digit.
    """
    original = _open(photo)
    scene, scale = _resized(original)
    ink = _ink(scene)
    mask = _digit(ink > _threshold(ink), ink)
    box = _box(mask)
    if max(box[2] - box[0], box[3] - box[1]) * scale < LEAST:
        raise HandwritingError(f"The digit is less than {LEAST} pixels high: take the photo from nearer.")
    height, width = original.shape[:2]
    left, top, right, bottom = (round(side * scale) for side in box)
    return Reading(original, (left, top, min(right, width), min(bottom, height)), _as_mnist(mask))


# -- a photo ----------------------------------------------------------------------------------------------


def _open(photo: str | Path | bytes | Array) -> Array:
    """The photo upright and opaque, uint8 (h, w, 3)."""
    pixels = _from_array(photo) if isinstance(photo, np.ndarray) else _from_file(photo)
    if min(pixels.shape[:2]) < LEAST:
        raise HandwritingError(f"The picture is less than {LEAST} pixels wide or high: take a larger one.")
    return pixels


def _from_file(photo: str | Path | bytes) -> Array:
    from PIL import Image, UnidentifiedImageError

    name = "This" if isinstance(photo, bytes) else str(photo)
    try:
        with Image.open(io.BytesIO(photo) if isinstance(photo, bytes) else photo) as image:
            _refuse_huge(image.width * image.height)
            return _rgb(image)
    except FileNotFoundError:
        raise HandwritingError(f"There is no file {photo}.") from None
    except UnidentifiedImageError:
        raise HandwritingError(f"{name} is not a picture: give a PNG or a JPEG.") from None
    except Image.DecompressionBombError:
        _refuse_huge(2 * MOST)
        raise
    # Pillow's decoders say what is broken in any of these.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise HandwritingError(f"{name} cannot be read as a picture, it may be damaged: {error}") from error


def _refuse_huge(pixels: int) -> None:
    if pixels > MOST:
        raise HandwritingError(f"The picture has more than {MOST:,} pixels: scale it down.")


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
    _refuse_huge(array.shape[0] * array.shape[1])
    plain = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    scaled = plain if plain.dtype == np.uint8 else plain * (255.0 if plain.max() <= 1 else 1.0)
    return _rgb(Image.fromarray(scaled.clip(0, 255).astype(np.uint8)))


def _resized(original: Array) -> tuple[Array, float]:
    """The photo at the size that is worked on, float (h, w, 3), and the photo's pixels in one of its pixels."""
    from PIL import Image

    height, width = original.shape[:2]
    scale = max(height, width) / WORKED_ON
    size = max(1, round(width / scale)), max(1, round(height / scale))
    filtered = Image.fromarray(original).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(filtered, dtype=float), scale


# -- ink and paper ----------------------------------------------------------------------------------------


def _ink(scene: Array) -> Array:
    """How far each pixel is from its paper towards the ink, in grey levels, (h, w).

    The ink may have any colour: its direction is the axis along which the photo differs most from its paper,
    and of the two ends of that axis it is the rarer one, for paper is what there is more of.
    """
    from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

    paper = _paper(scene)
    light = paper.mean(2, keepdims=True)
    # In a shadow ink and paper are darker alike, and so nearer to each other.
    difference = (gaussian_filter(scene, (1, 1, 0)) - paper) * (np.median(light) / light.clip(1)).clip(0.4, 2.5)
    flat = difference.reshape(-1, 3)
    _, axes = np.linalg.eigh(flat.T @ flat)
    along: Array = difference @ axes[:, -1]
    return along if (along**3).sum() > 0 else -along


def _paper(scene: Array) -> Array:
    """The paper with its shadows but without the ink: the median of a wide surrounding, (h, w, 3).

    It is taken of a small copy: light changes slowly, and the median of a wide window is slow.
    """
    from scipy.ndimage import median_filter, zoom

    small = scene[4::8, 4::8]
    medians = median_filter(small, size=(27, 27, 1), mode="reflect")
    factors = [side / little for side, little in zip(scene.shape, small.shape, strict=True)]
    paper: Array = zoom(medians, factors, order=1, mode="nearest", grid_mode=True)
    return paper


def _threshold(ink: Array) -> float:
    """What is more than this is ink. HandwritingError: nothing stands out of the paper."""
    noise = 1.4826 * float(np.median(np.abs(ink - np.median(ink))))
    floor = max(12.0, 5 * noise)
    standing_out = ink[ink > floor]
    if standing_out.size < ink.size / 5000:
        raise HandwritingError("No digit is to be seen: write one large and dark, and take the photo from near.")
    return max(floor, 0.8 * _otsu(standing_out))


def _otsu(values: Array) -> float:
    """The value that parts these in two groups, each as alike as can be (Otsu, 1979)."""
    counts, edges = np.histogram(values, 128)
    centres = (edges[1:] + edges[:-1]) / 2
    below, above = counts.cumsum(), counts.sum() - counts.cumsum()
    sums = (counts * centres).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centres[np.nan_to_num(between).argmax()])


# -- the digit among what is dark -------------------------------------------------------------------------


def _digit(mask: Array, ink: Array) -> Array:
    """The part of the mask that is the digit: the one with most ink and what lies about it, (h, w).

    What touches the rim is a shadow or the table, unless there is nothing else; what is small is a speck.
    """
    from scipy.ndimage import binary_dilation, find_objects, label

    near = binary_dilation(mask, iterations=4)  # a pen that skips leaves a stroke in pieces
    labels, count = label(near, np.ones((3, 3)))
    if not count:
        raise HandwritingError("No digit is to be seen: write one large and dark, and take the photo from near.")
    weights = np.bincount(labels.ravel(), (mask * ink).ravel(), count + 1)
    weights[0] = 0
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    if (inner := np.delete(weights, rim)).size and inner.max() > weights.max() / 20:
        weights[rim] = 0
    main = int(weights.argmax())
    boxes = find_objects(labels)
    kept = [part for part in np.flatnonzero(weights > weights[main] / 20) if _near(boxes[part - 1], boxes[main - 1])]
    chosen: Array = mask & np.isin(labels, kept)
    return chosen


def _near(part: tuple[slice, slice], main: tuple[slice, slice]) -> bool:
    """Whether the gap between two boxes is less than a fifth of the main one's longer side."""
    reach = max(side.stop - side.start for side in main) / 5
    gaps = (max(a.start - b.stop, b.start - a.stop) for a, b in zip(part, main, strict=True))
    return max(gaps) < reach


def _box(mask: Array) -> Box:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


# -- as MNIST has it --------------------------------------------------------------------------------------


def _as_mnist(mask: Array) -> Array:
    """The digit with strokes of MNIST's width, fitted into 20 by 20 and centred by its mass: float32 (28, 28)."""
    from PIL import Image

    left, top, right, bottom = _box(mask)
    stroked = _stroked(mask[top:bottom, left:right])
    left, top, right, bottom = _box(stroked)
    step = max(right - left, bottom - top) / FITTED
    around = round(SIDE * step)
    padded = np.pad(stroked, around)
    y, x = (axis.mean() for axis in np.nonzero(padded))
    half = SIDE / 2 * step
    # One resampling does it all: fit, centre, and smooth the edges as MNIST's are.
    window = (x + 0.5 - half, y + 0.5 - half, x + 0.5 + half, y + 0.5 + half)
    ink = Image.fromarray(padded.astype(np.uint8) * 255)
    fitted = ink.resize((SIDE, SIDE), Image.Resampling.HAMMING, box=window)
    return np.asarray(fitted, dtype=np.float32) / 255


def _stroked(mask: Array) -> Array:
    """The digit as a pen of MNIST's width would have written it, if the pen was finer. A wider pen stays.

    In a stroke of width w the mean distance to its edge is w / 4; a pixel's is measured from its middle.
    """
    from scipy.ndimage import distance_transform_edt

    wanted = STROKE * max(mask.shape) / FITTED
    width = 4 * (distance_transform_edt(np.pad(mask, 1)).sum() / mask.sum() - 0.5)
    if width >= wanted:
        return mask
    spread = (wanted - width) / 2
    padded = np.pad(mask, int(spread) + 1)
    wider: Array = distance_transform_edt(~padded) <= spread
    return wider


# -- looking at it ----------------------------------------------------------------------------------------


def show(readings: Reading | Sequence[Reading], probabilities: Array | None = None) -> Figure:
    """Each photo with the digit found, what the network sees and, if given, what it makes of it.

    probabilities: (n, 10), or (10,) for one reading.
    """
    import matplotlib.pyplot as plt

    from sagelab.lab.pictures import STYLE

    rows = [readings] if isinstance(readings, Reading) else list(readings)
    scores = None if probabilities is None else np.reshape(probabilities, (len(rows), 10))
    columns = 2 if scores is None else 3
    with plt.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = plt.subplots(
            len(rows), columns, squeeze=False, figsize=(2.2 * columns + 2.4 * (columns == 3), 2.2 * len(rows))
        )
    plt.close(figure)  # a notebook shows it once
    for row, reading in enumerate(rows):
        _draw_photo(axes[row, 0], reading)
        _draw_pixels(axes[row, 1], reading)
        if scores is not None:
            _draw_bars(axes[row, 2], scores[row])
    return figure


def _draw_photo(axis: Axes, reading: Reading) -> None:
    from matplotlib.patches import Rectangle

    from sagelab.lab.pictures import ORANGE

    left, top, right, bottom = reading.box
    axis.imshow(reading.original)
    axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=ORANGE, linewidth=2))
    axis.set_title("photo", loc="left")
    axis.axis("off")


def _draw_pixels(axis: Axes, reading: Reading) -> None:
    axis.imshow(reading.pixels, cmap="gray", vmin=0, vmax=1)
    axis.set_title("what the network sees", loc="left")
    axis.axis("off")


def _draw_bars(axis: Axes, scores: Array) -> None:
    from sagelab.lab.pictures import BLUE, PALE

    best = int(scores.argmax())
    axis.bar(range(10), scores, color=[BLUE if digit == best else PALE for digit in range(10)])
    axis.set(xticks=range(10), ylim=(0, 1), xlabel="digit", ylabel="probability")
    axis.grid(visible=False, axis="x")
    axis.set_title(f"read as {best}, {scores[best]:.0%}", loc="left")
