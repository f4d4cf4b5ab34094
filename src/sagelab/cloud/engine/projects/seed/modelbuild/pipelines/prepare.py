"""Split scikit-learn's handwritten digits: two thirds to train with, the rest to evaluate with."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def split(seed: int = 0) -> dict[str, np.ndarray]:
    """Name -> rows of a label and 64 pixels."""
    digits = load_digits()
    rows = np.column_stack([digits.target, digits.data])
    train, test = train_test_split(rows, test_size=1 / 3, random_state=seed)
    return {"train": train, "test": test}


if __name__ == "__main__":
    for name, rows in split().items():
        folder = Path("/opt/ml/processing") / name
        folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / f"{name}.csv", rows, delimiter=",", fmt="%g")
        print(f"{name}: {len(rows)} digits")
