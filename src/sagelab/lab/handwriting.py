"""A photo of a handwritten digit -> the 28 by 28 pixels that a network trained on MNIST knows how to read.

MNIST's digits are white ink on black, fitted into 20 by 20 pixels and centred by their mass (LeCun, Cortes and
Burges, "The MNIST database of handwritten digits"). A photo has colour, shadows, lines and a pen of any width;
a network that never saw those misreads it. So the ink is told from the paper first, then drawn as MNIST's is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sagelab.lab.photos import LEAST, HandwritingError, decode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[int, int, int, int]

SIDE, FITTED = 28, 20  # pixels: MNIST's picture, and the box its digits are fitted into
STROKE = 2.4  # pixels: how wide a stroke of MNIST is, about
WINDOW = 31  # of 64: wide enough that ink is the lesser part of it, narrow enough to follow a shadow
DARK = 40  # grey levels: black paper in a shadow is hardly darker than in the light
FAR = 30  # grey levels: what differs more from the fitted paper is hardly paper
EDGE = 0.8  # of Otsu's threshold: a stroke's soft edge is a part of it
WORKED_ON = 640  # pixels: the longest side of what is worked on; a digit gains nothing from more
BLANK = "No digit is to be seen: write one large and dark, and take the photo from near."


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
    original = decode(photo)
    scene, scale = _resized(original)
    ink = _ink(scene)
    mask = _digit(ink > _threshold(ink), ink)
    box = _box(mask)
    if max(box[2] - box[0], box[3] - box[1]) * scale < LEAST:
        raise HandwritingError(f"The digit is less than {LEAST} pixels high: take the photo from nearer.")
    height, width = original.shape[:2]
    left, top, right, bottom = (round(side * scale) for side in box)
    return Reading(original, (left, top, min(right, width), min(bottom, height)), _as_mnist(mask))


def _resized(original: Array) -> tuple[Array, float]:
    """The photo at the size that is worked on, float32 (h, w, 3), and the photo's pixels in one of its pixels."""
    from PIL import Image

    height, width = original.shape[:2]
    scale = max(height, width) / WORKED_ON
    size = max(10, round(width / scale)), max(10, round(height / scale))  # of a strip there is little left
    filtered = Image.fromarray(original).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(filtered, dtype=np.float32), scale


# -- ink and paper ----------------------------------------------------------------------------------------


def _ink(scene: Array) -> Array:
    """How far each pixel is from its paper towards the ink, in grey levels, (h, w).

    The ink may have any colour: its direction is the axis along which the photo differs most from its paper,
    and of the two ends of that axis it is the rarer one, for paper is what there is more of.
    """
    from scipy.ndimage import gaussian_filter

    paper = _paper(scene)
    light = paper.mean(2, keepdims=True) + DARK
    # In a shadow ink and paper are darker alike, and so nearer to each other.
    difference = (gaussian_filter(scene, (1, 1, 0)) - paper) * (np.median(light) / light)
    flat = difference.reshape(-1, 3)
    _, axes = np.linalg.eigh(flat.T @ flat)
    along: Array = difference @ axes[:, -1]
    return along if (along * along**2).sum() > 0 else -along


