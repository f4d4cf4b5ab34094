"""The SageMaker Python SDK v3, unmodified: its processors and its transformer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Play, Ran, check

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs and endpoints


@pytest.fixture(scope="session")
def processing(play: Play, table: Path) -> Ran:
    return play(sys.executable, "processing_v3.py", table)


def test_processors_and_transformer_run(processing: Ran) -> None:
    check(processing)
    assert "rows to train with 6" in processing.out
    assert "answers 3" in processing.out
    for host in ("algo-1", "algo-2"):
        assert f"hello from a folder on {host}" in processing.out + processing.err
    assert "with its packages: True" in processing.out + processing.err
