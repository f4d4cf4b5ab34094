"""What SageMaker Studio gets: packages that fit its image, an archive, a script that installs it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from notebooks import badge, repository

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "tests" / "data" / "studio-4.4.1-constraints.txt"
UV = str(Path(sys.executable).with_name("uv"))
# The image has PyTorch from Conda under another name; no lab imports it.
TORCH = re.compile(r"^(torch|triton|nvidia-|cuda-)")


def pins(text: str) -> dict[str, Version]:
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = [Requirement(line) for line in lines if line]
    return {canonicalize_name(one.name): Version(next(iter(one.specifier)).version) for one in found}


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a notebook needs on AWS, resolved beside the image's own packages on its Python."""
    lock = tmp_path_factory.mktemp("studio") / "lock"
    command = [UV, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", "3.12"]
    done = subprocess.run(
        [*command, "--constraint", str(CONSTRAINTS), "--output-file", str(lock), str(ROOT / "pyproject.toml")],
        capture_output=True, text=True,
    )  # fmt: skip
    if "error sending request" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return lock.read_text()


@pytest.mark.slow
def test_package_fits_the_image_without_changing_a_pin(resolved: str) -> None:
    image, wanted = pins(CONSTRAINTS.read_text()), pins(resolved)
    assert {name: version for name, version in wanted.items() if image.get(name, version) != version} == {}
    assert "mlxtend" in wanted
    assert "moto" not in wanted


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    command = [sys.executable, "tools/studio.py", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip())


@pytest.mark.slow
def test_archive_has_all_that_studio_needs(archive: Path) -> None:
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    for part in ("labs", "notebooks", "src/sagelab", "tools/setup.py", "requirements.lock", "studio/on-start.sh"):
        assert f"sagelab/{part}" in names
    assert any(re.fullmatch(r"sagelab/dist/sagelab-.*\.whl", name) for name in names)
    assert not [
        name for name in names if "__pycache__" in name or name.startswith(("sagelab/tests", "sagelab/.venv"))
    ]


def test_lifecycle_script_is_a_script() -> None:
    script = ROOT / "studio" / "on-start.sh"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert len(script.read_bytes()) < 16384  # what CreateStudioLifecycleConfig takes


def test_notebooks_begin_with_the_badge_of_studio_lab_where_the_repository_is_known() -> None:
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        first = nbformat.read(path, as_version=4).cells[0].source
        wanted = [cell.source for cell in badge(path.name, repository())]
        assert [first] == wanted or ("studiolab" not in first and not wanted)


def test_notebooks_name_the_kernel_that_studio_has() -> None:
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        kernel = nbformat.read(path, as_version=4).metadata.kernelspec
        assert (kernel.name, kernel.display_name) == ("python3", "Python 3 (ipykernel)")


def find_python() -> str:
    """The image's Python, 3.12, where this machine has one: on the path, or among pyenv's."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for python in ("python3.12", *sorted(map(str, root.glob("versions/3.12*/bin/python")))):
        with contextlib.suppress(OSError):
            if subprocess.run([python, "--version"], capture_output=True).returncode == 0:
                return python
    pytest.skip("there is no Python 3.12 on this machine")


@pytest.fixture(scope="module")
def studio(resolved: str, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(folder of the unpacked archive, Python 3.12 with the image's packages and the archive's wheel)."""
    folder = tmp_path_factory.mktemp("space")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    python = folder / "image" / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--seed", "--python", find_python(), str(folder / "image")], check=True)
    lock = folder / "image.lock"
    lock.write_text("\n".join(line for line in resolved.splitlines() if not TORCH.match(line)))
    (wheel,) = (folder / "sagelab" / "dist").glob("*.whl")
    install = [UV, "pip", "install", "--quiet", "--no-deps", "--python", str(python)]
    subprocess.run([*install, "--requirement", str(lock), str(wheel)], check=True)
    return folder / "sagelab", python


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_lab_1_runs_in_the_image_against_a_local_cloud_in_another_environment(
    studio: tuple[Path, Path], tmp_path: Path, sagelab: Any
) -> None:
    project, python = studio
    home = tmp_path / "home"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    env |= {"SAGELAB_HOME": str(home), "SAGELAB_PYTHON": sys.executable, "MPLBACKEND": "agg"}
    lab = project / "labs" / "01-train-a-digit-classifier" / "lab.py"
    try:
        done = subprocess.run(
            [str(python), str(lab)], cwd=project / "notebooks", env=env, capture_output=True, text=True
        )
    finally:
        sagelab("down", home=home)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Nothing is left of keras-mnist" in done.stdout


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_lifecycle_script_leaves_the_image_as_it_is_and_gives_the_local_cloud_its_own_kernel(
    studio: tuple[Path, Path], archive: Path, tmp_path: Path
) -> None:
    _, python = studio
    home = tmp_path / "space"
    home.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "UV_", "SSL_", "HTTP", "http"))
    }
    cache = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
    env = kept | {"HOME": str(home), "PATH": f"{python.parent}:/usr/bin:/bin", "UV_CACHE_DIR": cache}
    before = freeze(python, env)
    done = subprocess.run(
        ["bash", str(ROOT / "studio" / "on-start.sh")],
        env=env | {"SAGELAB_ARCHIVE": str(archive)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    log, own = home / ".sagelab" / "environment.log", home / ".sagelab" / "environment"
    limit = time.monotonic() + 900
    while not (own / "sagelab-setup").exists():
        assert time.monotonic() < limit, log.read_text()
        assert "failed" not in log.read_text(), log.read_text()
        time.sleep(0.5)
    end_bytecode(own)
    after = freeze(python, env)
    assert {name: after[name] for name in before} == before
    kernel = json.loads((home / ".local/share/jupyter/kernels/sagelab/kernel.json").read_text())
    assert kernel["display_name"] == "Python 3 (sagelab)"
    assert Path(kernel["argv"][0]) == own / "bin" / "python"
    code = "import moto, sagelab, tensorflow; print(sagelab.__file__)"
    said = subprocess.run([str(own / "bin" / "python"), "-c", code], env=env, capture_output=True, text=True)
    assert said.stdout.strip() == str(home / "sagelab" / "src" / "sagelab" / "__init__.py"), said.stderr


def end_bytecode(environment: Path) -> None:
    """End what the set-up has left to do in the background, which takes minutes and changes nothing."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "compileall" in words and any(word.startswith(str(environment)) for word in words):
            with contextlib.suppress(psutil.NoSuchProcess):
                for each in [*process.children(recursive=True), process]:
                    each.kill()


def freeze(python: Path, env: dict[str, str]) -> dict[str, str]:
    """Every package of the image but sagelab itself, and its version."""
    command = [str(python), "-m", "pip", "list", "--disable-pip-version-check", "--format=json"]
    found = json.loads(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)
    return {one["name"]: one["version"] for one in found if one["name"] != "sagelab"}
