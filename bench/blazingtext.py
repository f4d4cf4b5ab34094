"""What a job of the built-in BlazingText costs over fastText alone, on the same text and with as many threads."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jobs import Jobs, algorithm, run_bare
from place import local_cloud, new_home
from table import Result
from training import OFTEN, RARE

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
TOPICS = ("sport", "money", "art", "code")
EPOCHS = 20
# The same training, its score on the other text, and its model.
BARE = """
import fasttext, os, sys
train, held, model, epochs = sys.argv[1:]
found = fasttext.train_supervised(
    input=train, epoch=int(epochs), bucket=20000, wordNgrams=2, minCount=5, verbose=0,
    thread=len(os.sched_getaffinity(0)),
)
found.test(held)
found.save_model(model)
"""


def blazingtext(quick: bool) -> Iterator[Result]:
    """A job, and a script bare, by turns."""
    with new_home() as home, local_cloud(home) as place, tempfile.TemporaryDirectory() as folder:
        jobs, texts = Jobs(place), {name: Path(folder) / name for name in ("train", "validation")}
        for name, lines in (("train", 20_000 if quick else 100_000), ("validation", 5_000)):
            texts[name].mkdir()
            (texts[name] / "text").write_text(_sentences(lines, name))
        settings = {"mode": "supervised", "buckets": "20000", "epochs": str(EPOCHS)}
        asked = {
            "AlgorithmSpecification": algorithm(TrainingImage=IMAGE),
            "InputDataConfig": [jobs.channel(name, path) for name, path in texts.items()],
        }
        jobs.run(jobs.shell("true") | asked | {"HyperParameters": settings | {"epochs": "1"}}, OFTEN)  # pulls
        os.environ["PYTHONPATH"] = str(home.environments / "blazingtext/packages")
        command = [sys.executable, "-c", BARE, *(str(path / "text") for path in texts.values())]
        rounds = [
            (
                jobs.run(jobs.shell("true") | asked | {"HyperParameters": settings}, RARE)[0],
                run_bare(*command, f"{folder}/model.bin", str(EPOCHS))[0],
            )
            for _ in range(1 if quick else 3)
        ]
    del os.environ["PYTHONPATH"]
    job, alone = (sum(one[side] for one in rounds) for side in (0, 1))
    seen = f"{job:.1f} s / {alone:.1f} s, all of {len(rounds)}"
    yield Result("BlazingText training / fastText bare", job / alone, 1.2, "x", seen=seen)


def _sentences(count: int, seed: str) -> str:
    """Three words of ten are of the label's topic."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        topic = rng.choice(TOPICS)
        words = [f"{topic}{rng.randrange(400)}" for _ in range(3)] + [f"w{rng.randrange(5000)}" for _ in range(27)]
        found.append(f"__label__{topic} {' '.join(rng.sample(words, len(words)))}")
    return "\n".join(found)
