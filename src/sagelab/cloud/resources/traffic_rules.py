"""What EnableInterContainerTrafficEncryption asks of a request and of this machine.

https://docs.aws.amazon.com/sagemaker/latest/dg/train-encrypt.html
"""

from __future__ import annotations

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Params

FLAG = "EnableInterContainerTrafficEncryption"


def wanted(given: Params, hosts: int) -> bool:
    """Whether what goes from host to host is to be encrypted: without effect on one host. given: what has FLAG."""
    return bool(given.get(FLAG)) and hosts > 1


def check(given: Params, hosts: int, cloud: Cloud) -> None:
    """ValidationException: what goes from host to host is to be encrypted, and cannot be."""
    if not wanted(given, hosts):
        return
    if reason := cloud.launcher.encryption_unavailable():
        raise ValidationException(f"{FLAG}: the local cloud cannot encrypt what goes between hosts: {reason}.")


def notes(given: Params, hosts: int) -> list[str]:
    """What a job's log says of it."""
    if not wanted(given, hosts):
        return []
    return [f"{FLAG}: what goes between the hosts goes through WireGuard, in place of AWS's IPsec"]
