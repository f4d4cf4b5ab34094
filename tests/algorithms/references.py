"""Networks, losses and metrics of the algorithms beside what Keras itself makes of the same, for tests.

    python references.py FOLDER

Prints a line of JSON: name -> [what the algorithm has, what the library or the paper has].
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sagelab.algorithms import hyperparameters, object2vec, seq2seq
from sagelab.algorithms.text import seq2seq_network
from sagelab.algorithms.text.object2vec_network import Network
from sagelab.algorithms.text.translations import logarithms
from sagelab.algorithms.vision import (
    label_maps,
    object_detection_network,
    residual_networks,
    semantic_segmentation_network,
)

PAPER = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}  # millions of parameters: Table 6 of arXiv 1512.03385
Both = list[Any]


def parameters() -> dict[str, Both]:
    """How large residual networks are."""
    found: dict[str, Both] = {}
    for depth, millions in PAPER.items():
        model = residual_networks.classifier(depth, (32, 32, 3), 10, several=False)
        trained = sum(int(np.prod(each.shape)) for each in model.trainable_variables)
        found[f"ResNet-{depth}"] = [trained / 1e6, millions]
    own = residual_networks.classifier(50, (224, 224, 3), 1000, several=False)
    library = keras.applications.ResNet50(weights=None)
    # Keras's convolutions have biases, which batch normalization makes useless; the paper's have none.
    biases = sum(each.bias.shape[0] for each in library.layers if isinstance(each, keras.layers.Conv2D))
    found["ResNet-50"] = [own.count_params(), library.count_params() - biases]
    return found


def losses() -> dict[str, Both]:
    """What networks for objects and for pixels are trained by, and how masks are scored."""
    chance = np.random.default_rng(0)
    logits = chance.normal(size=(2, 6, 6, 4)).astype("f4")
    labels = chance.integers(0, 4, (2, 6, 6))
    labels[:, 0] = semantic_segmentation_network.IGNORED
    counted = labels != semantic_segmentation_network.IGNORED
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = {
        "pixels": [
            float(semantic_segmentation_network.loss(labels, tf.constant(logits))),
            float(entropy(labels[counted], logits[counted])),
        ]
    }
    confusion, guesses = label_maps.Confusion(4), logits.argmax(-1)
    confusion.add(labels.astype("u1"), guesses)
    overlap = keras.metrics.MeanIoU(4)
    overlap.update_state(labels[counted], guesses[counted])
    found["mIOU"] = [confusion.mean_overlap, float(overlap.result())]
    target = np.concatenate([np.ones((2, 5, 1)), chance.normal(size=(2, 5, 4))], -1).astype("f4")
    said = chance.normal(size=(2, 5, 3 + 4)).astype("f4")
    classes, offsets = object_detection_network.losses(target, tf.constant(said))
    found["boxes"] = [
        float(np.mean(offsets)),
        4 * float(keras.losses.Huber(delta=1.0)(target[..., 1:], said[..., 3:])),
    ]
    found["objects"] = [float(np.mean(classes)), float(entropy(target[..., 0], said[..., :3]))]
    return found


def pictures(root: Path) -> dict[str, Both]:
    """The accuracy on drawn shapes that a job comes to, and Keras's own fit of such a network."""
    job, module, _ = _beside("pictures").shapes(root, False)
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        module.train(job)
    own = max(map(float, re.findall(r"Validation-accuracy=(\S+)", text.getvalue())))
    drawn, chance = _beside("scenes"), np.random.default_rng(0)
    parts = [
        (np.stack([drawn.shape(n % 3, chance, 28) for n in range(count)]), np.arange(count) % 3)
        for count in (300, 90)
    ]
    keras.utils.set_random_seed(0)
    model = residual_networks.classifier(20, (28, 28, 3), 3, several=False)
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: 0.05 if epoch < 6 else 0.005)
    model.compile(
        keras.optimizers.SGD(0.05, 0.9, weight_decay=1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    fitted = model.fit(*parts[0], 20, 8, 0, [rate], validation_data=parts[1])
    return {"shapes": [own, max(fitted.history["val_accuracy"])]}


def pairs() -> dict[str, Both]:
    """The accuracy on pairs of tokens of a group, by Object2Vec's steps and by Keras's own fit."""
    sent = {"enc0_max_seq_len": "4", "enc0_vocab_size": "40", "enc0_network": "pooled_embedding", "mlp_dim": "32"}
    sent |= {"enc0_token_embedding_dim": "16", "mlp_activation": "relu", "epochs": "4", "learning_rate": "0.01"}
    chance = np.random.default_rng(0)
    groups = chance.integers(0, 4, (1800, 2))
    groups[::2, 1] = groups[::2, 0]
    tokens = [list(groups[:, side, None] * 10 + chance.integers(0, 10, (1800, 4)) + 1) for side in range(2)]
    labels = (groups[:, 0] == groups[:, 1]).astype("i4")
    with contextlib.redirect_stdout(io.StringIO()):
        settings = object2vec.complete(hyperparameters.read(sent, object2vec.PARAMETERS), sent)
        data = {
            name: object2vec.Pairs(tokens[0][rows], tokens[1][rows], labels[rows])
            for name, rows in {"train": slice(1500), "validation": slice(1500, None)}.items()
        }
        keras.utils.set_random_seed(0)
        network = Network(settings)
        object2vec._fit("algo-1", settings, network, data)
    sides = [np.stack(each) for each in tokens]
    own = np.mean(network.score(*(side[1500:] for side in sides)).argmax(1) == labels[1500:])
    keras.utils.set_random_seed(0)
    library = Network(settings).whole
    library.fit([side[:1500] for side in sides], labels[:1500], 32, 4, 0)
    told = np.asarray(library.predict([side[1500:] for side in sides], verbose=0)).argmax(1)
    return {"pairs": [float(own), float(np.mean(told == labels[1500:]))]}


def sequences() -> dict[str, Both]:
    """The perplexity of a network by its logarithms, and by Keras's own loss."""
    settings = {name: known.default for name, known in seq2seq.PARAMETERS.items()}
    settings |= {"rnn_num_hidden": 16, "num_embed_source": 8, "num_embed_target": 8}
    network = seq2seq_network.build(settings, 9, 9).whole
    chance = np.random.default_rng(0)
    sources, targets = chance.integers(1, 9, (4, 6)), chance.integers(1, 9, (4, 6))
    logits = network.predict_on_batch([sources, targets])
    chances = np.take_along_axis(logarithms(logits), targets[..., None], -1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(targets, logits)
    return {"perplexity": [float(np.exp(-chances.mean())), float(np.exp(loss))]}


def _beside(name: str) -> Any:
    """A module of this folder: a program is not run as one of the tests' package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


if __name__ == "__main__":
    print(json.dumps({**parameters(), **losses(), **sequences(), **pairs(), **pictures(Path(sys.argv[1]))}))
