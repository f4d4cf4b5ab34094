"""Bring the columns of a table of houses to one scale, learned from the houses to train with alone.

In a SageMaker processing job the folders are those of /opt/ml/processing; anywhere else, name another one:

    $ python scale.py --scaler robust --folder here

In    <folder>/input/houses.csv, with a header; the first column is the price
Out   <folder>/train/train.csv and <folder>/validation/validation.csv, scaled, the price first, without a header,
      and <folder>/scaled/scaled.csv: what each of the five scalers makes of the column --column, fitted to all
      values, and fitted to all but the largest
"""

import argparse
from pathlib import Path

import pandas as pd
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler

SCALERS = {
    "standard": StandardScaler,  # minus the mean, by the standard deviation
    "minmax": MinMaxScaler,  # the smallest to 0, the largest to 1
    "maxabs": MaxAbsScaler,  # by the largest absolute value
    "robust": RobustScaler,  # minus the median, by the middle half's width
    "normalizer": Normalizer,  # each row by its own length: no column is looked at
}
parser = argparse.ArgumentParser()
parser.add_argument("--scaler", choices=SCALERS, default="standard")
parser.add_argument("--column", default="square_feet")
parser.add_argument("--folder", type=Path, default="/opt/ml/processing")
args = parser.parse_args()

houses = pd.read_csv(args.folder / "input/houses.csv")
label, features = houses.columns[0], list(houses.columns[1:])
train = houses.iloc[: len(houses) * 4 // 5]
parts = {"train": train, "validation": houses.iloc[len(train) :]}

scaler = SCALERS[args.scaler]().fit(train[features])  # the validation houses have no say in it
for name, part in parts.items():
    scaled = part[[label]].join(pd.DataFrame(scaler.transform(part[features]), part.index, features))
    (args.folder / name).mkdir(parents=True, exist_ok=True)
    scaled.to_csv(args.folder / name / f"{name}.csv", index=False, header=False)
print(f"{args.scaler}: {len(train)} houses to train with, {len(houses) - len(train)} to validate with")

# The column alone, but for the normalizer: of one number it can only make 1, so it has the whole row. Then the
# same without the largest value, to see what that has done to all others.
tables = []
for fitted, rows in (("all", train), ("without the largest", train.drop(index=train[args.column].idxmax()))):
    side_by_side = {"fitted to": fitted, "as it is": rows[args.column]}
    for name, make in SCALERS.items():
        given = features if name == "normalizer" else [args.column]
        side_by_side[name] = make().fit_transform(rows[given])[:, given.index(args.column)]
    tables.append(pd.DataFrame(side_by_side))
(args.folder / "scaled").mkdir(exist_ok=True)
pd.concat(tables).to_csv(args.folder / "scaled/scaled.csv", index=False)
