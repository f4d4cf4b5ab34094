"""The network behind Object2Vec, in Keras: two encoders, a comparison of their embeddings, and layers on top.

https://docs.aws.amazon.com/sagemaker/latest/dg/object2vec-howitworks.html, https://arxiv.org/abs/1705.02364 (hcnn)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

Settings = dict[str, Any]
OPTIMIZERS = {
    "adadelta": keras.optimizers.Adadelta,
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
AUTO_LAYERS = {"hcnn": 4, "bilstm": 1, "pooled_embedding": 1}
LOWEST = -1e9


class Network:
    """whole: pairs -> scores. encoders: each of one object alone -> its embedding."""

    def __init__(self, settings: Settings) -> None:
        """settings: with `enc1_...` said, whatever was asked for."""
        self._settings = settings
        tokens = [keras.Input((None,), dtype="int32") for _ in range(2)]
        shared = self._embedding(0)
        embeddings = [shared, shared if settings["tied_token_embedding_weight"] else self._embedding(1)]
        sides = [self._encode(side, *both) for side, both in enumerate(zip(tokens, embeddings, strict=True))]
        self.encoders = [keras.Model(one, side) for one, side in zip(tokens, sides, strict=True)]
        self.whole = keras.Model(tokens, self._compare(*sides))
        decay = settings["weight_decay"] or None
        optimizer = OPTIMIZERS[settings["optimizer"]](settings["learning_rate"], weight_decay=decay)
        classes = settings["output_layer"] == "softmax"
        loss = "sparse_categorical_crossentropy" if classes else "mean_squared_error"
        for model in (*self.encoders, self.whole):
            model.compile(optimizer if model is self.whole else None, loss, jit_compile=False)
        self.embeddings = embeddings

    def _embedding(self, side: int) -> layers.Embedding:
        """Tokens count from 1 here: 0 is what short sequences are filled with."""
        size, width = (self._settings[f"enc{side}_{name}"] for name in ("vocab_size", "token_embedding_dim"))
        return layers.Embedding(size + 1, width)

    def _encode(self, side: int, tokens: Any, embedding: layers.Embedding) -> Any:
        kind = self._settings[f"enc{side}_network"]
        count = self._settings[f"enc{side}_layers"] or AUTO_LAYERS[kind]
        present = (tokens != 0)[:, :, None]
        encoders: dict[str, Callable[..., Any]] = {"hcnn": _convolve, "bilstm": _read, "pooled_embedding": _pool}
        width = self._settings[f"enc{side}_cnn_filter_width"]
        found = encoders[kind](embedding(tokens), present, count, self._settings["enc_dim"], width)
        return layers.Dropout(self._settings["dropout"])(found)

    def _compare(self, first: Any, second: Any) -> Any:
        kinds = {
            "hadamard": lambda: [first * second],
            "concat": lambda: [first, second],
            "abs_diff": lambda: [ops.abs(first - second)],
        }
        parts = [part for name in self._settings["comparator_list"] for part in kinds[name]()]
        values = layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
        for _ in range(self._settings["mlp_layers"]):
            values = layers.Dense(self._settings["mlp_dim"], self._settings["mlp_activation"])(values)
            values = layers.Dropout(self._settings["dropout"])(values)
        if self._settings["output_layer"] == "softmax":
            return layers.Dense(self._settings["num_classes"], "softmax")(values)
        return layers.Dense(1)(values)

    def preset(self, side: int, vectors: dict[int, Any], frozen: bool) -> None:
        """Begin with what is known of some tokens. vectors: (dimensions,) by the token's number."""
        table = self.embeddings[side].get_weights()[0]
        for token, vector in vectors.items():
            table[token + 1] = vector
        self.embeddings[side].set_weights([table])
        if frozen:
            self.embeddings[side].trainable = False
            self.whole.compile(self.whole.optimizer, self.whole.loss, jit_compile=False)

    def learn(self, first: Any, second: Any, labels: Any) -> float:
        """One step on a batch; its loss."""
        self.whole.reset_metrics()
        return float(self.whole.train_on_batch([first, second], labels))

    def score(self, first: Any, second: Any) -> Any:
        """(rows, classes), or (rows, 1)."""
        return np.asarray(self.whole.predict_on_batch([first, second]))


def _convolve(values: Any, present: Any, count: int, size: int, width: int) -> Any:
    """Convolutions on one another; of each the most of every feature, side by side."""
    found = []
    for number in range(count):
        share = size // count + (number < size % count)
        values = layers.Conv1D(max(1, share), width, padding="same", activation="relu")(values)
        found.append(_most(values, present))
    return ops.concatenate(found, axis=-1) if count > 1 else found[0]


def _read(values: Any, present: Any, count: int, size: int, _: int) -> Any:
    """LSTMs that read from both ends; the most of every feature."""
    lstm = functools.partial(layers.LSTM, return_sequences=True)
    for _ in range(count):
        forward, backward = lstm(size - size // 2), lstm(size // 2, go_backwards=True)
        values = layers.Bidirectional(forward, backward_layer=backward)(values, mask=present[:, :, 0])
    return _most(values, present)


def _pool(values: Any, present: Any, *_: int) -> Any:
    """The mean of the tokens' embeddings."""
    weights = ops.cast(present, "float32")
    return ops.sum(values * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)


def _most(values: Any, present: Any) -> Any:
    """(rows, features): the highest over the tokens that are there."""
    return ops.max(ops.where(present, values, LOWEST), axis=1)
