"""SageMaker's Image Classification: a residual network trains on pictures of one class each, or of several.

`python3 -m sagelab.algorithms.image_classification` trains. Channels, hyperparameters, lines of the log and
names of files are those of https://docs.aws.amazon.com/sagemaker/latest/dg/image-classification.html.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms import hyperparameters
from sagelab.algorithms.answers import Answer
from sagelab.algorithms.hyperparameters import boolean, optional, required
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import Parameter, choice, integer, number
from sagelab.algorithms.program import line, main
from sagelab.algorithms.vision import augmentation, image_channels, image_requests, images, training
from sagelab.algorithms.vision.image_channels import RECORDIO, Example
from sagelab.algorithms.vision.training import Loop, Patience

NAME = "image-classification"
SYMBOL, PARAMETERS_OF = f"{NAME}-symbol.json", f"{NAME}-*.params"
SMALL, LARGE = ("20", "32", "44", "56", "110"), ("18", "34", "50", "101", "152", "200")
LARGEST_SIDE = 4096
LOGGED = 20  # batches between two lines of the log
NETWORK = ("num_layers", "image_shape", "num_classes")  # what makes it: as in the model channel


def shape_of(text: str) -> tuple[int, int, int]:
    """ "3,224,224" -> (channels, height, width)."""
    channels, height, width = (int(part) for part in text.split(","))
    return channels, height, width


PARAMETERS = {
    "num_classes": required(integer(1)),
    "num_training_samples": required(integer(1)),
    "augmentation_type": optional(choice(*augmentation.KINDS)),
    "beta_1": optional(number(0, 1), 0.9),
    "beta_2": optional(number(0, 1), 0.999),
    "checkpoint_frequency": optional(integer(1)),
    "early_stopping": optional(boolean(), False),
    "early_stopping_min_epochs": optional(integer(1), 10),
    "early_stopping_patience": optional(integer(1), 5),
    "early_stopping_tolerance": optional(number(0, 1), 0.0),
    "epochs": optional(integer(1), 30),
    "eps": optional(number(0, 1), 1e-8),
    "gamma": optional(number(0, 1), 0.9),
    "image_shape": optional(
        Parameter(
            shape_of,
            lambda shape: shape[0] in (1, 3) and all(1 <= side <= LARGEST_SIDE for side in shape[1:]),
            "num_channels (1 or 3), height, width",
        ),
        (3, 224, 224),
    ),
    "kv_store": optional(training.SYNCHRONY),
    "learning_rate": optional(number(0, 1), 0.1),
    "lr_scheduler_factor": optional(number(0, 1), 0.1),
    "lr_scheduler_step": optional(training.epochs_of(), []),
    "mini_batch_size": optional(integer(1), 32),
    "momentum": optional(number(0, 1), 0.9),
    "multi_label": optional(integer(0, 1), 0),
    "num_layers": optional(choice(*LARGE, *SMALL), "152"),
    "optimizer": optional(choice("sgd", "adam", "rmsprop", "nag"), "sgd"),
    "precision_dtype": optional(choice("float32", "float16"), "float32"),
    "resize": optional(integer(1, LARGEST_SIDE)),
    "top_k": optional(integer(2)),
    "use_pretrained_model": optional(integer(0, 1), 0),
    "use_weighted_loss": optional(integer(0, 1), 0),
    "weight_decay": optional(number(0, 1), 0.0001),
}


def check(sent: dict[str, str]) -> dict[str, Any]:
    """The settings of a job. UserError: one of them is no good, or two do not go together."""
    found = hyperparameters.read(sent, PARAMETERS)
    if (found["checkpoint_frequency"] or 1) > found["epochs"]:
        raise UserError("Hyperparameter checkpoint_frequency must not be larger than epochs.")
    if (found["top_k"] or 1) > found["num_classes"]:
        raise UserError("Hyperparameter top_k must not be larger than num_classes.")
    if found["use_weighted_loss"] and not found["multi_label"]:
        raise UserError(
            "use_weighted_loss is only supported for multi-label classification: set multi_label to 1."
        )
    if found["use_pretrained_model"] and found["num_layers"] not in LARGE:
        raise UserError(f"use_pretrained_model needs num_layers in {list(map(int, LARGE))}.")
    return found


def train(job: Job) -> None:
    """Train on the channels, leave the model. UserError: what the user has to put right."""
    settings = check(job.config("hyperparameters"))
    if settings["use_pretrained_model"]:
        line(training.PRETRAINED)
    data = {channel: read(job, channel, settings) for channel in ("train", "validation")}
    training.check_batch(len(data["train"]), settings["mini_batch_size"])
    _tell(settings)
    _fit(job, settings, data)


def read(job: Job, channel: str, settings: dict[str, Any]) -> Examples:
    """A channel's pictures and labels. UserError: a channel, a picture or a label is no good."""
    image_channels.require(job, "train", "validation")
    if image_channels.kind_of(job, channel) == RECORDIO:
        found = image_channels.recorded(job, channel)
    else:
        image_channels.require(job, "train", "validation", "train_lst", "validation_lst")
        found = image_channels.listed(job, channel, f"{channel}_lst")
    form = image_channels.label_format(job, channel)
    labels = np.array([label_of(example, settings, form) for example in found])
    return Examples(found, labels, settings)


