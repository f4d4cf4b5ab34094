"""PyTorch's image around a training script: SageMaker's toolkit calls `main`, which starts the script.

The hosts are told where they meet, and torchrun starts the script on each where the job asks for it:
https://github.com/aws/sagemaker-pytorch-training-toolkit
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

MASTER_PORT = "7777"
# Both hand each process its RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. On AWS the second is MPI's
# and smddprun's work, which are not here.
BY_TORCHRUN = ("sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled")


def main() -> None:
    """Run the script of the job that this host is of. ExecuteUserScriptError: it failed."""
    import torch
    from sagemaker_training import entry_point, environment, runner

    here = environment.Environment()
    os.environ.update(meeting_place(here.master_hostname, here.network_interface_name))
    os.environ["SM_DLC_TORCH_VERSION"] = torch.__version__
    asked = here.current_instance_group in here.distribution_instance_groups
    parameters = here.additional_framework_parameters
    torchrun = asked and is_torchrun(parameters)
    entry_point.run(
        uri=here.module_dir,
        user_entry_point=here.user_entry_point,
        args=here.to_cmd_args(),
        env_vars=here.to_env_vars(),
        # Else the toolkit takes a torchrun that failed for one that did not. Any other script writes its lines
        # itself: by way of the toolkit they would come in pieces, and the log has its error anyway.
        capture_error=torchrun,
        runner_type=runner.TorchDistributedRunnerType if torchrun else runner.ProcessRunnerType,
    )


def meeting_place(master: str, interface: str) -> dict[str, str]:
    """The variables that say where the hosts of a job meet, and by which of their networks.

    NCCL's are there for scripts that read them: without a GPU it is Gloo that speaks.
    """
    return {
        "MASTER_ADDR": master,
        "MASTER_PORT": MASTER_PORT,
        "NCCL_SOCKET_IFNAME": interface,
        "NCCL_IB_DISABLE": "1",
        "NCCL_DEBUG": "WARN",
    }


def is_torchrun(parameters: Mapping[str, Any]) -> bool:
    """Whether a job's framework parameters ask for one of the ways that torchrun stands for."""
    return any(parameters.get(name) for name in BY_TORCHRUN)
