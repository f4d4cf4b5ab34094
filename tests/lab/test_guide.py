"""What a learner reads when a cell cannot run, and that doing it works."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from nbclient import NotebookClient

from sagelab.cloud import control
from sagelab.cloud.home import Home
from sagelab.lab import guide
from sagelab.lab.session import ConnectError


def test_a_name_that_no_cell_has_made_yet() -> None:
    with pytest.raises(NameError) as failed:
        exec("lab.uri()", {})
    said = guide.explain(failed.value)
    assert said is not None
    assert said.startswith("There is no `lab` in this kernel.")
    assert "Run All Above Selected Cell" in said


def test_a_local_cloud_that_is_gone_and_an_aws_that_is_not_reached() -> None:
    here = guide.explain(EndpointConnectionError(endpoint_url="http://127.0.0.1:4566/"))
    assert here is not None
    assert "Restart Kernel and Run All Cells" in here
    assert guide.explain(EndpointConnectionError(endpoint_url="https://sts.amazonaws.com/")) is None


def test_what_aws_refuses_keeps_its_words() -> None:
    answer: Any = {"Error": {"Code": "ValidationException", "Message": 'Could not find endpoint "one".'}}
    said = guide.explain(ClientError(answer, "DescribeEndpoint"))
    assert said is not None
    assert said.startswith('AWS refused this: Could not find endpoint "one". If cells ran twice')


def test_what_says_itself_what_to_do_and_what_only_a_traceback_tells() -> None:
    assert guide.explain(ConnectError("Set this.")) == "Set this."
    assert guide.explain(ZeroDivisionError("division by zero")) is None


def test_outside_of_a_kernel_nothing_changes() -> None:
    before = sys.excepthook
    guide.install()
    assert sys.excepthook is before


@pytest.mark.slow
def test_a_kernel_explains_from_its_first_cell_on_and_a_dead_cloud_comes_back(tmp_path: Path) -> None:
    """As `make lab` has it: restart in the middle, then the local cloud dies, then what the sentence says."""
    home = Home(tmp_path)
    connect = "import sagelab\nlab = sagelab.connect('again')\nsts = lab.client('sts')"
    end = "from sagelab.cloud import control, home\ncontrol.down(home.Home())"
    cells = ["lab.uri('x')", connect, end, "sts.get_caller_identity()", connect, "assert lab.region"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with control.running(home):
        env = {**control.surroundings(home), "SAGELAB_TARGET": "local"}
        NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute(env=env)
        control.down(home)
    errors = [[o for o in cell.outputs if o.output_type == "error"] for cell in notebook.cells]
    assert [len(each) for each in errors] == [1, 0, 0, 1, 0, 0]
    first, gone = errors[0][0].traceback, errors[3][0].traceback
    assert first == ["There is no `lab` in this kernel. If a cell above makes it, " + guide.ABOVE + "."]
    assert len(gone) == 1
    assert gone[0].startswith("The local cloud does not answer")
