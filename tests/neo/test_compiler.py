"""The compiler as a process: what its end stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagelab.neo import compiler
from sagelab.neo.errors import CompilerFailed, NeoError, OperatorNotImplemented, OutOfMemory

ADD = """func.func @main(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %y = stablehlo.add %x, %x : tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}"""
ENDS = {
    "crash": ("kill -SEGV $$", CompilerFailed, "crashed .SIGSEGV."),
    "memory": ("echo 'LLVM ERROR: out of memory' >&2; exit 1", OutOfMemory, "ran out of memory"),
    "killed": ("kill -KILL $$", OutOfMemory, "ran out of memory"),
    "refusal": ("echo 'x.mlir:1:1: error: no such thing' >&2; exit 1", CompilerFailed, "gave up: no such thing"),
    "operator": (
        "echo \"error: failed to legalize operation 'torch.operator'\" >&2;"
        " echo 'see current operation: torch.operator(\"onnx.Frob\")' >&2; exit 1",
        OperatorNotImplemented,
        "operators are not implemented: .'Frob'",
    ),
}


@pytest.mark.parametrize(("script", "error", "words"), ENDS.values(), ids=ENDS)
def test_every_end_of_the_compiler_has_its_reason(
    tmp_path: Path, script: str, error: type[NeoError], words: str
) -> None:
    tool = tmp_path / "compiler"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    with pytest.raises(error, match=words):
        compiler.compile_mlir(tmp_path / "x.mlir", tmp_path / "out", compiler.HOST, "stablehlo", str(tool))
    assert not (tmp_path / "out").exists()


def test_what_the_compiler_says_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.mlir").write_text(ADD.replace("add", "frobnicate"))
    with pytest.raises(CompilerFailed, match="frobnicate"):
        compiler.compile_mlir(tmp_path / "bad.mlir", tmp_path / "out", compiler.HOST, "stablehlo")
    assert "error: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "cpu", [compiler.HOST, compiler.Cpu("aarch64-linux-gnu", "cortex-a72")], ids=["host", "arm"]
)
def test_machine_code_is_made_for_the_processor(tmp_path: Path, cpu: compiler.Cpu) -> None:
    (tmp_path / "add.mlir").write_text(ADD)
    compiler.compile_mlir(tmp_path / "add.mlir", tmp_path / "out", cpu, "stablehlo")
    assert (b"arm_64" in (tmp_path / "out").read_bytes()) == (cpu != compiler.HOST)
