"""Depthwise convolutions as a sum of shifted images.

Each channel has a filter of its own, so there is no sum over channels that a matrix product could do: as one, IREE
copies every pixel nine times (3 x 3) to multiply it once.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

from sagelab.neo.operations import filters
from sagelab.neo.runtime import Array


def rule(tf: Any, op: Any) -> Callable[[Any], Any] | None:
    """What computes a depthwise convolution faster, from its images; None: nothing does."""
    if op.type != "DepthwiseConv2dNative" or set(op.get_attr("dilations")) != {1}:
        return None
    found = filters(tf, op)
    if found is None or found.shape[3] != 1:
        return None
    _, down, across, _ = op.get_attr("strides")
    same = op.get_attr("padding") == b"SAME"
    return lambda images: convolve(tf, images, found[..., 0], (down, across), same)


def convolve(tf: Any, images: Any, weights: Array, strides: tuple[int, int], same: bool) -> Any:
    """tf.nn.depthwise_conv2d. images: (n, rows, columns, channels). weights: (rows, columns, channels)."""
    tall, wide, _ = weights.shape
    above, height = _axis(images.shape[1], tall, strides[0], same)
    left, width = _axis(images.shape[2], wide, strides[1], same)
    if any((*above, *left)):
        images = tf.pad(images, [(0, 0), above, left, (0, 0)])
    terms = [
        images[:, _every(i, height, strides[0]), _every(j, width, strides[1])] * weights[i, j]
        for i in range(tall)
        for j in range(wide)
    ]
    return functools.reduce(operator.add, terms)


def _axis(size: int, taps: int, stride: int, same: bool) -> tuple[tuple[int, int], int]:
    """(zeros before and after, results) along one axis, as TensorFlow has them."""
    if not same:
        return (0, 0), (size - taps) // stride + 1
    results = -(-size // stride)
    zeros = max((results - 1) * stride + taps - size, 0)
    return (zeros // 2, zeros - zeros // 2), results


def _every(start: int, count: int, stride: int) -> slice:
    return slice(start, start + stride * (count - 1) + 1, stride)
