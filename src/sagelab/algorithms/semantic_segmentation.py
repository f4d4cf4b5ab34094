"""SageMaker's Semantic Segmentation: a network says of each pixel of a picture of which class it is.

`python3 -m sagelab.algorithms.semantic_segmentation` trains. Channels, hyperparameters, lines of the log and names
of files are those of https://docs.aws.amazon.com/sagemaker/latest/dg/semantic-segmentation.html.
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
from sagelab.algorithms.parameters import choice, integer, number
from sagelab.algorithms.program import line, main, progress, throughput
from sagelab.algorithms.vision import augmentation, image_channels, images, label_maps, training
from sagelab.algorithms.vision.image_channels import RECORDIO, Example
from sagelab.algorithms.vision.label_maps import IGNORED, Confusion, LabelMap
from sagelab.algorithms.vision.training import Artifact, Loop, Patience

WEIGHTS, SETTINGS, MAP = "model_algo-1", "hyperparams.json", "label_map.json"
NETWORK = ("backbone", "algorithm", "crop_size", "num_classes")  # what makes it: as in the model channel
LARGEST_SIDE = 2048
STRIDE = 8  # the network's
LOGGED = 20  # batches between two lines of the log
PARAMETERS = {
    "num_classes": required(integer(2, 254)),
    "num_training_samples": required(integer(1)),
    "algorithm": optional(choice("fcn", "psp", "deeplab"), "fcn"),
    "backbone": optional(choice("resnet-50", "resnet-101"), "resnet-50"),
    "base_size": optional(integer(17, LARGEST_SIDE), 520),
    "crop_size": optional(integer(17, LARGEST_SIDE), 240),
    "early_stopping": optional(boolean(), False),
    "early_stopping_min_epochs": optional(integer(0), 5),
    "early_stopping_patience": optional(integer(1), 4),
    "early_stopping_tolerance": optional(number(0, 1), 0.0),
    "epochs": optional(integer(1), 10),
    "gamma1": optional(number(0, 1), 0.9),
    "gamma2": optional(number(0, 1), 0.9),
    "learning_rate": optional(number(0, 1, inside="(]"), 0.001),
    "lr_scheduler": optional(choice("step", "poly", "cosine"), "poly"),
    "lr_scheduler_factor": optional(number(0, 1), 0.1),
    "lr_scheduler_step": optional(training.epochs_of(), []),
    "mini_batch_size": optional(integer(1), 16),
    "momentum": optional(number(0, 1, inside="(]"), 0.9),
    "optimizer": optional(choice("adam", "adagrad", "nag", "rmsprop", "sgd", "adadelta"), "sgd"),
    "syncbn": optional(boolean(), False),
    "use_pretrained_model": optional(boolean(), True),
    "validation_mini_batch_size": optional(integer(1), 16),
    "weight_decay": optional(number(0, 1, inside="()"), 0.0001),
}


def check(sent: dict[str, str]) -> dict[str, Any]:
    """The settings of a job. UserError: one of them is no good, or two do not go together."""
    found = hyperparameters.read(sent, PARAMETERS)
    if found["lr_scheduler"] == "step" and not found["lr_scheduler_step"]:
        raise UserError("Hyperparameter lr_scheduler_step is required when lr_scheduler is step.")
    found["crop_size"] = -(-found["crop_size"] // STRIDE) * STRIDE
    return found


def train(job: Job) -> None:
    """Train on the channels, leave the model. UserError: what the user has to put right."""
    settings = check(job.config("hyperparameters"))
    if settings["use_pretrained_model"]:
        line(training.PRETRAINED)
    if settings["syncbn"]:
        line("syncbn: there is no second GPU, and each batch is normalized as a whole in any case")
    data = {channel: read(job, channel, settings) for channel in ("train", "validation")}
    training.check_batch(len(data["train"]), settings["mini_batch_size"])
    _fit(job, settings, data)


def read(job: Job, channel: str, settings: dict[str, Any]) -> Examples:
    """A channel's pictures and masks. UserError: a channel, a mask or its label map is no good."""
    image_channels.require(job, "train", "validation")
    labels = label_map_of(job, channel)
    if image_channels.kind_of(job, channel) == RECORDIO:
        found = image_channels.recorded(job, channel)
        if any(isinstance(example.label, np.ndarray) for example in found):
            raise UserError("Semantic Segmentation takes images with annotations, or an augmented manifest.")
    else:
        found = image_channels.annotated(job, channel, ".png")
    examples = Examples(found, labels, settings)
    for index in range(len(found)):
        examples.mask(index)
    return examples


