"""What jobs of scikit-learn's and XGBoost's images cost over their scripts run bare, and a job that installs."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

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
    job, alone = (sum(one[side] for one in rounds) for side in (0, 1))
    seen = f"{job:.1f} s / {alone:.1f} s, all of {len(rounds)}"
    yield Result("XGBoost training / its script bare", job / alone, 1.05, "x", seen=seen)


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
