"""Compile a SavedModel ahead of time for this machine's processor, with IREE.

    python3 -m sagelab.serving.accelerate /opt/ml/model /opt/ml/model.compiled

TensorFlow writes the frozen signature as StableHLO, IREE makes machine code of it. What comes out is checked
against the SavedModel before anybody gets it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.serving import compiled, savedmodel
from sagelab.serving.compiled import MANIFEST, Manifest, Tensor, code_name, cpu_features
from sagelab.serving.errors import BadModel
from sagelab.serving.model import DEFAULT_SIGNATURE, Arrays, Model, Spec, find

TOLERANCE = 1e-4
FLAGS = (
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
    "--iree-opt-level=O3",
    "--iree-opt-data-tiling",
    "--iree-llvmcpu-enable-ukernels=all",
    # Convolutions as matrix products, which the two flags above make fast: it halves a small network's time.
    "--iree-global-opt-use-im2col-for-convs",
)


def compile_model(saved_model_dir: Path, out_file: Path, batch_sizes: Sequence[int] = (1,)) -> Manifest:
    """Write the compiled model to `out_file`, whole or not at all.

    saved_model_dir: the folder of saved_model.pb. batch_sizes: what machine code is made for; other batches are
    computed in pieces of these. BadModel: the model cannot be compiled, or answers otherwise than the SavedModel.
    """
    start = time.perf_counter()
    model = savedmodel.load(saved_model_dir)
    signature = model.signatures[DEFAULT_SIGNATURE]
    sizes = tuple(sorted({int(size) for size in batch_sizes}))
    manifest = Manifest(
        compiler=f"IREE {importlib.metadata.version('iree-base-compiler')}",
        cpu=cpu_features(),
        inputs=tuple(_tensor("input", name, spec) for name, spec in signature.inputs.items()),
        outputs=tuple(_tensor("output", name, spec) for name, spec in signature.outputs.items()),
        batch_sizes=sizes,
    )
    codes = {size: _compile(_stablehlo(saved_model_dir, manifest, size)) for size in sizes}
    part = out_file.with_name(out_file.name + ".part")
    try:
        _write(part, manifest, codes)
        difference = _compare(model, compiled.load(part, saved_model_dir, threads=1), manifest)
        manifest = replace(manifest, difference=difference, seconds=round(time.perf_counter() - start, 2))
        _write(part, manifest, codes)
        part.replace(out_file)
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _tensor(side: str, name: str, spec: Spec) -> Tensor:
    if spec.dtype == object or spec.shape is None or not spec.shape or spec.shape[0] is not None:
        raise BadModel(
            f'The {side} "{name}" is not a batch of numbers of any size, which is all that is compiled.'
        )
    sizes = tuple(size for size in spec.shape[1:] if size is not None)
    if len(sizes) != len(spec.shape) - 1:
        raise BadModel(
            f'The {side} "{name}" has shape {spec}: all sizes but the batch must be fixed to compile it.'
        )
    return Tensor(name, str(spec.dtype), sizes)


def _stablehlo(saved_model_dir: Path, manifest: Manifest, size: int) -> str:
    """The signature for one batch size, its weights inside, as MLIR text."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tf.saved_model.load(str(saved_model_dir))
    function = loaded.signatures[DEFAULT_SIGNATURE]
    specs = [tf.TensorSpec((size, *t.shape), t.dtype, name=t.name) for t in manifest.inputs]

    def call(*tensors: Any) -> Any:
        answer = function(**{t.name: value for t, value in zip(manifest.inputs, tensors, strict=True)})
        return [answer[t.name] for t in manifest.outputs]

    frozen = convert_variables_to_constants_v2(tf.function(call).get_concrete_function(*specs))
    try:
        whole = tf.function(lambda *tensors: frozen(*tensors), input_signature=specs, jit_compile=True)
        return str(whole.experimental_get_compiler_ir(*specs)(stage="stablehlo"))
    except (tf.errors.OpError, ValueError) as error:
        raise BadModel(f"The model has an operation that cannot be compiled ahead of time: {error}") from error


def _compile(stablehlo: str) -> bytes:
    from iree.compiler import CompilerToolError, compile_str

    try:
        return bytes(compile_str(stablehlo, input_type="stablehlo", extra_args=list(FLAGS)))
    except CompilerToolError as error:
        raise BadModel(f"IREE cannot compile the model: {str(error)[:1000]}") from error


def _write(file: Path, manifest: Manifest, codes: dict[int, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(MANIFEST, manifest.to_json())
        for size, code in codes.items():
            archive.writestr(code_name(size), code)


def _compare(model: Model, fast: Model, manifest: Manifest) -> float:
    """The largest difference on random examples, enough of them that every piece of code runs.

    BadModel: it is more than TOLERANCE.
    """
    arrays = _examples(manifest, sum(manifest.batch_sizes) + 1)
    want, got = (m.signatures[DEFAULT_SIGNATURE].predict(arrays) for m in (model, fast))
    largest = max(float(np.max(np.abs(want[name].astype(np.float64) - got[name]), initial=0)) for name in want)
    if not largest <= TOLERANCE:
        raise BadModel(f"The compiled model's answers differ from the SavedModel's by {largest:.2g}.")
    return largest


def _examples(manifest: Manifest, count: int) -> Arrays:
    random = np.random.default_rng(0)
    shapes = {tensor: (count, *tensor.shape) for tensor in manifest.inputs}
    return {tensor.name: (random.random(shape) * 1.99).astype(tensor.dtype) for tensor, shape in shapes.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="sagelab.serving.accelerate", description=__doc__)
    parser.add_argument("model", type=Path, help="folder of the unpacked model archive")
    parser.add_argument("out", type=Path, help="file to write")
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
