"""The first container of the pipeline: a photo of a handwritten digit in, one instance for lab 1's network out.

It runs in AWS's image of scikit-learn, which has NumPy, SciPy and Pillow, and gives TensorFlow Serving's JSON. The
photo is made to look like MNIST: white on black, fitted into 20 by 20 pixels, centred by its mass in 28 by 28.
"""

import io
import json

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

WORKED_ON = 192  # pixels: the longest side of what is worked on
FITTED, SIDE, STROKE = 20, 28, 2.4  # pixels: MNIST's digit, its picture, its pen


def model_fn(folder):
    """Nothing was learned here."""
    return None


def input_fn(body, content_type):
    """image/png or image/jpeg -> (h, w) of 0 to 255."""
    if not content_type.startswith("image/"):
        raise ValueError(f"This takes image/png or image/jpeg, not {content_type}.")
    photo = ImageOps.exif_transpose(Image.open(io.BytesIO(body))).convert("L")
    photo.thumbnail((WORKED_ON, WORKED_ON))
    return np.asarray(photo, dtype=float)


def predict_fn(photo, model):
    """(h, w) -> (28, 28) of 0 to 1, ink on nothing."""
    ink = find_ink(photo)
    labels, count = ndimage.label(ndimage.binary_dilation(ink, iterations=2))
    if not count:
        raise ValueError("No digit is to be seen: write one large and dark, and take the photo from near.")
    sizes = ndimage.sum(ink, labels, range(1, count + 1))
    digit = ink & (labels == 1 + int(np.argmax(sizes)))
    rows, columns = (np.flatnonzero(digit.any(axis)) for axis in (1, 0))
    return centred(digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def find_ink(photo):
    """What is far from the paper around it, whichever of the two is darker."""
    paper = ndimage.median_filter(photo[::4, ::4], 25, mode="nearest").repeat(4, 0).repeat(4, 1)
    away = ndimage.gaussian_filter(photo, 1) - paper[: photo.shape[0], : photo.shape[1]]
    away = away if (away**3).sum() > 0 else -away
    return away > max(20, 0.4 * np.percentile(away, 99.5))


def centred(digit):
    """A digit's own pixels, drawn as MNIST's are."""
    scale = FITTED / max(digit.shape)
    pen = 2 * np.percentile(ndimage.distance_transform_edt(digit)[digit], 90)
    if (missing := round((STROKE / scale - pen) / 2)) > 0:
        digit = ndimage.binary_dilation(np.pad(digit, missing), iterations=missing)
        scale = FITTED / max(digit.shape)
    size = [max(1, round(side * scale)) for side in digit.shape]
    small = Image.fromarray((255 * digit).astype("uint8")).resize(size[::-1], Image.Resampling.BOX)
    canvas = np.zeros((2 * SIDE, 2 * SIDE))
    canvas[: size[0], : size[1]] = np.asarray(small) / 255
    middle = ndimage.center_of_mass(canvas)
    moved = ndimage.shift(canvas, [(SIDE - 1) / 2 - each for each in middle], order=1)
    return moved[:SIDE, :SIDE].clip(0, 1)


def output_fn(pixels, accept):
    """What the next container is sent, and its content type."""
    return json.dumps({"instances": [pixels.round(4)[..., np.newaxis].tolist()]}), "application/json"
