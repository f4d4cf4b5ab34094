"""Trains nothing, but keeps its checkpoints as a careful script does, and is done in no time.

    python epochs.py --epochs 4 --seconds 0.5 --size 4096

An epoch takes `seconds` and leaves a checkpoint of `size` random bytes and their SHA-256, written in small pieces
for half as long again, so that there is a long moment in which it is half a file. The newest two are kept; a start
goes on after the newest, and ends badly if any of them is not whole.
"""

import argparse
import hashlib
import os
import time
from pathlib import Path

PIECES = 20

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--seconds", type=float)
parser.add_argument("--size", type=int)
args, _ = parser.parse_known_args()
folder = Path("/opt/ml/checkpoints")


def is_whole(file: Path) -> bool:
    data = file.read_bytes()
    return hashlib.sha256(data[:-32]).digest() == data[-32:]


def write(file: Path) -> None:
    data = os.urandom(args.size)
    step = args.size // PIECES or 1
    with file.open("wb", buffering=0) as out:
        for start in range(0, args.size, step):
            out.write(data[start : start + step])
            time.sleep(args.seconds / 2 / PIECES)
        out.write(hashlib.sha256(data).digest())


found = sorted(folder.glob("epoch-*"))
corrupt = [file.name for file in found if not is_whole(file)]
assert not corrupt, f"not whole: {corrupt}"
done = int(found[-1].name.removeprefix("epoch-")) if found else 0
print(f"resumes after epoch {done}", flush=True)
for epoch in range(done + 1, args.epochs + 1):
    print(f"begins epoch {epoch}", flush=True)
    time.sleep(args.seconds)
    write(folder / f"epoch-{epoch:03}")
    print(f"ends epoch {epoch}", flush=True)
    for old in sorted(folder.glob("epoch-*"))[:-2]:
        old.unlink()
Path("/opt/ml/model/epochs").write_text(str(args.epochs))
