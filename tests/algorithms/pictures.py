"""Trains an algorithm on drawn pictures whose truth is known, for tests: what it was asked, and what came of it.

    python pictures.py ALGORITHM FOLDER [light]

light: a few pictures once, by TensorFlow without its graphs, which take longer to make than that takes. The last
line that is printed is JSON.
"""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import sys
import tarfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from sagelab.algorithms import image_classification, object_detection, recordio, semantic_segmentation
from sagelab.algorithms.job import Job, UserError

SIDE, STREET = 28, 64  # pixels
WIDE = 150  # of a street in which objects are found


def main() -> None:
    """Train, go on, answer."""
    algorithm, root, *how = sys.argv[1:]
    light = bool(how)
    tf.config.run_functions_eagerly(light)
    job, module, pictures = CASES[algorithm](Path(root) / "first", light)
    began = time.process_time()
    module.train(job)
    found: dict[str, Any] = {"seconds": time.process_time() - began}
    found["files"] = sorted(file.name for file in job.model.iterdir())
    found["answer"] = answers(module.load(job.model), pictures)
    if light:
        found["again"] = go_on(module, job, Path(root) / "second")
    if light and module is image_classification:
        found["same"] = resume(job, Path(root) / "third")
    print(json.dumps(found))


def go_on(module: ModuleType, job: Job, root: Path) -> str:
    """What is said when a job begins with the model of another, and the same again with another network."""
    shutil.copytree(job.root, root)
    (root / "input/data/model").mkdir()
    with tarfile.open(root / "input/data/model/model.tar.gz", "w:gz") as archive:
        archive.add(root / "model", "")
    shutil.rmtree(root / "model")
    (root / "model").mkdir()
    change(root / "input/config/inputdataconfig.json", model={"ContentType": "application/x-sagemaker-model"})
    if module is object_detection:
        module.train(Job(root))
    change(root / "input/config/hyperparameters.json", num_classes="9")
    try:
        module.train(Job(root))
    except UserError as error:
        return str(error)
    return "nothing"


def resume(whole: Job, root: Path) -> bool:
    """Whether a job that goes on from its checkpoint after two of three epochs ends as one never stopped."""
    job, again, _ = shapes(root, True)
    checkpoints = {"LocalPath": str(root / "checkpoints"), "S3Uri": "s3://bucket/checkpoints"}
    (root / "checkpoints").mkdir()
    change(root / "input/config/checkpointconfig.json", **checkpoints)
    change(root / "input/config/hyperparameters.json", epochs="2")
    again.train(job)
    shutil.rmtree(job.model)
    job.model.mkdir()
    change(root / "input/config/hyperparameters.json", epochs="3")
    again.train(job)
    name = "image-classification-0003.params"
    with np.load(whole.model / name) as one, np.load(job.model / name) as other:
        return all(np.allclose(one[each], other[each], atol=1e-6) for each in one)


def change(file: Path, **values: Any) -> None:
    """More entries of a file's JSON."""
    before = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(before | values))


def answers(ask: Any, picture: bytes) -> Any:
    """What a model says of a picture, in each format that it has."""
    found: dict[str, Any] = {}
    for accept in ("", "application/jsonlines", "application/x-recordio-protobuf", "text/csv"):
        try:
            body, kind = ask(picture, "image/jpeg", accept)
        except UserError as error:
            found[accept] = str(error)
            continue
        if kind == "image/png":
            mask = np.asarray(Image.open(io.BytesIO(body)))
            found[accept] = {"shape": mask.shape, "numbers": np.unique(mask).tolist()}
        elif kind == "application/x-recordio-protobuf":
            values = recordio.read(body)[0].reshape(1, -1, STREET, STREET)
            found[accept] = {
                "shape": values.shape,
                "sums": [float(values.sum(1).min()), float(values.sum(1).max())],
            }
        else:
            found[accept] = json.loads(body)
    return found


