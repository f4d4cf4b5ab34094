"""The network behind Sequence-to-Sequence, in Keras: an encoder, and a decoder that attends to what it says.

https://arxiv.org/abs/1409.0473 (rnn), https://arxiv.org/abs/1705.03122 (cnn), https://arxiv.org/abs/1508.04025
(the kinds of attention; here it is computed after the decoder's layers, as the last has it).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from sagelab.algorithms.text.sequences import Vocabulary, pad
from sagelab.algorithms.text.translations import Found, logarithms, search

Settings = dict[str, Any]
TINY = -1e9  # what attention is worth where there is no token


@dataclass(frozen=True)
class Network:
    """whole: (sources, targets so far) -> logits. encoder: sources -> what the decoder wants. decoder: that, and
    targets so far -> (logits, attention)."""

    whole: keras.Model
    encoder: keras.Model
    decoder: keras.Model


def build(settings: Settings, source: int, target: int) -> Network:
    """source, target: sizes of the vocabularies."""
    sources, targets = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    encode, decode = _encoder(settings, source), _decoder(settings, target)
    encoder = keras.Model(sources, encode(sources))
    given = [keras.Input(each.shape[1:], dtype=each.dtype) for each in encoder.outputs]
    decoder = keras.Model([*given, targets], decode(given, targets))
    for each in (encoder, decoder):
        each.compile(jit_compile=False)  # on a processor compiling takes longer than it saves, anew for each shape
    logits, _ = decoder([*encoder(sources), targets])
    return Network(keras.Model([sources, targets], logits), encoder, decoder)


def compile_for(settings: Settings, model: keras.Model) -> None:
    """By the hyperparameters of the optimizer."""
    clip = settings["clip_gradient"]
    how = {"learning_rate": settings["learning_rate"], "clipvalue": clip if clip > 0 else None}
    how["weight_decay"] = settings["weight_decay"] or None
    if settings["optimizer_type"] == "sgd":
        how["momentum"] = settings["momentum"] or 0.0
    kinds = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(kinds[settings["optimizer_type"]](**how), loss, jit_compile=False)


class Translator:
    """Networks and vocabularies that answer."""

    def __init__(self, settings: Settings, vocabularies: tuple[Vocabulary, Vocabulary], network: Network) -> None:
        self._settings, self._network = settings, network
        self.source, self.target = vocabularies

    def translate(self, tokens: list[int]) -> Found:
        """tokens: at least one, of the source's vocabulary."""
        longest = self._settings["max_seq_len_source"]
        known = self._network.encoder.predict_on_batch(pad([tokens], min(len(tokens), longest)))

        def step(beams: Any) -> tuple[Any, Any]:
            """Every beam anew from its beginning, in steps of ten tokens so that shapes are few."""
            count, length = beams.shape
            targets = pad(beams, -(-length // 10) * 10)
            repeated = [np.repeat(each, count, axis=0) for each in known]
            logits, attention = self._network.decoder.predict_on_batch([*repeated, targets])
            return logarithms(logits[:, length - 1]), attention[:, length - 1]

        return search(
            step,
            self.target.begin,
            self.target.end,
            self._settings["beam_size"],
            self._settings["max_seq_len_target"],
        )


def read_weights(network: Network, file: Path) -> None:
    """Of a file that `write_weights` made. ValueError, KeyError: it fits no such network."""
    with np.load(file, allow_pickle=False) as found:
        network.whole.set_weights([found[f"{number:04}"] for number in range(len(network.whole.weights))])


def write_weights(weights: list[Any], file: Path) -> None:
    with file.open("wb") as opened:
        np.savez(opened, **{f"{number:04}": weight for number, weight in enumerate(weights)})


def _initial(settings: Settings) -> keras.initializers.Initializer:
    scale = abs(settings["weight_init_scale"])
    if settings["weight_init_type"] == "uniform":
        return keras.initializers.RandomUniform(-scale, scale)
    mode = {"in": "fan_in", "out": "fan_out", "avg": "fan_avg"}[settings["xavier_factor_type"]]
    return keras.initializers.VarianceScaling(max(scale, 1e-9) / 3, mode, "uniform")


def _recurrent(settings: Settings, units: int = 0, **how: Any) -> layers.Layer:
    kind = layers.GRU if settings["rnn_cell_type"] == "gru" else layers.LSTM
    return kind(
        units or settings["rnn_num_hidden"],
        kernel_initializer=_initial(settings),
        return_sequences=True,
        return_state=True,
        **how,
    )


def _stack(settings: Settings, count: int, values: Any, run: Callable[[int, Any], Any]) -> Any:
    """Layer on layer, with residual connections from the one that the hyperparameters say."""
    for number in range(1, count + 1):
        after = run(number, values)
        residual = settings["rnn_residual_connections"] and number >= settings["rnn_first_residual_layer"]
        values = values + after if residual and values.shape[-1] == after.shape[-1] else after
    return values


def _encoder(settings: Settings, size: int) -> Callable[[Any], list[Any]]:
    """sources -> [memory (rows, tokens, features), which are tokens (rows, tokens), states of the decoder]."""
    embed = layers.Embedding(size, settings["num_embed_source"])
    dropped = layers.Dropout(settings["embed_dropout_source"])

    def run(sources: Any) -> list[Any]:
        present = sources != 0
        values = dropped(embed(sources))
        states: list[Any] = []
        if settings["encoder_type"] == "cnn":
            placed = values + _places(sources, settings["max_seq_len_source"], values.shape[-1])
            memory = _convolve(settings, placed, settings["num_layers_encoder"], "encoder")
        else:

            def one(number: int, given: Any) -> Any:
                read = _read_both_ways if number == 1 else _read
                after, states[:] = read(settings, given, present)
                return after

            memory = _stack(settings, settings["num_layers_encoder"], values, one)
        return [memory, present, *_first_states(settings, memory, present, states)]

    return run


def _read(settings: Settings, values: Any, present: Any) -> tuple[Any, list[Any]]:
    """(outputs, last states) of a layer of the encoder."""
    after, *states = _recurrent(settings)(values, mask=present)
    return after, states


def _read_both_ways(settings: Settings, values: Any, present: Any) -> tuple[Any, list[Any]]:
    """The same of its first layer, of which a half reads from the end."""
    half = _recurrent(settings, -(-settings["rnn_num_hidden"] // 2))
    after, *found = layers.Bidirectional(half)(values, mask=present)
    middle = len(found) // 2
    return after, [ops.concatenate(both, axis=-1) for both in zip(found[:middle], found[middle:], strict=True)]


def _first_states(settings: Settings, memory: Any, present: Any, last: list[Any]) -> list[Any]:
    """What the decoder's layers begin with: a hidden state each, and a cell where they are LSTMs."""
    if settings["decoder_type"] == "cnn" or settings["rnn_decoder_state_init"] == "zero":
        return []
    kinds = 1 if settings["rnn_cell_type"] == "gru" else 2
    if settings["rnn_decoder_state_init"] == "avg" or not last:
        weights = ops.cast(present, "float32")[:, :, None]
        mean = ops.sum(memory * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
        last = [mean] * kinds
    return [
        layers.Dense(settings["rnn_num_hidden"], "tanh", kernel_initializer=_initial(settings))(state)
        for _ in range(settings["num_layers_decoder"])
        for state in last
    ]


def _decoder(settings: Settings, size: int) -> Callable[[list[Any], Any], list[Any]]:
    """(what the encoder says, targets so far) -> [logits (rows, tokens, vocabulary), attention].

    attention: (rows, tokens, tokens of the source).
    """
    embed = layers.Embedding(size, settings["num_embed_target"])
    dropped = layers.Dropout(settings["embed_dropout_target"])
    width = settings["cnn_num_hidden" if settings["decoder_type"] == "cnn" else "rnn_num_hidden"]

    def run(given: list[Any], targets: Any) -> list[Any]:
        memory, present, *states = given
        values = dropped(embed(targets))
        if settings["decoder_type"] == "cnn":
            placed = values + _places(targets, settings["max_seq_len_target"], values.shape[-1])
            values = _convolve(settings, placed, settings["num_layers_decoder"], "decoder")
        else:
            each = 1 if settings["rnn_cell_type"] == "gru" else 2

            def one(number: int, before: Any) -> Any:
                begin = states[(number - 1) * each : number * each] or None
                return _recurrent(settings)(before, initial_state=begin)[0]

            values = _stack(settings, settings["num_layers_decoder"], values, one)
        attention = _attend(settings, memory, present, values)
        together = layers.Concatenate()([values, ops.matmul(attention, memory)])
        hidden = layers.Dense(width, "tanh", kernel_initializer=_initial(settings))(together)
        hidden = layers.Dropout(settings["rnn_decoder_hidden_dropout"])(hidden)
        return [layers.Dense(size, kernel_initializer=_initial(settings))(hidden), attention]

    return run


def _attend(settings: Settings, memory: Any, present: Any, values: Any) -> Any:
    """(rows, target tokens, source tokens), whose sum over the last is 1."""
    size, kind = settings["rnn_attention_num_hidden"] or settings["rnn_num_hidden"], settings["rnn_attention_type"]
    dense = functools.partial(layers.Dense, kernel_initializer=_initial(settings), use_bias=False)
    if kind == "mlp":
        both = dense(size)(values)[:, :, None] + dense(size)(memory)[:, None]
        scores = dense(1)(ops.tanh(both))[..., 0]
    elif kind == "fixed":  # the last token, whatever has been said
        place = ops.cumsum(ops.cast(present, "float32"), axis=1)[:, None]
        scores = ops.mean(values, axis=-1, keepdims=True) * 0.0 + place * 100.0
    else:
        keys = (
            memory if kind == "dot" and memory.shape[-1] == values.shape[-1] else dense(values.shape[-1])(memory)
        )
        scores = ops.matmul(values, ops.transpose(keys, (0, 2, 1)))
    return ops.softmax(scores + ops.where(present, 0.0, TINY)[:, None], axis=-1)


def _places(tokens: Any, longest: int, size: int) -> Any:
    """What is learned of each place in a sequence: convolutions know none. (rows, tokens, size)"""
    places = ops.cumsum(ops.ones_like(tokens), axis=1) - 1
    return layers.Embedding(longest, size)(ops.minimum(places, longest - 1))


def _convolve(settings: Settings, values: Any, count: int, side: str) -> Any:
    """Convolutions with gates; those of the decoder see nothing of what comes later."""
    kind, size = settings["cnn_activation_type"], settings["cnn_num_hidden"]
    padding = "causal" if side == "decoder" else "same"
    convolve = functools.partial(
        layers.Conv1D, kernel_size=settings[f"cnn_kernel_width_{side}"], padding=padding,
        kernel_initializer=_initial(settings),
    )  # fmt: skip
    values = layers.Dense(size, kernel_initializer=_initial(settings))(values)
    for _ in range(count):
        after = layers.Dropout(settings["cnn_hidden_dropout"])(values)
        if kind == "glu":
            after = convolve(2 * size)(after)
            after = after[..., :size] * ops.sigmoid(after[..., size:])
        else:
            after = convolve(size, activation="softplus" if kind == "softrelu" else kind)(after)
        values = values + after
    return values
