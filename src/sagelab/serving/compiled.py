"""A model compiled ahead of time as the server sees it: no TensorFlow, a tenth of its memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sagelab.neo import runtime
from sagelab.neo.runtime import Manifest, Program, Tensor
from sagelab.serving.errors import BadModel, BadRequest
from sagelab.serving.model import DEFAULT_SIGNATURE, Arrays, Model, Signature, Spec

NAME, VERSION = "model", "1"  # of an artifact that has no folders of its own


def load(folder: Path, version: Path | None = None, threads: int | None = None) -> Model:
    """The compiled model in a folder; `version` is that of the SavedModel it was made of, if it stands for one.

    BadModel: not a compiled model, or one for another kind of processor.
    """
    try:
        program = runtime.load(folder, threads)
    except runtime.BadArtifact as error:
        raise BadModel(str(error)) from error
    manifest = program.manifest
    signature = Signature(
        inputs={tensor.name: _spec(tensor, manifest) for tensor in manifest.inputs},
        outputs={tensor.name: _spec(tensor, manifest) for tensor in manifest.outputs},
        predict=lambda arrays: _predict(program, arrays),
    )
    names = (version.parent.name, version.name) if version else (NAME, VERSION)
    return Model(*names, {DEFAULT_SIGNATURE: signature})


def check_instance(folder: Path, instance_type: str) -> None:
    """BadModel: the model was compiled for another family of instances.

    "When you deploy a compiled model, you need to use the same instance for the target that you used for"
    " compilation."
    https://docs.aws.amazon.com/sagemaker/latest/dg/neo-deployment-hosting-services.html
    """
    try:
        manifest = runtime.read_manifest(folder)
    except runtime.BadArtifact:
        raise BadModel(
            "The model archive is not what a compilation job made: it has no manifest.json. Neo's image serves"
            " compiled models only."
        ) from None
    family = instance_type.rpartition(".")[0]
    if manifest.family and family != manifest.family:
        raise BadModel(
            f"The model was compiled for {manifest.target} ({manifest.cpu}) and cannot be deployed on"
            f" {instance_type}. Deploy it on an instance of {manifest.family}, or compile it for"
            f" ml_{family.removeprefix('ml.')}."
        )
    if not manifest.family:
        raise BadModel(
            f"The model was compiled for {manifest.target}, which is no instance type: an endpoint cannot run it."
            f" Compile it for ml_{family.removeprefix('ml.')}."
        )


def _spec(tensor: Tensor, manifest: Manifest) -> Spec:
    shape = (None, *tensor.shape[1:]) if manifest.batched else tensor.shape
    return Spec(np.dtype(tensor.dtype), shape)


def _predict(program: Program, arrays: Arrays) -> Arrays:
    try:
        return program.run(arrays)
    except runtime.BadInput as error:
        raise BadRequest(str(error)) from error
