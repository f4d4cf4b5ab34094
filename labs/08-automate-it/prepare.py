"""Make of raw digits what a network learns from: throw away what is none, and split the rest in three.

A SageMaker processing job puts its input into one folder and takes its outputs from others, all under
/opt/ml/processing:

    $ python3 prepare.py --test-share 0.2 --validation-share 0.1

In    input/digits.npz: `image`, uint8 (n, 28, 28), 0 is paper, and `label`, (n,) of 0 to 9
Out   training/training.npz, validation/validation.npz, test/test.npz, with the same two arrays
Log   how many pictures were thrown away, and how many each part has
"""

import argparse
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--test-share", type=float, default=0.2)
parser.add_argument("--validation-share", type=float, default=0.1)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--folder", type=Path, default=Path("/opt/ml/processing"))
args = parser.parse_args()

with np.load(args.folder / "input" / "digits.npz") as data:
    images, labels = data["image"], data["label"]

written = images.reshape(len(images), -1).max(axis=1) > 0  # a box that nobody has written into is no digit
images, labels = images[written], labels[written]
print(f"{len(written)} pictures, {len(written) - len(images)} of them empty and thrown away")

# The same seed makes the same parts, so that models of two runs are judged by the same digits.
order = np.random.default_rng(args.seed).permutation(len(images))
test, validation = (round(share * len(order)) for share in (args.test_share, args.validation_share))
parts = {
    "test": order[:test],
    "validation": order[test : test + validation],
    "training": order[test + validation :],
}
for name, chosen in parts.items():
    folder = args.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.npz", image=images[chosen], label=labels[chosen])
    print(f"{name}: {len(chosen)} digits")
