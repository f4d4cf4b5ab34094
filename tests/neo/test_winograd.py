"""Convolutions as Winograd has them are the same convolutions, and only those that gain are made so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sagelab.neo import winograd

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize(
    "shape", [(1, 26, 26, 32), (2, 3, 3, 16), (1, 7, 12, 16), (3, 6, 4, 20), (1, 8, 8, 160)], ids=str
)
def test_it_is_the_same_convolution(
    tf: Any, draw: Callable[..., Any], shape: tuple[int, ...], padding: str
) -> None:
    images, filters = draw(*shape), draw(3, 3, shape[3], 24)
    wanted = tf.nn.conv2d(images.astype(np.float64), filters.astype(np.float64), 1, padding).numpy()
    found = winograd.convolve(tf, tf.constant(images), filters, padding).numpy()
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_what_gains_is_rewritten_and_the_rest_is_as_it_was(
    tf: Any, draw: Callable[..., Any], freeze: Any, rewritten: Any
) -> None:
    first, second, third = draw(3, 3, 1, 32), draw(3, 3, 32, 64), draw(3, 3, 64, 16)

    def call(images: Any) -> Any:
        small = tf.nn.relu(tf.nn.conv2d(images, first, 1, "VALID"))  # one channel: the transform would cost more
        large = tf.nn.relu(tf.nn.conv2d(small, second, 1, "SAME") + 0.5)
        return tf.nn.conv2d(large, third, 2, "SAME")  # strides

    assert rewritten(freeze(call, 1, 20, 20, 1)) == ["Conv2D"]


@pytest.mark.parametrize(
    ("size", "options"),
    [(5, {}), (3, {"strides": 2}), (3, {"dilations": 2}), (3, {"padding": [[0, 0], [1, 1], [1, 1], [0, 0]]})],
    ids=["five by five", "strides", "dilations", "explicit padding"],
)
def test_another_convolution_stays(
    tf: Any, draw: Callable[..., Any], freeze: Any, rewritten: Any, size: int, options: dict[str, Any]
) -> None:
    filters = draw(size, size, 16, 16)
    chosen = {"strides": 1, "padding": "VALID"} | options
    assert rewritten(freeze(lambda images: tf.nn.conv2d(images, filters, **chosen), 1, 12, 12, 16)) == []


@pytest.mark.parametrize(("size", "many"), [(4, 0), (8, 1)])
def test_a_small_image_stays(
    tf: Any, draw: Callable[..., Any], freeze: Any, rewritten: Any, size: int, many: int
) -> None:
    """Its one tile would read four times the filters for little."""
    filters = draw(3, 3, 16, 16)
    frozen = freeze(lambda images: tf.nn.conv2d(images, filters, 1, "SAME"), 1, size, size, 16)
    assert rewritten(frozen) == ["Conv2D"] * many


def test_a_convolution_of_groups_stays(tf: Any, draw: Callable[..., Any], freeze: Any) -> None:
    filters = draw(3, 3, 16, 32)
    frozen = freeze(lambda images: tf.nn.conv2d(images, filters, 1, "SAME"), 1, 8, 8, 32)
    assert not any(winograd.rule(tf, op) for op in frozen.graph.get_operations())


def test_filters_that_are_no_constants_are_left_alone(tf: Any, freeze: Any, rewritten: Any) -> None:
    frozen = freeze(
        lambda images: tf.nn.conv2d(images, images[0, :3, :3, :, None] * tf.ones(16), 1, "SAME"), 1, 8, 8, 16
    )
    assert rewritten(frozen) == []
