"""Many linear models at once, trained by Adam, RMSProp or plain gradients in small batches, with NumPy alone.

All models see the same batch, so that their scores are one product of matrices. A loss is a function of margins
(rows, models, outputs) and labels (rows,), which gives each row's loss (rows, models) and its gradient by margins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Loss = Callable[[Any, Any], tuple[Any, Any]]
TINY = 1e-8


@dataclass(frozen=True)
class Recipe:
    """How one of the models is trained. wd: weight of half the squared weights. l1: of their absolute values."""

    learning_rate: float
    wd: float
    l1: float


@dataclass(frozen=True)
class Optimizer:
    """name: adam, rmsprop or sgd. step, factor, lowest: of the schedule, which multiplies the rate each so many
    batches; step None: the rate stays. bias: (times the rate, times wd); None: there is no bias."""

    name: str = "adam"
    momentum: float = 0.0
    beta_1: float = 0.9
    beta_2: float = 0.999
    step: int | None = None
    factor: float = 0.99
    lowest: float = 1e-5
    bias: tuple[float, float] | None = (1.0, 0.0)


class Models:
    """weights: (features, models * outputs), bias: (models, outputs), of rows that are centred and scaled."""

    def __init__(self, start: Any, bias: float, outputs: int, recipes: list[Recipe], optimizer: Optimizer) -> None:
        """start: (features, outputs), where all of them begin."""
        count = len(recipes)
        self.outputs, self.count, self._optimizer, self._batches = outputs, count, optimizer, 0
        self.weights = np.tile(start.astype(np.float64), count)
        self.bias = np.full((count, outputs), bias)
        self._rates, self._wd, self._l1 = (
            np.repeat([getattr(recipe, name) for recipe in recipes], outputs)
            for name in ("learning_rate", "wd", "l1")
        )
        self._state = [(np.zeros_like(each), np.zeros_like(each)) for each in (self.weights, self.bias)]

    def margins(self, rows: Any) -> Any:
        """(rows, models, outputs)."""
        return (rows @ self.weights).reshape(-1, self.count, self.outputs) + self.bias

    def learn(self, rows: Any, labels: Any, weights: Any, loss: Loss) -> Any:
        """One step on a batch. weights: (rows,), of each. The models' losses before it, (models,)."""
        losses, slopes = loss(self.margins(rows), labels)
        shares = (weights / len(weights)).astype(np.float64)
        slopes = slopes * shares[:, None, None]
        self._batches += 1
        rates = self._decayed(self._rates)
        gradient = rows.T @ slopes.reshape(len(slopes), -1) + self._wd * self.weights
        self.weights -= rates * self._direction(gradient, self._state[0])
        if self._l1.any():  # towards zero, and no further
            self.weights = np.sign(self.weights) * np.maximum(np.abs(self.weights) - rates * self._l1, 0)
        if self._optimizer.bias:
            faster, decay = self._optimizer.bias
            pull = decay * self._wd.reshape(self.count, -1) * self.bias
            step = self._direction(slopes.sum(axis=0) + pull, self._state[1])
            self.bias -= faster * rates.reshape(self.count, -1) * step
        return shares @ losses

    def _decayed(self, rates: Any) -> Any:
        if self._optimizer.step is None:
            return rates
        times = (self._batches - 1) // self._optimizer.step
        return np.maximum(rates * self._optimizer.factor**times, np.minimum(rates, self._optimizer.lowest))

    def _direction(self, gradient: Any, state: tuple[Any, Any]) -> Any:
        first, second = state
        how = self._optimizer
        if how.name == "sgd":
            first[...] = how.momentum * first + gradient
            return first
        beta_1 = how.beta_1 if how.name == "adam" else 0.0
        first[...] = beta_1 * first + (1 - beta_1) * gradient
        second[...] = how.beta_2 * second + (1 - how.beta_2) * gradient**2
        mean = first / (1 - beta_1**self._batches)
        return mean / (np.sqrt(second / (1 - how.beta_2**self._batches)) + TINY)


# Losses of a number, or of one margin for two classes.


def squared(margins: Any, labels: Any) -> tuple[Any, Any]:
    away = margins - labels[:, None, None]
    return (away**2)[..., 0], 2 * away


def absolute(margins: Any, labels: Any) -> tuple[Any, Any]:
    away = margins - labels[:, None, None]
    return np.abs(away)[..., 0], np.sign(away)


def quantile(share: float) -> Loss:
    """share: of the labels that are to lie below."""

    def loss(margins: Any, labels: Any) -> tuple[Any, Any]:
        away = margins - labels[:, None, None]
        slopes = np.where(away >= 0, 1 - share, -share)
        return (away * slopes)[..., 0], slopes

    return loss


def huber(delta: float) -> Loss:
    def loss(margins: Any, labels: Any) -> tuple[Any, Any]:
        away = margins - labels[:, None, None]
        near = np.clip(away, -delta, delta)
        return (near * (away - near / 2))[..., 0], near

    return loss


def insensitive(width: float, square: bool) -> Loss:
    """Nothing is lost within `width` of the label."""

    def loss(margins: Any, labels: Any) -> tuple[Any, Any]:
        away = margins - labels[:, None, None]
        over = np.sign(away) * np.maximum(np.abs(away) - width, 0)
        return ((over**2)[..., 0], 2 * over) if square else (np.abs(over)[..., 0], np.sign(over))

    return loss


def logistic(margins: Any, labels: Any) -> tuple[Any, Any]:
    """labels: 0 or 1."""
    signs = 2 * labels[:, None, None] - 1
    return np.logaddexp(0, -signs * margins)[..., 0], sigmoid(margins) - labels[:, None, None]


def hinge(margin: float) -> Loss:
    def loss(margins: Any, labels: Any) -> tuple[Any, Any]:
        signs = 2 * labels[:, None, None] - 1
        short = np.maximum(0, margin - signs * margins)
        return short[..., 0], np.where(short > 0, -signs, 0.0)

    return loss


def sigmoid(margins: Any) -> Any:
    return np.exp(-np.logaddexp(0, -margins))


# Losses of several classes, with an output each. labels: their numbers.


def softmax(margins: Any, labels: Any) -> tuple[Any, Any]:
    chances = probabilities(margins)
    own = _own(labels, margins.shape)
    return -np.log(np.maximum((chances * own).sum(axis=-1), 1e-300)), chances - own


def class_hinge(margin: float) -> Loss:
    """Each class against the rest."""

    def loss(margins: Any, labels: Any) -> tuple[Any, Any]:
        signs = 2.0 * _own(labels, margins.shape) - 1
        short = np.maximum(0, margin - signs * margins)
        return short.sum(axis=-1), np.where(short > 0, -signs, 0.0)

    return loss


def probabilities(margins: Any) -> Any:
    powers = np.exp(margins - margins.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _own(labels: Any, shape: tuple[int, ...]) -> Any:
    """1 where the class is the row's own."""
    return (labels[:, None] == np.arange(shape[-1]))[:, None, :].astype(float)
