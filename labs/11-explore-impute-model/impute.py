"""Take the square feet from a tenth of the houses, fill them in five ways, and see what each does to the prices.

In a SageMaker processing job the folders are those of /opt/ml/processing; anywhere else, name another one:

    $ python impute.py --seeds 20 --folder here

In    <folder>/input/houses.csv, with a header; the first column is the price
Out   <folder>/results/results.csv: for each seed and way, the error of the prices (root of the mean square) of
      new houses that are complete, and of new houses of which a tenth has no square feet either;
      <folder>/train/train.csv and <folder>/validation/validation.csv: the first seed's houses, filled by KNN,
      the price first, without a header
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

parser = argparse.ArgumentParser()
parser.add_argument("--seeds", type=int, default=20)
parser.add_argument("--train", type=int, default=240, help="houses to train with; the others are the new ones")
parser.add_argument("--share", type=float, default=0.1, help="of the houses that lose their square feet")
parser.add_argument("--neighbours", type=int, default=5)
parser.add_argument("--column", default="square_feet")
parser.add_argument("--folder", type=Path, default="/opt/ml/processing")
args = parser.parse_args()

houses = pd.read_csv(args.folder / "input/houses.csv")
label = houses.columns[0]
COLUMN = list(houses.columns[1:]).index(args.column)
# KNN asks which houses are near, and near is a matter of units: so every column is brought to one scale first.
WAYS = {
    "drop": None,
    "mean": SimpleImputer(strategy="mean"),
    "median": SimpleImputer(strategy="median"),
    "KNN, unscaled": KNNImputer(n_neighbors=args.neighbours),
    "KNN": make_pipeline(StandardScaler(), KNNImputer(n_neighbors=args.neighbours)),
}


def lose(table, draw):
    """A copy in which a share of the houses has no value in the column."""
    lost, rows = table.copy(), draw.choice(len(table), round(args.share * len(table)), replace=False)
    lost[rows, COLUMN] = np.nan
    return lost


def error(model, table, prices, fallback=None):
    """The root of the mean square error. fallback: the price of a house that the model cannot read."""
    readable = ~np.isnan(table).any(axis=1)
    guesses = np.full(len(table), fallback, float)
    guesses[readable] = model.predict(table[readable])
    return float(np.sqrt(np.mean((guesses - prices) ** 2)))


def fit(table, prices):
    return GradientBoostingRegressor(n_estimators=60, learning_rate=0.15, random_state=0).fit(table, prices)


rows = []
for seed in range(args.seeds):
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(houses))
    table, prices = houses.drop(columns=label).to_numpy(float)[order], houses[label].to_numpy()[order]
    old, paid, new, asked = table[: args.train], prices[: args.train], table[args.train :], prices[args.train :]
    best = error(fit(old, paid), new, asked)
    rows.append((seed, "nothing missing", best, best))
    lost, new_lost = lose(old, draw), lose(new, draw)
    for way, imputer in WAYS.items():
        keep = ~np.isnan(lost).any(axis=1) if imputer is None else slice(None)
        filled = lost[keep] if imputer is None else imputer.fit_transform(lost)
        model = fit(filled, paid[keep])
        new_filled = new_lost if imputer is None else imputer.transform(new_lost)
        # One model reads both kinds of new houses; what it learned from has KNN's scale.
        complete = imputer[0].transform(new) if way == "KNN" else new
        both = error(model, complete, asked), error(model, new_filled, asked, paid[keep].mean())
        rows.append((seed, way, *both))
        if seed == 0 and way == "KNN":
            unscale = imputer[0].inverse_transform
            parts = {"train": (paid, unscale(filled)), "validation": (asked, new)}
            for name, (labels, features) in parts.items():
                (args.folder / name).mkdir(parents=True, exist_ok=True)
                written = pd.DataFrame(np.column_stack([labels, features]).round(2))
                written.to_csv(args.folder / name / f"{name}.csv", index=False, header=False)
    print(f"seed {seed}: {', '.join(f'{way} {found:.1f}' for _, way, found, _ in rows[-6:])}", flush=True)

(args.folder / "results").mkdir(parents=True, exist_ok=True)
columns = ["seed", "way", "complete", "incomplete"]
pd.DataFrame(rows, columns=columns).to_csv(args.folder / "results/results.csv", index=False)
