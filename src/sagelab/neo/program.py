"""A model on its way through the compiler, whatever it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sagelab.neo.runtime import Array, Tensor

Arrays = dict[str, Array]


@dataclass(frozen=True)
class Program:
    """One function with fixed shapes.

    inputs, outputs: in the order of its arguments and results. dialect: "stablehlo" or "onnx", of what `write`
    writes to a file. entry: the function's name. compute: the original's own answers, to check the compiled ones
    against.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    dialect: str
    entry: str
    write: Callable[[Path], None]
    compute: Callable[[Arrays], Arrays]

    @property
    def batch(self) -> int | None:
        """The first size of every input and output where they have one in common, else None."""
        tensors = (*self.inputs, *self.outputs)
        firsts = {tensor.shape[0] if tensor.shape else None for tensor in tensors}
        return firsts.pop() if len(firsts) == 1 else None
