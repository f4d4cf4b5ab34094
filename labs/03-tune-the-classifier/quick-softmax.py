"""Train the simplest network there is, ten neurons without a hidden layer, to read handwritten digits.

It takes less than a second, so that a search over its hyperparameters can be repeated as often as one likes.

    $ python quick-softmax.py --learning-rate 0.1 --decay 0.001 --training training --validation validation

In    as mnist-train-cnn.py: <training>/training.npz and <validation>/validation.npz
Log   one line an epoch, "epoch 3/5 - val_acc: 0.8690"
"""

import argparse
import os
from pathlib import Path

import numpy as np

env = os.environ.get
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--decay", type=float, default=0.0)
parser.add_argument("--training", default=env("SM_CHANNEL_TRAINING"))
parser.add_argument("--validation", default=env("SM_CHANNEL_VALIDATION"))
args, _ = parser.parse_known_args()


def load(file):
    """Digits as rows of 784 numbers from 0 to 1, and their labels."""
    with np.load(file) as data:
        return data["image"].reshape(-1, 784) / 255, data["label"]


x_train, y_train = load(Path(args.training) / "training.npz")
x_val, y_val = load(Path(args.validation) / "validation.npz")
x_train, y_train = x_train[:500], y_train[:500]
weights, random = np.zeros((784, 10)), np.random.default_rng(1)

for epoch in range(args.epochs):
    for batch in np.array_split(random.permutation(len(x_train)), len(x_train) // 25):
        scores = x_train[batch] @ weights
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        gradient = x_train[batch].T @ (shares - np.eye(10)[y_train[batch]]) / len(batch)
        weights -= args.learning_rate * (gradient + args.decay * weights)
    accuracy = ((x_val @ weights).argmax(axis=1) == y_val).mean()
    print(f"epoch {epoch + 1}/{args.epochs} - val_acc: {accuracy:.4f}", flush=True)
