"""What an application tells of itself (Spark's event log), put where a history server reads it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlparse

logger = logging.getLogger("spark-events")
UNFINISHED = ".inprogress"
PAUSE = 5.0  # seconds between two copies


def properties(place: str) -> dict[str, str]:
    """Spark's properties for a log in a folder or below a prefix of S3."""
    return {"spark.eventLog.enabled": "true", "spark.eventLog.dir": place.replace("s3://", "s3a://", 1)}


class Publisher:
    """Copies the log to a folder as it grows. Use it as a context: the last copy is of all of it."""

    def __init__(self, target: Path) -> None:
        self.source, self._target = Path(tempfile.mkdtemp(prefix="spark-events-")), target
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Publisher:
        self._target.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.copy()

    def _follow(self) -> None:
        while not self._over.wait(PAUSE):
            self.copy()

    def copy(self) -> None:
        """Each file under its final name, all at once."""
        for file in sorted(self.source.iterdir()):
            name = file.name.removesuffix(UNFINISHED)
            draft = self._target / f".{name}.{os.getpid()}"
            with contextlib.suppress(FileNotFoundError):  # it got its final name meanwhile
                shutil.copyfile(file, draft)
                draft.rename(self._target / name)


class Uploader(Publisher):
    """Puts the log below a prefix of S3 as it grows, as Glue does."""

    def __init__(self, place: str) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="spark-events-put-")))
        self._place = urlparse(place)
        self._put: dict[str, int] = {}

    def copy(self) -> None:
        """What has grown since. That it may not be put there is said, and fails nothing."""
        import boto3

        super().copy()
        for file in sorted(self._target.glob("[!.]*")):
            size = file.stat().st_size
            if self._put.get(file.name) == size:
                continue
            key = f"{self._place.path.strip('/')}/{file.name}".lstrip("/")
            try:
                boto3.client("s3").upload_file(str(file), self._place.netloc, key)
            except Exception as error:
                logger.warning("the event log is not kept: %s", error)
            self._put[file.name] = size
