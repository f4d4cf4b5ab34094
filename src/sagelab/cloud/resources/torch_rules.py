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
    "sagemaker_mpi_enabled": "MPI between the hosts",
    "mp_parameters": "model parallel library of smdistributed, which needs GPUs",
    "sagemaker_pytorch_xla_multi_worker_enabled": "PyTorch/XLA, which needs GPUs or Trainium",
    "sagemaker_training_compiler_enabled": "SageMaker Training Compiler, which needs GPUs",
}
OFF = ("", "false", "{}", "null", "0")


def check_serving(image: Image | None, environment: Mapping[str, str]) -> None:
    """ValidationException: a model of Hugging Face's image is to come from its Hub."""
    if image is not None and image.server == "huggingface" and environment.get("HF_MODEL_ID"):
        raise ValidationException(
            f"HF_MODEL_ID {environment['HF_MODEL_ID']}: the local cloud downloads no models from the Hugging Face"
            " Hub. Save the model and its tokenizer with save_pretrained, pack the folder as model.tar.gz, and"
            " give its place in S3 as ModelDataUrl (the SDK's model_data), with HF_TASK."
        )


def check_training(image: Image | None, hyperparameters: Mapping[str, str]) -> None:
    """ValidationException: a job of such an image asks for what is not here, by its hyperparameters."""
    if image is None or "torch" not in image.environment.imports:
        return
    for name, what in REFUSED.items():
        if hyperparameters.get(name, "").strip('"').lower() not in OFF:
            raise ValidationException(f"Hyperparameter {name}: the local cloud has no {what}. {INSTEAD}")