def label_of(example: Example, settings: dict[str, Any], form: str = "multi-hot") -> Any:
    """The class, or (classes,) of 0 and 1 where there may be several. form: of a list in an augmented manifest.

    UserError: there is no such class.
    """
    count, values = settings["num_classes"], example.label
    if isinstance(values, bytes):  # an augmented manifest's: JSON
        values = _numbers(image_channels.parse(values, example.name), example.name)
    else:
        form = "class-id" if len(values) == 1 else "multi-hot"
    if not settings["multi_label"]:
        if len(values) != 1:
            raise UserError(
                f"Image {example.name} has {len(values)} labels: multi_label must be 1 for more than one."
            )
        return _class(values[0], count, example.name)
    if form == "class-id":
        hot = np.zeros(count, np.float32)
        hot[[_class(value, count, example.name) for value in values]] = 1
        return hot
    if len(values) != count or not np.isin(values, (0, 1)).all():
        raise UserError(f"The labels of image {example.name} are not 0 or 1 for each of {count} classes.")
    return np.asarray(values, np.float32)


@dataclass(frozen=True)
class Examples:
    """Pictures that are decoded when they are wanted: their files are smaller than they are."""

    found: Sequence[Example]
    labels: Any
    settings: dict[str, Any]

    def __len__(self) -> int:
        return len(self.found)

    def batch(self, chosen: Any, chance: np.random.Generator | None = None) -> tuple[Any, Any]:
        """(n, height, width, channels) and their labels. chance: they are augmented, if the job wants that."""
        return np.stack([self._picture(index, chance) for index in chosen]), self.labels[chosen]

    def _picture(self, index: int, chance: np.random.Generator | None) -> Any:
        channels, height, width = self.settings["image_shape"]
        pixels = images.decode(self.found[index].data, self.found[index].name, channels)
        pixels = images.cover(pixels, height, width, self.settings["resize"])
        kind = self.settings["augmentation_type"]
        if chance is None or kind is None:
            return augmentation.cut(pixels, height, width)
        return augmentation.vary(pixels, height, width, kind, chance)


