"""Convolutions of 3 x 3 with a quarter of their multiplications: Winograd's minimal filtering, F(4 x 4, 3 x 3).

A tile of 4 x 4 results needs 6 x 6 pixels. Pixels and filters are transformed, each once, so that the sum over the
channels, nearly all of the work, is 36 small matrix products instead of one large one of pixels copied nine times.
A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, https://arxiv.org/abs/1509.09308, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sagelab.neo import products
from sagelab.neo.operations import filters
from sagelab.neo.runtime import Array

TILE, SPAN = 4, 6  # results of a tile along one axis, and the pixels they need
CHANNELS = 16  # of fewer channels on either side the transforms cost more than they save
TILES = 4  # of fewer tiles a product's time goes into reading filters, of which there are four times as many
PIXELS = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float32,
)
FILTERS = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6] * 3,
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
RESULTS = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float32
)


def rule(tf: Any, op: Any) -> Callable[[Any], Any] | None:
    """What computes a convolution faster, from its images; None: nothing does."""
    if op.type != "Conv2D" or set(op.get_attr("strides")) | set(op.get_attr("dilations")) != {1}:
        return None
    found = filters(tf, op)
    if found is None or found.shape[:2] != (3, 3) or min(found.shape[2:]) < CHANNELS:
        return None
    count, height, width, channels = op.inputs[0].shape
    padding = op.get_attr("padding").decode()
    if channels != found.shape[2] or min(height, width) < 3:  # in groups; smaller than the filter
        return None
    _, down, across = _tiles(height, width, padding)
    return (lambda images: convolve(tf, images, found, padding)) if count * down * across >= TILES else None


def convolve(tf: Any, images: Any, weights: Array, padding: str) -> Any:
    """What tf.nn.conv2d says, to float32's last digits. images: (n, height, width, channels). weights: (3, 3,
    channels, results). padding: "SAME" or "VALID"."""
    count, height, width, channels = images.shape
    margin, down, across = _tiles(height, width, padding)
    rows, columns = height + 2 * margin - 2, width + 2 * margin - 2
    spare = [(margin, down * TILE + 2 - height - margin), (margin, across * TILE + 2 - width - margin)]
    images = tf.pad(images, [(0, 0), *spare, (0, 0)]) if np.any(spare) else images
    many, number = count * down * across, weights.shape[3]
    tall = tf.stack([images[:, i : i + TILE * (down - 1) + 1 : TILE] for i in range(SPAN)])
    tiles = tf.stack([tall[:, :, :, j : j + TILE * (across - 1) + 1 : TILE] for j in range(SPAN)])
    pixels = tf.reshape(_both(tf, PIXELS, tiles, many * channels), (SPAN * SPAN, many, channels))
    turned = weights.swapaxes(0, 1)  # a tile's columns come first in `tiles`
    sums = products.multiply(tf, pixels, transform(turned))
    results = tf.reshape(_both(tf, RESULTS, sums, many * number), (TILE, TILE, count, down, across, number))
    whole = tf.reshape(tf.transpose(results, (2, 3, 1, 4, 0, 5)), (count, down * TILE, across * TILE, number))
    return whole[:, :rows, :columns]


def _both(tf: Any, matrix: Array, tiles: Any, size: int) -> Any:
    """`matrix` along both axes of the tiles, (6 * 6, size) in any form."""
    first = tf.matmul(matrix, tf.reshape(tiles, (SPAN, SPAN * size)))
    return tf.matmul(matrix, tf.reshape(first, (len(matrix), SPAN, size)))


def _tiles(height: int, width: int, padding: str) -> tuple[int, int, int]:
    """(zeros on each side, tiles down, tiles across) of an image."""
    margin = 1 if padding == "SAME" else 0
    down, across = (-(-(size + 2 * margin - 2) // TILE) for size in (height, width))
    return margin, down, across


def transform(weights: Array) -> Array:
    """(36, channels, results) of (3, 3, channels, results)."""
    both = np.einsum("ai,bj,ijcr->abcr", FILTERS, FILTERS, weights.astype(np.float64))
    found: Array = both.reshape(SPAN * SPAN, *weights.shape[2:]).astype(np.float32)
    return found
