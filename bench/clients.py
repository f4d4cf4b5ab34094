"""What a person waits for before the first command does anything: imports, the help, the set-up."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from table import Result

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
SET_UPS = 2
NEEDED = ("src", "tools", "pyproject.toml", "requirements.lock", "README.md", "LICENSE")


def clients(quick: bool) -> Iterator[Result]:
    """`import sagelab`, `sagelab --help`; unless quick, the set-up against the bare unpacking of its packages."""
    count = 5 if quick else 15
    bare = _median(count, PYTHON, "-c", "pass")
    imported = _median(count, PYTHON, "-c", "import sagelab")
    seen = f"median of {count}; the interpreter alone {bare:.2f} s"
    yield Result("import sagelab, interpreter and all", imported, 0.2, "s", seen=seen)
    helped = _median(count, str(Path(PYTHON).with_name("sagelab")), "--help")
    yield Result("sagelab --help", helped, 0.3, "s", seen=f"median of {count}")
    if not quick:
        yield _set_up()


def _median(count: int, *command: str) -> float:
    return statistics.median(_time(list(command)) for _ in range(count))


def _time(command: list[str], cwd: Path | None = None, **env: str) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
    return time.perf_counter() - began


def _unpack(folder: Path) -> float:
    """Seconds of an empty environment and of uv alone, which downloads and unpacks what the lock names."""
    uv = shutil.which("uv", path=str(Path(PYTHON).parent)) or "uv"
    began = time.perf_counter()
    _time([uv, "venv", "--python", PYTHON, str(folder / "alone")])
    command = [uv, "pip", "sync", "--python", str(folder / "alone"), str(ROOT / "requirements.lock")]
    _time(command, UV_CACHE_DIR=f"{folder}/cache-alone")
    return time.perf_counter() - began


def _set_up() -> Result:
    """make setup in a copy of the project, and uv alone on the same lock, in turns; each downloads all anew."""
    here, alone = [], []
    for _ in range(SET_UPS):
        with tempfile.TemporaryDirectory(prefix="sagelab-bench-", ignore_cleanup_errors=True) as folder:
            project = Path(folder, "project")
            project.mkdir()
            for name in NEEDED:
                source = ROOT / name
                (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
            alone.append(_unpack(Path(folder)))
            environment = {"UV_CACHE_DIR": f"{folder}/cache", "CI": ""}
            here.append(_time([PYTHON, "tools/setup.py"], cwd=project, **environment))
    taken, unpacked = statistics.median(here), statistics.median(alone)
    every = (", ".join(f"{seconds:.0f}" for seconds in times) for times in (here, alone))
    seen = "set-up {} s, uv alone {} s, all with empty caches; bytecode in the background".format(*every)
    return Result("set-up against the bare download and unpacking", taken / unpacked, 1.3, "x", seen=seen)