def label_map_of(job: Job, channel: str) -> LabelMap:
    """The label map of a channel: of the channel label_map, or beside the annotations; else the numbers as they
    are."""
    for folder, name in (
        (job.channel("label_map"), f"{channel}_label_map.json"),
        (job.channel(f"{channel}_annotation"), MAP),
    ):
        files = sorted(folder.rglob(name)) if folder else []
        if files:
            return label_maps.parse(image_channels.parse(files[0], name), name)
    return label_maps.PLAIN


@dataclass(frozen=True)
class Examples:
    """Pictures that are decoded when they are wanted, with a mask each."""

    found: Sequence[Example]
    labels: LabelMap
    settings: dict[str, Any]

    def __len__(self) -> int:
        return len(self.found)

    def picture(self, index: int) -> images.Pixels:
        """(height, width, 3)."""
        return images.decode(self.found[index].data, self.found[index].name)

    def mask(self, index: int) -> images.Pixels:
        """(height, width) of classes. UserError: it is not as large as its picture, or has a class that is not
        there."""
        example = self.found[index]
        mask = images.decode_mask(image_channels.content(example.label), f"of {example.name}")
        size = images.size_of(example.data, example.name)
        if mask.shape != size:
            raise UserError(
                f"The annotation of image {example.name} is {mask.shape[1]} x {mask.shape[0]} pixels, and the"
                f" image {size[1]} x {size[0]}: they must have the same size."
            )
        return self.labels.read(mask, self.settings["num_classes"], f"of {example.name}")

    def batch(self, chosen: Any, chance: np.random.Generator) -> tuple[Any, Any]:
        """(n, crop, crop, 3) and (n, crop, crop): each in another size, a part of it, every other one mirrored."""
        pairs = [self._part(index, chance) for index in chosen]
        return np.stack([pixels for pixels, _ in pairs]), np.stack([mask for _, mask in pairs])

    def _part(self, index: int, chance: np.random.Generator) -> tuple[Any, Any]:
        crop, longest = self.settings["crop_size"], self.settings["base_size"] * chance.uniform(0.5, 2)
        pixels, mask = self.picture(index), self.mask(index)
        high, wide = scaled_size(pixels.shape, longest)
        both = np.dstack([images.scale(pixels, high, wide), images.scale(mask, high, wide, exact=True)])
        below, right = max(0, crop - high), max(0, crop - wide)
        filled = np.pad(both, ((0, below), (0, right), (0, 0)))
        filled[high:, :, 3] = filled[:, wide:, 3] = IGNORED
        found = augmentation.cut(filled, crop, crop, chance)
        found = found[:, ::-1] if chance.random() < 0.5 else found
        return found[..., :3], found[..., 3]


