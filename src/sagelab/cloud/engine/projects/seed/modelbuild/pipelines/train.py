"""Train a classifier of digits, and serve it: scikit-learn's script mode."""

import argparse
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def model_fn(folder):
    """What an endpoint loads."""
    return joblib.load(Path(folder) / "model.joblib")


def train(rows: np.ndarray, strength: float):
    """A classifier; strength: the inverse of its regularisation."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
    return model.fit(rows[:, 1:], rows[:, 0].astype(int))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--strength", type=float, default=0.1)
    options, _ = parser.parse_known_args()
    rows = np.loadtxt(Path(os.environ["SM_CHANNEL_TRAIN"]) / "train.csv", delimiter=",")
    joblib.dump(train(rows, options.strength), Path(os.environ["SM_MODEL_DIR"]) / "model.joblib")
    print(f"trained with {len(rows)} digits")
