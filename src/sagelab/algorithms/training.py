"""How the algorithms for pictures train: epoch after epoch, with a rate that falls, checkpoints, and an early end.

Keras is imported where it works, so that a job that cannot begin says so at once.
"""

from __future__ import annotations

import io
import math
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms import image_channels
from sagelab.algorithms.hyperparameters import Hyperparameter
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import Parameter, choice
from sagelab.algorithms.program import line

CHECKPOINT, KEPT = "training.npz", "model"  # in the folder of checkpoints: the state, and the artifact so far
LARGEST_MODEL = 2 << 30  # bytes of an artifact that another job left
MOST_FILES = 1000
SEED = 0
PRETRAINED = "AWS's pretrained weights are not here: the network begins with random weights (use_pretrained_model)"
SYNCHRONY = choice("dist_sync", "dist_async")


def epochs_of() -> Parameter:
    """ "10, 20": the epochs after which the learning rate falls."""
    return Parameter(_epochs, range="epochs with commas between them")


@dataclass(frozen=True)
class Patience:
    """When there is no use in going on. tolerance: by how much of the best score a better one must exceed it.

    https://docs.aws.amazon.com/sagemaker/latest/dg/IC-Hyperparameter.html
    """

    epochs: int
    least: int
    tolerance: float

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Patience | None:
        """None: training never ends early."""
        if not settings["early_stopping"]:
            return None
        names = ("early_stopping_patience", "early_stopping_min_epochs", "early_stopping_tolerance")
        return cls(*(settings[name] for name in names))


@dataclass
class Progress:
    """epoch: how many are done. best: the best score of them. waited: how many since the last that was better."""

    epoch: int = 0
    best: float = -1.0
    waited: int = 0

    def score(self, found: float, tolerance: float) -> bool:
        """Count one more epoch; whether it was the best."""
        better = self.best < 0 or found - self.best > tolerance * max(self.best, 1e-12)
        self.waited = 0 if better else self.waited + 1
        is_best, self.best, self.epoch = found > self.best, max(found, self.best), self.epoch + 1
        return is_best

    def is_over(self, patience: Patience | None) -> bool:
        """Whether to end before the last epoch."""
        return patience is not None and self.epoch >= patience.least and self.waited >= patience.epochs


class Loop:
    """Epochs of a Keras model with an optimizer, each kept where the job has checkpoints."""

    def __init__(self, job: Job, model: Any, patience: Patience | None) -> None:
        self._job, self._model, self._patience = job, model, patience
        self._progress = Progress()

    def run(self, epochs: int, train: Callable[[int], float], keep: Callable[[int, bool], None]) -> None:
        """train: one epoch, from 0; its score. keep: leaves the model after an epoch; whether it is the best."""
        self._resume()
        while self._progress.epoch < epochs and not self._progress.is_over(self._patience):
            epoch = self._progress.epoch
            tolerance = self._patience.tolerance if self._patience else 0.0
            best = self._progress.score(train(epoch), tolerance)
            keep(epoch, best)
            self._checkpoint()
            if self._progress.is_over(self._patience) and self._progress.epoch < epochs:
                line(f"Early stopping: no improvement for {self._progress.waited} epochs")

    def _checkpoint(self) -> None:
        if not (folder := self._job.checkpoints):
            return
        shutil.copytree(self._job.model, folder / KEPT, dirs_exist_ok=True)
        for file in (folder / KEPT).iterdir():
            if not (self._job.model / file.name).exists():
                file.unlink()
        variables = [*self._model.get_weights(), *map(np.asarray, self._model.optimizer.variables)]
        _write(folder / CHECKPOINT, [np.array(list(asdict(self._progress).values())), *variables])

    def _resume(self) -> None:
        file = self._job.checkpoints / CHECKPOINT if self._job.checkpoints else None
        if file is None or not file.is_file():
            return
        self._model.optimizer.build(self._model.trainable_variables)
        variables = [*self._model.weights, *self._model.optimizer.variables]
        try:
            (epoch, best, waited), *found = _read(
                file.read_bytes(), [(3,), *(tuple(each.shape) for each in variables)]
            )
        except UserError:
            line(f"The checkpoint {file} is of another network, and is left out")
            return
        for variable, value in zip(variables, found, strict=True):
            variable.assign(value)
        self._progress = Progress(int(epoch), float(best), int(waited))
        if (file.parent / KEPT).is_dir():
            shutil.copytree(file.parent / KEPT, self._job.model, dirs_exist_ok=True)
        line(f"Checkpoint loaded from {file}: resuming after epoch {self._progress.epoch - 1}")


def stepped(rate: float, factor: float, steps: Sequence[int], epoch: int) -> float:
    """The learning rate of an epoch, which has fallen by a factor after each of the steps."""
    return rate * factor ** sum(epoch >= step for step in steps)


def polynomial(rate: float, share: float) -> float:
    """The rate after a share of the training, as GluonCV's `poly` has it."""
    return float(rate * (1 - share) ** 0.9)


def cosine(rate: float, share: float) -> float:
    """The rate after a share of the training: half a wave."""
    return rate * (1 + math.cos(math.pi * share)) / 2


