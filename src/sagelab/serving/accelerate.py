"""Compile a SavedModel ahead of time for this machine's own processor.

    python3 -m sagelab.serving.accelerate /opt/ml/model /opt/ml/model.compiled

What an endpoint's AcceleratorType stands for here. The compiler is `sagelab.neo`; what comes out is checked
against the SavedModel before anybody gets it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sagelab.neo import check, compiler, runtime, saved_models
from sagelab.neo.errors import NeoError
from sagelab.neo.program import Program
from sagelab.neo.runtime import MANIFEST, Code, Manifest
from sagelab.serving.errors import BadModel
from sagelab.serving.model import find

TARGET = "this processor"
RANDOM_INPUTS = 5


def compile_model(saved_model_dir: Path, out: Path, batch_sizes: Sequence[int] = (1,)) -> Manifest:
    """Make the folder `out` of the compiled model, whole or not at all.

    saved_model_dir: the folder of saved_model.pb. batch_sizes: what machine code is made for; other batches are
    computed in pieces of these. BadModel: the model cannot be compiled, or answers otherwise than the SavedModel.
    """
    part = out.with_name(out.name + ".part")
    part.mkdir()
    try:
        manifest = _compile(saved_model_dir, part, sorted({int(size) for size in batch_sizes}))
        part.replace(out)
    except NeoError as error:
        raise BadModel(str(error)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _compile(saved_model_dir: Path, out: Path, sizes: list[int]) -> Manifest:
    start = time.perf_counter()
    declared = saved_models.inputs(saved_model_dir)
    if trouble := [one for one in declared if not one.shape or one.shape[0] is not None or None in one.shape[1:]]:
        raise BadModel(f'The input "{trouble[0].name}" is not a batch of numbers of any size, all else fixed.')
    configs = [
        {one.name: (size, *(s or 1 for s in one.shape[1:])) for one in declared if one.shape} for size in sizes
    ]
    programs = [saved_models.read(saved_model_dir, config) for config in configs]
    codes = tuple(_write(program, out) for program in programs)
    manifest = Manifest(
        target=TARGET,
        triple="",
        cpu=compiler.HOST.cpu,
        compiler=compiler.version(),
        entry=programs[0].entry,
        codes=codes,
        inputs=programs[0].inputs,
        outputs=programs[0].outputs,
        batched=True,
    )
    (out / MANIFEST).write_text(manifest.to_json())
    loaded = runtime.load(out)
    largest = max(check.compare(program, loaded.run, RANDOM_INPUTS) for program in programs)
    seconds = round(time.perf_counter() - start, 2)
    manifest = replace(manifest, check={"how": "on this processor", "difference": largest}, seconds=seconds)
    (out / MANIFEST).write_text(manifest.to_json())
    return manifest


def _write(program: Program, out: Path) -> Code:
    if program.batch is None:
        raise BadModel("The model's outputs are not one row for each of its inputs' rows.")
    file, mlir = f"batch-{program.batch}.vmfb", out / "model.mlir"
    program.write(mlir)
    compiler.compile_mlir(mlir, out / file, compiler.HOST, program.dialect)
    mlir.unlink()
    needs = tuple(sorted(flag for flag in runtime.cpu_features() if flag.startswith(compiler.SETS)))
    return Code(file, compiler.HOST.cpu, needs, program.batch)


def main() -> int:
    parser = argparse.ArgumentParser(prog="sagelab.serving.accelerate", description=__doc__)
    parser.add_argument("model", type=Path, help="folder of the unpacked model archive")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--batch-sizes", default="1", help="comma separated")
    options = parser.parse_args()
    try:
        sizes = [int(size) for size in options.batch_sizes.split(",")]
        manifest = compile_model(find(options.model), options.out, sizes)
    except BadModel as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(manifest.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
