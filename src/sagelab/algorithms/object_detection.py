"""SageMaker's Object Detection: a single shot detector finds the objects of a picture, class and box of each.

`python3 -m sagelab.algorithms.object_detection` trains. Channels, hyperparameters, lines of the log and names of
files are those of https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection.html.
"""

from __future__ import annotations

import json
import re
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
from sagelab.algorithms.program import line, main, progress, throughput
from sagelab.algorithms.vision import box_annotations, boxes, image_channels, image_requests, images, training
from sagelab.algorithms.vision.image_channels import RECORDIO, Example
from sagelab.algorithms.vision.training import Artifact, Loop, Patience

SYMBOL, WEIGHTS, SETTINGS = "model_algo_1-symbol.json", "model_algo_1-0000.params", "hyperparams.json"
NETWORK = ("base_network", "num_classes")  # what makes it: as in the model channel
LARGEST_SIDE = 1024
LOGGED = 20  # batches between two lines of the log


def pattern(text: str) -> str:
    """A regular expression. ValueError: it is none."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        raise ValueError(text) from None
    return "" if text.lower() == "false" else text


PARAMETERS = {
    "num_classes": required(integer(1)),
    "num_training_samples": required(integer(1)),
    "base_network": optional(choice("vgg-16", "resnet-50"), "vgg-16"),
    "early_stopping": optional(boolean(), False),
    "early_stopping_min_epochs": optional(integer(1), 10),
    "early_stopping_patience": optional(integer(1), 5),
    "early_stopping_tolerance": optional(number(0, 1), 0.0),
    "epochs": optional(integer(1), 30),
    "freeze_layer_pattern": optional(Parameter(pattern, range="regular expressions"), ""),
    "image_shape": optional(integer(300, LARGEST_SIDE), 300),
    "kv_store": optional(training.SYNCHRONY),
    "label_width": optional(integer(1), 350),
    "learning_rate": optional(number(0, 1, inside="(]"), 0.001),
    "lr_scheduler_factor": optional(number(0, 1, inside="()"), 0.1),
    "lr_scheduler_step": optional(training.epochs_of(), []),
    "mini_batch_size": optional(integer(1), 32),
    "momentum": optional(number(0, 1, inside="(]"), 0.9),
    "nms_threshold": optional(number(0, 1, inside="(]"), 0.45),
    "optimizer": optional(choice("sgd", "adam", "rmsprop", "adadelta"), "sgd"),
    "overlap_threshold": optional(number(0, 1, inside="(]"), 0.5),
    "use_pretrained_model": optional(integer(0, 1), 1),
    "weight_decay": optional(number(0, 1, inside="()"), 0.0005),
}


def check(sent: dict[str, str]) -> dict[str, Any]:
    """The settings of a job. UserError: one of them is no good."""
    return hyperparameters.read(sent, PARAMETERS)


def train(job: Job) -> None:
    """Train on the channels, leave the model. UserError: what the user has to put right."""
    settings = check(job.config("hyperparameters"))
    if settings["use_pretrained_model"]:
        line(training.PRETRAINED)
    if settings["kv_store"]:
        line("kv_store: one machine trains, and there is nothing to synchronize")
    data = {channel: read(job, channel, settings) for channel in ("train", "validation")}
    training.check_batch(len(data["train"]), settings["mini_batch_size"])
    _fit(job, settings, data)


def read(job: Job, channel: str, settings: dict[str, Any]) -> Examples:
    """A channel's pictures and their objects. UserError: a channel, a picture or an annotation is no good."""
    image_channels.require(job, "train", "validation")
    if image_channels.kind_of(job, channel) == RECORDIO:
        found = image_channels.recorded(job, channel)
    else:
        found = image_channels.annotated(job, channel, ".json")
    return Examples(found, [box_annotations.read(example, settings) for example in found], settings)


@dataclass(frozen=True)
class Examples:
    """Pictures that are decoded when they are wanted, with the objects of each."""

    found: Sequence[Example]
    truth: Sequence[Any]
    settings: dict[str, Any]

    def __len__(self) -> int:
        return len(self.found)

    def batch(self, chosen: Any, chance: np.random.Generator | None = None) -> tuple[Any, list[Any]]:
        """(pictures (n, side, side, 3), objects of each). chance: every other one is mirrored."""
        side, pictures, truth = self.settings["image_shape"], [], []
        for index in chosen:
            pixels = images.decode(self.found[index].data, self.found[index].name)
            pixels, objects = images.scale(pixels, side, side), self.truth[index]
            if chance is not None and chance.random() < 0.5:
                pixels, objects = pixels[:, ::-1], mirrored(objects)
            pictures.append(pixels)
            truth.append(objects)
        return np.stack(pictures), truth


def mirrored(objects: Any) -> Any:
    """The objects of the picture's mirror image."""
    found = objects.copy()
    found[:, [1, 3]] = 1 - objects[:, [3, 1]]
    return found


