"""Splits rows.csv in two with scikit-learn."""

import argparse
from pathlib import Path

from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--test-share", type=float)
share = parser.parse_args().test_share

base = Path("/opt/ml/processing")
rows = (base / "input/rows.csv").read_text().split()
for name, part in zip(("train", "test"), train_test_split(rows, test_size=share, random_state=0), strict=True):
    (base / name / "rows.csv").write_text("\n".join(part))
print("split", len(rows), "rows")
