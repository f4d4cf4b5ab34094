"""A model compiled ahead of time, computed by IREE's runtime: no TensorFlow, a tenth of its memory."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.serving.errors import BadModel
from sagelab.serving.model import DEFAULT_SIGNATURE, Array, Arrays, Model, Signature, Spec

MANIFEST = "manifest.json"
WIDTHS = ("sse", "avx", "amx", "fma", "f16c", "bmi", "asimd", "sve")  # instructions that a compiler may have used


@dataclass(frozen=True)
class Tensor:
    """An input or output: dtype by numpy's name, shape of one example (without the batch)."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def spec(self) -> Spec:
        return Spec(np.dtype(self.dtype), (None, *self.shape))


@dataclass(frozen=True)
class Manifest:
    """What a compiled model is.

    batch_sizes: ascending; one machine code for each. cpu: the instruction sets it may use. difference: the
    largest to the SavedModel's own answers, on random inputs. seconds: what compiling took.
    """

    compiler: str
    cpu: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    batch_sizes: tuple[int, ...]
    difference: float = 0.0
    seconds: float = 0.0

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        fields = json.loads(text)
        for side in ("inputs", "outputs"):
            fields[side] = tuple(Tensor(t["name"], t["dtype"], tuple(t["shape"])) for t in fields[side])
        return cls(**fields | {"cpu": tuple(fields["cpu"]), "batch_sizes": tuple(fields["batch_sizes"])})


def cpu_features() -> tuple[str, ...]:
    """The instruction sets of this processor that machine code is chosen by; none where Linux does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return tuple(sorted(flag for flag in flags if flag.startswith(WIDTHS)))


def code_name(batch_size: int) -> str:
    """The name in the archive of the machine code for one batch size."""
    return f"batch-{batch_size}.vmfb"


def load(file: Path, version: Path, threads: int | None = None) -> Model:
    """The compiled model; `version` is the folder of the SavedModel that it was made of.

    BadModel: not a compiled model, or one for another kind of processor.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = Manifest.from_json(archive.read(MANIFEST).decode())
            codes = {size: archive.read(code_name(size)) for size in manifest.batch_sizes}
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise BadModel(f"{file} is not a compiled model: {error}") from error
    if missing := set(manifest.cpu) - set(cpu_features()):
        raise BadModel(f"{file} was compiled for a processor with {', '.join(sorted(missing))}, unlike this one.")
    signature = Signature(
        inputs={tensor.name: tensor.spec for tensor in manifest.inputs},
        outputs={tensor.name: tensor.spec for tensor in manifest.outputs},
        predict=_Program(manifest, codes, threads),
    )
    return Model(version.parent.name, version.name, {DEFAULT_SIGNATURE: signature})


class _Own(threading.local):
    """What each thread has for itself: a context of the runtime is not for two threads at once."""

    def __init__(self) -> None:
        self.functions: dict[int, Callable[..., Any]] = {}


class _Program:
    """Batches of any size, computed in pieces of the sizes that there is machine code for."""

    def __init__(self, manifest: Manifest, codes: dict[int, bytes], threads: int | None) -> None:
        import iree.runtime as runtime

        self.manifest, self._runtime = manifest, runtime
        if threads == 1:
            self._config = runtime.Config("local-sync")  # computes in the thread that calls: nobody to wait for
        else:
            if threads:
                runtime.flags.parse_flags(f"--task_topology_max_group_count={threads}")
            self._config = runtime.Config("local-task")
        instance = self._config.vm_instance
        self._modules = {size: runtime.VmModule.copy_buffer(instance, code) for size, code in codes.items()}
        self._own = _Own()

    def __call__(self, arrays: Arrays) -> Arrays:
        inputs = [np.ascontiguousarray(arrays[tensor.name]) for tensor in self.manifest.inputs]
        count, start, pieces = inputs[0].shape[0], 0, []
        while start < count:
            size = self._size(count - start)
            pieces.append(self._run(size, [array[start : start + size] for array in inputs]))
            start += size
        columns = zip(*pieces, strict=True)
        return {
            tensor.name: (column[0] if len(column) == 1 else np.concatenate(column))
            for tensor, column in zip(self.manifest.outputs, columns, strict=True)
        }

    def _size(self, left: int) -> int:
        fitting = [size for size in self.manifest.batch_sizes if size <= left]
        return fitting[-1] if fitting else self.manifest.batch_sizes[0]

    def _run(self, size: int, inputs: list[Array]) -> list[Array]:
        rows = inputs[0].shape[0]
        if rows < size:
            inputs = [
                np.concatenate([array, np.zeros((size - rows, *array.shape[1:]), array.dtype)]) for array in inputs
            ]
        answer = self._function(size)(*inputs)
        parts = answer if isinstance(answer, (list, tuple)) else [answer]
        # What to_host returns lies in memory that the runtime takes back with `part`.
        return [np.array(part.to_host())[:rows] for part in parts]

    def _function(self, size: int) -> Callable[..., Any]:
        functions = self._own.functions
        if size not in functions:
            module = self._modules[size]
            context = self._runtime.SystemContext(config=self._config)
            context.add_vm_module(module)
            functions[size] = context.modules[module.name]["main"]
        return functions[size]