def _fit(job: Job, settings: dict[str, Any], data: dict[str, Examples]) -> None:
    import keras

    from sagelab.algorithms.vision import object_detection_network as network

    before = training.before(job)
    keras.utils.set_random_seed(training.SEED)
    model, anchors = network.detector(settings["base_network"], settings["image_shape"], settings["num_classes"])
    if before is not None:
        training.begin_with(before, model, settings, Artifact(SETTINGS, WEIGHTS, NETWORK, "Object Detection"))
    if settings["freeze_layer_pattern"]:
        frozen = network.freeze(model, settings["freeze_layer_pattern"])
        line(f"freeze_layer_pattern: {frozen} layers are frozen")
    decay = settings["weight_decay"]
    kept = settings | {"weight_decay": decay, "rmsprop_decay": decay}
    model.compile(
        training.make_optimizer(settings["optimizer"], kept),
        network.loss,
        metrics=[network.cross_entropy, network.smooth_l1],
        jit_compile=False,
    )
    (job.model / SYMBOL).write_text(model.to_json())
    (job.model / SETTINGS).write_text(json.dumps(settings))
    fitting = Fitting(job, model, anchors, settings, data)
    Loop(job, model, Patience.of(settings)).run(settings["epochs"], fitting.epoch, fitting.keep)


class Fitting:
    """One job's epochs."""

    def __init__(
        self, job: Job, model: Any, anchors: Any, settings: dict[str, Any], data: dict[str, Examples]
    ) -> None:
        self._job, self._model, self._anchors, self._settings, self._data = job, model, anchors, settings, data
        self._host, self._last = job.hosts[0], 0.0

    def epoch(self, number: int) -> float:
        """Train on each picture once; the mAP on those of validation."""
        from sagelab.algorithms.vision import object_detection_network as network

        settings, data, start = self._settings, self._data["train"], time.monotonic()
        steps = settings["lr_scheduler_step"]
        rate = training.stepped(settings["learning_rate"], settings["lr_scheduler_factor"], steps, number)
        self._model.optimizer.learning_rate = rate
        self._model.reset_metrics()
        chance = np.random.default_rng((training.SEED, number))
        chosen, found = training.batches(len(data), settings["mini_batch_size"], chance), {}
        for count, each in enumerate(chosen, 1):
            pictures, truth = data.batch(each, chance)
            targets = network.targets(self._anchors, truth)
            found = self._model.train_on_batch(pictures, targets, return_dict=True)
            training.check_loss(float(found["loss"]))
            if count % LOGGED == 0:
                self._report(f"epoch={number}, batch={count}", found)
        self._report(f"epoch={number}, batch={count}", found)
        throughput(self._host, len(data), start)
        self._last = self._validate()
        line(f"#quality_metric: host={self._host}, epoch={number}, validation mAP <score>=({self._last})")
        progress(self._host, number + 1, settings["epochs"])
        return self._last

    def keep(self, number: int, best: bool) -> None:  # noqa: ARG002 - of a loop's epochs
        """Leave the parameters where they are the best so far."""
        if best:
            training.save_weights(self._job.model / WEIGHTS, self._model)
            line(f"Updating the best model with validation-mAP={self._last}")
            line(f'Saved checkpoint to "/opt/ml/model/{WEIGHTS}"')

    def _report(self, when: str, found: dict[str, Any]) -> None:
        for name in ("cross_entropy", "smooth_l1"):
            line(f"#quality_metric: host={self._host}, {when} train {name} <loss>={float(found[name])}")

    def _validate(self) -> float:
        from sagelab.algorithms.vision import object_detection_network as network

        data, found = self._data["validation"], []
        for chosen in training.batches(len(data), self._settings["mini_batch_size"], None):
            chances, offsets = network.probabilities(self._model.predict_on_batch(data.batch(chosen)[0]))
            for each in range(len(chosen)):
                limit = self._settings["nms_threshold"]
                found.append(boxes.detect(chances[each], offsets[each], self._anchors, limit))
        return boxes.mean_average_precision(found, data.truth, self._settings["overlap_threshold"])


def load(folder: Path) -> Answer:
    """What answers for a model: a picture in, its objects out, the most certain first."""
    from sagelab.algorithms.vision import object_detection_network as network

    settings = _settings_of(folder)
    side, limit = settings["image_shape"], settings["nms_threshold"]
    model, anchors = network.detector(settings["base_network"], side, settings["num_classes"])
    training.load_weights((folder / WEIGHTS).read_bytes(), model)

    def answer(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        pixels = image_requests.picture(body, kind)
        chances, offsets = network.probabilities(model.predict_on_batch(images.scale(pixels, side, side)[None]))
        rows = boxes.detect(chances[0], offsets[0], anchors, limit)
        found: dict[str, Any] = {"prediction": rows.tolist()}
        if "annotation=1" in accept.replace(" ", ""):
            found = box_annotations.write(rows, pixels.shape)
        return image_requests.write(found, found, accept)

    return answer


def _settings_of(folder: Path) -> dict[str, Any]:
    """The hyperparameters that stand beside a model, as they were checked. UserError: it has none of ours."""
    files = [folder / name for name in (SETTINGS, WEIGHTS)]
    found = image_channels.parse(files[0], SETTINGS) if all(file.is_file() for file in files) else None
    if not isinstance(found, dict):
        raise UserError(f"The model has no {SETTINGS} and {WEIGHTS} of Object Detection.")
    names = (*NETWORK, "image_shape", "nms_threshold")
    return training.kept(found, {name: PARAMETERS[name] for name in names}, SETTINGS)


if __name__ == "__main__":
    main(train)
