from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from sagelab.cloud.errors import ControlError
from sagelab.desk.copies import Copies, Progress

TWO = ("01-train", "02-deploy")


def ship(source: Path, name: str, *code: str) -> None:
    """A lab of these cells, which have been run, with a script."""
    cells = [nbformat.v4.new_markdown_cell(f"# {name}", id="head")]
    for number, text in enumerate(code, 1):
        output = nbformat.v4.new_output("stream", text="shipped")
        cells.append(
            nbformat.v4.new_code_cell(text, id=f"cell-{number}", execution_count=number, outputs=[output])
        )
    (source / "notebooks").mkdir(parents=True, exist_ok=True)
    (source / "labs" / name).mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source / "notebooks" / f"{name}.ipynb")
    (source / "labs" / name / "script.py").write_text("print(1)\n")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in TWO:
        ship(tmp_path / "shipped", name, "1 + 1", "2 + 2")
    (tmp_path / "shipped" / "labs" / "GLOSSARY.md").write_text("words")
    return tmp_path / "shipped"


@pytest.fixture
def copies(source: Path, tmp_path: Path) -> Copies:
    (tmp_path / "work").mkdir()
    return Copies(tmp_path / "work", source)


def test_a_copy_has_the_pages_beside_the_labs(source: Path, copies: Copies) -> None:
    (source / "labs" / "GLOSSARY.md").write_text("### Epoch\n")
    copies.start(copies.find("01"))
    assert (copies.folder / "labs" / "GLOSSARY.md").read_text() == "### Epoch\n"


def edit(copies: Copies, name: str = "01") -> Path:
    """Run the first cell of a copy, as JupyterLab would write it."""
    path = copies.folder / copies.find(name).notebook
    notebook: Any = json.loads(path.read_text())
    notebook["cells"][1]["execution_count"] = 7
    path.write_text(json.dumps(notebook))
    return path


def test_copy_begins_without_outputs_and_runs_beside_every_labs_scripts(copies: Copies, source: Path) -> None:
    said = copies.start(copies.find("2"))
    notebook = nbformat.read(copies.folder / "notebooks" / "02-deploy.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert [(cell.execution_count, cell.outputs) for cell in notebook.cells[1:]] == [(None, []), (None, [])]
    assert "shipped" in (source / "notebooks" / "02-deploy.ipynb").read_text()
    assert (copies.folder / "labs" / "GLOSSARY.md").read_text() == "words"
    assert {path.parent.name for path in copies.folder.glob("labs/*/script.py")} == set(TWO)
    assert "yours to change" in said


def test_copy_that_was_changed_is_left_alone(copies: Copies) -> None:
    copies.start_all()
    path = edit(copies)
    before = path.read_text()
    assert "as you left it" in copies.start(copies.find("01"))
    assert copies.start_all() == []
    assert path.read_text() == before


def test_changed_copy_of_a_lab_that_has_changed_since_is_kept_and_it_is_said(copies: Copies, source: Path) -> None:
    copies.start_all()
    before = edit(copies).read_text()
    ship(source, "01-train", "1 + 1", "3 + 3")
    (said,) = Copies(copies.folder, source).start_all()
    assert "sagelab lab reset 01" in said
    assert (copies.folder / "notebooks" / "01-train.ipynb").read_text() == before


def test_copy_that_nobody_has_touched_is_renewed_with_the_lab(copies: Copies, source: Path) -> None:
    copies.start_all()
    (copies.folder / "labs" / "01-train" / "__pycache__").mkdir()  # what a run leaves is no change
    ship(source, "01-train", "1 + 1", "3 + 3")
    (said,) = Copies(copies.folder, source).start_all()
    assert "renewed" in said
    assert "3 + 3" in (copies.folder / "notebooks" / "01-train.ipynb").read_text()


def test_reset_gives_the_lab_as_shipped_and_keeps_the_old_one_each_time(copies: Copies) -> None:
    lab = copies.find("01")
    copies.start_all()
    for number in (1, 2):
        changed = edit(copies).read_text()
        (copies.folder / "labs" / "01-train" / "script.py").write_text(f"print({number})\n")
        aside = copies.reset(lab)
        assert aside == copies.folder / "kept" / f"01-train-{number}"
        assert (aside / "notebooks" / "01-train.ipynb").read_text() == changed
        assert (aside / "labs" / "01-train" / "script.py").read_text() == f"print({number})\n"
        assert (copies.folder / "labs" / "01-train" / "script.py").read_text() == "print(1)\n"
        assert copies.progress(lab) == Progress(0, 2, failed=False)
    assert copies.reset(lab) is None


def test_a_script_alone_that_was_changed_is_kept_too(copies: Copies) -> None:
    copies.start_all()
    (copies.folder / "labs" / "01-train" / "script.py").write_text("print(2)\n")
    aside = copies.reset(copies.find("01"))
    assert aside
    assert (aside / "labs" / "01-train" / "script.py").read_text() == "print(2)\n"


def test_progress_counts_the_cells_that_the_lab_has(copies: Copies) -> None:
    lab = copies.find("01")
    assert copies.progress(lab) == Progress(0, 2, failed=False)
    copies.start(lab)
    path = edit(copies)
    assert copies.progress(lab) == Progress(1, 2, failed=False)
    notebook: Any = json.loads(path.read_text())
    own = {"cell_type": "code", "id": "own", "source": "", "metadata": {}, "outputs": [], "execution_count": 9}
    notebook["cells"][2] |= {"execution_count": 8, "outputs": [{"output_type": "error"}]}
    notebook["cells"].append(own)
    path.write_text(json.dumps(notebook))
    assert copies.progress(lab) == Progress(2, 2, failed=True)
    assert not copies.progress(lab).done
    notebook["cells"][2]["outputs"] = []
    path.write_text(json.dumps(notebook))
    assert copies.progress(lab).done


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}', "\0"])
def test_a_notebook_that_is_none_any_more_has_no_progress(copies: Copies, content: str) -> None:
    lab = copies.find("01")
    copies.start(lab)
    (copies.folder / lab.notebook).write_text(content)
    assert copies.progress(lab).ran == 0


@pytest.mark.parametrize("name", ["", "0", "7", "07", "../01", "*"])
def test_a_name_that_is_no_one_labs_is_refused_with_those_there_are(copies: Copies, name: str) -> None:
    with pytest.raises(ControlError, match="there are 01-train, 02-deploy"):
        copies.find(name)
