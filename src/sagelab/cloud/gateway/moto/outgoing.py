"""Nothing that moto's services would send over HTTP leaves: else whoever may call them could reach this machine.

moto posts to what it is told: a subscription of SNS, an API destination of EventBridge, an HTTP endpoint of
Firehose, an integration of API Gateway. A job without a network would have one that way, and every job this
machine's own addresses. All of it goes through `requests`, whose last step is asked here for whom it is.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter

from sagelab.cloud.errors import NotImplementedHere

_send = HTTPAdapter.send


def refuse() -> None:
    """From now on, whatever of moto's asks for something by HTTP is told that it is not to be had."""
    HTTPAdapter.send = _send_for_others  # type: ignore[method-assign]


def _send_for_others(self: HTTPAdapter, request: Any, *args: Any, **kwargs: Any) -> Any:
    """NotImplementedHere: it is moto that asks."""
    if _moto_asks():
        where = urlsplit(request.url or "").netloc
        raise NotImplementedHere(
            f"The local cloud sends nothing to {where}: no service of it calls others by HTTP."
        )
    return _send(self, request, *args, **kwargs)


def _moto_asks() -> bool:
    frame = sys._getframe(1)
    while (caller := frame.f_back) is not None:
        if caller.f_globals.get("__name__", "").startswith("moto."):
            return True
        frame = caller
    return False
