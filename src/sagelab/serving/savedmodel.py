"""A SavedModel, computed by TensorFlow: in a session of its graph, as TensorFlow Serving does it."""

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

    threads: how many TensorFlow may use, the share of the machine that the instance type has. BadModel: TensorFlow
    cannot read it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what matters is raised, too
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the instances that run here have no GPU
    import tensorflow as tf

    options = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    session = tf.compat.v1.Session(graph=tf.Graph(), config=options)
    try:
        with session.graph.as_default():
            found = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(version))
    except Exception as error:  # TensorFlow raises whatever the file's fault makes it stumble over
        raise BadModel(f"TensorFlow cannot load {version}/saved_model.pb: {error}") from error
    signatures = {
        name: _signature(session, one) for name, one in found.signature_def.items() if not name.startswith("__")
    }
    if DEFAULT_SIGNATURE not in signatures:
        raise BadModel(f'The SavedModel in {version} has no signature "{DEFAULT_SIGNATURE}".')
    model = Model(version.parent.name, version.name, signatures)
    _warm(model.signatures[DEFAULT_SIGNATURE])
    return model


def _signature(session: Any, definition: Any) -> Signature:
    inputs, outputs = (dict(sorted(side.items())) for side in (definition.inputs, definition.outputs))
    specs = {name: _spec(session, tensor) for name, tensor in inputs.items()}
    call = _callable(session, [one.name for one in inputs.values()], [one.name for one in outputs.values()])
    return Signature(
        inputs=specs,
        outputs={name: _spec(session, tensor) for name, tensor in outputs.items()},
        predict=_predict(call, tuple(inputs), tuple(outputs)),
    )


def _spec(session: Any, tensor: Any) -> Spec:
    """The shape is what the graph takes, whatever the signature says: TensorFlow Serving does not look at that."""
    import tensorflow as tf

    shape = session.graph.get_tensor_by_name(tensor.name).shape
    known = shape.rank is not None and _is_placeholder(session, tensor.name)
    sizes = tuple(shape.as_list()) if known else None
    return Spec(np.dtype(tf.as_dtype(tensor.dtype).as_numpy_dtype), sizes)


def _is_placeholder(session: Any, name: str) -> bool:
    """Whether a tensor is there to be fed: what is fed in place of something computed may have any shape."""
    return str(session.graph.get_tensor_by_name(name).op.type).startswith("Placeholder")


def _callable(session: Any, feeds: list[str], fetches: list[str]) -> Any:
    """A function of arrays. Where something computed is fed, it is called as TensorFlow Serving does it.

    A session's own function in Python would hold such an array to the shape that is known of what was computed.
    """
    from tensorflow.core.protobuf.config_pb2 import CallableOptions

    if all(_is_placeholder(session, name) for name in feeds):
        return session.make_callable(fetches, feeds)
    return session._make_callable_from_options(CallableOptions(feed=feeds, fetch=fetches))


def _predict(call: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Callable[[Arrays], Arrays]:
    import tensorflow as tf

    def predict(arrays: Arrays) -> Arrays:
        try:
            answer = call(*[arrays[name] for name in inputs])
        except (tf.errors.OpError, ValueError) as error:
            raise BadRequest(f"The model could not be computed: {error}") from error
        return dict(zip(outputs, map(np.asarray, answer), strict=True))

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
