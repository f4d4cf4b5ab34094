"""Put the labs into the wheel, where src/sagelab/shipped.py finds them: a build hook of Hatch, by pyproject.toml.

An editable installation gets none: who works in the project has the folders themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("notebooks", "labs")
LEFT_OUT = {".ipynb_checkpoints", "__pycache__"}


class Labs(BuildHookInterface[Any]):
    """Adds every file of the labs' folders to a wheel that stands alone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        for file in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()):
            name = file.relative_to(root)
            if not LEFT_OUT & set(name.parts):
                build_data["force_include"][str(file)] = f"sagelab/labs_as_shipped/{name}"
