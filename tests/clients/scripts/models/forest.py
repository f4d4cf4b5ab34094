"""Trains a forest of scikit-learn's, and serves it."""

import argparse
import os
from pathlib import Path

import joblib
import pandas as pd
from sklearn.ensemble import RandomForestClassifier


def model_fn(model_dir: str) -> RandomForestClassifier:
    found: RandomForestClassifier = joblib.load(Path(model_dir, "model.joblib"))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    options = parser.parse_args()
    table = pd.read_csv(Path(options.train, "rows.csv"), header=None)
    forest = RandomForestClassifier(options.trees, random_state=0).fit(table.iloc[:, 1:].values, table[0])
    joblib.dump(forest, Path(options.model_dir, "model.joblib"))
