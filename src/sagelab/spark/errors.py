"""What ends a job of Spark's, in smspark's words: /opt/ml/output/message, which becomes its ExitMessage.

SparkError
  ApplicationError      the application failed, or could not be understood
    InputError          what it is to be run with is not there
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
ROOM = 1024  # characters of a message


class SparkError(Exception):
    """The base of them. exit_code: of the job."""

    prefix = "Algorithm Error"

    def __init__(self, message: str, cause: BaseException, exit_code: int = 1) -> None:
        text = f"{self.prefix}: (caused by {type(cause).__name__}): {message}: {cause}"
        super().__init__(text[:ROOM].strip())
        self.exit_code = exit_code

    def leave(self) -> None:
        """End with it."""
        place = BASE / "output/message"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(str(self))
        print(f"exiting with code {self.exit_code}: {self}", file=sys.stderr, flush=True)
        sys.exit(self.exit_code)


class ApplicationError(SparkError):
    """The application failed, or could not be understood."""


class InputError(ApplicationError):
    """What it is to be run with is not there."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("error preparing for spark submit", cause)
