"""Memory that compiling a model takes, beside what a process of the job may ask for.

Measured with SavedModels of 128 MB to 1 GB: TensorFlow holds ten copies of the weights while it freezes them and
up to sixteen while it writes them as StableHLO (more where Winograd's filters take four times the room). IREE
takes three and a half.
"""

from __future__ import annotations

import resource

from sagelab.neo.errors import OutOfMemory

COPIES = 10  # at least
MOSTLY = 20  # with what is copied and transformed on the way


def check(size: int, limit: int | None = None) -> None:
    """OutOfMemory: a model of this size (bytes) cannot be compiled. limit: bytes; None: what this process may ask
    for."""
    most = resource.getrlimit(resource.RLIMIT_DATA)[0] if limit is None else limit
    if most != resource.RLIM_INFINITY and size * COPIES > most:
        raise OutOfMemory(
            f"The model's files have {size >> 20:,} MB. Compiling takes at least {COPIES} times as much memory,"
            f" and the job has {most >> 20:,} MB."
        )


def is_tight(size: int, limit: int) -> bool:
    """A crash while a model of this size is compiled is likely to come of too little memory: libraries that are
    refused some do not always say so."""
    return size * MOSTLY > limit
