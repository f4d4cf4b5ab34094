"""Run a compiled model: `load(path).run({"image": array})`. Needs Python 3.10, NumPy and iree-base-runtime only.

A copy of this file lies in every artifact, so that a device needs nothing else of the program that compiled it:

    import runtime
    answers = runtime.load(".").run({"image": image})   # name -> array, both ways

An artifact is a folder (or the .tar.gz that Neo leaves in S3, unpacked): `manifest.json`, `compiled.vmfb`, this
file.
"""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MANIFEST = "manifest.json"
FORMAT = 1

Array = npt.NDArray[Any]


class BadArtifact(Exception):
    """Not a compiled model, or one for another kind of processor; `str()` says which."""


class BadInput(ValueError):
    """The inputs are not those that the model was compiled for; `str()` says what it takes."""


@dataclass(frozen=True)
class Tensor:
    """An input or output: dtype by NumPy's name, the whole shape as it was compiled."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} {list(self.shape)}"


@dataclass(frozen=True)
class Code:
    """One file of machine code. needs: names in /proc/cpuinfo of the instruction sets that it uses."""

    file: str
    cpu: str
    needs: tuple[str, ...]
    batch: int | None


@dataclass(frozen=True)
class Manifest:
    """What a compiled model is.

    target: its name ("ml_c5"); triple and cpu: what the compiler was told; family: the instance family that it
    may be deployed on, if any. codes: in order of preference. inputs, outputs: of the first code, in the order of
    the call. batched: the first size of every input and output is the batch, so that any number of rows can be
    computed. source: where it comes from, with the checksum of the model. check: how it was compared with the
    original.
    """

    target: str
    triple: str
    cpu: str
    compiler: str
    entry: str
    codes: tuple[Code, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    batched: bool
    family: str | None = None
    source: Mapping[str, str] | None = None
    check: Mapping[str, Any] | None = None
    seconds: float = 0.0
    format: int = FORMAT

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """ValueError, KeyError, TypeError: it is none."""
        fields = json.loads(text)
        for side in ("inputs", "outputs"):
            fields[side] = tuple(Tensor(t["name"], t["dtype"], tuple(t["shape"])) for t in fields[side])
        fields["codes"] = tuple(Code(**code | {"needs": tuple(code["needs"])}) for code in fields["codes"])
        return cls(**fields)


def read_manifest(folder: Path) -> Manifest:
    """BadArtifact: there is none."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise BadArtifact(f"{folder} is not a compiled model: {error}") from error
    return parse_manifest(text, str(folder))


def parse_manifest(text: bytes, name: str) -> Manifest:
    """BadArtifact: it is none. name: of what it is said to describe."""
    try:
        return Manifest.from_json(text.decode())
    except (ValueError, TypeError, KeyError) as error:
        raise BadArtifact(f"{name} is not a compiled model: {error}") from error


def load(path: Path | str, threads: int | None = 1) -> Program:
    """The compiled model in a folder, ready to run. threads: to compute with; None: all processors.

    BadArtifact: it is no compiled model, or this processor cannot run it.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    # Code for another architecture is left to the loader, which knows it at sight.
    chosen = choose(manifest, cpu_features() if _same_architecture(manifest) else frozenset())
    if not chosen:
        first = manifest.codes[0]
        lacking = ", ".join(sorted(set(first.needs) - cpu_features()))
        raise BadArtifact(
            f"The model was compiled for {manifest.target} ({first.cpu}), a processor with {lacking}, which this"
            " one has not."
        )
    return Program(folder, manifest, chosen, threads)


def choose(manifest: Manifest, features: frozenset[str]) -> tuple[Code, ...]:
    """The first cpu's machine code that a processor with these features can run, one a batch size, ascending.

    Where the operating system does not tell what the processor has, code is taken to fit.
    """
    fitting = [code for code in manifest.codes if not features or set(code.needs) <= features]
    found = [code for code in fitting if code.cpu == fitting[0].cpu]
    return tuple(sorted(found, key=lambda code: code.batch or 0))


def cpu_features() -> frozenset[str]:
    """What Linux says of this processor's instruction sets; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return frozenset(flags)


def _same_architecture(manifest: Manifest) -> bool:
    here = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
    return manifest.triple.partition("-")[0] in ("", here)


