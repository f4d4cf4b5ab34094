"""The course's notebook in the SageMaker Python SDK v2, unmodified, from an environment of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conformance import ASKS, note
from tests.clients.conftest import Play, Ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs and endpoints


@pytest.fixture(scope="session")
def notebook(play: Play, v2: str, course: Path) -> Ran:
    """The course's notebook, run once from its first cell to its last."""
    return play(v2, "course_v2.py", course)


def test_every_cell_of_the_courses_notebook_runs(notebook: Ran) -> None:
    assert notebook.code == 0, notebook.out[-3000:] + notebook.err[-3000:]


def test_role_is_found_without_being_named(notebook: Ran) -> None:
    assert ":role/SageMakerLabRole" in notebook.out


def test_log_of_the_job_streams_into_the_notebook(notebook: Ran) -> None:
    assert "epoch 2/2 - loss:" in notebook.out
    assert "Training seconds:" in notebook.out


def test_metrics_are_a_dataframe(notebook: Ran) -> None:
    assert "metrics ['acc', 'loss', 'val_acc']" in notebook.out


def test_digits_are_read_by_the_accelerated_endpoint(notebook: Ran) -> None:
    (line,) = [line for line in notebook.out.splitlines() if line.startswith("read ")]
    assert int(line.split()[1]) >= 4
    configs = [call for call in notebook.calls if call["operation"] == "CreateEndpointConfig"]
    assert configs[0]["params"]["ProductionVariants"][0]["AcceleratorType"] == "ml.eia1.medium"


def test_no_call_of_the_notebook_fails(notebook: Ran) -> None:
    assert [call for call in notebook.calls if call["error"] and call["operation"] not in ASKS] == []
    assert {"sagemaker.CreateTrainingJob", "sagemaker.CreateEndpoint", "logs.GetLogEvents"} <= notebook.operations
    note(notebook.source, notebook.calls)
