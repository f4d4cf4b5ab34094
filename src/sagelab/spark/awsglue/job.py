"""A job's beginning and end, and how far it has read: its bookmark.

https://docs.aws.amazon.com/glue/latest/dg/monitor-continuations.html
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagelab.functions import wire

_FILE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "glue/bookmark.json")
_OPTION = "--job-bookmark-option"
ENABLED = "job-bookmark-enable"


class Bookmark:
    """transformation_ctx -> what of its source was read. read: by the run before; now: by this one."""

    def __init__(self) -> None:
        self.enabled = False
        self.read: dict[str, Any] = {}
        self.now: dict[str, Any] = {}


BOOKMARK = Bookmark()


class Job:
    """`init` before anything is read, `commit` when all is written."""

    def __init__(self, glue_context: Any) -> None:
        self.glue_context = glue_context
        self._name = ""

    def init(self, job_name: str, args: Mapping[str, Any] | None = None) -> None:
        given = args or {}
        self._name = job_name
        option = given.get("job_bookmark_option") or given.get("job-bookmark-option") or _of_command()
        BOOKMARK.enabled = option == ENABLED
        if BOOKMARK.enabled and _FILE.exists():
            BOOKMARK.read = json.loads(_FILE.read_text())

    def isInitialized(self) -> bool:  # noqa: N802 # AWS's name
        return bool(self._name)

    def commit(self) -> None:
        """What was read is not read again. RuntimeError: it could not be kept."""
        if not self._name:
            raise RuntimeError("Job is not initialized: call init first.")
        if not BOOKMARK.enabled or "SAGELAB_GLUE" not in os.environ:
            return
        state = json.dumps(BOOKMARK.read | BOOKMARK.now).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
                channel.settimeout(60)
                channel.connect(os.environ["SAGELAB_GLUE"])
                wire.send(channel, {"kind": "commit"}, state)
                wire.receive(channel)
        except (OSError, EOFError) as error:
            raise RuntimeError(f"The job's bookmark was not kept: {error}") from error


def _of_command() -> str:
    """As it stands among the script's arguments."""
    import sys

    words = sys.argv
    return words[words.index(_OPTION) + 1] if _OPTION in words[:-1] else ""
