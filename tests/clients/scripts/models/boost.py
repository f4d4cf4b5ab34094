"""Trains a model of XGBoost's, and serves its margins."""

import argparse
import os
from pathlib import Path
from typing import Any

import pandas as pd
import xgboost


def model_fn(model_dir: str) -> xgboost.Booster:
    booster = xgboost.Booster()
    booster.load_model(Path(model_dir, "boost.json"))
    return booster


def predict_fn(data: xgboost.DMatrix, model: xgboost.Booster) -> Any:
    return model.predict(data, output_margin=True)


def output_fn(prediction: Any, _accept: str) -> tuple[str, str]:
    return ",".join(map(str, prediction)), "text/csv"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    table = pd.read_csv(Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv"), header=None)
    data = xgboost.DMatrix(table.iloc[:, 1:].values, table[0])
    booster = xgboost.train({"objective": "binary:logistic"}, data, options.rounds)
    booster.save_model(Path(os.environ["SM_MODEL_DIR"], "boost.json"))
