"""DataInputConfig: names and shapes of a model's inputs, in each framework's own form.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InputConfig.html: Keras takes NCHW although its
models are NHWC, every other framework takes the model's own order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagelab.neo.errors import InputConfiguration
from sagelab.neo.runtime import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Declared:
    """An input as the model declares it: None in the shape stands for any size."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name} (any shape)"
        return f"{self.name} ({', '.join('any' if size is None else str(size) for size in self.shape)})"


def read(text: str) -> dict[str, Shape]:
    """A DataInputConfig as name -> shape. InputConfiguration: what is wrong with it."""
    try:
        config = json.loads(text)
    except ValueError:
        raise InputConfiguration(
            f'DataInputConfig {text!r} is not JSON. Give it like {{"input_1": [1, 28, 28, 1]}},'
            " with double quotes."
        ) from None
    if isinstance(config, list):
        raise InputConfiguration(
            'DataInputConfig is a list, which is for PyTorch only. Name the inputs: {"input_1": [1, 28, 28, 1]}.'
        )
    if not isinstance(config, dict) or not config:
        raise InputConfiguration('DataInputConfig must be a dictionary like {"input_1": [1, 28, 28, 1]}.')
    return {name: _shape(name, value) for name, value in config.items()}


def _shape(name: str, value: Any) -> Shape:
    if isinstance(value, dict):
        extra = ", ".join(sorted(set(value) - {"shape"}))
        if extra:
            raise InputConfiguration(f"DataInputConfig of {name}: {extra} is for the target coreml only.")
        value = value.get("shape")
    sizes = value if isinstance(value, list) else []
    if any(isinstance(size, str) and ".." in size for size in sizes) or any(isinstance(s, list) for s in sizes):
        raise InputConfiguration(
            f"DataInputConfig of {name}: {value} is a range or a choice of shapes, which Neo has for the target"
            " coreml only. Machine code is made for one shape: give every size as one number."
        )
    good = isinstance(value, list) and all(type(size) is int and size > 0 for size in sizes)
    if not good:
        raise InputConfiguration(
            f"DataInputConfig of {name}: {json.dumps(value)} is no shape. Every size must be a number above 0; the"
            " batch, too, is fixed when the model is compiled."
        )
    return tuple(sizes)


def fix(
    declared: Sequence[Declared], config: Mapping[str, Shape] | None, channels_first: bool
) -> tuple[Tensor, ...]:
    """The model's inputs, every size fixed. config: None where the request gave none.

    channels_first: shapes of four and five sizes are given as NCHW and NCDHW, and are meant as NHWC and NDHWC.
    InputConfiguration: names or shapes do not fit the model.
    """
    if config is None:
        return tuple(_derive(one) for one in declared)
    known = {one.name: one for one in declared}
    if set(config) != set(known):
        _explain_names(set(config), declared)
    return tuple(_fit(known[one.name], config[one.name], channels_first) for one in declared)


def _derive(declared: Declared) -> Tensor:
    if declared.shape is None or None in declared.shape[1:]:
        raise InputConfiguration(
            f"We are unable to extract DataInputConfig from the model due to an input of open size: {declared}."
            " Please override by providing a DataInputConfig during compilation job creation."
        )
    return Tensor(declared.name, declared.dtype, tuple(size or 1 for size in declared.shape))


def _explain_names(given: set[str], declared: Sequence[Declared]) -> None:
    unknown = ", ".join(sorted(given - {one.name for one in declared}))
    missing = ", ".join(one.name for one in declared if one.name not in given)
    parts = [f"the model has no input {unknown}" if unknown else "", f"{missing} is missing" if missing else ""]
    inputs = "; ".join(str(one) for one in declared)
    raise InputConfiguration(
        f"DataInputConfig does not fit the model: {' and '.join(part for part in parts if part)}. Its inputs:"
        f" {inputs}."
    )


def _fit(declared: Declared, given: Shape, channels_first: bool) -> Tensor:
    shape = last(given) if channels_first else given
    if _takes(declared, shape):
        return Tensor(declared.name, declared.dtype, shape)
    if channels_first and len(given) in (4, 5):
        hint = f" {_example(declared, given)}" if _takes(declared, given) else ""
        raise InputConfiguration(
            f"Input {declared.name} has wrong shape in Input Shape dictionary. Input shapes should be provided in"
            f" NCHW format.{hint} The model's own order is NHWC: {declared}."
        )
    raise InputConfiguration(f"The shape {list(given)} of DataInputConfig does not fit the input {declared}.")


def _example(declared: Declared, given: Shape) -> str:
    order = [given[0], given[-1], *given[1:-1]]
    return f'Give {{"{declared.name}": {order}}}.'


def last(shape: Shape) -> Shape:
    """NCHW (or NCDHW) as NHWC (or NDHWC); other shapes as they are."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) in (4, 5) else shape


def first(shape: Shape) -> Shape:
    """NHWC (or NDHWC) as NCHW (or NCDHW): the form in which DescribeCompilationJob tells a Keras shape."""
    return (shape[0], shape[-1], *shape[1:-1]) if len(shape) in (4, 5) else shape


def _takes(declared: Declared, shape: Shape) -> bool:
    if declared.shape is None:
        return True
    fits = (want is None or want == got for want, got in zip(declared.shape, shape, strict=False))
    return len(declared.shape) == len(shape) and all(fits)
