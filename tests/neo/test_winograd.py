"""Convolutions as Winograd has them are the same convolutions, and only those that gain are made so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sagelab.neo import winograd

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tf() -> Any:
    import tensorflow

    return tensorflow


def draw(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize("shape", [(1, 26, 26, 32), (2, 3, 3, 16), (1, 7, 12, 16), (3, 6, 4, 20)], ids=str)
def test_it_is_the_same_convolution(tf: Any, shape: tuple[int, ...], padding: str) -> None:
    images, filters = draw(*shape), draw(3, 3, shape[3], 24)
    wanted = tf.nn.conv2d(images.astype(np.float64), filters.astype(np.float64), 1, padding).numpy()
    found = winograd.convolve(tf, tf.constant(images), filters, padding).numpy()
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


def freeze(tf: Any, call: Callable[[Any], Any], *shape: int) -> Any:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specs = tf.TensorSpec(shape, tf.float32)
    function = tf.function(lambda given: [call(given)], autograph=False).get_concrete_function(specs)
    return convert_variables_to_constants_v2(function, lower_control_flow=False)


def gaining(tf: Any, frozen: Any) -> int:
    """How many operations are rewritten; the whole answers as the original does."""
    shapes = [tuple(tensor.shape) for tensor in frozen.inputs]
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    rewritten = tf.function(winograd.rewrite(tf, frozen), specs, autograph=False)
    given = tf.constant(draw(*shapes[0]))
    assert np.allclose(rewritten(given)[0], frozen(given)[0], rtol=1e-3, atol=1e-3)
    return sum(winograd.filters_of(tf, op) is not None for op in frozen.graph.get_operations())


def test_what_gains_is_rewritten_and_the_rest_is_as_it_was(tf: Any) -> None:
    first, second, third = draw(3, 3, 1, 32), draw(3, 3, 32, 64), draw(3, 3, 64, 16)

    def call(images: Any) -> Any:
        small = tf.nn.relu(tf.nn.conv2d(images, first, 1, "VALID"))  # one channel: the transform would cost more
        large = tf.nn.relu(tf.nn.conv2d(small, second, 1, "SAME") + 0.5)
        return tf.nn.conv2d(large, third, 2, "SAME")  # strides

    assert gaining(tf, freeze(tf, call, 1, 20, 20, 1)) == 1


@pytest.mark.parametrize(
    ("size", "options"),
    [(5, {}), (3, {"strides": 2}), (3, {"dilations": 2}), (3, {"padding": [[0, 0], [1, 1], [1, 1], [0, 0]]})],
    ids=["five by five", "strides", "dilations", "explicit padding"],
)
def test_another_convolution_stays(tf: Any, size: int, options: dict[str, Any]) -> None:
    filters = draw(size, size, 16, 16)
    chosen = {"strides": 1, "padding": "VALID"} | options
    frozen = freeze(tf, lambda images: tf.nn.conv2d(images, filters, **chosen), 1, 12, 12, 16)
    assert gaining(tf, frozen) == 0


def test_a_convolution_of_groups_stays(tf: Any) -> None:
    filters = draw(3, 3, 16, 32)
    frozen = freeze(tf, lambda images: tf.nn.conv2d(images, filters, 1, "SAME"), 1, 8, 8, 32)
    assert [op for op in frozen.graph.get_operations() if winograd.filters_of(tf, op) is not None] == []


def test_a_network_with_a_loop_stays(tf: Any) -> None:
    filters = draw(3, 3, 16, 16)

    def call(images: Any) -> Any:
        _, found = tf.while_loop(
            lambda n, _: n < 2, lambda n, x: (n + 1, tf.nn.conv2d(x, filters, 1, "SAME")), (0, images)
        )
        return tf.nn.conv2d(found, filters, 1, "SAME")

    frozen = freeze(tf, call, 1, 8, 8, 16)
    given = tf.constant(draw(1, 8, 8, 16))
    assert np.allclose(winograd.rewrite(tf, frozen)(given)[0], frozen(given)[0], rtol=1e-5)


def test_filters_that_are_no_constants_are_left_alone(tf: Any) -> None:
    frozen = freeze(
        tf, lambda images: tf.nn.conv2d(images, images[0, :3, :3, :, None] * tf.ones(16), 1, "SAME"), 1, 8, 8, 16
    )
    assert gaining(tf, frozen) == 0
