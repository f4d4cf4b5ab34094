"""The token of a presigned address: until when it opens JupyterLab, and for how long.

AWS: the address is valid for five minutes, the session that it opens for as long as was asked.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedNotebookInstanceUrl.html
"""

from __future__ import annotations

import hashlib
import hmac

VALID_SECONDS = 300
KEY = "SAGELAB_WORKBENCH_KEY"  # the variable by which JupyterLab is given the key


def sign(key: str, now: float, session: int) -> str:
    """A token that opens sessions of so many seconds, from `now` (epoch seconds) on for VALID_SECONDS."""
    claim = f"{int(now) + VALID_SECONDS}.{session}"
    return f"{claim}.{_seal(key, claim)}"


def read(key: str, token: str, now: float) -> int | None:
    """The seconds of the session that a token opens; None where it is not of this key, or too old."""
    claim, _, seal = token.rpartition(".")
    if not hmac.compare_digest(seal.encode(), _seal(key, claim).encode()):
        return None
    until, session = claim.split(".")
    return int(session) if now < int(until) else None


def _seal(key: str, claim: str) -> str:
    return hmac.new(key.encode(), claim.encode(), hashlib.sha256).hexdigest()
