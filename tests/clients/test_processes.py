"""Scripts of both SDKs as a person runs them, below `sagelab exec`: make test runs them in forks of one Python."""

from __future__ import annotations

import sys

import pytest

from tests.clients.conftest import SCRIPTS, Run, check

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(1500)]

FOLDERS = {
    "builder_v3.py": "table",
    "pipeline_v3.py": "table",
    "processing_v3.py": "table",
    "remote_v3.py": "table",
    "trainer_v3.py": "table",
    "course_v2.py": "course",
    "frameworks_v2.py": "models",
    "pipeline_v2.py": "table",
    "search_v2.py": "course",
}


OPTIONS = {"remote_v3.py": ("--error",)}
REFUSED = {"pipeline_v2.py": ("CreatePipeline",)}  # `upsert` of one that is there
OUTPUTS = {"remote_v3.py": "raised here: division by zero"}


@pytest.mark.parametrize("script", FOLDERS)
def test_script_runs_as_a_process(script: str, run: Run, request: pytest.FixtureRequest) -> None:
    name = FOLDERS[script]
    folder = SCRIPTS if name == "models" else request.getfixturevalue(name)
    python = sys.executable if script.endswith("_v3.py") else request.getfixturevalue("v2")
    ran = run(python, "-W", "ignore", str(SCRIPTS / script), *OPTIONS.get(script, ()), cwd=folder)
    check(ran, *REFUSED.get(script, ()))
    assert OUTPUTS.get(script, "") in ran.out