def scaled_size(shape: Sequence[int], longest: float) -> tuple[int, int]:
    """(height, width) with the longest side as asked for."""
    factor = longest / max(shape[:2])
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def _fit(job: Job, settings: dict[str, Any], data: dict[str, Examples]) -> None:
    import keras

    from sagelab.algorithms.vision import semantic_segmentation_network as network

    before = training.before(job)
    keras.utils.set_random_seed(training.SEED)
    model = network.segmenter(
        settings["algorithm"], int(settings["backbone"][-3:].strip("-")), settings["num_classes"]
    )
    if before is not None:
        training.begin_with(before, model, settings, Artifact(SETTINGS, WEIGHTS, NETWORK, "Semantic Segmentation"))
    kept = settings | {"gamma": settings["gamma1"]}
    model.compile(training.make_optimizer(settings["optimizer"], kept), network.loss, jit_compile=False)
    (job.model / SETTINGS).write_text(json.dumps(settings))
    (job.model / MAP).write_text(json.dumps({"numbers": data["train"].labels.numbers.tolist()}))
    fitting = Fitting(job, model, settings, data)
    Loop(job, model, Patience.of(settings)).run(settings["epochs"], fitting.epoch, fitting.keep)


class Fitting:
    """One job's epochs."""

    def __init__(self, job: Job, model: Any, settings: dict[str, Any], data: dict[str, Examples]) -> None:
        self._job, self._model, self._settings, self._data = job, model, settings, data
        self._host, self._last = job.hosts[0], 0.0

    def epoch(self, number: int) -> float:
        """Train on each picture once; the mIOU on those of validation."""
        settings, data, start = self._settings, self._data["train"], time.monotonic()
        self._model.reset_metrics()
        chance = np.random.default_rng((training.SEED, number))
        loss = 0.0
        for count, each in enumerate(training.batches(len(data), settings["mini_batch_size"], chance)):
            self._model.optimizer.learning_rate = self._rate(number, count)
            loss = training.check_loss(float(self._model.train_on_batch(*data.batch(each, chance))))
        line(f"#quality_metric: host={self._host}, epoch={number}, train loss <loss>=({loss})")
        throughput(self._host, len(data), start)
        start = time.monotonic()
        found = self._validate()
        for name, score in (("mIOU", found.mean_overlap), ("pixel_accuracy", found.pixel_accuracy)):
            line(f"#quality_metric: host={self._host}, epoch={number}, validation {name} <score>=({score})")
        speed = len(self._data["validation"]) / max(time.monotonic() - start, 1e-9)
        line(f"#throughput_metric: host={self._host}, validation throughput={speed} records/second")
        progress(self._host, number + 1, settings["epochs"])
        self._last = found.mean_overlap
        return self._last

    def keep(self, number: int, best: bool) -> None:  # noqa: ARG002 - of a loop's epochs
        """Leave the parameters where they are the best so far."""
        if best:
            training.save_weights(self._job.model / WEIGHTS, self._model)
            line(f"Updating the best model with validation-mIOU={self._last}")

    def _rate(self, epoch: int, batch: int) -> float:
        """The learning rate, by num_training_samples."""
        settings = self._settings
        rate, kind = settings["learning_rate"], settings["lr_scheduler"]
        if kind == "step":
            return training.stepped(rate, settings["lr_scheduler_factor"], settings["lr_scheduler_step"], epoch)
        share = batch * settings["mini_batch_size"] / settings["num_training_samples"]
        done = min(1.0, (epoch + min(1.0, share)) / settings["epochs"])
        return training.polynomial(rate, done) if kind == "poly" else training.cosine(rate, done)

    def _validate(self) -> Confusion:
        from sagelab.algorithms.vision import semantic_segmentation_inference as inference

        data, found = self._data["validation"], Confusion(self._settings["num_classes"])
        for chosen in training.batches(len(data), self._settings["validation_mini_batch_size"], None):
            pictures = [data.picture(index) for index in chosen]
            masks = inference.masks(self._model, pictures, self._settings["base_size"])
            for index, mask in zip(chosen, masks, strict=True):
                found.add(data.mask(index), mask)
        return found


def load(folder: Path) -> Answer:
    """What answers for a model: a picture in; a mask, or the probability of each class at each pixel, out."""
    from sagelab.algorithms.vision import semantic_segmentation_inference as inference

    return inference.load(folder)


if __name__ == "__main__":
    main(train)
