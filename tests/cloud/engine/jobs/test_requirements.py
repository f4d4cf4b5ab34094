"""Packages that a training job brings in its requirements.txt, installed by SageMaker's own toolkit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud.jobs import Jobs, pack
from tests.wheels import make_wheel

# As people write them: comments, markers, spaces, the line ends of another system.
REQUIREMENTS = (
    "# what it needs\n\n--no-index\n--find-links 1\n  heard-of-never >= 1 , < 2   # inline\r\n"
    "six ; python_version >= '3.8'\r\nnone-such ; python_version < '3'\n"
)
TRAIN = """
import subprocess, sys
print("warm" if "tensorflow" in sys.modules else "fresh")  # SageMaker's toolkit runs in a Python with TensorFlow
import heard_of_never
print(subprocess.run(["heard-of"], capture_output=True, text=True).stdout)
"""


def archive(folder: Path, source: str, requirements: str) -> bytes:
    """A sourcedir.tar.gz with a wheel in its folder 1."""
    make_wheel(folder, "heard-of-never", "1.5", script="heard-of")
    return pack({"train.py": source, "requirements.txt": requirements, "__init__.py": ""}, folder)


def test_script_finds_what_its_requirements_name_and_is_warm_all_the_same(jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.run(jobs.script(archive(tmp_path, TRAIN, REQUIREMENTS)))
    log = jobs.log(job["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", log
    assert "Successfully installed heard-of-never-1.5" in log
    assert "Requirement already satisfied: six" in log
    assert log.splitlines().index("warm") < log.splitlines().index("heard-of-never runs")


@pytest.mark.parametrize(
    ("requirements", "why"),
    [
        ("--no-index\nnone-such-here==9\n", "ERROR: No matching distribution found for none-such-here==9"),
        ("-r others.txt\n", "ERROR: Could not open requirements file: [Errno 2] No such file or directory"),
    ],
    ids=["package", "file"],
)
def test_what_cannot_be_installed_fails_the_job_and_is_its_reason(
    jobs: Jobs, tmp_path: Path, requirements: str, why: str
) -> None:
    job = jobs.run(jobs.script(archive(tmp_path, "print('never')", requirements)))
    assert job["TrainingJobStatus"] == "Failed"
    assert why in job["FailureReason"]
    assert "never" not in jobs.log(job["TrainingJobName"]).splitlines()
