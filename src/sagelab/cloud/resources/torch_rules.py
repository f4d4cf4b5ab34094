"""What PyTorch's and Hugging Face's images can do on AWS and not here, refused when a job or model is created."""

from __future__ import annotations

from collections.abc import Mapping

from sagelab.cloud.engine.images.registry import Image
from sagelab.cloud.errors import ValidationException

INSTEAD = (
    'distribution={"torch_distributed": {"enabled": True}} of the SageMaker SDK trains on several hosts with'
    " torchrun and Gloo."
)
# Hyperparameters that the SDK makes of `distribution=` and `compiler_config=`, and what they ask for.
REFUSED = {
    "sagemaker_distributed_dataparallel_enabled": "data parallel library of smdistributed, which needs GPUs",
    "sagemaker_mpi_enabled": "MPI between the hosts",
    "mp_parameters": "model parallel library of smdistributed, which needs GPUs",
    "sagemaker_pytorch_xla_multi_worker_enabled": "PyTorch/XLA, which needs GPUs or Trainium",
    "sagemaker_training_compiler_enabled": "SageMaker Training Compiler, which needs GPUs",
}
OFF = ("", "false", "{}", "null", "0")


def check_training(image: Image | None, hyperparameters: Mapping[str, str]) -> None:
    """ValidationException: a job of such an image asks for what is not here, by its hyperparameters."""
    if image is None or "torch" not in image.environment.imports:
        return
    for name, what in REFUSED.items():
        if hyperparameters.get(name, "").strip('"').lower() not in OFF:
            raise ValidationException(f"Hyperparameter {name}: the local cloud has no {what}. {INSTEAD}")
