"""Folders of a running job, copied to S3 while it writes into them: only files that have come to rest."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any

from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.trees import Entry, Tree, Version, read_version
from sagelab.cloud.errors import ClientError

logger = logging.getLogger("sagelab")

PAUSE = 1.0  # seconds between two looks; a file that is the same at both has come to rest


class Mirror:
    """A context in which folders are copied to S3 as they change. At its end all that is left is copied.

    pairs: each folder and the place its files go to. ClientError at the end: S3 did not take one.
    """

    def __init__(self, s3: Any, pairs: list[tuple[Tree, channels.Location]], key_id: str | None) -> None:
        self._s3, self._pairs, self._key_id = s3, pairs, key_id
        self._seen: dict[tuple[Tree, str], Version] = {}
        self._sent: dict[tuple[Tree, str], Version] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="mirror")

    def __enter__(self) -> Mirror:
        if self._pairs:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._pairs:
            self._thread.join()
            self._copy(moving=True)

    def _watch(self) -> None:
        while not self._ended.wait(PAUSE):
            try:
                self._copy(moving=False)
            except ClientError as error:
                logger.warning("%s; it is tried again", error)

    def _copy(self, moving: bool) -> None:
        """Copy what is new. moving: also what may still be written to."""
        for folder, location in self._pairs:
            for entry in channels.files(folder):
                self._offer(folder, entry, location.join(entry.name), moving)

    def _offer(self, folder: Tree, entry: Entry, location: channels.Location, moving: bool) -> None:
        file, version = (folder, entry.name), read_version(entry.facts)
        if self._sent.get(file) != version and (moving or self._seen.get(file) == version):
            with folder.scratch() as copy:
                if folder.copy(entry.name, version, copy):
                    channels.upload(self._s3, copy, location, self._key_id)
                    self._sent[file] = version
        self._seen[file] = version
