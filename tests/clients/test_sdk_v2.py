"""The SageMaker Python SDK v2, unmodified, from an environment of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sagelab.lab import digits
from tests.clients.conformance import ASKS, note
from tests.clients.conftest import ROOT, SCRIPTS, Ran, Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs and endpoints


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the course's notebook has it: its training script, and its digits in data/."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "labs" / "01-train-a-digit-classifier" / "mnist-train-cnn.py", folder)
    shutil.copytree(SCRIPTS / "code", folder / "code")
    (folder / "data").mkdir()
    data = digits.load()
    np.savez(folder / "data/training.npz", image=data.images[:2000], label=data.labels[:2000])
    np.savez(folder / "data/validation.npz", image=data.held_out_images[:500], label=data.held_out_labels[:500])
    return folder


@pytest.fixture(scope="session")
def notebook(run: Run, v2: str, course: Path) -> Ran:
    """The course's notebook, run once from its first cell to its last."""
    return run(v2, "-W", "ignore", str(SCRIPTS / "course_v2.py"), cwd=course)


@pytest.mark.xdist_group("course_v2")
def test_every_cell_of_the_courses_notebook_runs(notebook: Ran) -> None:
    assert notebook.code == 0, notebook.out[-3000:] + notebook.err[-3000:]


@pytest.mark.xdist_group("course_v2")
def test_role_is_found_without_being_named(notebook: Ran) -> None:
    assert ":role/SageMakerLabRole" in notebook.out


@pytest.mark.xdist_group("course_v2")
def test_log_of_the_job_streams_into_the_notebook(notebook: Ran) -> None:
    assert "epoch 2/2 - loss:" in notebook.out
    assert "Training seconds:" in notebook.out


@pytest.mark.xdist_group("course_v2")
def test_metrics_are_a_dataframe(notebook: Ran) -> None:
    assert "metrics ['acc', 'loss', 'val_acc']" in notebook.out


@pytest.mark.xdist_group("course_v2")
def test_digits_are_read_by_the_accelerated_endpoint(notebook: Ran) -> None:
    (line,) = [line for line in notebook.out.splitlines() if line.startswith("read ")]
    assert int(line.split()[1]) >= 4
    configs = [call for call in notebook.calls if call["operation"] == "CreateEndpointConfig"]
    assert configs[0]["params"]["ProductionVariants"][0]["AcceleratorType"] == "ml.eia1.medium"


@pytest.mark.xdist_group("course_v2")
def test_no_call_of_the_notebook_fails(notebook: Ran) -> None:
    assert [call for call in notebook.calls if call["error"] and call["operation"] not in ASKS] == []
    assert {"sagemaker.CreateTrainingJob", "sagemaker.CreateEndpoint", "logs.GetLogEvents"} <= notebook.operations
    note(notebook.source, notebook.calls)


@pytest.fixture(scope="session")
def processing(run: Run, v2: str, table: Path) -> Ran:
    """Processors and a transformer, run once."""
    return run(v2, "-W", "ignore", str(SCRIPTS / "processing_v2.py"), cwd=table)


@pytest.mark.xdist_group("processing_v2")
def test_every_processor_and_the_transformer_run(processing: Ran) -> None:
    assert processing.code == 0, processing.out[-3000:] + processing.err[-3000:]
    note(processing.source, processing.calls)


@pytest.mark.xdist_group("processing_v2")
def test_processor_splits_a_table(processing: Ran) -> None:
    assert "rows to train with 6" in processing.out


@pytest.mark.xdist_group("processing_v2")
def test_script_runs_on_two_hosts_and_its_log_streams(processing: Ran) -> None:
    for host in ("algo-1", "algo-2"):
        assert f"hello from two hosts on {host}" in processing.out


@pytest.mark.xdist_group("processing_v2")
def test_transformer_answers_every_line(processing: Ran) -> None:
    (line,) = [line for line in processing.out.splitlines() if line.startswith("answer ")]
    assert json.loads(line.removeprefix("answer ")) == {"predictions": [[0.0, 2.0], [2.0, 4.0], [4.0, 6.0]]}


@pytest.fixture(scope="session")
def search(run: Run, v2: str, course: Path) -> Ran:
    """The rest of the course, run once: tuning, compilation, spot."""
    return run(v2, "-W", "ignore", str(SCRIPTS / "search_v2.py"), cwd=course)


@pytest.mark.xdist_group("search_v2")
def test_tuning_compilation_and_spot_run(search: Ran) -> None:
    assert search.code == 0, search.out[-3000:] + search.err[-3000:]
    note(search.source, search.calls)


@pytest.mark.xdist_group("search_v2")
def test_tuner_tells_its_trials_and_deploys_the_best(search: Ran) -> None:
    assert "trials 3 best True" in search.out
    assert "best job True" in search.out
    assert "predictions (5, 10)" in search.out


@pytest.mark.xdist_group("search_v2")
def test_compiled_model_is_deployed_and_predicts(search: Ran) -> None:
    assert "compiled True" in search.out
    assert "compiled predictions (1, 10)" in search.out


@pytest.mark.xdist_group("search_v2")
def test_spot_job_completes_and_tells_its_savings(search: Ran) -> None:
    assert "spot Completed True 1200" in search.out
    assert "Managed Spot Training savings:" in search.out
