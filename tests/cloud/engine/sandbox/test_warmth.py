"""When a fork of a warm Python is not what a fresh interpreter would be: by its variables, by its modules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagelab.cloud.engine.sandbox import warmth

# What SageMaker, its SDKs and shells put into the environment of a script.
USUAL = {
    "PATH": "/opt/sagelab/bin:/usr/bin",
    "HOME": "/root",
    "PWD": "/opt/ml/code",
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": "/opt/ml/code",
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "SM_HPS": "{}",
    "SM_MODEL_DIR": "/opt/ml/model",
    "SM_HP_EPOCHS": "3",
    "TRAINING_JOB_NAME": "job",
    "SAGEMAKER_REGION": "us-east-1",
    "NCCL_PROTO": "simple",
    "PIP_INDEX_URL": "https://index.example",
    "HTTPS_PROXY": "http://127.0.0.1:3128",
    "EPOCHS": "3",
}


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a warm Python is whose imports have read a few variables."""
    monkeypatch.setattr(warmth, "_start", {})
    monkeypatch.setattr(warmth, "_read", set())
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("KNOWN", "as it was")
    with warmth.noting_reads():
        assert os.environ.get("PLOTTER") is None
        assert os.environ["KNOWN"] == os.getenv("KNOWN")
        assert "HOME" in os.environ
    os.environ.get("READ_LATER")


@pytest.mark.usefixtures("imported")
def test_usual_environment_of_a_job_needs_no_fresh_interpreter() -> None:
    assert warmth.changed(USUAL) == set()


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("name", "value"),
    [("PLOTTER", "agg"), ("KNOWN", "otherwise"), ("TZ", "Asia/Tokyo"), ("PYTHONHASHSEED", "0"), ("LC_ALL", "C")]
    + [
        (name, "1")
        for name in "TF_X OMP_NUM_THREADS OPENBLAS_NUM_THREADS LD_PRELOAD CUDA_X XLA_FLAGS TORCH_LOGS".split()
    ],
)
def test_other_value_of_what_was_read_at_an_import_does(name: str, value: str) -> None:
    assert warmth.changed(USUAL | {name: value}) == {name}


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("name", "value"),
    [("KNOWN", "as it was"), ("READ_LATER", "x"), ("TF_CONFIG", "{}"), ("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")],
)
def test_same_value_and_what_is_read_when_it_is_used_do_not(name: str, value: str) -> None:
    assert warmth.changed(USUAL | {name: value}) == set()


def test_modules_of_the_folder_that_are_imported_already_are_found(tmp_path: Path) -> None:
    for name in ("json.py", "train.py", "__main__.py", "email.txt", "socket.cpython-311-x86_64-linux-gnu.so"):
        (tmp_path / name).touch()
    for folder in ("re", "typing"):
        (tmp_path / folder).mkdir()
    (tmp_path / "re/__init__.py").touch()
    assert warmth.shadowed([str(tmp_path), "/no/such/folder"]) == {"json", "re", "socket"}


def test_what_was_installed_or_removed_in_place_of_an_imported_package_is_found(tmp_path: Path) -> None:
    for name in ("boto3", "google", "neu-1.0.dist-info", "__pycache__"):
        (tmp_path / name).mkdir()
    (tmp_path / "pytest.py").touch()
    assert warmth.shadowed([], str(tmp_path)) - {"boto3"} == {"pytest"}


def test_what_is_imported_from_a_folder_is_not_shadowed_by_it() -> None:
    own = Path(warmth.__file__).parents[4]
    assert warmth.shadowed([str(own)]) == set()
