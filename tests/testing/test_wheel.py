"""The wheel, installed elsewhere: it has every file of the package, and needs nothing of the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.testing.suites import run

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # builds, installs, starts a local cloud from there


def uv(*arguments: str | Path) -> str:
    done = subprocess.run([UV, *arguments], capture_output=True, text=True)
    if "Failed to fetch" in done.stderr or "hatchling was not found" in done.stderr:
        pytest.skip(f"no wheel can be built without the package index: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, beside which the packages of this one are found."""
    folder = tmp_path_factory.mktemp("elsewhere") / "environment"
    uv("venv", "--quiet", "--python", sys.executable, folder)
    found = folder / "bin" / "python"
    uv("pip", "install", "--quiet", "--offline", "--no-deps", "--python", found, wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return found


def test_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "src"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if name.startswith("sagelab/")}
    assert found == {name.removeprefix("src/") for name in listed.split()}


def test_wheel_offers_what_the_local_cloud_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    needed = [line for line in metadata.splitlines() if line.endswith("extra == 'local'")]
    assert any(line.startswith("Requires-Dist: moto[server]") for line in needed)


def test_project_with_the_wheel_trains_and_invokes(python: Path, tmp_path: Path) -> None:
    ran = run(tmp_path, "shipped", python=str(python))
    assert set(ran.outcomes.values()) == {"passed"}, ran.said
    assert len(ran.outcomes) == 2


def test_notebook_instance_of_the_wheel_begins_without_labs(python: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from sagelab.cloud.engine.notebooks.volumes import Volume;"
        f"volume = Volume(Path({str(tmp_path / 'volume')!r})); volume.fill(); print(list(volume.files.iterdir()))"
    )
    said = subprocess.run([python, "-P", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert said.stdout == "[]\n"


def test_labs_are_said_to_be_in_the_project(python: Path, tmp_path: Path) -> None:
    command = [str(python.with_name("sagelab")), "run", "--home", str(tmp_path / "home")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "run this inside the project" in done.stderr
