"""What PyTorch's image can do on AWS and not here is refused when the job is created."""

from __future__ import annotations

import pytest

from sagelab.cloud.engine.images.registry import IMAGES, SERVE, TRAIN
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import torch_rules

TENSORFLOW, PYTORCH = (
    next(image for image in IMAGES if TRAIN in image.uses and image.repository == f"{name}/training")
    for name in ("tensorflow", "pytorch")
)
SERVING = {image.server: image for image in IMAGES if SERVE in image.uses}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("sagemaker_mpi_enabled", "true", "no MPI between the hosts"),
        ("mp_parameters", '{"partitions": 2}', "model parallel library"),
        ("sagemaker_training_compiler_enabled", "true", "Training Compiler"),
    ],
)
def test_what_is_not_here_is_refused_with_what_is(name: str, value: str, why: str) -> None:
    with pytest.raises(ValidationException, match=f"{name}: .*{why}.*torch_distributed"):
        torch_rules.check_training(PYTORCH, {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sagemaker_mpi_enabled", "false"),
        ("mp_parameters", "{}"),
        ("sagemaker_torch_distributed_enabled", "true"),
        ("sagemaker_pytorch_ddp_enabled", "true"),
    ],
)
def test_what_is_here_or_off_is_not(name: str, value: str) -> None:
    torch_rules.check_training(PYTORCH, {name: value})


def test_other_images_are_not_concerned() -> None:
    torch_rules.check_training(TENSORFLOW, {"sagemaker_mpi_enabled": "true"})
    torch_rules.check_training(None, {"sagemaker_mpi_enabled": "true"})


def test_a_model_of_the_hub_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValidationException, match=r"HF_MODEL_ID org/name: .*save_pretrained.*HF_TASK"):
        torch_rules.check_serving(SERVING["huggingface"], {"HF_MODEL_ID": "org/name"})
    torch_rules.check_serving(SERVING["huggingface"], {"HF_TASK": "fill-mask"})
    torch_rules.check_serving(SERVING["pytorch"], {"HF_MODEL_ID": "org/name"})
    torch_rules.check_serving(None, {"HF_MODEL_ID": "org/name"})
