"""What PyTorch's image does around a script, without PyTorch."""

from __future__ import annotations

import pytest

from sagelab.frameworks import pytorch


def test_hosts_are_told_where_they_meet() -> None:
    told = pytorch.meeting_place("algo-1", "lo")
    assert (told["MASTER_ADDR"], told["MASTER_PORT"], told["NCCL_SOCKET_IFNAME"]) == ("algo-1", "7777", "lo")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"sagemaker_torch_distributed_enabled": True}, True),
        ({"sagemaker_pytorch_ddp_enabled": True, "sagemaker_instance_type": "ml.p4d.24xlarge"}, True),
        ({"sagemaker_torch_distributed_enabled": False}, False),
        ({}, False),
    ],
)
def test_torchrun_starts_what_asks_for_it(parameters: dict[str, object], expected: bool) -> None:
    assert pytorch.is_torchrun(parameters) is expected