def _paper(scene: Array) -> Array:
    """The paper with its shadows but without the ink: the median of a wide surrounding, (h, w, 3).

    It is taken of a small copy: light changes slowly, and the median of a wide window is slow.
    """
    from PIL import Image

    small = scene[5::10, 5::10].astype(float)
    lamp = _lamp(small)  # at the rim, where half the surrounding is missing, a median alone would miss the slope
    shadows = np.clip(
        small - lamp, -2 * FAR, 2 * FAR
    )  # more than this is ink, though there be more ink than paper
    paper = lamp + _median(shadows)
    size = scene.shape[1], scene.shape[0]
    whole = Image.fromarray(paper.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(whole, dtype=np.float32)


def _median(shadows: Array) -> Array:
    """The median of the WINDOW by WINDOW pixels about each, (h, w, 3), to 1/256 of a grey level.

    NumPy finds it among whole numbers in a quarter of the time that SciPy takes.
    """
    half = WINDOW // 2
    whole = np.pad((shadows * 256).round().astype(np.int16), ((half, half), (half, half), (0, 0)), "symmetric")
    around = np.lib.stride_tricks.sliding_window_view(whole, (WINDOW, WINDOW), axis=(0, 1))
    middle = WINDOW * WINDOW // 2
    return np.partition(around.reshape(*shadows.shape, -1), middle)[..., middle] / 256


def _lamp(scene: Array) -> Array:
    """The parabola in x and y that the paper lies on, (h, w, 3): a lamp's slope and dark corners.

    Each round of the fit counts less what was far from the last one, so that the ink does not bend it.
    """
    y, x = (axis.ravel() for axis in np.mgrid[-1 : 1 : scene.shape[0] * 1j, -1 : 1 : scene.shape[1] * 1j])
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    pixels = scene.reshape(-1, 3)
    fitted = np.broadcast_to(np.median(pixels, axis=0), pixels.shape)
    for _ in range(4):
        far = np.linalg.norm(pixels - fitted, axis=1, keepdims=True) / FAR
        trust = 1 / (1 + far**2)
        # The normal equations: of six terms between -1 and 1, which are far from alike, they are exact enough.
        weighed = (terms * trust**2).T
        weights = np.linalg.lstsq(weighed @ terms, weighed @ pixels, rcond=None)[0]
        fitted = terms @ weights
    return fitted.reshape(scene.shape)


def _threshold(ink: Array) -> float:
    """What is more than this is ink. HandwritingError: nothing stands out of the paper."""
    noise = 1.4826 * float(np.median(np.abs(ink - np.median(ink))))
    floor = max(12.0, 5 * noise)
    standing_out = ink[ink > floor]
    if standing_out.size < ink.size / 5000:
        raise HandwritingError(BLANK)
    return max(floor, EDGE * _otsu(standing_out))


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
    weights = np.bincount(labels.ravel(), (mask * ink).ravel(), count + 1)
    weights[0] = 0
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    if (inner := np.delete(weights, rim)).size and inner.max() > weights.max() / 20:
        weights[rim] = 0
    main = int(weights.argmax())
    boxes = find_objects(labels)
    kept = [
        part for part in np.flatnonzero(weights > weights[main] / 20) if _near(boxes[part - 1], boxes[main - 1])
    ]
    chosen: Array = mask & np.isin(labels, kept)
    return chosen


def _near(part: tuple[slice, slice], main: tuple[slice, slice]) -> bool:
    """Whether the gap between two boxes is less than a fifth of the main one's longer side."""
    reach = max(side.stop - side.start for side in main) / 5
    gaps = (max(a.start - b.stop, b.start - a.stop) for a, b in zip(part, main, strict=True))
    return bool(max(gaps) < reach)


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
    """The digit with no stroke finer than MNIST's: around the middle of each there is ink of that width."""
    from scipy.ndimage import distance_transform_edt, maximum_filter

    wanted = STROKE * max(mask.shape) / FITTED
    padded = np.pad(mask, int(wanted / 2) + 1)
    depth = distance_transform_edt(padded)
    middle = padded & (depth == maximum_filter(depth, 3))
    wider: Array = padded | (distance_transform_edt(~middle) <= wanted / 2)
    return wider


# -- looking at it ----------------------------------------------------------------------------------------


def show(readings: Reading | Sequence[Reading], probabilities: Array | None = None) -> Figure:
    """Each photo with the digit found, what the network sees and, if given, what it makes of it.

    probabilities: (n, 10), or (10,) for one reading.
    """
    from sagelab.lab.pictures import open_figure

    rows = [readings] if isinstance(readings, Reading) else list(readings)
    scores = None if probabilities is None else np.reshape(probabilities, (len(rows), 10))
    columns = 2 if scores is None else 3
    size = (7.5 if columns == 3 else 4.4, 2.2 * len(rows))
    widths = [1, 1, 1.4][:columns]
    read = "" if scores is None else f", read as {', '.join(str(each.argmax()) for each in scores)}"
    number = "A photo" if len(rows) == 1 else f"{len(rows)} photos, each"
    alt = f"{number} with a box around the digit, and the pixels that the network sees{read}"
    figure, axes = open_figure(alt, size, len(rows), columns, width_ratios=widths)
    for row, reading in enumerate(rows):
        _draw_photo(axes[row, 0], reading)
        _draw_pixels(axes[row, 1], reading)
        if scores is not None:
            _draw_bars(axes[row, 2], scores[row])
    return figure


def _draw_photo(axis: Axes, reading: Reading) -> None:
    from matplotlib.patches import Rectangle

    from sagelab.lab.pictures import ORANGE, PALE

    left, top, right, bottom = reading.box
    axis.imshow(reading.original)
    axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=ORANGE, linewidth=2))
    axis.set_title("photo", loc="left")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color=PALE)  # white paper on a white page needs a rim
    axis.grid(visible=False)


def _draw_pixels(axis: Axes, reading: Reading) -> None:
    axis.imshow(reading.pixels, cmap="gray", vmin=0, vmax=1)
    axis.set_title("what the network sees", loc="left")
    axis.axis("off")


def _draw_bars(axis: Axes, scores: Array) -> None:
    from sagelab.lab.pictures import BLUE, WAITING

    best = int(scores.argmax())
    axis.bar(range(10), scores, color=[BLUE if digit == best else WAITING for digit in range(10)])
    axis.set(xticks=range(10), ylim=(0, 1), xlabel="digit", ylabel="probability")
    axis.grid(visible=False, axis="x")
    axis.set_title(f"read as {best}, {scores[best]:.0%}", loc="left")