def make_optimizer(name: str, settings: dict[str, Any]) -> Any:
    """One of MXNet's optimizers in Keras, whose weight decay is decoupled from the momentum."""
    import keras

    rate, decay = settings["learning_rate"], settings["weight_decay"] or None
    momentum, epsilon = settings.get("momentum", 0.0), settings.get("eps", 1e-8)
    kinds: dict[str, Callable[[], Any]] = {
        "sgd": lambda: keras.optimizers.SGD(rate, momentum, weight_decay=decay),
        "nag": lambda: keras.optimizers.SGD(rate, momentum, nesterov=True, weight_decay=decay),
        "adam": lambda: keras.optimizers.Adam(
            rate, settings.get("beta_1", 0.9), settings.get("beta_2", 0.999), epsilon
        ),
        "rmsprop": lambda: keras.optimizers.RMSprop(
            rate,
            settings.get("gamma", 0.9),
            settings.get("gamma2", 0.0),
            epsilon,
            weight_decay=settings.get("rmsprop_decay"),
        ),
        "adagrad": lambda: keras.optimizers.Adagrad(rate),
        "adadelta": lambda: keras.optimizers.Adadelta(rate),
    }
    return kinds[name]()


def check_batch(count: int, size: int) -> None:
    """UserError: the pictures to train on do not make one batch."""
    if count < size:
        raise UserError("The number of input images must be bigger or equal to the mini_batch_size.")


def check_loss(loss: float) -> float:
    """UserError: it is no number any more, and never will be again."""
    if not math.isfinite(loss):
        raise UserError("The training loss is not a number any more: please use a smaller learning_rate.")
    return loss


def batches(count: int, size: int, chance: np.random.Generator | None) -> Iterator[Any]:
    """The numbers of the examples of each batch. chance: their order is new, and the last batch is filled up from
    the first, as MXNet does it; else they come in order, and the last may be smaller."""
    order = np.arange(count) if chance is None else chance.permutation(count)
    if chance is not None and count % size:
        order = np.concatenate([order, np.resize(order, size - count % size)])
    for start in range(0, len(order), size):
        yield order[start : start + size]


def save_weights(file: Path, model: Any) -> None:
    """All arrays of a network, in NumPy's format; whole or not at all."""
    _write(file, model.get_weights())


def load_weights(content: bytes, model: Any) -> None:
    """UserError: they are not those of such a network."""
    model.set_weights(_read(content, [tuple(weight.shape) for weight in model.weights]))


def before(job: Job) -> dict[str, bytes] | None:
    """The artifact of the job that this one goes on from: its `model` channel's, name -> content.

    https://docs.aws.amazon.com/sagemaker/latest/dg/incremental-training.html
    """
    folder = job.channel("model")
    if folder is None:
        return None
    archives = sorted(folder.rglob("*.tar.gz"))
    if len(archives) > 1:
        raise UserError("The model channel must have one model.tar.gz.")
    if not archives:
        files = [file for file in folder.iterdir() if file.is_file()]
        _check_room(sum(file.stat().st_size for file in files), len(files))
        return {file.name: file.read_bytes() for file in files}
    try:
        return _unpack(archives[0])
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, LookupError, RecursionError):
        raise UserError("The model channel's model.tar.gz cannot be read.") from None


def kept(found: Any, known: dict[str, Hyperparameter], name: str) -> dict[str, Any]:
    """The hyperparameters of a file of a model, checked as those of a job are. UserError: one is no good."""
    values = {}
    for each, (kind, given) in ((each, (known[each].parameter, found.get(each))) for each in known):
        text = ",".join(map(str, given)) if isinstance(given, list) else str(given)
        try:
            values[each] = kind.read(text)
            good = kind.fits(values[each])
        except ValueError:
            good = False
        if not good:
            raise UserError(f"{each} in the model's {name} is no such hyperparameter.")
    return values


@dataclass(frozen=True)
class Artifact:
    """What a job leaves. settings, weights: names of files. network: the hyperparameters that make the network."""

    settings: str
    weights: str
    network: tuple[str, ...]
    algorithm: str


def begin_with(before: dict[str, bytes], model: Any, settings: dict[str, Any], artifact: Artifact) -> None:
    """Incremental training: from the parameters that another job left. UserError: they are of another network."""
    if artifact.settings not in before or artifact.weights not in before:
        raise UserError(f"The model channel has no model of {artifact.algorithm}.")
    saved = image_channels.parse(before[artifact.settings], artifact.settings)
    check_same(saved, settings, artifact.network)
    load_weights(before[artifact.weights], model)
    line("Training begins with the model of the model channel")


def check_same(saved: Any, settings: dict[str, Any], names: Sequence[str]) -> None:
    """UserError: what makes the network is not as it was for the model that training begins with."""
    if not isinstance(saved, dict):
        raise UserError("The hyperparameters of the model in the model channel cannot be read.")
    for name in names:
        if saved.get(name) != settings.get(name):
            raise UserError(
                f"Hyperparameter {name} must be {saved.get(name)}, as it was for the model in the model channel."
            )


def _unpack(file: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    size = 0
    with tarfile.open(file, "r:gz") as archive:
        for member in archive:
            size += member.size
            _check_room(size, len(found))
            content = archive.extractfile(member) if member.isfile() else None
            if content:
                found[Path(member.name).name] = content.read()
    return found


def _check_room(size: int, files: int) -> None:
    if size > LARGEST_MODEL or files > MOST_FILES:
        raise UserError(f"The model of the model channel is larger than {LARGEST_MODEL} bytes.")


def _write(file: Path, arrays: Sequence[Any]) -> None:
    draft = file.with_name(f".{file.name}")
    with draft.open("wb") as content:
        np.savez(content, *arrays)
    draft.replace(file)


def _read(content: bytes, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            arrays = [found[f"arr_{number}"] for number in range(len(shapes))] if len(found) == len(shapes) else []
    except Exception:  # what NumPy and zipfile raise of anything
        arrays = []
    if [array.shape for array in arrays] != list(shapes):
        raise UserError("The model's parameters are not those of a network of these hyperparameters.")
    return arrays


def _epochs(text: str) -> list[int]:
    found = [int(part) for part in text.split(",") if part.strip()]
    if any(epoch < 1 for epoch in found):
        raise ValueError(text)
    return found
