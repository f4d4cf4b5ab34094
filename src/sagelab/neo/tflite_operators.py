"""What each TFLite operator computes, in TensorFlow: the table that a TFLite graph is translated by.

Float operators only; a model quantised to integers is refused by `tflite_models`. Meanings and fields:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagelab.neo.errors import OperatorNotImplemented
from sagelab.neo.stablehlo import tensorflow

Operator = Callable[[list[Any], Any], Any]  # (inputs, the operator's options) -> its output, or a list of them

PADDING = {0: "SAME", 1: "VALID"}


def activate(kind: int, value: Any) -> Any:
    """The activation that is fused into an operator (ActivationFunctionType)."""
    tf = tensorflow()
    known = {0: tf.identity, 1: tf.nn.relu, 2: lambda x: tf.clip_by_value(x, -1, 1), 3: tf.nn.relu6, 4: tf.tanh}
    if kind not in known:
        raise OperatorNotImplemented("The following operators are not implemented: {'SIGN_BIT activation'}")
    return known[kind](value)


def table() -> dict[str, Operator]:
    """TFLite's name of an operator -> what it computes."""
    return _arithmetic() | _networks() | _shapes()


def _arithmetic() -> dict[str, Operator]:
    tf = tensorflow()
    one: dict[str, Callable[[Any], Any]] = {
        "RELU": tf.nn.relu,
        "RELU6": tf.nn.relu6,
        "LOGISTIC": tf.sigmoid,
        "TANH": tf.tanh,
        "EXP": tf.exp,
        "LOG": tf.math.log,
        "SQRT": tf.sqrt,
        "RSQRT": tf.math.rsqrt,
        "SQUARE": tf.square,
        "NEG": tf.negative,
        "ABS": tf.abs,
        "FLOOR": tf.floor,
        "ELU": tf.nn.elu,
        "HARD_SWISH": lambda x: x * tf.nn.relu6(x + 3) / 6,
    }
    two: dict[str, Callable[[Any, Any], Any]] = {
        "ADD": tf.add,
        "SUB": tf.subtract,
        "MUL": tf.multiply,
        "DIV": tf.divide,
        "MAXIMUM": tf.maximum,
        "MINIMUM": tf.minimum,
        "POW": tf.pow,
        "SQUARED_DIFFERENCE": tf.math.squared_difference,
    }
    return {name: _unary(act) for name, act in one.items()} | {name: _binary(act) for name, act in two.items()}


def _unary(act: Callable[[Any], Any]) -> Operator:
    return lambda given, _: act(given[0])


def _binary(act: Callable[[Any, Any], Any]) -> Operator:
    return lambda given, options: activate(getattr(options, "fusedActivationFunction", 0), act(given[0], given[1]))


def _networks() -> dict[str, Operator]:
    tf = tensorflow()
    return {
        "CONV_2D": _convolve,
        "DEPTHWISE_CONV_2D": _convolve_depthwise,
        "TRANSPOSE_CONV": _convolve_back,
        "FULLY_CONNECTED": _connect,
        "BATCH_MATMUL": lambda x, o: tf.matmul(x[0], x[1], adjoint_a=o.adjX, adjoint_b=o.adjY),
        "MAX_POOL_2D": _pool(tf.nn.max_pool2d),
        "AVERAGE_POOL_2D": _pool(tf.nn.avg_pool2d),
        "SOFTMAX": lambda x, o: tf.nn.softmax(x[0] * o.beta),
        "LOG_SOFTMAX": lambda x, _: tf.nn.log_softmax(x[0]),
        "LEAKY_RELU": lambda x, o: tf.nn.leaky_relu(x[0], o.alpha),
        "PRELU": lambda x, _: tf.nn.relu(x[0]) - x[1] * tf.nn.relu(-x[0]),
        "MEAN": lambda x, o: tf.reduce_mean(x[0], x[1], keepdims=o.keepDims),
        "SUM": lambda x, o: tf.reduce_sum(x[0], x[1], keepdims=o.keepDims),
        "REDUCE_MAX": lambda x, o: tf.reduce_max(x[0], x[1], keepdims=o.keepDims),
    }


