"""A Keras model, one file: .keras of Keras 3, or .h5 of this and older versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagelab.neo import shapes, stablehlo
from sagelab.neo.errors import InputConfiguration
from sagelab.neo.program import Program
from sagelab.neo.shapes import Declared, Shape


def read(file: Path, config: Mapping[str, Shape] | None) -> Program:
    """The Program of a Keras file. InputConfiguration: it cannot be loaded, or config does not fit."""
    model = load(file)
    declared = [Declared(_plain(t.name), str(t.dtype), tuple(t.shape)) for t in model.inputs]
    inputs = shapes.fix(declared, config, channels_first=True)
    names = _output_names(model)
    _unroll(model)

    def call(*tensors: Any) -> list[Any]:
        answer = model(tensors[0] if len(tensors) == 1 else list(tensors), training=False)
        return _flat(answer)

    return stablehlo.trace(call, inputs, names)


def load(file: Path) -> Any:
    """InputConfiguration: Keras cannot read it, or only by running code that the file brings."""
    stablehlo.tensorflow()
    import keras

    try:
        model = keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras raises whatever the file's fault makes it stumble over
        text = " ".join(str(error).split())[:400]
        raise InputConfiguration(f"Unable to load provided Keras model. Error: {text}") from error
    if not getattr(model, "inputs", None):
        raise InputConfiguration(
            "The Keras model does not say what its inputs are. Begin it with keras.Input(shape=..., name=...)."
        )
    return model


def _unroll(model: Any) -> None:
    """Recurrent layers step by step: shapes are fixed, and IREE 3.13 crashes on a loop over tensors."""
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.RNN):
            layer.unroll = True


def _output_names(model: Any) -> list[str]:
    """The names of a functional model's output layers, where they tell its outputs apart."""
    names = [str(name) for name in getattr(model, "output_names", [])]
    count = len(model.outputs)
    return names if len(set(names)) == count else [f"output_{number}" for number in range(count)]


def _flat(answer: Any) -> list[Any]:
    if isinstance(answer, Mapping):
        return list(answer.values())
    return list(answer) if isinstance(answer, (list, tuple)) else [answer]


def _plain(name: str) -> str:
    return name.partition(":")[0]