class _Own(threading.local):
    """What each thread has for itself: a context of the runtime is not for two threads at once."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}


class Program:
    """A loaded model. `run` may be called from several threads at once."""

    def __init__(self, folder: Path, manifest: Manifest, codes: tuple[Code, ...], threads: int | None) -> None:
        import iree.runtime as iree

        self.manifest, self._codes, self._iree, self._own = manifest, codes, iree, _Own()
        if threads == 1:
            self._config = iree.Config("local-sync")  # computes in the thread that calls: nobody to wait for
        else:
            if threads:
                iree.flags.parse_flags(f"--task_topology_max_group_count={threads}")
            self._config = iree.Config("local-task")
        try:
            instance = self._config.vm_instance
            self._modules = {c.file: iree.VmModule.mmap(instance, str(folder / c.file)) for c in codes}
            for code in codes:
                self._function(code)
        except (RuntimeError, ValueError, OSError) as error:
            raise BadArtifact(_refusal(manifest, error)) from error

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The model's answer, name -> array. BadInput: names, types or shapes are not those of the manifest.

        A batched model takes any number of rows; it computes them in pieces of the sizes it was compiled for.
        """
        arrays = [self._read(inputs, tensor) for tensor in self.manifest.inputs]
        names = [tensor.name for tensor in self.manifest.inputs]
        if unknown := set(inputs) - set(names):
            raise BadInput(
                f"The model has no input {', '.join(sorted(unknown))}; its inputs are {', '.join(names)}."
            )
        if not self.manifest.batched:
            return self._name(self._call(self._codes[0], arrays))
        if len({len(array) for array in arrays}) > 1:
            raise BadInput(f"The inputs {', '.join(names)} must have the same number of rows.")
        return self._run_rows(arrays)

    def _run_rows(self, arrays: list[Array]) -> dict[str, Array]:
        count, start = len(arrays[0]), 0
        pieces: list[list[Array]] = []
        while start < count or not pieces:
            code = self._fit(count - start)
            size = code.batch or 1
            rows = [array[start : start + size] for array in arrays]
            done = len(rows[0])
            answers = self._call(code, [_fill(array, size) for array in rows])
            pieces.append([answer[:done] for answer in answers])
            start += size
        return self._name([p[0] if len(p) == 1 else np.concatenate(p) for p in zip(*pieces, strict=True)])

    def _fit(self, left: int) -> Code:
        return next((code for code in reversed(self._codes) if (code.batch or 1) <= left), self._codes[0])

    def _name(self, answers: list[Array]) -> dict[str, Array]:
        return {tensor.name: answer for tensor, answer in zip(self.manifest.outputs, answers, strict=True)}

    def _read(self, inputs: Mapping[str, Any], tensor: Tensor) -> Array:
        if tensor.name not in inputs:
            wanted = "; ".join(str(one) for one in self.manifest.inputs)
            raise BadInput(f"The input {tensor.name} is missing. The model takes {wanted}.")
        array = np.ascontiguousarray(inputs[tensor.name])
        skip = 1 if self.manifest.batched else 0
        fits = array.ndim == len(tensor.shape) and array.shape[skip:] == tensor.shape[skip:]
        if not fits or array.dtype != np.dtype(tensor.dtype):
            raise BadInput(f"The model takes {tensor}, not {array.dtype} {list(array.shape)}.")
        return array

    def _call(self, code: Code, arrays: list[Array]) -> list[Array]:
        answer = self._function(code)(*arrays)
        parts = answer if isinstance(answer, (list, tuple)) else [answer]
        # What to_host returns lies in memory that the runtime takes back with `part`.
        return [np.array(part.to_host()) for part in parts]

    def _function(self, code: Code) -> Callable[..., Any]:
        functions = self._own.functions
        if code.file not in functions:
            module = self._modules[code.file]
            context = self._iree.SystemContext(config=self._config)
            context.add_vm_module(module)
            functions[code.file] = context.modules[module.name][self.manifest.entry]
        return functions[code.file]


def _fill(array: Array, size: int) -> Array:
    """The same rows, with zeros after them up to `size`."""
    if len(array) == size:
        return array
    return np.concatenate([array, np.zeros((size - len(array), *array.shape[1:]), array.dtype)])


def _refusal(manifest: Manifest, error: Exception) -> str:
    said = str(error).partition(": #hal.")[0]  # what follows repeats all that the compiler was told
    return f"The model was compiled for {manifest.target} ({manifest.triple}). IREE's loader says: {said}"
