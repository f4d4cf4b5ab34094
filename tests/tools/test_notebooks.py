"""tools/notebooks.py: what it puts before a lab's cells, and what it finds wrong in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from notebooks import ROOT, badge, find_faults


def notebook(*outputs: Any) -> Any:
    """One code cell with these outputs."""
    cell = nbformat.v4.new_code_cell("look", outputs=list(outputs))
    return nbformat.v4.new_notebook(cells=[cell])


def printed(text: str) -> Any:
    return nbformat.v4.new_output("stream", text=text)


def test_badge_leads_to_the_notebook_in_its_repository() -> None:
    (cell,) = badge("01-one.ipynb", "ann/labs")
    address = "https://studiolab.sagemaker.aws/import/github/ann/labs/blob/main/notebooks/01-one.ipynb"
    assert cell.source.endswith(f"]({address})")


def test_there_is_no_badge_without_an_address() -> None:
    assert badge("01-one.ipynb", "") == []


@pytest.mark.parametrize(
    "path",
    [
        "/tmp/tmp9ijabe_f/model/1",
        "/home/ann/sagelab/x.npz",
        "/Users/ann/x",
        "/var/folders/zz/T/x",
        "/root/.keras/x.npz",
        "/usr/lib/python3.12/json/__init__.py",
        f"{ROOT}/labs",
        str(Path.home() / "x"),
    ],
)
def test_a_path_of_a_machine_is_a_fault(path: str) -> None:
    plain = nbformat.v4.new_output("execute_result", data={"text/plain": f"PosixPath('{path}')"})
    page = nbformat.v4.new_output("display_data", data={"text/html": f'<a href="{path}">file</a>'})
    for output in (printed(f"model saved in {path}\n"), plain, page):
        assert find_faults(notebook(output)) == [f"it names {path}, of the machine that ran it"]


@pytest.mark.parametrize(
    "text",
    [
        "model saved in /opt/ml/model/1",
        "/opt/program/serve",
        "/home/ec2-user/SageMaker/starts.txt",
        "s3://bucket/tmp/x and https://host/home/ann",
        "/aws/sagemaker/TrainingJobs",
        "model/tmp/1, ../tmp/x and ~/tmp/x",
    ],
)
def test_a_path_that_is_the_same_everywhere_is_none(text: str) -> None:
    assert find_faults(notebook(printed(text))) == []


def test_a_picture_has_no_path_in_it() -> None:
    picture = nbformat.v4.new_output("display_data", data={"image/png": "AAAA /tmp/AAAA"})
    assert find_faults(notebook(picture)) == []
    words = '<img alt="one" src="data:image/png;base64,AAAA+/tmp/AAAA+/home/ann/x=">'
    assert find_faults(notebook(nbformat.v4.new_output("display_data", data={"text/html": words}))) == []


def test_an_error_and_a_lack_of_outputs_are_faults() -> None:
    failed = nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
    assert find_faults(notebook(failed)) == ["an error stands in it: ValueError"]
    assert find_faults(notebook()) == ["it has no outputs"]
