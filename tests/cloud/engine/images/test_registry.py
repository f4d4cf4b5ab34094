"""An image that is not here is refused with the nearest one that is, before any list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sagelab.cloud.engine.images.environments import KERAS_2, TENSORFLOW, Environment
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.engine.images.registry import PROCESS, SERVE, TRAIN, Registry
from sagelab.cloud.errors import ValidationException

PARIS, VIRGINIA = (f"763104351884.dkr.ecr.{region}.amazonaws.com" for region in ("eu-west-3", "us-east-1"))

ACCOUNT = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


def refusal(folder: Path, uri: str, use: str) -> str:
    with pytest.raises(ValidationException) as caught:
        Registry(OwnImages(folder)).check(uri, use)
    return str(caught.value)


@pytest.mark.parametrize(
    ("asked", "use", "near"),
    [
        (f"{PARIS}/tensorflow-training:1.15.2-cpu-py37", TRAIN, f"{PARIS}/tensorflow-training:2.0.0-cpu-py3"),
        (f"{PARIS}/tensorflow-training:2.15.0-gpu-py310", TRAIN, f"{PARIS}/tensorflow-training:2.16.2-cpu-py310"),
        (
            f"{VIRGINIA}/mxnet-training:1.9.0-cpu-py38",
            TRAIN,
            f"{VIRGINIA}/tensorflow-training:2.21.0-cpu-py312",
        ),
        ("busybox", TRAIN, f"{VIRGINIA}/tensorflow-training:2.21.0-cpu-py312"),
        (f"{PARIS}/tensorflow-training:2.18-cpu-py310", SERVE, f"{PARIS}/tensorflow-inference:2.18.0-cpu"),
        (f"{ACCOUNT}/sagemaker-xgboost:2.0-1", TRAIN, f"{ACCOUNT}/sagemaker-xgboost:3.0-5"),
        (
            f"{PARIS}/huggingface-pytorch-training:1.0.0-transformers4.1.0-gpu-py36",
            TRAIN,
            f"{PARIS}/huggingface-pytorch-training:1.6.0-transformers4.4.2-gpu-py36",
        ),
        (f"{PARIS}/pytorch-training:3.0.0-cpu-py313", TRAIN, f"{PARIS}/pytorch-training:2.10.0-cpu-py313"),
        (f"{PARIS}/tensorflow-inference-eia:1.14.0-cpu", SERVE, f"{PARIS}/tensorflow-inference-eia:2.0.0-cpu"),
    ],
)
def test_a_refusal_names_the_nearest_image_that_runs(tmp_path: Path, asked: str, use: str, near: str) -> None:
    said = refusal(tmp_path, asked, use)
    assert f"The nearest that runs is {near}, in the SageMaker SDK image_uris.retrieve(" in said
    assert said.index(near) < said.index("(versions ")
    assert Registry(OwnImages(tmp_path)).find(near, use)


def test_what_the_sdk_is_told_is_what_it_takes(tmp_path: Path) -> None:
    said = refusal(tmp_path, "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.10-1", PROCESS)
    call = re.search(r"image_uris\.retrieve\((.*?)\)", said)
    assert call
    place, region, *options = call[1].split(", ")
    assert (place, region) == ('"sklearn"', '"us-east-1"')
    assert options[:3] == ['version="0.20.0"', 'py_version="py3"', 'image_scope="training"']


@pytest.mark.parametrize(
    ("uri", "use", "environment"),
    [
        (f"{PARIS}/pytorch-training:1.13-cpu-py39", TRAIN, "pytorch"),
        (f"{PARIS}/pytorch-training:2.1.0-gpu-py310", PROCESS, "pytorch"),
        (f"{VIRGINIA}/pytorch:2.13-cpu-amzn2023-sagemaker", TRAIN, "pytorch"),
        (f"{VIRGINIA}/pytorch-inference-arm64:2.6.0-cpu-py312-ubuntu22.04", SERVE, "pytorch"),
        ("520713654638.dkr.ecr.us-east-1.amazonaws.com/sagemaker-pytorch:1.1.0-cpu-py3", TRAIN, "pytorch"),
        ("520713654638.dkr.ecr.us-east-1.amazonaws.com/sagemaker-pytorch:0.4.0-cpu-py3", TRAIN, None),
        (f"{VIRGINIA}/pytorch-training-neuron:1.11.0-neuron-py38", TRAIN, None),
        (
            f"{VIRGINIA}/huggingface-pytorch-training:2.1-transformers4.36.0-gpu-py310-cu121-ubuntu20.04",
            TRAIN,
            "huggingface",
        ),
        (f"{PARIS}/huggingface-pytorch-inference:1.13.1-transformers4.26-cpu-py39", SERVE, "huggingface"),
        (
            "571004829621.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py39-v1.2",
            PROCESS,
            "spark",
        ),
        ("173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:2.4-cpu", PROCESS, "spark"),
        ("173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.4-cpu", PROCESS, None),
        ("173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu", TRAIN, None),
        (f"{PARIS}/huggingface-pytorch-inference:1.13.1-transformers4.2-cpu-py39", SERVE, None),
        (f"{PARIS}/huggingface-tensorflow-inference:2.11.0-transformers4.26.0-cpu-py39", SERVE, None),
    ],
)
def test_pytorch_goes_by_its_names(tmp_path: Path, uri: str, use: str, environment: str | None) -> None:
    found = Registry(OwnImages(tmp_path)).find(uri, use)
    assert (found.environment.name if found else None) == environment


@pytest.mark.parametrize(
    ("tag", "environment"),
    [("2.0.0-cpu-py3", KERAS_2), ("2.14-cpu-py310", KERAS_2), ("2.16-cpu-py310", TENSORFLOW)],
)
def test_images_of_tensorflow_have_the_keras_that_they_came_with(
    tmp_path: Path, tag: str, environment: Environment
) -> None:
    image = Registry(OwnImages(tmp_path)).find(f"{PARIS}/tensorflow-training:{tag}", TRAIN)
    assert image
    assert image.environment is environment
