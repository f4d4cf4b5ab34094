"""What a compilation job takes, and what its machine code gains over the SavedModel and beside other engines."""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jobs import ROLE
from place import Place, local_cloud
from table import Result

ROOT = Path(__file__).parent.parent
ENGINES = ROOT / "labs" / "05-compile-once-with-neo" / "engines.py"
NETWORKS = 10
ENTRANTS = {
    "savedmodel": ("savedmodel", "cnn/1"),
    "compiled": ("compiled", "compiled"),
    "onnxruntime": ("onnxruntime", "cnn.onnx"),
    "LiteRT": ("litert", "cnn-float.tflite"),
    "LiteRT int8": ("litert", "cnn-int8.tflite"),
}

# Lab 1's network and one of MobileNetV2's size, with random weights: neither time nor size depends on them.
MODELS = """
import sys, keras
from keras import layers
keras.utils.set_random_seed(1)
cnn = keras.Sequential([
    keras.Input((28, 28, 1), name="image"), layers.Conv2D(32, 3, activation="relu"),
    layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
    layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax"),
])
cnn.export(sys.argv[1] + "/cnn/1", verbose=False)
keras.applications.MobileNetV2(weights=None).save(sys.argv[1] + "/mobilenet.keras")
"""


def compiler(quick: bool) -> Iterator[Result]:
    """Compile two networks, race five engines, visit the zoo."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _python("-c", MODELS, name)
        with local_cloud() as place:
            jobs = _Compilations(place)
            jobs.run(folder / "cnn", "TENSORFLOW", "cnn-warm")  # the runtime is warm from here on
            seconds, job = jobs.run(folder / "cnn", "TENSORFLOW", "cnn")
            yield Result("compile lab 1's network for ml_c5", seconds, 10, "s", seen=_checked(job))
            jobs.fetch(job, folder / "compiled")
            if not quick:
                seconds, job = jobs.run(folder / "mobilenet.keras", "KERAS", "mobilenet")
                yield Result(
                    "compile MobileNetV2 (3.5 M weights) for ml_c5", seconds, 120, "s", seen=_checked(job)
                )
        yield from _race(folder, 1 if quick else 5)
    yield from _zoo(["dense", "lstm"] if quick else [])


class _Compilations:
    """Compilation jobs on a local cloud."""

    def __init__(self, place: Place) -> None:
        self.sagemaker, self.s3 = place.client("sagemaker"), place.client("s3")
        self.bucket = f"neo-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)

    def run(self, model: Path, framework: str, name: str) -> tuple[float, dict[str, Any]]:
        """(seconds from Create to COMPLETED, the job)."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as out:
            out.add(model, model.name)
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}.tar.gz", Body=archive.getvalue())
        start = time.perf_counter()
        self.sagemaker.create_compilation_job(
            CompilationJobName=name,
            RoleArn=ROLE,
            InputConfig={"S3Uri": f"s3://{self.bucket}/{name}.tar.gz", "Framework": framework},
            OutputConfig={"S3OutputLocation": f"s3://{self.bucket}/out", "TargetDevice": "ml_c5"},
            StoppingCondition={"MaxRuntimeInSeconds": 900},
        )
        while True:
            job: dict[str, Any] = self.sagemaker.describe_compilation_job(CompilationJobName=name)
            if job["CompilationJobStatus"] not in ("STARTING", "INPROGRESS"):
                break
            time.sleep(0.05)
        if job["CompilationJobStatus"] != "COMPLETED":
            raise SystemExit(f"{name}: {job['FailureReason']}")
        return time.perf_counter() - start, job

    def fetch(self, job: dict[str, Any], folder: Path) -> None:
        key = job["ModelArtifacts"]["S3ModelArtifacts"].split("/", 3)[3]
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            archive.extractall(folder, filter="data")


def _checked(job: dict[str, Any]) -> str:
    seconds = (job["CompilationEndTime"] - job["CompilationStartTime"]).total_seconds()
    return f"warm runtime, the check against the original in it; the job itself {seconds:.1f} s"


def _race(folder: Path, rounds: int) -> Iterator[Result]:
    """Each engine in processes of its own, in turns, one thread, one digit a call."""
    _python(str(ENGINES), "convert", str(folder / "cnn/1"), str(folder))
    digits = folder / "digits.npz"
    np.savez(digits, images=np.random.default_rng(0).random((20, 28, 28, 1)))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ENTRANTS}
    for _ in range(rounds):
        for name, (engine, path) in ENTRANTS.items():
            said = _python(str(ENGINES), engine, str(folder / path), str(digits))
            found[name].append(json.loads(said.splitlines()[-1]))
    p50 = {name: statistics.median(np.median(one["times"]) for one in runs) for name, runs in found.items()}
    memory, load = ({name: _median(runs, key) for name, runs in found.items()} for key in ("memory", "load"))
    every = ", ".join(f"{name} {value:.2f}" for name, value in p50.items())
    ratio = p50["compiled"] / p50["savedmodel"]
    yield Result("compiled / SavedModel: p50 at batch 1", ratio, 0.5, "x", seen=f"{every} ms")
    ratio = p50["compiled"] / p50["onnxruntime"]
    yield Result("compiled / onnxruntime: p50 at batch 1", ratio, 1.2, "x", seen="the same run")
    every = ", ".join(f"{name} {value:.0f}" for name, value in memory.items())
    ratio = memory["compiled"] / memory["savedmodel"]
    yield Result("compiled / SavedModel: memory", ratio, 0.2, "x", seen=f"{every} MB")
    every = ", ".join(f"{name} {1000 * value:.1f}" for name, value in load.items())
    ratio = load["compiled"] / load["savedmodel"]
    yield Result("compiled / SavedModel: load", ratio, 0.05, "x", seen=f"{every} ms")


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(float(one[key]) for one in runs)


def _zoo(names: list[str]) -> Iterator[Result]:
    said = _python(str(Path(__file__).with_name("zoo.py")), *names)
    found = [json.loads(line[7:]) for line in said.splitlines() if line.startswith("OUTCOME")]
    for target in ("x86-64", "ARM64"):
        mine = [one for one in found if one["target"] == target]
        right = [one for one in mine if one["difference"] is not None and one["difference"] <= 1e-4]
        worst = max((one["difference"] for one in right), default=0.0)
        seen = f"{mine[0]['words']}; largest difference to Keras {worst:.1g}"
        limit = len(names) or NETWORKS
        yield Result(
            f"networks of the zoo that are right on {target}", len(right), limit, at_least=True, seen=seen
        )


def _python(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout
