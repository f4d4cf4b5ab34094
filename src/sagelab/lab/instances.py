"""A notebook instance followed until it rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagelab import catalog
from sagelab.lab import watch

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

KIND = catalog.of_stem("NotebookInstance")


class InstanceFailed(Exception):
    """The instance is Failed; the text is its FailureReason."""


def wait(lab: Lab, name: str) -> str:
    """Wait until an instance is started, stopped or updated; returns its status, InService or Stopped.

    InstanceFailed: it is neither.
    """
    try:
        return str(watch.wait(lab, KIND, name)[KIND.status_member])
    except watch.JobFailed as failure:
        raise InstanceFailed(failure.job.get("FailureReason", "no reason was given")) from None
