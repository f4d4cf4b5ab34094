"""A model that cannot fit is refused before it is read, in words."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sagelab.neo import room
from sagelab.neo.errors import OutOfMemory

GB = 1 << 30


def test_a_model_of_2_gb_does_not_fit_into_12() -> None:
    with pytest.raises(OutOfMemory, match=r"2,048 MB.*10 times.*the job has 12,288 MB"):
        room.check(2 * GB, 12 * GB)


def test_a_model_of_1_gb_may() -> None:
    room.check(GB, 12 * GB)
    room.check(100 * GB, resource.RLIM_INFINITY)
    assert room.is_tight(GB, 12 * GB)
    assert not room.is_tight(GB // 4, 12 * GB)


def test_the_limit_is_that_of_the_process(tmp_path: Path) -> None:
    """A file of 4 GB that has no bytes on the disk, in a process that may have 8 GB."""
    (tmp_path / "1/variables").mkdir(parents=True)
    (tmp_path / "1/saved_model.pb").write_bytes(b"")
    with (tmp_path / "1/variables/variables.data-00000-of-00001").open("wb") as file:
        file.truncate(4 * GB)
    script = (
        "import resource, sys, pathlib\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))\n"
        "from sagelab.neo import job\n"
        "from sagelab.neo.compiler import HOST\n"
        "from sagelab.neo.errors import OutOfMemory\n"
        "try:\n"
        "    job.compile_archive(*map(pathlib.Path, sys.argv[1:]), job.Request('TENSORFLOW', 'ml_c5', HOST))\n"
        "except OutOfMemory as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "OutOfMemory: The model's files have 4,096 MB" in done.stdout, done.stderr
