"""Folders of a running job, copied to S3 while it writes into them: only files that have come to rest."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from sagelab.cloud.engine.data import archives, channels
from sagelab.cloud.errors import ClientError

logger = logging.getLogger("sagelab")

PAUSE = 1.0  # seconds between two looks; a file that is the same at both has come to rest
Stamp = tuple[int, int]


class Mirror:
    """A context in which folders are copied to S3 as they change. At its end all that is left is copied.

    pairs: each folder and the place its files go to. ClientError at the end: S3 did not take one.
    """

    def __init__(self, s3: Any, pairs: list[tuple[Path, channels.Location]], key_id: str | None) -> None:
        self._s3, self._pairs, self._key_id = s3, pairs, key_id
        self._seen: dict[Path, Stamp] = {}
        self._sent: dict[Path, Stamp] = {}
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
            for file in archives.walk(folder):
                if file.is_file() and not file.is_symlink():
                    self._offer(file, location.join(str(file.relative_to(folder))), moving)

    def _offer(self, file: Path, location: channels.Location, moving: bool) -> None:
        try:
            stat = file.stat()
            stamp = stat.st_size, stat.st_mtime_ns
            if self._sent.get(file) != stamp and (moving or self._seen.get(file) == stamp):
                channels.upload_file(self._s3, file, location, self._key_id)
                self._sent[file] = stamp
            self._seen[file] = stamp
        except FileNotFoundError:
            self._seen.pop(file, None)
