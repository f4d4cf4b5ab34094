"""A learner's own copies of the labs: what is run and changed is the copy, what is shipped stays as it is.

The folder `work` of the home has the shape of the project, for a notebook names its scripts by ../labs/<lab>:

    notebooks/<lab>.ipynb, labs/<lab>/    the copy; its notebook begins without outputs
    kept/<lab>-1/                         what a reset put aside
    copies.json                           of each copy, what it was made from and what it was then
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelab import shipped
from sagelab.cloud.errors import ControlError
from sagelab.desk import labs
from sagelab.desk.labs import Lab


@dataclass(frozen=True)
class Progress:
    """How far a copy has come. ran: of `cells`, those that have been run. failed: one of them with an error."""

    ran: int
    cells: int
    failed: bool

    @property
    def done(self) -> bool:
        return self.ran == self.cells > 0 and not self.failed


class Copies:
    """The copies in `folder` of the labs that are shipped in `source`."""

    def __init__(self, folder: Path, source: Path | None = None) -> None:
        """source: by default what this installation brings. ControlError: it brings no labs."""
        found = source or shipped.find()
        if found is None:
            raise ControlError("This installation has no labs; run this in the folder of the project.")
        self.folder, self._source = folder, found
        self.labs = labs.read(found)

    def find(self, name: str) -> Lab:
        """The lab whose name begins so: "03", or "3". ControlError: there is none, or more than one."""
        found = [lab for lab in self.labs if lab.name.startswith(shipped.beginning(name))]
        if len(found) != 1:
            raise ControlError(f"No lab is {name!r}; there are {', '.join(lab.name for lab in self.labs)}.")
        return found[0]

    def start(self, lab: Lab) -> str:
        """Make the copy where there is none, or renew one that nobody has touched; a sentence of what is there."""
        made, shown = self._made().get(lab.name), self.folder / lab.notebook
        if not self._exists(lab):
            self._copy(lab)
            return f"{shown} is yours to change."
        if made and made["from"] == self._fingerprint(self._source, lab):
            return f"{shown} is as you left it."
        if made and made["as"] == self._fingerprint(self.folder, lab):
            self._replace(lab)
            return f"{shown} is renewed: the lab has changed, and you had not touched your copy."
        new = f"sagelab lab reset {lab.name.partition('-')[0]}"
        return f"{shown} is as you left it; the lab has changed since, and {new} gives you the new one."

    def start_all(self) -> list[str]:
        """Start every lab; the sentences about those that have changed since they were copied."""
        said = {lab.name: self.start(lab) for lab in self.labs}
        return [sentence for sentence in said.values() if "the lab has changed" in sentence]

    def reset(self, lab: Lab) -> Path | None:
        """A new copy; the folder that has the old one now, None where there was none or nobody had touched it."""
        made = self._made().get(lab.name)
        if not self._exists(lab) or (made and made["as"] == self._fingerprint(self.folder, lab)):
            self._replace(lab)
            return None
        number = 1
        while (aside := self.folder / "kept" / f"{lab.name}-{number}").exists():
            number += 1
        for part in _parts(lab):
            if (self.folder / part).exists():
                (aside / part).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / part).rename(aside / part)
        self._copy(lab)
        return aside

    def progress(self, lab: Lab) -> Progress:
        """How far the copy has come, as far as it has been saved."""
        try:
            cells: list[dict[str, Any]] = json.loads((self.folder / lab.notebook).read_text())["cells"]
            run = [cell for cell in labs.run_cells(cells) if cell.get("id") in lab.cells]
            failed = any(output.get("output_type") == "error" for cell in run for output in cell["outputs"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or no notebook any more
            return Progress(0, len(lab.cells), False)
        return Progress(len({cell["id"] for cell in run}), len(lab.cells), failed)

    def _exists(self, lab: Lab) -> bool:
        return (self.folder / lab.notebook).exists()

    def _replace(self, lab: Lab) -> None:
        for part in _parts(lab):
            path = self.folder / part
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self._copy(lab)

    def _copy(self, lab: Lab) -> None:
        """Whole or not at all: a copy that is cut short is begun anew. The notebook comes last."""
        for name in shipped.FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for page in (self._source / "labs").glob("*.md"):  # the glossary, to which the notebooks link
            shutil.copy(page, self.folder / "labs")
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".making-") as scratch:
            making = Path(scratch)
            for each in self.labs:  # one lab runs another's script
                self._copy_scripts(each, making / each.name)
            fresh = making / "notebook"
            fresh.write_text(without_outputs((self._source / lab.notebook).read_text()))
            fresh.rename(self.folder / lab.notebook)
        self._note(lab)

    def _copy_scripts(self, lab: Lab, making: Path) -> None:
        scripts = self.folder / lab.scripts
        if not scripts.exists():
            ignored = shutil.ignore_patterns(*shipped.LEFT_OUT)
            shutil.copytree(self._source / lab.scripts, making, ignore=ignored)
            making.rename(scripts)

    def _made(self) -> dict[str, dict[str, str]]:
        try:
            found = json.loads((self.folder / "copies.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _note(self, lab: Lab) -> None:
        facts = {"from": self._fingerprint(self._source, lab), "as": self._fingerprint(self.folder, lab)}
        draft = self.folder / f".copies.json-{os.getpid()}"
        draft.write_text(json.dumps(self._made() | {lab.name: facts}, indent=2) + "\n")
        draft.rename(self.folder / "copies.json")

    def _fingerprint(self, folder: Path, lab: Lab) -> str:
        digest = hashlib.sha256()
        for part in _parts(lab):
            path = folder / part
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file() and not set(file.relative_to(folder).parts) & set(shipped.LEFT_OUT):
                    content = file.read_bytes()
                    digest.update(f"{file.relative_to(folder)} {len(content)}\n".encode() + content)
        return digest.hexdigest()


def _parts(lab: Lab) -> tuple[str, str]:
    return lab.notebook, lab.scripts


def without_outputs(notebook: str) -> str:
    """The same notebook as if nobody had run it."""
    found = json.loads(notebook)
    for cell in found["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"