def _shapes() -> dict[str, Operator]:
    tf = tensorflow()
    return {
        "RESHAPE": lambda x, o: tf.reshape(x[0], x[1] if len(x) > 1 else o.newShape),
        "SQUEEZE": lambda x, o: tf.squeeze(x[0], None if o.squeezeDims is None else list(o.squeezeDims)),
        "EXPAND_DIMS": lambda x, _: tf.expand_dims(x[0], int(tf.get_static_value(x[1]))),
        "TRANSPOSE": lambda x, _: tf.transpose(x[0], x[1]),
        "CONCATENATION": lambda x, o: activate(o.fusedActivationFunction, tf.concat(x, o.axis)),
        "PACK": lambda x, o: tf.stack(x, o.axis),
        "UNPACK": lambda x, o: tf.unstack(x[0], o.num, o.axis),
        "SPLIT": lambda x, o: tf.split(x[1], o.numSplits, int(tf.get_static_value(x[0]))),
        "PAD": lambda x, _: tf.pad(x[0], x[1]),
        "PADV2": lambda x, _: tf.pad(x[0], x[1], constant_values=x[2]),
        "SHAPE": lambda x, _: tf.constant(x[0].shape.as_list(), tf.int32),
        "FILL": lambda x, _: tf.fill(x[0], x[1]),
        "SLICE": lambda x, _: tf.slice(x[0], x[1], x[2]),
        "STRIDED_SLICE": _slice,
        "GATHER": lambda x, o: tf.gather(x[0], x[1], axis=o.axis),
        "CAST": lambda x, _: tf.cast(x[0], tf.float32),
    }


def _convolve(given: list[Any], options: Any) -> Any:
    """Filters are (out, height, width, in)."""
    tf = tensorflow()
    kernel = tf.transpose(given[1], (1, 2, 3, 0))
    dilations = (options.dilationHFactor, options.dilationWFactor)
    strides = (options.strideH, options.strideW)
    found = tf.nn.conv2d(given[0], kernel, strides, PADDING[options.padding], dilations=dilations)
    return activate(options.fusedActivationFunction, _bias(found, given))


def _convolve_depthwise(given: list[Any], options: Any) -> Any:
    """Filters are (1, height, width, channels * multiplier)."""
    tf = tensorflow()
    height, width = given[1].shape[1:3]
    kernel = tf.reshape(given[1], (height, width, given[0].shape[-1], options.depthMultiplier))
    strides = (1, options.strideH, options.strideW, 1)
    dilations = (options.dilationHFactor, options.dilationWFactor)
    found = tf.nn.depthwise_conv2d(given[0], kernel, strides, PADDING[options.padding], dilations=dilations)
    return activate(options.fusedActivationFunction, _bias(found, given))


def _convolve_back(given: list[Any], options: Any) -> Any:
    """Inputs are the output's shape, the filters (out, height, width, in), the data, and maybe a bias."""
    tf = tensorflow()
    shape = tf.get_static_value(given[0])
    kernel = tf.transpose(given[1], (1, 2, 0, 3))
    strides = (options.strideH, options.strideW)
    found = tf.nn.conv2d_transpose(given[2], kernel, shape, strides, PADDING[options.padding])
    return _bias(found, given[1:])


def _connect(given: list[Any], options: Any) -> Any:
    """Weights are (out, in); what stands before the last size is one batch, unless keepNumDims."""
    tf = tensorflow()
    data = given[0] if options.keepNumDims else tf.reshape(given[0], (-1, given[1].shape[1]))
    found = tf.tensordot(data, given[1], [[-1], [1]])
    return activate(options.fusedActivationFunction, _bias(found, given))


def _bias(value: Any, given: list[Any]) -> Any:
    return value + given[2] if len(given) > 2 and given[2] is not None else value


def _pool(act: Callable[..., Any]) -> Operator:
    def pool(given: list[Any], options: Any) -> Any:
        window, strides = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
        return activate(options.fusedActivationFunction, act(given[0], window, strides, PADDING[options.padding]))

    return pool


def _slice(given: list[Any], options: Any) -> Any:
    return tensorflow().strided_slice(
        *given,
        begin_mask=options.beginMask,
        end_mask=options.endMask,
        ellipsis_mask=options.ellipsisMask,
        new_axis_mask=options.newAxisMask,
        shrink_axis_mask=options.shrinkAxisMask,
    )
