"""Pictures changed at random before an epoch sees them: a cut-out, its mirror image, other colours, a tilt.

The kinds are Image Classification's: https://docs.aws.amazon.com/sagemaker/latest/dg/IC-Hyperparameter.html
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from sagelab.algorithms.vision.images import Pixels

CROP, COLOR, TRANSFORM = KINDS = ("crop", "crop_color", "crop_color_transform")
# The most that is added to hue (of 180), saturation and lightness (of 255).
JITTER = (36 / 180 * 256, 50, 50)
ANGLE, SHEAR, ASPECT = np.radians(10), 0.1, 0.25  # the most of each
MEAN = 127  # the gray of what was outside of the picture

Chance = np.random.Generator


def cut(pixels: Pixels, height: int, width: int, chance: Chance | None = None) -> Pixels:
    """A part of that size: the middle, or one at random. pixels: at least as large."""
    high, wide = pixels.shape[0] - height, pixels.shape[1] - width
    top, left = (
        (high // 2, wide // 2) if chance is None else (chance.integers(high + 1), chance.integers(wide + 1))
    )
    return pixels[top : top + height, left : left + width]


def vary(pixels: Pixels, height: int, width: int, kind: str, chance: Chance) -> Pixels:
    """(height, width, channels): a picture as one of KINDS changes it. pixels: at least as large."""
    if kind == TRANSFORM:
        pixels = tilt(pixels, chance)
    found = cut(pixels, height, width, chance)
    if chance.random() < 0.5:
        found = found[:, ::-1]
    return found if kind == CROP else recolor(found, chance)


def recolor(pixels: Pixels, chance: Chance) -> Pixels:
    """Other hue, saturation and lightness, by a random number each; of a gray picture another lightness."""
    hue, saturation, lightness = (chance.uniform(-most, most) for most in JITTER)
    if pixels.shape[2] == 1:
        lighter: Pixels = np.clip(pixels + lightness, 0, 255).astype(np.uint8)
        return lighter
    found = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("HSV"), np.float32)
    shifted = np.clip(found + np.array((0, saturation, lightness)), 0, 255)
    shifted[..., 0] = (found[..., 0] + hue) % 256
    return np.asarray(Image.fromarray(shifted.astype(np.uint8), "HSV").convert("RGB"), np.uint8)


def tilt(pixels: Pixels, chance: Chance) -> Pixels:
    """Turned, sheared and stretched a little about its middle; of the same size."""
    angle, shear = chance.uniform(-ANGLE, ANGLE), chance.uniform(-SHEAR, SHEAR)
    stretch = np.sqrt(1 + chance.uniform(-ASPECT, ASPECT))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    change = turn @ np.array([[stretch, shear], [0, 1 / stretch]])
    middle = np.array([pixels.shape[1], pixels.shape[0]]) / 2
    (a, b), (c, d) = change.tolist()
    e, f = (middle - change @ middle).tolist()
    gray = pixels.shape[2] == 1
    drawn = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if gray else pixels))
    found = drawn.transform(
        drawn.size,
        Image.Transform.AFFINE,
        (a, b, e, c, d, f),
        Image.Resampling.BILINEAR,
        fillcolor=MEAN if gray else (MEAN,) * 3,
    )
    return np.asarray(found, np.uint8).reshape(pixels.shape)
