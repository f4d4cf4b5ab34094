"""What jobs of scikit-learn's and XGBoost's images cost over their scripts run bare, and a job that installs."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jobs import Jobs, algorithm, run_bare
from place import local_cloud, new_home
from table import Result
from training import OFTEN, RARE

IMAGES = {
    "scikit-learn": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    "XGBoost": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
}
BOOST = """
import numpy, xgboost
random = numpy.random.default_rng(0)
rows = random.normal(size=(200_000, 40))
data = xgboost.DMatrix(rows, (rows[:, 0] * rows[:, 1] > 0).astype(int))
xgboost.train({"objective": "binary:logistic", "max_depth": 8}, data, ROUNDS)
"""
# What the built-in algorithm does with a table, by the library alone.
BUILT_IN = {"num_round": "30", "max_depth": "8", "objective": "binary:logistic"}
LIBRARY = """
import sys
import numpy, xgboost
rows = numpy.loadtxt(sys.argv[1], numpy.float32, delimiter=",")
data = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
how = {"objective": "binary:logistic", "max_depth": 8}
xgboost.train(how, data, 30, [(data, "train")], verbose_eval=False).save_model(sys.argv[2])
"""
# A package as small as any, and pip: into the layer of the host, or bare into a folder.
INSTALL = """
import os, subprocess, sys, tempfile, zipfile
wheel = os.path.join(tempfile.mkdtemp(), "tiny_package-1.0-py3-none-any.whl")
files = {
    "METADATA": "Metadata-Version: 2.1\\nName: tiny-package\\nVersion: 1.0\\n",
    "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "RECORD": "",
}
with zipfile.ZipFile(wheel, "w") as made:
    made.writestr("tiny_package.py", "")
    for name, text in files.items():
        made.writestr(f"tiny_package-1.0.dist-info/{name}", text)
bare = [] if "SM_MODEL_DIR" in os.environ else ["--target", tempfile.mkdtemp()]
subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", *bare, wheel], check=True)
"""


def frameworks(quick: bool) -> Iterator[Result]:
    """An empty job and a long one of each image, and one that does nothing but install."""
    count = 3 if quick else 10
    with new_home() as home, local_cloud(home) as place, tempfile.TemporaryDirectory() as folder:
        jobs, boosted = Jobs(place), str(home.environments / "xgboost/bin/python")
        empty, boost, install = (Path(folder) / name for name in ("empty.py", "boost.py", "install.py"))
        empty.touch()
        boost.write_text(BOOST.replace("ROUNDS", "5" if quick else "60"))
        install.write_text(INSTALL)
        for title, image in IMAGES.items():
            used = algorithm(TrainingImage=image)
            jobs.run(jobs.script(empty, AlgorithmSpecification=used), OFTEN)  # pulls and warms it
            bare = [boosted if title == "XGBoost" else sys.executable, str(empty)]
            yield difference(jobs, empty, used, bare, count, 0.3, f"empty job of {title} - bare")
        yield difference(
            jobs, install, algorithm(), [sys.executable, str(install)], count, 1.5, "job that installs"
        )
        used = algorithm(TrainingImage=IMAGES["XGBoost"])
        rounds = [
            (
                jobs.run(jobs.script(boost, AlgorithmSpecification=used), RARE)[0],
                run_bare(boosted, str(boost))[0],
            )
            for _ in range(1 if quick else 3)
        ]
        yield ratio("XGBoost training / its script bare", rounds, 1.05)
        yield built_in(jobs, Path(folder) / "train", boosted, quick)


def built_in(jobs: Jobs, folder: Path, boosted: str, quick: bool) -> Result:
    """The built-in algorithm on a table in CSV, and the library alone. boosted: a Python that has it."""
    folder.mkdir()
    rows = np.random.default_rng(0).normal(size=(10_000 if quick else 100_000, 41))
    rows[:, 0] = rows[:, 1] * rows[:, 2] > 0
    np.savetxt(folder / "rows.csv", rows, delimiter=",", fmt="%.6g")
    asked = jobs.shell("true") | {
        "AlgorithmSpecification": algorithm(TrainingImage=IMAGES["XGBoost"]),
        "HyperParameters": BUILT_IN,
        "InputDataConfig": [jobs.channel("train", folder) | {"ContentType": "text/csv"}],
    }
    command = [boosted, "-c", LIBRARY, str(folder / "rows.csv"), str(folder / "model.ubj")]
    rounds = [
        (jobs.run(asked | {"TrainingJobName": f"built-in-{turn}"}, RARE)[0], run_bare(*command)[0])
        for turn in range(1 if quick else 3)
    ]
    return ratio("built-in XGBoost / xgboost bare", rounds, 1.2)


def ratio(measure: str, rounds: list[tuple[float, float]], limit: float) -> Result:
    """How much longer jobs took than what they were compared with. rounds: the seconds of both, of each turn."""
    job, alone = (sum(one[side] for one in rounds) for side in (0, 1))
    seen = f"{job:.1f} s / {alone:.1f} s, all of {len(rounds)}"
    return Result(measure, job / alone, limit, "x", seen=seen)


def difference(
    jobs: Jobs, script: Path, used: dict[str, object], bare: list[str], count: int, limit: float, measure: str
) -> Result:
    """What a job takes beyond its script bare, the medians of so many; limit: seconds."""
    pairs = [
        (jobs.run(jobs.script(script, AlgorithmSpecification=used), OFTEN)[0], run_bare(*bare)[0])
        for _ in range(count)
    ]
    job, alone = (statistics.median(one[side] for one in pairs) for side in (0, 1))
    seen = f"median of {count}: job {job:.3f} s, bare {alone:.3f} s"
    return Result(measure, job - alone, limit, "s", seen=seen)
