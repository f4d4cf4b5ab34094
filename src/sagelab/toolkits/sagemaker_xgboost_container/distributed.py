"""A training over the hosts of a job."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from sagelab.algorithms.job import UserError
from sagelab.algorithms.xgboost import joined


def wait_hostname_resolution(sm_hosts: list[str]) -> None:
    """Return when every host has an address. OSError: one has none."""
    for host in sm_hosts:
        socket.gethostbyname(host)


def rabit_run(
    exec_fun: Callable[..., None],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: list[str],
    current_host: str,
    update_rabit_args: bool = False,
    **_: Any,
) -> None:
    """Call `exec_fun(**args)` on all hosts, joined by XGBoost's own tracker. UserError: this host has no data.

    update_rabit_args: whether it is told by `is_master` that its host is the first. The rest: ports and patience.
    """
    if not include_in_training:
        raise UserError(f"Host {current_host} has no data: every host needs some.")
    with joined(current_host, hosts) as first:
        exec_fun(**args, **({"is_master": first} if update_rabit_args else {}))
