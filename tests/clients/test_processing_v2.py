"""Processing and batch transform in the SageMaker Python SDK v2, unmodified, from an environment of its own.

Its twins in `make test`: test_processing_v3.py has the same flow in v3's words, test_frameworks_v2.py a transform
in v2's, and test_pipeline_v2.py processing steps.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.conformance import note
from tests.clients.conftest import SCRIPTS, Ran, Run

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
]  # a script has a dozen jobs and endpoints


@pytest.fixture(scope="session")
def processing(run: Run, v2: str, table: Path) -> Ran:
    """Processors and a transformer, run once."""
    return run(v2, "-W", "ignore", str(SCRIPTS / "processing_v2.py"), cwd=table)


def test_every_processor_and_the_transformer_run(processing: Ran) -> None:
    assert processing.code == 0, processing.out[-3000:] + processing.err[-3000:]
    note(processing.source, processing.calls)


def test_processor_splits_a_table(processing: Ran) -> None:
    assert "rows to train with 6" in processing.out


def test_script_runs_on_two_hosts_and_its_log_streams(processing: Ran) -> None:
    for host in ("algo-1", "algo-2"):
        assert f"hello from two hosts on {host}" in processing.out


def test_folder_of_code_has_the_packages_that_it_asks_for(processing: Ran) -> None:
    assert "good morning from a folder on algo-1" in processing.out
    assert processing.out.count("with its packages: True") == 1


def test_transformer_answers_every_line(processing: Ran) -> None:
    (line,) = [line for line in processing.out.splitlines() if line.startswith("answer ")]
    assert json.loads(line.removeprefix("answer ")) == {"predictions": [[0.0, 2.0], [2.0, 4.0], [4.0, 6.0]]}
