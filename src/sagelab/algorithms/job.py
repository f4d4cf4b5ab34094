"""What a built-in algorithm is told in its container, and how it tells that the user is at fault.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

LARGEST = 16 << 30  # bytes of a model that training goes on from
ROOT = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


class UserError(Exception):
    """The job's input is at fault; the text becomes its FailureReason."""


@dataclass(frozen=True)
class Job:
    """The folder of one host. root: /opt/ml."""

    root: Path = ROOT

    def config(self, name: str) -> dict[str, Any]:
        """input/config/NAME.json; empty where it is not there."""
        file = self.root / f"input/config/{name}.json"
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def channel(self, name: str) -> Path | None:
        """The folder of a channel, or None."""
        folder = self.root / "input/data" / name
        return folder if name in self.config("inputdataconfig") and folder.is_dir() else None

    @property
    def hosts(self) -> tuple[str, list[str]]:
        """(this one, all of them)."""
        found = self.config("resourceconfig")
        return found.get("current_host", "algo-1"), found.get("hosts", ["algo-1"])

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def checkpoints(self) -> Path | None:
        """Where checkpoints are kept, if they are asked for."""
        found = self.config("checkpointconfig")
        return Path(found["LocalPath"]) if "LocalPath" in found else None

    def earlier(self) -> Path | None:
        """A folder with the model that training goes on from: the artifact in the channel `model`, unpacked.

        None: there is no such channel. UserError: it holds no artifact, or more than fits.
        """
        folder = self.channel("model")
        if folder is None:
            return None
        archives = [file for file in folder.rglob("*") if file.is_file()]
        unpacked = Path(tempfile.mkdtemp())
        try:
            (archive,) = archives
            with tarfile.open(archive) as content:
                if sum(member.size for member in content) > LARGEST:
                    raise UserError("The model of channel 'model' is larger than 16 GB.")
                content.extractall(unpacked, filter="data")
        except (ValueError, tarfile.TarError, OSError, EOFError, zlib.error, LookupError, RecursionError) as error:
            raise UserError(f"Channel 'model' must hold one model.tar.gz of this algorithm: {error}") from None
        return unpacked

    def fail(self, text: str) -> None:
        """Leave the reason where SageMaker reads it."""
        (self.root / "output").mkdir(exist_ok=True)
        (self.root / "output/failure").write_text(text)


def say(text: str) -> None:
    """A line of the log, as the algorithms' own containers have it."""
    print(f"[{datetime.now(UTC):%Y-%m-%d:%H:%M:%S}:INFO] {text}", flush=True)


def run(train: Callable[[Job], None], job: Job) -> NoReturn:
    """Train, and end with 0, or with 1 and the reason in output/failure."""
    try:
        train(job)
    except UserError as error:
        print(f"[{datetime.now(UTC):%Y-%m-%d:%H:%M:%S}:ERROR] {error}", file=sys.stderr, flush=True)
        job.fail(str(error))
        sys.exit(1)
    except Exception as error:
        traceback.print_exc()
        job.fail(f"{type(error).__name__}: {error}")
        sys.exit(1)
    sys.exit(0)