def _fit(job: Job, settings: dict[str, Any], data: dict[str, Examples]) -> None:
    import keras

    from sagelab.algorithms.vision import residual_networks

    before = training.before(job)
    keras.utils.set_random_seed(training.SEED)
    channels, height, width = settings["image_shape"]
    model = residual_networks.classifier(
        int(settings["num_layers"]),
        (height, width, channels),
        settings["num_classes"],
        several=bool(settings["multi_label"]),
    )
    if before is not None:
        _begin_with(before, model, settings)
    model.compile(
        training.make_optimizer(settings["optimizer"], settings),
        "binary_crossentropy" if settings["multi_label"] else "sparse_categorical_crossentropy",
        metrics=_metrics(settings),
        jit_compile=False,
    )
    (job.model / SYMBOL).write_text(json.dumps({name: settings[name] for name in (*NETWORK, "multi_label")}))
    fitting = Fitting(job, model, settings, data)
    Loop(job, model, Patience.of(settings)).run(settings["epochs"], fitting.epoch, fitting.keep)


def _metrics(settings: dict[str, Any]) -> list[Any]:
    import keras

    if settings["multi_label"]:
        return [keras.metrics.BinaryAccuracy("accuracy")]
    among = keras.metrics.SparseTopKCategoricalAccuracy(settings["top_k"] or 1, "top_k")
    return [keras.metrics.SparseCategoricalAccuracy("accuracy"), among]


class Fitting:
    """One job's epochs."""

    def __init__(self, job: Job, model: Any, settings: dict[str, Any], data: dict[str, Examples]) -> None:
        self._job, self._model, self._settings, self._data = job, model, settings, data
        self._weights = _class_weights(data["train"].labels) if settings["use_weighted_loss"] else None
        self._last = 0.0

    def epoch(self, number: int) -> float:
        """Train on each picture once; the accuracy on those of validation."""
        settings, start = self._settings, time.monotonic()
        steps = settings["lr_scheduler_step"]
        rate = training.stepped(settings["learning_rate"], settings["lr_scheduler_factor"], steps, number)
        self._model.optimizer.learning_rate = rate
        self._model.reset_metrics()
        found: dict[str, Any] = {}
        chance = np.random.default_rng((training.SEED, number))
        chosen = training.batches(len(self._data["train"]), settings["mini_batch_size"], chance)
        for count, each in enumerate(chosen, 1):
            found = self._step(*self._data["train"].batch(each, chance))
            if count % LOGGED == 0:
                speed, right = count * len(each) / (time.monotonic() - start), found["accuracy"]
                line(f"Epoch[{number}] Batch [{count}]#011Speed: {speed:.3f} samples/sec#011accuracy={right:.6f}")
        line(f"Epoch[{number}] Train-accuracy={found['accuracy']:.6f}")
        if settings["top_k"]:
            line(f"Epoch[{number}] Train-top_k_accuracy_{settings['top_k']}={found['top_k']:.6f}")
        line(f"Epoch[{number}] Time cost={time.monotonic() - start:.3f}")
        self._last = self._validate()
        line(f"Epoch[{number}] Validation-accuracy={self._last:.6f}")
        return self._last

    def keep(self, number: int, best: bool) -> None:
        """Leave the parameters every so many epochs, or those of the best."""
        frequency = self._settings["checkpoint_frequency"]
        last = number + 1 == self._settings["epochs"]
        if not (best if frequency is None else (number + 1) % frequency == 0 or last):
            return
        file = self._job.model / f"{NAME}-{number + 1:04d}.params"
        older = [] if frequency else [each for each in self._job.model.glob(PARAMETERS_OF) if each != file]
        training.save_weights(file, self._model)
        for each in older:
            each.unlink()
        if frequency is None:
            line(f"Storing the best model with validation accuracy: {self._last:.6f}")
        line(f'Saved checkpoint to "/opt/ml/model/{file.name}"')

    def _step(self, pictures: Any, labels: Any) -> dict[str, Any]:
        """The metrics of the epoch so far, by the network as it trains."""
        weights = None
        if self._weights is not None:
            weights = (labels @ self._weights + 1e-6) / np.maximum(labels.sum(1), 1)
        found: dict[str, Any] = self._model.train_on_batch(pictures, labels, weights, return_dict=True)
        training.check_loss(float(found["loss"]))
        return found

    def _validate(self) -> float:
        data, size = self._data["validation"], self._settings["mini_batch_size"]
        right = 0.0
        for chosen in training.batches(len(data), size, None):
            pictures, labels = data.batch(chosen)
            right += accuracy(self._model.predict_on_batch(pictures), labels) * len(chosen)
        return right / len(data)


