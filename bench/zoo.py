"""Ten small Keras networks of different kinds, compiled for x86-64 and ARM64 and compared with Keras.

    python bench/zoo.py            a line a network and target: how it was checked, the largest difference
    python bench/zoo.py lstm       the same of some networks only

The weights are random. ARM64 code runs under emulation, where there is one.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelab.neo import emulator, job, keras_models, stablehlo
from sagelab.neo.compiler import Cpu
from sagelab.neo.errors import NeoError

TARGETS = {"x86-64": Cpu("x86_64-linux-gnu", "x86-64-v2"), "ARM64": Cpu("aarch64-linux-gnu", "cortex-a72")}
CACHE = Path(os.environ.get("SAGELAB_HOME", Path.home() / ".sagelab")) / "cache"


@dataclass(frozen=True)
class Outcome:
    """One network for one target. difference: to Keras; None where it was not checked. words: how, or why not."""

    network: str
    target: str
    difference: float | None
    words: str


def networks() -> dict[str, Callable[[], Any]]:
    """Name -> builder of a Keras model."""
    import keras
    from keras import layers

    def depthwise() -> Any:
        x = entry = keras.Input((32, 32, 3), name="image")
        for stride, filters in ((2, 8), (1, 16), (2, 24)):
            x = layers.DepthwiseConv2D(3, stride, "same", activation="relu6")(x)
            x = layers.Conv2D(filters, 1, activation="relu6")(x)
        return keras.Model(entry, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))

    def normalised() -> Any:
        parts: list[Any] = [keras.Input((28, 28, 1), name="image")]
        for filters in (8, 16):
            parts += [layers.Conv2D(filters, 3), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D()]
        return keras.Sequential([*parts, layers.Flatten(), layers.Dense(10, activation="softmax")])

    def residual() -> Any:
        entry = keras.Input((16, 16, 3), name="image")
        x = layers.Conv2D(8, 3, padding="same")(entry)
        for _ in range(3):
            side = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
            x = layers.ReLU()(layers.add([x, layers.Conv2D(8, 3, padding="same")(side)]))
        return keras.Model(entry, layers.Dense(4, activation="softmax")(layers.Flatten()(x)))

    def lstm() -> Any:
        entry = keras.Input((12, 4), name="series")
        return keras.Model(entry, layers.Dense(1)(layers.LSTM(8)(entry)))

    def embedding() -> Any:
        entry = keras.Input((20,), dtype="int32", name="words")
        x = layers.GlobalAveragePooling1D()(layers.Embedding(100, 16)(entry))
        return keras.Model(entry, layers.Dense(2, activation="softmax")(x))

    def attention() -> Any:
        entry = keras.Input((10, 16), name="tokens")
        x = layers.LayerNormalization()(entry + layers.MultiHeadAttention(2, 8)(entry, entry))
        x = layers.LayerNormalization()(x + layers.Dense(16)(layers.Dense(32, activation="gelu")(x)))
        return keras.Model(entry, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))

    def convolution_1d() -> Any:
        entry = keras.Input((64, 2), name="signal")
        x = layers.Conv1D(8, 5, strides=2, activation="relu")(entry)
        x = layers.Conv1D(8, 3, dilation_rate=2, padding="causal", activation="tanh")(x)
        return keras.Model(entry, layers.Dense(3)(layers.GlobalMaxPooling1D()(x)))

    def several_inputs() -> Any:
        image, facts = keras.Input((8, 8, 1), name="image"), keras.Input((5,), name="facts")
        x = layers.concatenate([layers.Flatten()(layers.Conv2D(4, 3)(image)), layers.Dense(6)(facts)])
        return keras.Model([image, facts], layers.Dense(2, activation="sigmoid")(x))

    def several_outputs() -> Any:
        entry = keras.Input((8,), name="x")
        shared = layers.Dense(16, activation="elu")(entry)
        kind = layers.Dense(3, activation="softmax", name="kind")(shared)
        return keras.Model(entry, [kind, layers.Dense(1, name="size")(shared)])

    def dense() -> Any:
        parts = [keras.Input((30,), name="x"), *(layers.Dense(32, activation="relu") for _ in range(3))]
        return keras.Sequential([*parts, layers.Dense(4, activation="softmax")])

    builders = (depthwise, normalised, residual, lstm, embedding, attention, convolution_1d, several_inputs,
                several_outputs, dense)  # fmt: skip
    return {builder.__name__.replace("_", " "): builder for builder in builders}


def visit(names: list[str] | None = None) -> Iterator[Outcome]:
    """Compile the networks of these names, or all, for every target."""
    import keras

    try:
        emulator.fetch(CACHE)
    except emulator.NoEmulator as error:
        print(f"ARM64 is compiled for, and not checked: {error}", file=sys.stderr)
    known = networks()
    for name in names or known:
        keras.utils.set_random_seed(1)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "net.keras"
            known[name]().save(file)
            for target, cpu in TARGETS.items():
                yield _compile(name, target, cpu, file)


def _compile(name: str, target: str, cpu: Cpu, file: Path) -> Outcome:
    request = job.Request("KERAS", target, cpu, cache=CACHE)
    out = file.parent / target
    try:
        manifest = job.build(keras_models.read(file, None), out, request, {})
    except NeoError as error:
        return Outcome(name, target, None, str(error))
    assert manifest.check is not None
    return Outcome(name, target, manifest.check.get("difference"), str(manifest.check["how"]))


if __name__ == "__main__":
    stablehlo.tensorflow()
    for outcome in visit(sys.argv[1:]):
        print("OUTCOME", json.dumps(outcome.__dict__), flush=True)
