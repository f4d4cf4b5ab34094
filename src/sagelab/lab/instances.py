"""A notebook instance followed until it rests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

PAUSE = {"local": 0.2, "aws": 10.0}  # seconds between two looks
CHANGING = ("Pending", "Stopping", "Updating")


class InstanceFailed(Exception):
    """The instance is Failed; the text is its FailureReason."""


def wait(lab: Lab, name: str) -> str:
    """Wait until an instance is started, stopped or updated; returns its status, InService or Stopped.

    InstanceFailed: it is neither.
    """
    while True:
        found = lab.client("sagemaker").describe_notebook_instance(NotebookInstanceName=name)
        status: str = found["NotebookInstanceStatus"]
        if status == "Failed":
            raise InstanceFailed(found.get("FailureReason", "no reason was given"))
        if status not in CHANGING:
            return status
        time.sleep(PAUSE[lab.target])
