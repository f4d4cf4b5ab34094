"""MLIR to machine code, with IREE's compiler: a process of its own, so that its crash is no crash of ours."""

from __future__ import annotations

import importlib.metadata
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sagelab.neo.errors import CompilerFailed, NeoError, OperatorNotImplemented, OutOfMemory

FLAGS = (
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-opt-level=O3",
    "--iree-opt-data-tiling",
    "--iree-llvmcpu-enable-ukernels=all",
    # Convolutions as matrix products, which the two flags above make fast: it halves a small network's time.
    "--iree-global-opt-use-im2col-for-convs",
)
OUT_OF_MEMORY = re.compile(
    r"out of memory|bad_alloc|cannot allocate memory|length_error|MemoryError", re.IGNORECASE
)
LOOP = "ScfWhileOpConversion"  # in the stack of the compiler's crash on a loop
UNKNOWN = re.compile(r"failed to legalize operation '([^']+)'")
ONNX_OPERATOR = re.compile(r'torch\.operator"?\s*\(?"?onnx\.(\w+)|"onnx\.(\w+)"')


@dataclass(frozen=True)
class Cpu:
    """What machine code is made for.

    triple: LLVM's name of architecture and system. cpu: LLVM's name of the processor. features: instruction sets
    more ("+name") or less ("-name") than it has. needs: those that code for it may use, by their names in
    /proc/cpuinfo.
    """

    triple: str
    cpu: str
    features: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def flags(self) -> list[str]:
        found = [f"--iree-llvmcpu-target-cpu={self.cpu}"]
        if self.triple:
            found.append(f"--iree-llvmcpu-target-triple={self.triple}")
        if self.features:
            found.append(f"--iree-llvmcpu-target-cpu-features={','.join(self.features)}")
        return found


HOST = Cpu("", "host")
SETS = ("sse", "avx", "amx", "fma", "f16c", "bmi", "asimd", "sve")  # that code for the host may have used


def version() -> str:
    return f"IREE {importlib.metadata.version('iree-base-compiler')}"


def compile_mlir(mlir: Path, out: Path, cpu: Cpu, dialect: str, tool: str | None = None) -> None:
    """Write the machine code of a module to `out`.

    dialect: of the module, "stablehlo" or "onnx". tool: the compiler's program. NeoError: there is none; what the
    compiler printed is printed, too.
    """
    command = [tool or _tool(), str(mlir), "-o", str(out), f"--iree-input-type={dialect}", *FLAGS, *cpu.flags()]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.stderr.strip():
        print(_shorten(done.stderr), flush=True)
    if done.returncode:
        out.unlink(missing_ok=True)
        raise explain(done.returncode, done.stderr)


def explain(code: int, words: str) -> NeoError:
    """The error that a compiler's exit code and its last words stand for."""
    if OUT_OF_MEMORY.search(words) or code == -signal.SIGKILL:
        return OutOfMemory("the compiler ran out of memory. A smaller model or a smaller batch needs less.")
    if found := UNKNOWN.search(words):
        named = ONNX_OPERATOR.search(words)
        name = (named[1] or named[2]) if named else found[1]
        return OperatorNotImplemented(f"The following operators are not implemented: {{'{name}'}}")
    if LOOP in words:
        return OperatorNotImplemented(
            "The following operators are not implemented: {'While'}. A recurrent layer's loop is compiled from"
            " a Keras file, where its steps are known, and not from other formats."
        )
    if code < 0:
        return CompilerFailed(
            f"the compiler crashed ({signal.Signals(-code).name}). What it said last stands in the log of the job."
        )
    first = next((line for line in words.splitlines() if "error:" in line), words.strip()[:300])
    return CompilerFailed(f"the compiler gave up: {first.partition('error:')[2].strip() or first}")


def _tool() -> str:
    from iree.compiler.tools.binaries import find_tool

    return str(find_tool("iree-compile"))


def _shorten(words: str, lines: int = 60, width: int = 400) -> str:
    """A module's constants can make one line of an error many megabytes long."""
    found = [line[:width] for line in words.splitlines()]
    return "\n".join(found if len(found) <= lines else [*found[:lines], f"... {len(found) - lines} lines more"])
