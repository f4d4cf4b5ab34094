"""The volume of a notebook instance: its SageMaker folder, there from its creation until it is deleted.

AWS fills a new volume with nothing and keeps example notebooks beside it; here it begins with the labs.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelab import shipped
from sagelab.cloud.engine.data import encrypted, trees


@dataclass(frozen=True)
class Volume:
    """folder: on this machine; it holds the volume and a mark that says that OnCreate has been.

    key: of KMS, under which it is; None where it is plain. purpose: what it is, told to KMS.
    """

    folder: Path
    key: str | None = None
    purpose: str = ""

    @property
    def files(self) -> Path:
        """What an instance sees as /home/ec2-user/SageMaker; of an encrypted one, while it is open."""
        return self._seen / "SageMaker" if self._encrypted else self.folder / "SageMaker"

    def open(self, kms: Any) -> encrypted.Opened | None:
        """Let its files be seen; None where they always are.

        ClientError: its key cannot be used. InternalServerError: nothing can be encrypted here.
        """
        if not self._encrypted or self.key is None:
            return None
        wrapped = self.folder / "volume.key"
        if wrapped.exists():
            passphrase = encrypted.open_key(kms, self.key, wrapped.read_bytes(), self.purpose)
        else:
            passphrase, text = encrypted.new_key(kms, self.key, self.purpose)
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self.folder / "volume.key.draft"
            draft.write_bytes(text)
            draft.rename(wrapped)
        return encrypted.open_folder(self.folder / "encrypted", self._seen, passphrase)

    def fill(self) -> bool:
        """Make the volume with the labs on it if it is not there; whether the instance is still to be created."""
        if not self.files.exists():
            partial = self.files.with_name("partial")
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
        encrypted.release(self.folder)
        trees.remove(self.folder)

    @property
    def _encrypted(self) -> bool:
        """Whether it is under its key; one of before volumes were is plain, whatever it asked for."""
        return self.key is not None and not (self.folder / "SageMaker").exists()

    @property
    def _seen(self) -> Path:
        return self.folder / "open"

    @property
    def _mark(self) -> Path:
        return self.folder / "created"
