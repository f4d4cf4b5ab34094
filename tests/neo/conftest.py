"""What the compiler's tests share: TensorFlow, loaded when the first test needs it, and frozen graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Freeze = Callable[..., Any]


@pytest.fixture(scope="session")
def tf() -> Any:
    import tensorflow

    return tensorflow


@pytest.fixture(scope="session")
def draw() -> Callable[..., Any]:
    """Numbers of a shape, the same in every run."""
    return lambda *shape: np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="session")
def freeze(tf: Any) -> Freeze:
    """A function of one tensor of a shape, frozen as the compiler has it."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    def freeze(call: Callable[[Any], Any], *shape: int | None) -> Any:
        specs = tf.TensorSpec(shape, tf.float32)
        function = tf.function(lambda given: [call(given)], autograph=False).get_concrete_function(specs)
        return convert_variables_to_constants_v2(function, lower_control_flow=False)

    return freeze


@pytest.fixture(scope="session")
def rewritten(tf: Any, draw: Callable[..., Any]) -> Callable[[Any], list[str]]:
    """The types of those operations that are rewritten; the whole answers as the original does."""
    from sagelab.neo import rewriting

    def rewritten(frozen: Any) -> list[str]:
        shapes = [tuple(tensor.shape) for tensor in frozen.inputs]
        specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
        function = tf.function(rewriting.rewrite(tf, frozen), specs, autograph=False, jit_compile=True)
        given = tf.constant(draw(*shapes[0]))
        assert np.allclose(function(given)[0], frozen(given)[0], rtol=1e-3, atol=1e-3)
        return [op.type for op in frozen.graph.get_operations() if rewriting.find(tf, op)]

    return rewritten
