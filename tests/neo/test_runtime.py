"""The runtime that lies in every artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sagelab.neo import compiler, runtime
from sagelab.neo.runtime import BadArtifact, BadInput, Code, Manifest, Tensor

CPUS = {"host": compiler.HOST, "arm": compiler.Cpu("aarch64-linux-gnu", "cortex-a72")}
NEEDS: dict[str, tuple[str, ...]] = {"host": (), "arm": ("asimd",)}
ADD = """func.func @main(%x: tensor<SxF>, %y: tensor<SxF>) -> (tensor<SxF>, tensor<SxF>) {
  %sum = stablehlo.add %x, %y : tensor<SxF>
  %product = stablehlo.multiply %x, %y : tensor<SxF>
  return %sum, %product : tensor<SxF>, tensor<SxF>
}""".replace("F>", "f32>")


def artifact(folder: Path, cpu: str = "host", batches: tuple[int, ...] = (2,)) -> Path:
    """x, y -> sum, product, of rows of three numbers."""
    folder.mkdir()
    for batch in batches:
        (folder / "add.mlir").write_text(ADD.replace("S", f"{batch}x3"))
        compiler.compile_mlir(folder / "add.mlir", folder / f"{batch}.vmfb", CPUS[cpu], "stablehlo")
    tensors = {name: Tensor(name, "float32", (batches[0], 3)) for name in ("x", "y", "sum", "product")}
    manifest = Manifest(
        target=cpu,
        triple=CPUS[cpu].triple,
        cpu=CPUS[cpu].cpu,
        compiler=compiler.version(),
        entry="main",
        codes=tuple(Code(f"{batch}.vmfb", CPUS[cpu].cpu, NEEDS[cpu], batch) for batch in batches),
        inputs=(tensors["x"], tensors["y"]),
        outputs=(tensors["sum"], tensors["product"]),
        batched=True,
    )
    (folder / "manifest.json").write_text(manifest.to_json())
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> runtime.Program:
    return runtime.load(artifact(tmp_path_factory.mktemp("artifact") / "add", batches=(2, 4)))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 9])
def test_any_number_of_rows_is_computed(program: runtime.Program, rows: int) -> None:
    x = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    found = program.run({"y": x + 1, "x": x})
    assert np.array_equal(found["sum"], 2 * x + 1)
    assert np.array_equal(found["product"], x * (x + 1))


ONE = np.zeros((1, 3), np.float32)
BAD = {
    "missing": ({"x": ONE}, "input y is missing. The model takes x: float32"),
    "unknown": ({"x": ONE, "y": ONE, "z": ONE}, "has no input z; its inputs are x, y"),
    "shape": ({"x": ONE, "y": ONE[:, :2]}, r"takes y: float32 \[2, 3\], not float32 \[1, 2\]"),
    "type": ({"x": ONE, "y": ONE.astype(int)}, "not int64"),
    "rows": ({"x": ONE, "y": np.zeros((2, 3), np.float32)}, "the same number of rows"),
}


@pytest.mark.parametrize(("inputs", "words"), BAD.values(), ids=BAD)
def test_wrong_inputs_are_refused(program: runtime.Program, inputs: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        program.run(inputs)


def test_code_for_another_architecture_is_refused_by_the_loader_itself(tmp_path: Path) -> None:
    with pytest.raises(BadArtifact, match=r"IREE's loader says: .*INCOMPATIBLE"):
        runtime.load(artifact(tmp_path / "add", cpu="arm"))


def test_code_that_needs_more_than_this_processor_has_is_not_run(tmp_path: Path) -> None:
    folder = artifact(tmp_path / "add")
    manifest = runtime.read_manifest(folder)
    code = replace(manifest.codes[0], cpu="future", needs=("avx9000",))
    (folder / "manifest.json").write_text(replace(manifest, codes=(code,)).to_json())
    with pytest.raises(BadArtifact, match=r"compiled for host .future., a processor with avx9000"):
        runtime.load(folder)
    (folder / "manifest.json").write_text(replace(manifest, codes=(code, manifest.codes[0])).to_json())
    x = np.ones((1, 3), np.float32)
    assert np.array_equal(runtime.load(folder).run({"x": x, "y": x})["sum"], 2 * x)
