"""The wheel, installed elsewhere: it has every file of the package and of the labs, and needs no checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import urllib.request
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


def test_wheel_has_every_file_of_the_package_and_of_the_labs(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "src", "labs", "notebooks"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if name.startswith("sagelab/")}
    package = {name.removeprefix("src/") for name in listed if name.startswith("src/")}
    labs = {f"sagelab/labs_as_shipped/{name}" for name in listed if not name.startswith("src/")}
    assert found == package | labs


def test_wheel_offers_what_the_local_cloud_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    needed = [line for line in metadata.splitlines() if line.endswith("extra == 'local'")]
    assert any(line.startswith("Requires-Dist: moto[server]") for line in needed)


def test_project_with_the_wheel_trains_and_invokes(python: Path, tmp_path: Path) -> None:
    ran = run(tmp_path, "shipped", python=str(python))
    assert set(ran.outcomes.values()) == {"passed"}, ran.said
    assert len(ran.outcomes) == 2


def test_notebook_instance_of_the_wheel_begins_with_the_labs(python: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from sagelab.cloud.engine.notebooks.volumes import Volume;"
        f"volume = Volume(Path({str(tmp_path / 'volume')!r})); volume.fill();"
        "print(sorted(path.name for path in volume.files.iterdir()))"
    )
    said = subprocess.run([python, "-P", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert said.stdout == "['labs', 'notebooks']\n"


def test_labs_are_run_from_the_wheel(python: Path, tmp_path: Path) -> None:
    code = "from sagelab import notebooks; print(*[path.stem for path in notebooks.find([])], sep='\\n')"
    said = subprocess.run([python, "-P", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert said.stdout.split() == sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))


def test_start_page_of_the_wheel_has_the_labs(python: Path, tmp_path: Path) -> None:
    shared = Path(sys.prefix, "share", "jupyter")  # pip would have put it into the same environment
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JUPYTER"))}
    env |= {"HOME": str(tmp_path), "JUPYTERLAB_DIR": str(shared / "lab"), "JUPYTER_PATH": str(shared)}
    env |= {"SAGELAB_HOME": str(tmp_path / "home")}
    command = ["env", "--default-signal=INT", str(python.with_name("sagelab")), "lab", "--no-browser"]
    lab = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True)
    assert lab.stdout is not None
    try:
        address = next(line.split()[-1] for line in lab.stdout if line.startswith("start page: "))
        with urllib.request.urlopen(address) as answer:
            page = answer.read().decode()
    finally:
        lab.send_signal(signal.SIGINT)
        lab.communicate(timeout=60)
    assert page.count('class="number"') == len(list(ROOT.glob("notebooks/*.ipynb")))
    assert (tmp_path / "home" / "work" / "notebooks" / "01-train-a-digit-classifier.ipynb").is_file()
