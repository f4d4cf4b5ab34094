from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from click.testing import CliRunner

from sagelab.cli import main
from sagelab.cloud import doctor
from sagelab.cloud.home import Home

ROOT = Path(__file__).parents[2]


def lacking(monkeypatch: pytest.MonkeyPatch, *absent: str) -> doctor.Check:
    """What is said of the packages where some are not installed."""

    def version(package: str) -> str:
        if package in absent:
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(doctor, "version", version)
    return doctor._packages()


def test_a_package_that_one_lab_needs_is_named_with_the_lab_and_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = lacking(monkeypatch, "optuna", "onnx")
    assert (check.verdict, check.found) == ("weaker", "lab 3 lacks optuna; lab 5 lacks onnx")
    assert check.advice == "Run: make setup"


def test_a_package_that_every_lab_needs_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacking(monkeypatch, "tensorflow").verdict == "missing"


def test_outside_of_the_project_pip_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sagelab.shipped.PROJECT", tmp_path)
    assert lacking(monkeypatch, "optuna").advice == "Run: pip install 'sagelab[local]'"


@pytest.mark.parametrize(
    ("setting", "value", "command"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ],
)
def test_a_setting_that_forbids_namespaces_is_named_with_its_command(
    tmp_path: Path, setting: str, value: str, command: str
) -> None:
    file = tmp_path / setting
    file.parent.mkdir()
    file.write_text(f"{value}\n")
    assert doctor._permission(tmp_path) == f"Run: sudo sysctl -w {command}"


def test_no_setting_forbids_them_so_a_container_does(tmp_path: Path) -> None:
    assert "seccomp=unconfined" in doctor._permission(tmp_path)


def test_without_an_emulator_lab_5_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda _: None)
    check = doctor._emulation()
    assert check.verdict == "weaker"
    assert check.advice.startswith("Lab 5 ")
    assert "apt-get install qemu-user-static" in check.advice


@pytest.mark.parametrize(("platform", "words"), [("darwin", "macOS"), ("win32", "in WSL")])
@pytest.mark.parametrize("command", ["doctor", "lab", "up"])
def test_where_there_is_no_linux_one_sentence_says_what_instead(
    monkeypatch: pytest.MonkeyPatch, platform: str, words: str, command: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    done = CliRunner().invoke(main, [command])
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert words in line
    assert ".devcontainer" in line
    assert "SAGELAB_TARGET=aws" in line


def test_nothing_is_set_up_where_there_is_no_linux(tmp_path: Path) -> None:
    code = "import runpy, sys; sys.platform = 'darwin'; del sys.argv[0]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", code, str(ROOT / "tools" / "setup.py"), str(tmp_path / "environment")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "dev container" in done.stderr
    assert not (tmp_path / "environment").exists()


@pytest.mark.parametrize("program", ["git", "kubectl"])
def test_a_program_that_lab_8_uses_is_named(home: Home, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    (check,) = [check for check in doctor.examine(home) if check.name == program]
    assert check.verdict == "weaker"
    assert "ab 8" in check.advice
    assert "apt-get install" in check.advice
