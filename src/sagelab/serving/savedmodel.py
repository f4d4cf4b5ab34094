"""A SavedModel, computed by TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.serving.errors import BadModel, BadRequest
from sagelab.serving.model import DEFAULT_SIGNATURE, Arrays, Model, Signature, Spec


def load(version: Path, threads: int | None = None) -> Model:
    """The model in <name>/<version>/, its every signature.

    threads: how many TensorFlow may use, the share of the machine that the instance type has; it can be said
    only before TensorFlow's first operation in a process. BadModel: TensorFlow cannot read it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what matters is raised, too
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the instances that run here have no GPU
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    try:
        loaded = tf.saved_model.load(str(version))
    except Exception as error:  # TensorFlow raises whatever the file's fault makes it stumble over
        raise BadModel(f"TensorFlow cannot load {version}/saved_model.pb: {error}") from error
    signatures = {name: _signature(loaded, function) for name, function in loaded.signatures.items()}
    if DEFAULT_SIGNATURE not in signatures:
        raise BadModel(f'The SavedModel in {version} has no signature "{DEFAULT_SIGNATURE}".')
    model = Model(version.parent.name, version.name, signatures)
    _warm(model.signatures[DEFAULT_SIGNATURE])
    return model


def _signature(loaded: Any, function: Any) -> Signature:
    _, inputs = function.structured_input_signature
    outputs = function.structured_outputs
    return Signature(
        inputs={name: _spec(tensor) for name, tensor in inputs.items()},
        outputs={name: _spec(outputs[name]) for name in sorted(outputs)},
        predict=_predict(loaded, function),
    )


def _spec(tensor: Any) -> Spec:
    shape = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    return Spec(np.dtype(tensor.dtype.as_numpy_dtype), shape)


def _predict(loaded: Any, function: Any) -> Callable[[Arrays], Arrays]:
    import tensorflow as tf

    def predict(arrays: Arrays) -> Arrays:
        try:
            answer = function(**{name: tf.constant(array) for name, array in arrays.items()})
        except (tf.errors.OpError, ValueError) as error:
            raise BadRequest(f"The model could not be computed: {error}") from error
        return {name: np.asarray(answer[name].numpy()) for name in sorted(answer)}

    # A signature holds its variables weakly: they live as long as what was loaded does.
    predict.__dict__["loaded"] = loaded
    return predict


def _warm(signature: Signature) -> None:
    """One prediction of zeros, so that the first request does not pay for TensorFlow's preparations."""
    if any(spec.shape is None or spec.dtype == object for spec in signature.inputs.values()):
        return
    arrays = {
        name: np.zeros([size or 1 for size in spec.shape or ()], spec.dtype)
        for name, spec in signature.inputs.items()
    }
    try:
        signature.predict(arrays)
    except BadRequest:
        return  # zeros are no input for this model
