"""The `distribution=` of TensorFlow's image: hyperparameters of SageMaker's own, by which hosts train together.

https://docs.aws.amazon.com/sagemaker/latest/dg/distributed-training.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from sagelab.algorithms import distribution
from sagelab.algorithms.distribution import MIRRORED, SERVERS

MPI = "sagemaker_mpi_enabled"
# What SageMaker's toolkit runs in place of the script.
ENVIRONMENT = {"SAGEMAKER_TRAINING_MODULE": f"{distribution.__name__}:{distribution.train.__name__}"}
KNOWN = (
    *(MIRRORED, SERVERS, MPI, "sagemaker_torch_distributed_enabled"),
    *("sagemaker_pytorch_ddp_enabled", "sagemaker_pytorch_xla_multi_worker_enabled"),
)
REFUSED = {
    "sagemaker_distributed_dataparallel_enabled": "SageMaker's library for data parallelism",
    "sagemaker_distributed_modelparallel_enabled": "SageMaker's library for model parallelism",
}
SETTING = re.compile(r"sagemaker_\w+_enabled")


def is_asked_for(hyperparameters: Mapping[str, str]) -> bool:
    """Whether the hosts are to be told of one another."""
    return any(is_on(hyperparameters, name) for name in (MIRRORED, SERVERS))


def is_on(hyperparameters: Mapping[str, str], name: str) -> bool:
    """Whether a setting is true, as the toolkit reads it."""
    try:
        return bool(json.loads(hyperparameters.get(name, "false").lower()))
    except ValueError:
        return True


def unknown(hyperparameters: Mapping[str, str]) -> list[str]:
    """The settings of this form that are on and that no image knows: nothing comes of them."""
    named = [name for name in hyperparameters if SETTING.fullmatch(name) and name not in (*KNOWN, *REFUSED)]
    return [name for name in named if is_on(hyperparameters, name)]
