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


def _set_up() -> Result:
    """make setup in a copy of the project, and uv alone on the same lock; each downloads all anew."""
    uv = shutil.which("uv", path=str(Path(PYTHON).parent)) or "uv"
    with tempfile.TemporaryDirectory(prefix="sagelab-bench-", ignore_cleanup_errors=True) as folder:
        project, alone = Path(folder, "project"), Path(folder, "alone")
        project.mkdir()
        for name in NEEDED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
        began = time.perf_counter()
        _time([uv, "venv", "--python", PYTHON, str(alone)])
        lock = str(project / "requirements.lock")
        _time([uv, "pip", "sync", "--python", str(alone), lock], UV_CACHE_DIR=f"{folder}/cache-alone")
        unpacked = time.perf_counter() - began
        environment = {"UV_CACHE_DIR": f"{folder}/cache", "CI": ""}
        taken = _time([PYTHON, "tools/setup.py"], cwd=project, **environment)
        seen = (
            f"set-up {taken:.0f} s, uv alone {unpacked:.0f} s, both with empty caches; bytecode in the background"
        )
    return Result("set-up against the bare download and unpacking", taken / unpacked, 1.3, "x", seen=seen)
