"""Depthwise convolutions as sums of shifted images are the same convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(3, 3), (5, 4), (1, 1), (2, 5)], ids=str)
def test_it_is_the_same_convolution(
    tf: Any,
    draw: Callable[..., Any],
    freeze: Any,
    rewritten: Any,
    size: tuple[int, int],
    stride: int,
    padding: str,
) -> None:
    filters = draw(*size, 5, 1)
    frozen = freeze(
        lambda images: tf.nn.depthwise_conv2d(images, filters, [1, stride, stride, 1], padding), 2, 11, 14, 5
    )
    assert rewritten(frozen) == ["DepthwiseConv2dNative"]


def test_several_results_of_a_channel_stay(tf: Any, draw: Callable[..., Any], freeze: Any, rewritten: Any) -> None:
    filters = draw(3, 3, 4, 2)
    frozen = freeze(lambda images: tf.nn.depthwise_conv2d(images, filters, [1, 1, 1, 1], "SAME"), 1, 6, 6, 4)
    assert rewritten(frozen) == []