def accuracy(guesses: Any, labels: Any) -> float:
    """The share of pictures whose class is the most probable, or of labels that are right where a picture may have
    several. guesses: (n, classes)."""
    if labels.ndim > 1:
        return float(np.mean((guesses > 0.5) == (labels > 0.5)))
    return float(np.mean(guesses.argmax(1) == labels))


def load(folder: Path) -> Answer:
    """What answers for a model: a picture in, the probability of each class out."""
    from sagelab.algorithms.vision import residual_networks

    files = sorted(folder.glob(PARAMETERS_OF))
    saved = _network_of(folder / SYMBOL if files else None)
    channels, height, width = saved["image_shape"]
    several = bool(saved.get("multi_label"))
    model = residual_networks.classifier(
        int(saved["num_layers"]), (height, width, channels), saved["num_classes"], several=several
    )
    training.load_weights(files[-1].read_bytes(), model)

    def answer(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        pixels = image_requests.picture(body, kind, channels)
        ready = augmentation.cut(images.cover(pixels, height, width), height, width)
        found = model.predict_on_batch(ready[None])[0].astype(float).tolist()
        return image_requests.write(found, {"prediction": found}, accept)

    return answer


def _network_of(file: Path | None) -> dict[str, Any]:
    """The hyperparameters that make a model's network, which stand beside its parameters, checked anew."""
    found = image_channels.parse(file, SYMBOL) if file else None
    if not isinstance(found, dict):
        raise UserError(f"The model has no {SYMBOL} and {PARAMETERS_OF} of Image Classification.")
    return training.kept(found, {name: PARAMETERS[name] for name in (*NETWORK, "multi_label")}, SYMBOL)


def _begin_with(before: dict[str, bytes], model: Any, settings: dict[str, Any]) -> None:
    """Incremental training: from the parameters that another job left."""
    names = sorted(name for name in before if name.endswith(".params"))
    if not names or SYMBOL not in before:
        raise UserError("The model channel has no model of Image Classification.")
    saved = image_channels.parse(before[SYMBOL], SYMBOL)
    training.check_same(saved, settings | {"image_shape": list(settings["image_shape"])}, NETWORK)
    training.load_weights(before[names[-1]], model)
    line(f"Training begins with the model of the model channel: {names[-1]}")


def _tell(settings: dict[str, Any]) -> None:
    """The settings that matter, and those that do nothing here."""
    line("---- Parameters ----")
    for name, value in settings.items():
        line(f"{name}: {value}")
    if settings["precision_dtype"] == "float16":
        line("precision_dtype: on processors float16 has no advantage, and training is in float32")
    if settings["kv_store"]:
        line("kv_store: one machine trains, and there is nothing to synchronize")
    if settings["checkpoint_frequency"] is None:
        line("checkpoint_frequency not set, will store the best model")
    line("--------------------")


def _class_weights(labels: Any) -> Any:
    """(classes,): the rarer a class, the more its pictures count."""
    return len(labels) / np.maximum(labels.sum(0), 1) / labels.shape[1]


def _numbers(found: Any, name: str) -> list[float]:
    values = found if isinstance(found, list) else [found]
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"The label of image {name} is neither a class nor a list of them.") from None


def _class(value: float, count: int, name: str) -> int:
    if not 0 <= value < count or value != int(value):
        raise UserError(f"Label {value:g} of image {name} is not a class from 0 to {count - 1} (num_classes - 1).")
    return int(value)


if __name__ == "__main__":
    main(train)
