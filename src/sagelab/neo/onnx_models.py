"""An ONNX model: imported by IREE's own importer, checked against onnxruntime."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.neo import compiler, shapes
from sagelab.neo.errors import InputConfiguration, OutOfMemory
from sagelab.neo.program import Arrays, Program
from sagelab.neo.runtime import Tensor
from sagelab.neo.shapes import Declared, Shape

ENTRY = "main"


def read(file: Path, config: Mapping[str, Shape] | None) -> Program:
    """The Program of an ONNX file. InputConfiguration: it cannot be read, or config does not fit."""
    model = _load(file)
    weights = {weight.name for weight in model.graph.initializer}
    declared = [_declared(value) for value in model.graph.input if value.name not in weights]
    inputs = shapes.fix(declared, config, channels_first=False)
    _fix(model, inputs)
    session = _session(model)
    first = _run(session, {t.name: np.ones(t.shape, t.dtype) for t in inputs})
    outputs = tuple(Tensor(name, str(array.dtype), array.shape) for name, array in first.items())
    return Program(
        inputs, outputs, "onnx", ENTRY, lambda out: _write(model, out), lambda given: _run(session, given)
    )


def _load(file: Path) -> Any:
    import onnx

    try:
        model = onnx.load(file)
        onnx.checker.check_model(model)
    except Exception as error:
        text = " ".join(str(error).split())[:400]
        raise InputConfiguration(f"Unable to load provided ONNX model. Error: {text}") from error
    return model


def _declared(value: Any) -> Declared:
    import onnx

    kind = value.type.tensor_type
    if kind.elem_type == onnx.TensorProto.STRING or not value.type.HasField("tensor_type"):
        raise InputConfiguration(
            f"The input {value.name} is not an array of numbers, which is all that is compiled."
        )
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    sizes = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim]
    return Declared(value.name, dtype, tuple(sizes) if kind.HasField("shape") else None)


def _fix(model: Any, inputs: tuple[Tensor, ...]) -> None:
    """Write the fixed shapes into the model, and forget what it says of the shapes that follow from them."""
    import onnx

    model.graph.name = ENTRY
    fixed = {tensor.name: tensor for tensor in inputs}
    for value in model.graph.input:
        if value.name in fixed:
            kind = value.type.tensor_type.elem_type
            made = onnx.helper.make_tensor_type_proto(kind, fixed[value.name].shape)
            value.type.CopyFrom(made)
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]


def _session(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        text = " ".join(str(error).split())[:400]
        raise InputConfiguration(f"Unable to load provided ONNX model. Error: {text}") from error


def _run(session: Any, arrays: Arrays) -> Arrays:
    names = [output.name for output in session.get_outputs()]
    try:
        return dict(zip(names, session.run(names, dict(arrays)), strict=True))
    except Exception as error:
        text = " ".join(str(error).split())[:400]
        raise InputConfiguration(f"The ONNX model does not take these shapes: {text}") from error


def _write(model: Any, out: Path) -> None:
    """IREE's importer wants a file; it infers the shapes in between."""
    import onnx

    source = out.with_suffix(".onnx")
    for value, array in zip(model.graph.output, _run(_session(model), _ones(model)).values(), strict=True):
        made = onnx.helper.make_tensor_type_proto(onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        value.type.CopyFrom(made)
    onnx.save(model, source)
    command = [sys.executable, "-m", "iree.compiler.tools.import_onnx", str(source), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    source.unlink()
    if done.returncode:
        print(done.stderr[-4000:], flush=True)
        if compiler.OUT_OF_MEMORY.search(done.stderr):
            raise OutOfMemory("the model does not fit into the memory of the job.")
        raise compiler.explain(
            done.returncode, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
        )


def _ones(model: Any) -> Arrays:
    weights = {weight.name for weight in model.graph.initializer}
    tensors = [_declared(value) for value in model.graph.input if value.name not in weights]
    return {one.name: np.ones([size or 1 for size in one.shape or ()], one.dtype) for one in tensors}
