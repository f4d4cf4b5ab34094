"""The volume of a notebook instance: its SageMaker folder, there from its creation until it is deleted.

AWS fills a new volume with nothing and keeps example notebooks beside it; here it begins with the labs.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sagelab import shipped
from sagelab.cloud.engine.data import trees


@dataclass(frozen=True)
class Volume:
    """folder: on this machine; it holds the volume and a mark that says that OnCreate has been."""

    folder: Path

    @property
    def files(self) -> Path:
        """What an instance sees as /home/ec2-user/SageMaker."""
        return self.folder / "SageMaker"

    def fill(self) -> bool:
        """Make the volume with the labs on it if it is not there; whether the instance is still to be created."""
        if not self.files.exists():
            partial = self.folder / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            if labs := shipped.find():
                for name in shipped.FOLDERS:
                    ignored = shutil.ignore_patterns(*shipped.LEFT_OUT)
                    shutil.copytree(labs / name, partial / name, ignore=ignored)
            partial.rename(self.files)
        return not self._mark.exists()

    def settle(self) -> None:
        """The instance has been created: OnCreate does not run again."""
        self._mark.touch()

    def remove(self) -> None:
        """Delete it and all that is on it."""
        trees.remove(self.folder)

    @property
    def _mark(self) -> Path:
        return self.folder / "created"