def shapes(root: Path, light: bool) -> tuple[Job, ModuleType, bytes]:
    """Discs, squares and triangles in .rec files."""
    chance, counts = np.random.default_rng(0), (12, 6) if light else (300, 90)
    files = [
        b"".join(scenes.record(n % 3, scenes.encoded(scenes.shape(n % 3, chance, SIDE))) for n in range(count))
        for count in counts
    ]
    sent = {"num_layers": 20, "image_shape": f"3,{SIDE},{SIDE}", "num_classes": 3, "top_k": 2, "epochs": 8}
    sent |= (
        {"mini_batch_size": 6, "epochs": 3, "checkpoint_frequency": 1}
        if light
        else {"mini_batch_size": 20, "lr_scheduler_step": 6}
    )
    sent |= {"num_training_samples": counts[0], "learning_rate": 0.05}
    sent |= {"kv_store": "dist_sync", "precision_dtype": "float16"}  # what several GPUs would do
    channels = {
        name: {f"{name}.rec": content} for name, content in zip(("train", "validation"), files, strict=True)
    }
    job = scenes.job(root, channels, "application/x-recordio", sent)
    return job, image_classification, scenes.encoded(scenes.shape(scenes.DISC, chance, SIDE), "JPEG")


def streets(root: Path, light: bool) -> tuple[Job, ModuleType, bytes]:
    """Cars and signs in PNGs beside JSON."""
    chance, channels = np.random.default_rng(0), {}
    for name, count in zip(("train", "validation"), (4, 2) if light else (120, 30), strict=True):
        drawn = [scenes.street(chance, WIDE) for _ in range(count)]
        channels[name] = {f"{n}.png": scenes.encoded(picture) for n, (picture, _, _) in enumerate(drawn)}
        channels[f"{name}_annotation"] = {
            f"{n}.json": scenes.annotation(objects, WIDE) for n, (_, _, objects) in enumerate(drawn)
        }
    sent: dict[str, Any] = {"num_classes": 2, "num_training_samples": len(channels["train"]), "optimizer": "adam"}
    sent |= {"kv_store": "dist_async"}
    sent |= {"learning_rate": 0.002, "mini_batch_size": 4 if light else 8, "epochs": 1 if light else 4}
    job = scenes.job(root, channels, "application/x-image", sent)
    return job, object_detection, scenes.encoded(scenes.street(chance, WIDE)[0], "JPEG")


def roads(root: Path, light: bool) -> tuple[Job, ModuleType, bytes]:
    """Streets in JPEGs beside masks, whose numbers are ten times the classes."""
    chance, channels = np.random.default_rng(0), {}
    for name, count in zip(("train", "validation"), (2, 1) if light else (120, 30), strict=True):
        drawn = [scenes.street(chance, STREET) for _ in range(count)]
        channels[name] = {f"{n}.jpg": scenes.encoded(picture, "JPEG") for n, (picture, _, _) in enumerate(drawn)}
        channels[f"{name}_annotation"] = {
            f"{n}.png": scenes.encoded(mask * 10) for n, (_, mask, _) in enumerate(drawn)
        }
    maps = {f"{name}_label_map.json": b'{"scale": "10"}' for name in ("train", "validation")}
    sent: dict[str, Any] = {"num_classes": 4, "num_training_samples": len(channels["train"]), "optimizer": "adam"}
    sent |= {"base_size": STREET, "crop_size": STREET, "learning_rate": 0.01, "epochs": 1 if light else 8}
    sent |= {"mini_batch_size": 2 if light else 8, "algorithm": "psp" if light else "fcn", "syncbn": True}
    job = scenes.job(root, channels | {"label_map": maps}, "image/jpeg", sent)
    return job, semantic_segmentation, scenes.encoded(scenes.street(chance, STREET)[0], "JPEG")


CASES = {"image-classification": shapes, "object-detection": streets, "semantic-segmentation": roads}


def _beside(name: str) -> ModuleType:
    """A module of this folder: a program is not run as one of the tests' package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


scenes: Any = _beside("scenes")

if __name__ == "__main__":
    main()
