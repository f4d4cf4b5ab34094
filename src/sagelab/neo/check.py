"""Whether a compiled model computes what the original does: both answer the same random inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sagelab.neo.errors import WrongAnswers
from sagelab.neo.program import Arrays, Program
from sagelab.neo.runtime import Array, Tensor

TOLERANCE = 1e-4
SEED = 0


def compare(program: Program, run: Callable[[Arrays], Arrays], count: int) -> float:
    """The largest difference over `count` random inputs. WrongAnswers: it is more than TOLERANCE.

    A difference is absolute for values up to 1, relative above it.
    """
    random = np.random.default_rng(SEED)
    largest = 0.0
    for _ in range(count):
        arrays = {tensor.name: example(random, tensor) for tensor in program.inputs}
        want, got = program.compute(arrays), run(arrays)
        largest = max([largest, *(difference(want[name], got[name]) for name in want)])
    if not largest <= TOLERANCE:
        raise WrongAnswers(
            f"the compiled model's answers differ from the original's by {largest:.2g}, more than {TOLERANCE:g}."
        )
    return largest


def difference(want: Array, got: Array) -> float:
    """The largest difference of two arrays; infinite where shapes or NaN differ."""
    if want.shape != got.shape or not np.array_equal(np.isnan(want), np.isnan(got)):
        return float("inf")
    want, got = want.astype(np.float64), got.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.where(want == got, 0, np.abs(want - got) / np.maximum(np.abs(want), 1))
    return float(np.nanmax(apart, initial=0))


def example(random: np.random.Generator, tensor: Tensor) -> Array:
    """Random numbers of 0 to 1 for floats; 0 and 1 for whole numbers, which every index and category takes."""
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f":
        return random.random(tensor.shape).astype(dtype)
    return random.integers(0, 2, tensor.shape).astype(dtype)
