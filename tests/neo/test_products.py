"""Matrix products in panels are the same products, and only those that gain are made so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sagelab.neo import products

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", [products.panels, products.multiply])
@pytest.mark.parametrize("shape", [(1, 1, 50, 24), (36, 5, 16, 8), (2, 3, 7, 11), (3, 2, 200, 9)], ids=str)
def test_it_is_the_same_product(
    tf: Any, draw: Callable[..., Any], way: Callable[..., Any], shape: tuple[int, ...]
) -> None:
    many, count, size, columns = shape
    rows, weights = draw(many, count, size), draw(many, size, columns)
    found = way(tf, tf.constant(rows), weights).numpy()
    assert np.allclose(found, rows.astype(np.float64) @ weights, atol=1e-4)


def test_a_constant_that_is_held_back_is_the_same(
    tf: Any, draw: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "HELD", 10)
    rows, weights = draw(1, 1, 50), draw(1, 50, 24)
    compiled = tf.function(lambda given: products.panels(tf, given, weights), jit_compile=True, autograph=False)
    assert np.allclose(compiled(tf.constant(rows)), rows @ weights, atol=1e-4)


@pytest.mark.parametrize(("count", "gains"), [(1, True), (2, True), (3, False)])
def test_few_rows_gain(
    tf: Any, draw: Callable[..., Any], freeze: Any, rewritten: Any, count: int, gains: bool
) -> None:
    weights = draw(40, 20)
    assert rewritten(freeze(lambda rows: tf.matmul(rows, weights), count, 40)) == ["MatMul"] * gains


def test_weights_may_lie_the_other_way(tf: Any, draw: Callable[..., Any], freeze: Any, rewritten: Any) -> None:
    weights = draw(20, 40)
    frozen = freeze(lambda rows: tf.matmul(rows, weights, transpose_b=True), 1, 40)
    assert rewritten(frozen) == ["MatMul"]


def test_weights_that_no_cache_holds_stay(
    tf: Any, draw: Callable[..., Any], freeze: Any, rewritten: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = draw(40, 20)
    frozen = freeze(lambda rows: tf.matmul(rows, weights), 1, 40)
    monkeypatch.setattr(products, "LARGEST", 800)
    assert rewritten(frozen) == ["MatMul"]
    monkeypatch.setattr(products, "LARGEST", 799)
    assert rewritten(frozen) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda tf, rows: tf.matmul(rows, tf.ones((1, 9)), transpose_a=True),
        lambda tf, rows: tf.matmul(rows, tf.transpose(rows)),
        lambda tf, rows: tf.matmul(rows, tf.ones((40, 7))),
        lambda tf, rows: tf.cast(tf.matmul(tf.cast(rows, tf.float64), tf.ones((40, 9), tf.float64)), tf.float32),
    ],
    ids=["turned rows", "no constant", "few columns", "float64"],
)
def test_another_product_stays(tf: Any, freeze: Any, rewritten: Any, call: Callable[..., Any]) -> None:
    assert rewritten(freeze(lambda rows: call(tf, rows), 1, 40)) == []
