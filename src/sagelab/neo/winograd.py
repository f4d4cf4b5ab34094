"""Convolutions of 3 x 3 with a quarter of their multiplications: Winograd's minimal filtering, F(4 x 4, 3 x 3).

A tile of 4 x 4 results needs 6 x 6 pixels. Pixels and filters are transformed, each once, so that the sum over the
channels, nearly all of the work, is 36 small matrix products instead of one large one of pixels copied nine times.
A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, https://arxiv.org/abs/1509.09308, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sagelab.neo.runtime import Array

TILE, SPAN = 4, 6  # results of a tile along one axis, and the pixels they need
CHANNELS = 16  # of fewer channels on either side the transforms cost more than they save
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


def rewrite(tf: Any, frozen: Any) -> Callable[..., list[Any]]:
    """The function `frozen`, whose weights are constants, with each convolution that gains as Winograd has it.

    `frozen` itself where none gains, or where it calls other functions (loops).
    """
    operations = frozen.graph.get_operations()
    filters = {op.name: found for op in operations if (found := filters_of(tf, op)) is not None}
    if not filters or any(_calls(op) for op in operations):
        return lambda *given: list(frozen(*given))

    def rewritten(*given: Any) -> list[Any]:
        graph = tf.compat.v1.get_default_graph()
        known = {tensor.name: value for tensor, value in zip(frozen.inputs, given, strict=True)}
        for op in operations:
            if op.type == "Placeholder":
                continue
            inputs = [known[tensor.name] for tensor in op.inputs]
            if op.name in filters:
                made = [convolve(tf, inputs[0], filters[op.name], op.get_attr("padding").decode())]
            else:
                types = [tensor.dtype for tensor in op.outputs]
                made = graph.create_op(op.type, inputs, types, attrs=dict(op.node_def.attr)).outputs
            known |= {tensor.name: value for tensor, value in zip(op.outputs, made, strict=True)}
        return [known[tensor.name] for tensor in frozen.outputs]

    return rewritten


def convolve(tf: Any, images: Any, filters: Array, padding: str) -> Any:
    """What tf.nn.conv2d says, to float32's last digits. images: (n, height, width, channels). filters: (3, 3,
    channels, results). padding: "SAME" or "VALID"."""
    count, height, width, channels = images.shape
    margin = 1 if padding == "SAME" else 0
    rows, columns = height + 2 * margin - 2, width + 2 * margin - 2
    down, across = -(-rows // TILE), -(-columns // TILE)
    spare = [(margin, down * TILE + 2 - height - margin), (margin, across * TILE + 2 - width - margin)]
    images = tf.pad(images, [(0, 0), *spare, (0, 0)]) if np.any(spare) else images
    many, number = count * down * across, filters.shape[3]
    tall = tf.stack([images[:, i : i + TILE * (down - 1) + 1 : TILE] for i in range(SPAN)])
    tiles = tf.stack([tall[:, :, :, j : j + TILE * (across - 1) + 1 : TILE] for j in range(SPAN)])
    pixels = tf.reshape(_both(tf, PIXELS, tiles, many * channels), (SPAN * SPAN, many, channels))
    products = tf.matmul(pixels, transform(filters.swapaxes(0, 1)))  # a tile's columns come first in `tiles`
    results = tf.reshape(_both(tf, RESULTS, products, many * number), (TILE, TILE, count, down, across, number))
    whole = tf.reshape(tf.transpose(results, (2, 3, 1, 4, 0, 5)), (count, down * TILE, across * TILE, number))
    return whole[:, :rows, :columns]


def _both(tf: Any, matrix: Array, tiles: Any, size: int) -> Any:
    """`matrix` along both axes of the tiles, (6 * 6, size) in any form."""
    first = tf.matmul(matrix, tf.reshape(tiles, (SPAN, SPAN * size)))
    return tf.matmul(matrix, tf.reshape(first, (len(matrix), SPAN, size)))


def transform(filters: Array) -> Array:
    """(36, channels, results) of (3, 3, channels, results)."""
    both = np.einsum("ai,bj,ijcr->abcr", FILTERS, FILTERS, filters.astype(np.float64))
    found: Array = both.reshape(SPAN * SPAN, *filters.shape[2:]).astype(np.float32)
    return found


def filters_of(tf: Any, op: Any) -> Array | None:
    """The filters of an operation that is a convolution and gains by being rewritten, else None."""
    if op.type != "Conv2D" or op.get_attr("data_format") != b"NHWC" or op.get_attr("padding") == b"EXPLICIT":
        return None
    if op.get_attr("T") != tf.float32 or set(op.get_attr("strides")) | set(op.get_attr("dilations")) != {1}:
        return None
    given: Sequence[Any] = op.inputs
    found = _constant(tf, given[1])
    if found is None or found.shape[:2] != (3, 3) or min(found.shape[2:]) < CHANNELS:
        return None
    whole = given[0].shape.is_fully_defined() and given[0].shape[3] == found.shape[2]  # else it is a grouped one
    return found if whole and min(given[0].shape[1:3]) >= 3 else None


def _constant(tf: Any, tensor: Any) -> Array | None:
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    value: Array | None = tf.get_static_value(tensor)
    return value


def _calls(op: Any) -> bool:
    return any(value.HasField("func") for value in op.node_def.attr.values())
