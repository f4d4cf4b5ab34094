"""Why a request or a model is refused, in the words of who has to put it right.

ServingError
  BadRequest        the request cannot be answered: 400, or 404, 406, 415
  BadModel          the model's folder cannot be served: the process ends with code 1
"""

from __future__ import annotations

import json


class ServingError(Exception):
    """Anything that this server refuses."""


class BadRequest(ServingError):
    """`status` is the HTTP status of the answer; its body is {"error": message}."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status

    @property
    def body(self) -> bytes:
        """The answer's JSON."""
        return json.dumps({"error": str(self)}, ensure_ascii=False).encode()


class BadModel(ServingError):
    """Nothing here can be served."""
