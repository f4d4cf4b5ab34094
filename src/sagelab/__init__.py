"""Hands-on Amazon SageMaker labs that really run on a laptop."""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` costs more than this whole module
if TYPE_CHECKING:
    from sagelab.lab.session import Lab

__version__ = "0.1.0"
__all__ = ["connect"]


def connect(lab: str = "lab", tls: bool | None = None) -> Lab:
    """Where the labs speak to: the local cloud, or your AWS account under SAGELAB_TARGET=aws.

    lab: the name that everything this notebook makes is tagged with. tls: whether to speak TLS with the
    local cloud; by default as the environment does, which `sagelab env --tls` sets.
    """
    from sagelab.lab import session

    return session.connect(lab, tls)
