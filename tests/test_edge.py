"""A device under emulation; skipped where there is none."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sagelab import edge
from tests.built import build
from tests.conftest import Sagelab

DIGITS = """
import sys, keras
from pathlib import Path
from sagelab.neo import job, keras_models
from sagelab.neo.compiler import Cpu
keras.utils.set_random_seed(1)
folder = Path(sys.argv[1])
layers = keras.layers
parts = [keras.Input((28, 28, 1), name="image"), layers.Flatten(), layers.Dense(10, activation="softmax")]
keras.Sequential(parts).save(folder / "net.keras")
request = job.Request("KERAS", "jetson_xavier", Cpu("aarch64-linux-gnu", "carmel"))
job.build(keras_models.read(folder / "net.keras", None), folder / "artifact", request, {})
"""


@pytest.fixture(scope="module")
def made() -> Path:
    """net.keras, and artifact/ for jetson_xavier."""
    return build(DIGITS, rooms=("neo",))


@pytest.mark.slow
def test_the_device_reads_what_keras_reads(made: Path, sagelab: Sagelab) -> None:
    if missing := edge.available():
        pytest.skip(missing)
    words = ["edge", "run", "--target", "jetson_xavier", "--digits", "2", "--keras", str(made / "net.keras")]
    done = sagelab(*words, str(made / "artifact"))
    assert done.returncode == 0, done.stderr
    assert "jetson_xavier: carmel (aarch64-linux-gnu), emulated; IREE" in done.stdout
    assert "as Keras reads them: 2 of 2; scores differ by" in done.stdout


IMAGE = np.zeros((1, 28, 28), np.uint8)


@pytest.mark.slow
def test_an_artifact_for_another_target_is_refused(made: Path) -> None:
    with pytest.raises(edge.EdgeError, match=r"compiled for jetson_xavier, not for rasp4b"):
        edge.run(made / "artifact", IMAGE, "rasp4b")


def test_what_is_no_artifact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(edge.EdgeError, match="is not a compiled model"):
        edge.run(tmp_path, IMAGE)
    (tmp_path / "x.tar.gz").write_bytes(b"x")
    with pytest.raises(edge.EdgeError, match="is no archive of a compilation job"):
        edge.run(tmp_path / "x.tar.gz", IMAGE)


def test_without_an_emulator_doctor_says_what_to_install(tmp_path: Path) -> None:
    if platform.machine() == "aarch64":
        pytest.skip("this processor is ARM64 itself")
    env = os.environ | {"PATH": str(tmp_path), "SAGELAB_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("sagelab")), "doctor"], capture_output=True, text=True, env=env
    )
    assert "qemu-aarch64-static is not installed" in done.stdout
    assert "apt-get install qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross" in done.stdout
