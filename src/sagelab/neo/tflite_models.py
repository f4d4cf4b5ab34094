"""A TFLite model of floats: its graph, operator by operator, as a TensorFlow function.

TensorFlow's own importer of TFLite (to TOSA) is not part of its package any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.neo import shapes, stablehlo, tflite_operators
from sagelab.neo.errors import InputConfiguration, OperatorNotImplemented
from sagelab.neo.program import Arrays, Program
from sagelab.neo.runtime import Array
from sagelab.neo.shapes import Declared, Shape

TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 9: "int8"}
QUANTISED = (
    "The TFLite model is quantised to {}. Machine code is made of float models here: convert without"
    " `optimizations`, and compile that."
)


@dataclass(frozen=True)
class Graph:
    """One TFLite model: its schema's objects, and the operators by name."""

    model: Any
    names: list[str]

    @property
    def main(self) -> Any:
        return self.model.subgraphs[0]

    def tensor(self, number: int) -> Any:
        return self.main.tensors[number]

    def names_of(self, side: str) -> list[str]:
        """Names of the "inputs" or "outputs": the signature's where the file has one, as an interpreter shows
        them.
        """
        signatures = self.model.signatureDefs or []
        named = {m.tensorIndex: m.name.decode() for one in signatures[:1] for m in getattr(one, side)}
        return [named.get(int(n)) or self.tensor(n).name.decode() for n in getattr(self.main, side)]

    def constant(self, number: int) -> Array | None:
        """The value of a tensor that the file holds; None where it is computed."""
        tensor = self.tensor(number)
        data = self.model.buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            return None
        return np.frombuffer(bytes(data), TYPES[tensor.type]).reshape(_shape(tensor))


def read(file: Path, config: Mapping[str, Shape] | None) -> Program:
    """The Program of a TFLite file. InputConfiguration, OperatorNotImplemented: it cannot be one."""
    graph = _load(file)
    _check(graph)
    ins, names = graph.names_of("inputs"), graph.names_of("outputs")
    declared = [_declared(name, graph.tensor(n)) for name, n in zip(ins, graph.main.inputs, strict=True)]
    inputs = shapes.fix(declared, config, channels_first=False)
    program = stablehlo.trace(lambda *tensors: _compute(graph, list(tensors)), inputs, names)
    return replace(program, compute=_original(file, program))


def _load(file: Path) -> Graph:
    from ai_edge_litert import schema_py_generated as schema

    data = file.read_bytes()
    if data[4:8] != b"TFL3":
        raise InputConfiguration(f"Unable to load provided TFLite model. Error: {file.name} is no TFLite file.")
    try:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        codes = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        names = [codes[max(one.builtinCode, one.deprecatedBuiltinCode)] for one in model.operatorCodes]
    except Exception as error:
        raise InputConfiguration(f"Unable to load provided TFLite model. Error: {error}") from error
    return Graph(model, [_own_name(one, name) for one, name in zip(model.operatorCodes, names, strict=True)])


def _own_name(code: Any, name: str) -> str:
    return code.customCode.decode() if name == "CUSTOM" and code.customCode else name


def _check(graph: Graph) -> None:
    for tensor in graph.main.tensors:
        if (
            tensor.quantization is not None
            and tensor.quantization.scale is not None
            and len(tensor.quantization.scale)
        ):
            raise InputConfiguration(QUANTISED.format(TYPES.get(tensor.type, "integers")))
        if tensor.type not in TYPES:
            raise InputConfiguration(f"The tensor {tensor.name.decode()} is no array of numbers.")
    known = tflite_operators.table()
    used = {graph.names[operator.opcodeIndex] for operator in graph.main.operators}
    if unknown := sorted(used - set(known)):
        listed = ", ".join(f"'{name}'" for name in unknown)
        raise OperatorNotImplemented(f"The following operators are not implemented: {{{listed}}}")


def _declared(name: str, tensor: Any) -> Declared:
    signature = tensor.shapeSignature
    sizes = _shape(tensor) if signature is None else tuple(int(size) for size in signature)
    return Declared(name, TYPES[tensor.type], tuple(size if size > 0 else None for size in sizes))


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def _compute(graph: Graph, given: list[Any]) -> list[Any]:
    tf, known = stablehlo.tensorflow(), tflite_operators.table()
    values: dict[int, Any] = dict(zip(graph.main.inputs.tolist(), given, strict=True))

    def value(number: int) -> Any:
        if number < 0:
            return None
        if number not in values:
            constant = graph.constant(number)
            values[number] = None if constant is None else tf.constant(constant)
        return values[number]

    for operator in graph.main.operators:
        act = known[graph.names[operator.opcodeIndex]]
        made = act([value(number) for number in operator.inputs.tolist()], operator.builtinOptions)
        made = made if isinstance(made, list) else [made]
        values.update(zip(operator.outputs.tolist(), made, strict=True))
    return [values[number] for number in graph.main.outputs.tolist()]


def _original(file: Path, program: Program) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
    for detail, tensor in zip(ins, program.inputs, strict=True):
        interpreter.resize_tensor_input(detail["index"], tensor.shape)
    interpreter.allocate_tensors()

    def compute(arrays: Arrays) -> Arrays:
        for detail, tensor in zip(ins, program.inputs, strict=True):
            interpreter.set_tensor(detail["index"], arrays[tensor.name])
        interpreter.invoke()
        found = [interpreter.get_tensor(detail["index"]) for detail in outs]
        return {tensor.name: array for tensor, array in zip(program.outputs, found, strict=True)}

    return compute
