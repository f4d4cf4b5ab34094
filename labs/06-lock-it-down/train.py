"""An honest script: the mean picture of each digit, which is a model already.

It needs nothing but what SageMaker brings: its data are there when it begins, and its model is taken when it ends.
"""

from pathlib import Path

import numpy as np

DATA, MODEL = Path("/opt/ml/input/data/training/digits.npz"), Path("/opt/ml/model/means.npy")


def main():
    with np.load(DATA) as digits:
        pictures, labels = digits["images"].reshape(len(digits["images"]), -1) / 255.0, digits["labels"]
    means = np.stack([pictures[labels == digit].mean(axis=0) for digit in range(10)])
    nearest = ((means**2).sum(axis=1) - 2 * pictures @ means.T).argmin(axis=1)
    np.save(MODEL, means)
    print(f"{(nearest == labels).mean():.0%} of {len(labels)} digits are nearest to the mean of their own")


if __name__ == "__main__":
    main()
