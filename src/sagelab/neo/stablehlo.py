"""A TensorFlow function with fixed shapes as StableHLO, its weights inside: the way in for three of four
frameworks.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.neo import rewriting
from sagelab.neo.errors import InputConfiguration, NeoError, OperatorNotImplemented, OutOfMemory
from sagelab.neo.program import Arrays, Program
from sagelab.neo.runtime import Tensor

UNKNOWN = re.compile(r"No registered '(\w+)' OpKernel|: (\w+) \((?:No registered|unknown)")

TOO_LARGE = "larger than 2GB"  # TensorFlow, of a constant


def tensorflow() -> Any:
    """TensorFlow, quiet and on the CPU."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow

    return tensorflow


def trace(call: Callable[..., Sequence[Any]], inputs: tuple[Tensor, ...], names: Sequence[str]) -> Program:
    """The Program of a function: tensors of `inputs` in their order -> tensors of `names` in theirs.

    InputConfiguration: the function does not take these shapes. Its operators are looked at when it is written.
    """
    tf = tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, name=f"input_{n}") for n, tensor in enumerate(inputs)]
    try:
        traced = tf.function(lambda *given: list(call(*given)), autograph=False).get_concrete_function(*specs)
        frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        if TOO_LARGE in str(error):
            raise OutOfMemory(f"a weight of the model is too large: {_short(error)}") from error
        shapes = "; ".join(str(tensor) for tensor in inputs)
        raise InputConfiguration(f"The model does not take these inputs ({shapes}): {_short(error)}") from error
    outputs = tuple(_tensor(name, found) for name, found in zip(names, frozen.outputs, strict=True))

    def compute(arrays: Arrays) -> Arrays:
        found = frozen(*[tf.constant(arrays[tensor.name], tensor.dtype) for tensor in inputs])
        return {name: np.asarray(one) for name, one in zip(names, found, strict=True)}

    return Program(inputs, outputs, "stablehlo", "main", lambda out: _write(frozen, specs, out), compute)


def _write(frozen: Any, specs: list[Any], out: Path) -> None:
    tf = tensorflow()
    gc.collect()  # four copies of the weights: what is left of freezing them refers to itself
    whole = tf.function(rewriting.rewrite(tf, frozen), specs, autograph=False, jit_compile=True)
    try:
        out.write_bytes(whole.experimental_get_compiler_ir(*specs)(stage="stablehlo_serialized"))
    except (tf.errors.OpError, ValueError, NotImplementedError) as error:
        raise _explain(error) from error
    except MemoryError as error:
        raise OutOfMemory("the model does not fit into the memory of the job.") from error


def _explain(error: Exception) -> NeoError:
    names = sorted({first or second for first, second in UNKNOWN.findall(str(error))})
    if names:
        listed = ", ".join(f"'{name}'" for name in names)
        return OperatorNotImplemented(f"The following operators are not implemented: {{{listed}}}")
    return OperatorNotImplemented(
        f"The model has an operator that cannot be compiled ahead of time: {_short(error)}"
    )


def _tensor(name: str, found: Any) -> Tensor:
    if not found.shape.is_fully_defined():
        raise InputConfiguration(
            f"The size of the output {name} depends on the data; machine code needs a fixed one."
        )
    return Tensor(name, numpy_name(name, found.dtype), tuple(found.shape.as_list()))


def numpy_name(name: str, dtype: Any) -> str:
    """A TensorFlow type by NumPy's name. InputConfiguration: it has none."""
    found = np.dtype(dtype.as_numpy_dtype)
    if found.kind == "O":
        raise InputConfiguration(f"The model's {name} is text. Only numbers can be compiled.")
    return str(found)


def _short(error: Exception, room: int = 500) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= room else f"{text[:room]} ..."
