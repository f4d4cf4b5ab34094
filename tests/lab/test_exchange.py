"""The training script of lab 6 whose hosts exchange gradients, on hosts that are threads."""

from __future__ import annotations

import runpy
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).parents[2] / "labs" / "06-lock-it-down" / "exchange.py"


def test_every_host_gets_the_mean_of_all_gradients() -> None:
    average = runpy.run_path(str(SCRIPT))["average"]
    first, second = socket.socketpair()
    gradients = [np.full(300_000, value, np.float32) for value in (1, 3)]
    with first, second, ThreadPoolExecutor(2) as hosts:
        one = hosts.submit(average, gradients[0], [first], first=True)
        two = hosts.submit(average, gradients[1], [second], first=False)
        assert (one.result() == 2).all()
        assert (two.result() == 2).all()


def test_steps_along_the_gradient_make_the_loss_smaller() -> None:
    step = runpy.run_path(str(SCRIPT))["step"]
    generator = np.random.default_rng(0)
    weights = generator.normal(0, 0.03, 784 * 1500 + 1500 * 10).astype(np.float32)
    images, labels = generator.random((32, 784), np.float32), np.arange(32) % 10
    losses = []
    for _ in range(5):
        loss, gradient = step(weights, images, labels)
        losses.append(loss)
        weights = weights - 0.05 * gradient
    assert losses[-1] < losses[0]
