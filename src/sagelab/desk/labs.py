"""The labs as they are shipped: what each is about, how long it takes, what it costs on AWS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = re.compile(r"[Aa]bout (\d+) minutes? (?:on a laptop|here)")
ON_AWS = re.compile(r"[Oo]n AWS(?:,|:\*\*)? about (\d+) minutes and (\$\d[\d.]*\d|\$\d+|a cent)")
ABOUT = re.compile(r"\*\*What you'll do\.\*\* (.+?)(?=\*\*What you'll|$)")
LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")


@dataclass(frozen=True)
class Lab:
    """A lab. minutes: here; aws_minutes, dollars: on AWS; each None or empty where the notebook says none.

    cells: the ids of the code cells that its shipped notebook has run.
    """

    name: str
    title: str
    about: str
    minutes: int | None
    aws_minutes: int | None
    dollars: str
    cells: frozenset[str]

    @property
    def number(self) -> str:
        return self.name.partition("-")[0].lstrip("0") or "0"

    @property
    def notebook(self) -> str:
        """Its notebook, from the folder of the labs."""
        return f"notebooks/{self.name}.ipynb"

    @property
    def scripts(self) -> str:
        """The folder of its scripts, from the folder of the labs."""
        return f"labs/{self.name}"

    @property
    def walkthrough(self) -> str:
        """Its walkthrough, from the folder of the labs."""
        return f"{self.scripts}/README.md"


def read(folder: Path) -> list[Lab]:
    """Every lab of a folder with notebooks/ and labs/, in their order."""
    return [_read(path) for path in sorted(folder.glob("notebooks/*.ipynb"))]


def _read(path: Path) -> Lab:
    cells = json.loads(path.read_text())["cells"]
    prose = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    plain = " ".join(LINK.sub(r"\1", prose).split())
    title = re.search(r"^# (.+)$", prose, re.MULTILINE)
    about, here, aws = ABOUT.search(plain), HERE.search(plain), ON_AWS.search(plain)
    return Lab(
        name=path.stem,
        title=title[1] if title else path.stem,
        about=about[1].strip().replace("`", "") if about else "",
        minutes=int(here[1]) if here else None,
        aws_minutes=int(aws[1]) if aws else None,
        dollars=aws[2].replace("a cent", "$0.01") if aws else "",
        cells=frozenset(cell["id"] for cell in run_cells(cells)),
    )


def run_cells(cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The code cells that have been run."""
    return (cell for cell in cells if cell["cell_type"] == "code" and cell.get("execution_count"))


def source(cell: dict[str, Any]) -> str:
    """A cell's text, which a notebook may keep as lines."""
    text = cell["source"]
    return text if isinstance(text, str) else "".join(text)
