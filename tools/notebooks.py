"""Build notebooks/<lab>.ipynb from labs/<lab>/lab.py.

    python tools/notebooks.py [LAB ...]           build, run against a new local cloud, write with outputs
    python tools/notebooks.py --keep [LAB ...]    run nothing, write with the outputs that were there
    python tools/notebooks.py --check [LAB ...]   run nothing; exit 1 where a notebook is not its source's

What is written changes only when the lab or what it shows does: cell ids come from the cells' text, and no
times, kernels' versions or editors' settings are kept. Where lab.py says <!-- exercises.md --> that file
stands, and diagram.svg is drawn from diagram.toml. Every lab has the form that form.py describes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import form
import jupytext
import nbformat
from diagrams import draw

from sagelab.cloud import control
from sagelab.cloud.home import Home
from sagelab.notebooks import execute

ROOT = Path(__file__).resolve().parent.parent
GITHUB = "https://github.com/"
STUDIO_LAB = "https://studiolab.sagemaker.aws"
REST = r"[^\s\\\"'<>)]*"
HERE = re.compile(rf"(?:{re.escape(str(ROOT))}|{re.escape(str(Path.home()))})\b{REST}")
# Folders of some machine. What a container or a notebook instance has is the same wherever it runs.
TOP = "bin|dev|etc|home|lib|media|mnt|opt|private|proc|root|run|srv|sys|tmp|usr|var|Users|Volumes"
MACHINE = re.compile(rf"(?<![\w.:/~-])/(?!opt/(?:ml|program)\b|home/ec2-user\b)(?:{TOP})/{REST}")
EXERCISES = "<!-- exercises.md -->"  # in lab.py, where they belong
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def main() -> int:
    """0 where all went well, else 1; says a line a notebook."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labs", nargs="*", metavar="LAB", help="folders of labs/; all by default")
    parser.add_argument("--check", action="store_true", help="compare, run and write nothing")
    parser.add_argument("--keep", action="store_true", help="run nothing, keep the outputs that are there")
    options = parser.parse_args()
    sources = [ROOT / "labs" / lab / "lab.py" for lab in options.labs] or sorted(ROOT.glob("labs/*/lab.py"))
    faults = check(sources) if options.check else keep(sources) if options.keep else write(sources)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def check(sources: list[Path]) -> list[str]:
    """What is wrong, a sentence each."""
    orphans = {path.stem for path in ROOT.glob("notebooks/*.ipynb")} - {
        path.parent.name for path in ROOT.glob("labs/*/lab.py")
    }
    faults = [f"notebooks/{name}.ipynb has no labs/{name}/lab.py" for name in sorted(orphans)]
    return faults + [fault for source in sources for fault in compare(source)]


def compare(source: Path) -> list[str]:
    """What is wrong with the notebook of one lab."""
    name, path = source.parent.name, target(source)
    if not path.exists():
        return [f"{name}: has no notebook; run make notebooks"]
    written, built = nbformat.read(path, as_version=4), build(source)
    if [plain(cell) for cell in written.cells] != [plain(cell) for cell in built.cells]:
        return [f"{name}: the notebook is not what lab.py says; run make notebooks"]
    faults = [*find_faults(written), *diagram_faults(source.parent)]
    return [f"{name}: {fault}" for fault in [*faults, *form.find_faults(form.Lab(source.parent, written.cells))]]


def find_faults(notebook: Any) -> list[str]:
    """What must not stand in a notebook that is shown: no outputs, an error, a path of the machine that ran it."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    faults = [] if outputs else ["it has no outputs"]
    faults += [f"an error stands in it: {o.ename}" for o in outputs if o.output_type == "error"]
    named = set(HERE.findall(nbformat.writes(notebook))).union(*(MACHINE.findall(words(o)) for o in outputs))
    return faults + [f"it names {path}, of the machine that ran it" for path in sorted(named)]


def diagram_faults(lab: Path) -> list[str]:
    """What is wrong with the picture that a lab's diagram.toml describes, where there is one."""
    source, picture = lab / "diagram.toml", lab / "diagram.svg"
    if source.exists() and (not picture.exists() or picture.read_text() != draw(source)):
        return ["diagram.svg is not what diagram.toml says; run make notebooks"]
    return []


def redraw(lab: Path) -> None:
    """Write the picture of a lab's diagram.toml, where there is one."""
    if (lab / "diagram.toml").exists():
        (lab / "diagram.svg").write_text(draw(lab / "diagram.toml"))


def words(output: Any) -> str:
    """What is to be read in an output; in a picture nothing is."""
    data = output.get("data", {})
    return "\n".join([output.get("text", ""), *(data[kind] for kind in data if kind.startswith("text/"))])


def write(sources: list[Path]) -> list[str]:
    """Build, run and write every notebook, in a local cloud that is gone afterwards."""
    (ROOT / "notebooks").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sagelab-") as folder:
        home = Home(folder)
        with control.running(home):
            env = control.surroundings(home)
            for source in sources:
                print(f"{source.parent.name} ...", flush=True)
                redraw(source.parent)
                notebook = build(source)
                execute(notebook, ROOT / "notebooks", env)
                nbformat.write(tidy(notebook), target(source))
    return [fault for source in sources for fault in compare(source)]


def keep(sources: list[Path]) -> list[str]:
    """Build every notebook and give each code cell the outputs that it had."""
    for source in sources:
        redraw(source.parent)
        if target(source).exists():
            before = {cell.id: cell for cell in nbformat.read(target(source), as_version=4).cells}
            notebook = build(source)
            for cell in notebook.cells:
                if cell.cell_type == "code" and cell.id in before:
                    cell.outputs = before[cell.id].outputs
                    cell.execution_count = before[cell.id].execution_count
            nbformat.write(notebook, target(source))
    return [fault for source in sources for fault in compare(source)]


def target(source: Path) -> Path:
    return ROOT / "notebooks" / f"{source.parent.name}.ipynb"


def build(source: Path) -> Any:
    """The notebook of a lab, without outputs."""
    notebook = jupytext.read(source, fmt="py:percent")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace(EXERCISES, exercises(source.with_name("exercises.md")))
    notebook.cells[:0] = badge(target(source).name, repository())
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return tidy(notebook)


def exercises(file: Path) -> str:
    """The exercises of a lab as its notebook has them: without their title, one level down."""
    if not file.exists():
        return EXERCISES
    body = file.read_text().partition("\n")[2].strip()
    return re.sub(r"^## (\d+)\. ", r"### Exercise \1. ", body, flags=re.MULTILINE)


def repository() -> str:
    """OWNER/NAME on GitHub as pyproject.toml has it; empty where it says none."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {})
    return str(urls.get("Repository", "")).removeprefix(GITHUB)


def badge(name: str, repository: str) -> list[Any]:
    """A cell that opens a notebook in SageMaker Studio Lab, by way of GitHub; none without a repository."""
    if not repository:
        return []
    address = f"{STUDIO_LAB}/import/github/{repository}/blob/main/notebooks/{name}"
    picture = f"![Open In SageMaker Studio Lab]({STUDIO_LAB}/studiolab.svg)"
    return [nbformat.v4.new_markdown_cell(f"[{picture}]({address})")]


def tidy(notebook: Any) -> Any:
    """Keep of all metadata the kernel's name and the cells' tags."""
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata = {"tags": list(cell.metadata["tags"])} if cell.metadata.get("tags") else {}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def plain(cell: Any) -> tuple[str, str, str, tuple[str, ...]]:
    return cell.cell_type, cell.id, cell.source, tuple(cell.metadata.get("tags", []))


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
