"""Whole networks, rewritten and compiled."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagelab.neo import compiler, rewriting, stablehlo
from sagelab.neo.runtime import Tensor

pytestmark = pytest.mark.slow


def test_a_network_with_a_loop_stays(tf: Any, draw: Callable[..., Any], freeze: Any) -> None:
    filters = draw(3, 3, 16, 16)

    def call(images: Any) -> Any:
        _, found = tf.while_loop(
            lambda n, _: n < 2, lambda n, x: (n + 1, tf.nn.conv2d(x, filters, 1, "SAME")), (0, images)
        )
        return tf.nn.conv2d(found, filters, 1, "SAME")

    frozen = freeze(call, 1, 8, 8, 16)
    given = tf.constant(draw(1, 8, 8, 16))
    assert np.allclose(rewriting.rewrite(tf, frozen)(given)[0], frozen(given)[0], rtol=1e-5)


def test_the_compiler_makes_one_kernel_of_each_product(tf: Any, draw: Callable[..., Any], tmp_path: Path) -> None:
    """A product in panels is a multiplication and a sum; kept apart they would write out every term."""
    filters, weights, last = draw(3, 3, 16, 16), draw(16 * 64, 32), draw(32, 16)
    shifted = draw(3, 3, 16, 1)

    def call(images: Any) -> list[Any]:
        first = tf.nn.relu(tf.nn.conv2d(images, filters, 1, "SAME") + 0.5)
        second = tf.nn.relu6(tf.nn.depthwise_conv2d(first, shifted, [1, 1, 1, 1], "SAME"))
        third = tf.nn.relu(tf.nn.conv2d(second, filters, 1, "SAME") - 0.5)
        hidden = tf.nn.relu(tf.matmul(tf.reshape(third, (1, -1)), weights) + 1.0)
        return [tf.nn.softmax(tf.matmul(tf.tanh(hidden), last))]

    program = stablehlo.trace(call, (Tensor("images", "float32", (1, 8, 8, 16)),), ["scores"])
    program.write(tmp_path / "model.mlir")
    compiler.compile_mlir(tmp_path / "model.mlir", tmp_path / "model.vmfb", compiler.HOST, "stablehlo")
    found = (tmp_path / "model.vmfb").read_bytes()
    kernels = set(re.findall(rb"main_dispatch_\d+_(?:matmul|matvec)_like_([\dx]+x8x\d+)_f32", found))
    # products x rows (if more than one) x panels x 8 columns x terms, in Winograd's two and in the dense layers
    assert kernels == {b"36x4x2x8x16", b"4x8x1024", b"2x8x32"}
    assert b"elementwise_broadcast" not in found
