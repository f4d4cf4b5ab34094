"""Questions that every rewriting rule asks of an operation in a frozen TensorFlow graph."""

from __future__ import annotations

from typing import Any

from sagelab.neo.runtime import Array


def constant(tf: Any, tensor: Any) -> Array | None:
    """The value of a tensor that is the same in every call, else None."""
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    value: Array | None = tf.get_static_value(tensor)
    return value


def filters(tf: Any, op: Any) -> Array | None:
    """The constant float32 filters, (height, width, channels, results), of a convolution of images of known size
    with the channels last and padding "SAME" or "VALID"; else None."""
    if op.get_attr("data_format") != b"NHWC" or op.get_attr("padding") == b"EXPLICIT":
        return None
    if op.get_attr("T") != tf.float32 or not op.inputs[0].shape.is_fully_defined():
        return None
    return constant(tf, op.inputs[1])
