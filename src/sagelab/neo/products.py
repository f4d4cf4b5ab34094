"""Small matrix products, with the weights in panels of eight columns.

IREE's own way (data tiling) is made for large matrices. It multiplies one row by one vector at a time, each sum
waiting for the one before, and moves the numbers of many small products about for longer than it multiplies them.
In panels the weights are read once, in order, into several sums at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sagelab.neo.operations import constant
from sagelab.neo.runtime import Array

COLUMNS = 8  # of a panel: a vector of AVX2, two of NEON; vectors of 16 gained nothing
ROWS = 2  # of more rows IREE's way is as fast, and from four on faster
SIZE = 128  # longer sums of several products are as fast in IREE's way
LARGEST = 1 << 25  # numbers; reading more from memory takes longer than multiplying them does in IREE's way
HELD = 1 << 21  # constants of more numbers are held back from IREE's folding, which looks at each for microseconds


def rule(tf: Any, op: Any) -> Callable[[Any], Any] | None:
    """What computes a MatMul with constant weights faster, from its left side; None: nothing does."""
    if op.type != "MatMul" or op.get_attr("T") != tf.float32 or op.get_attr("transpose_a"):
        return None
    count, numbers = op.inputs[0].shape[0], op.inputs[1].shape.num_elements()
    if count is None or count > ROWS or numbers is None or numbers > LARGEST:
        return None
    found = constant(tf, op.inputs[1])
    if found is None:
        return None
    weights = found.T if op.get_attr("transpose_b") else found
    if weights.shape[1] < COLUMNS:
        return None
    return lambda rows: panels(tf, rows[np.newaxis], weights[np.newaxis])[0]


def multiply(tf: Any, rows: Any, weights: Array) -> Any:
    """(n, r, k) times constants (n, k, c): (n, r, c). To be compiled by XLA."""
    return panels(tf, rows, weights) if weights.shape[1] <= SIZE else tf.matmul(rows, weights)


def panels(tf: Any, rows: Any, weights: Array) -> Any:
    """`multiply` by panels."""
    from tensorflow.compiler.tf2xla.python import xla

    many, count, size = rows.shape
    columns = weights.shape[2]
    number = -(-columns // COLUMNS)
    spare = number * COLUMNS - columns
    whole = np.pad(weights, [(0, 0), (0, 0), (0, spare)]) if spare else weights
    laid = np.ascontiguousarray(whole.reshape(many, size, number, 1, COLUMNS).transpose(0, 2, 3, 1, 4))
    if laid.size > HELD:
        (laid,) = xla.optimization_barrier(laid)
    products = tf.reduce_sum(rows[:, np.newaxis, :, :, np.newaxis] * laid, axis=3)
    return tf.reshape(tf.transpose(products, (0, 2, 1, 3)), (many, count, number * COLUMNS))[:, :, :columns]
