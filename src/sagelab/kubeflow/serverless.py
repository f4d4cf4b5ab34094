"""kfp without its client of a Kubeflow server: none is here, and what the client needs has no wheel.

To be imported before kfp is.
"""

from __future__ import annotations

import sys
from types import ModuleType

NO_SERVER = "There is no Kubeflow server here: `sagelab kfp run FILE` runs a pipeline by kfp.local."


class Client:
    """Stands at kfp.Client, and says so."""

    def __init__(self, *_: object, **__: object) -> None:
        raise RuntimeError(NO_SERVER)


client = ModuleType("kfp.client", NO_SERVER)
client.Client = Client  # type: ignore[attr-defined]
sys.modules.setdefault("kfp.client", client)
