"""A TensorFlow SavedModel: its signature `serving_default`, or the one that CompilerOptions names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagelab.neo import shapes, stablehlo
from sagelab.neo.errors import InputConfiguration
from sagelab.neo.program import Program
from sagelab.neo.shapes import Declared, Shape

DEFAULT_SIGNATURE = "serving_default"


def read(folder: Path, config: Mapping[str, Shape] | None, signature: str = DEFAULT_SIGNATURE) -> Program:
    """The Program of the SavedModel in a folder.

    InputConfiguration: it cannot be loaded, or config does not fit.
    """
    loaded = load(folder)
    function = _signature(loaded, signature)
    inputs = shapes.fix(_declare(function), config, channels_first=False)
    names = sorted(function.structured_outputs)

    def call(*tensors: Any) -> list[Any]:
        answer = function(**{one.name: tensor for one, tensor in zip(inputs, tensors, strict=True)})
        return [answer[name] for name in names]

    call.__dict__["loaded"] = loaded  # a signature holds its variables weakly
    return stablehlo.trace(call, inputs, names)


def inputs(folder: Path) -> list[Declared]:
    """What the default signature takes. InputConfiguration: the SavedModel cannot be loaded."""
    return _declare(_signature(load(folder), DEFAULT_SIGNATURE))


def _signature(loaded: Any, name: str) -> Any:
    if name not in loaded.signatures:
        known = ", ".join(sorted(loaded.signatures)) or "none"
        raise InputConfiguration(f"The SavedModel has no signature {name!r}; its signatures: {known}.")
    return loaded.signatures[name]


def _declare(function: Any) -> list[Declared]:
    return [_declared(name, spec) for name, spec in function.structured_input_signature[1].items()]


def load(folder: Path) -> Any:
    """InputConfiguration: TensorFlow cannot read it."""
    tf = stablehlo.tensorflow()
    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow raises whatever the file's fault makes it stumble over
        text = " ".join(str(error).split())[:400]
        raise InputConfiguration(f"Unable to load provided TensorFlow model. Error: {text}") from error


def _declared(name: str, spec: Any) -> Declared:
    shape = None if spec.shape.rank is None else tuple(spec.shape.as_list())
    return Declared(name, stablehlo.numpy_name(f"input {name}", spec.dtype), shape)
