"""Write the lock files with hashes: the project's, its Conda environment's, and those of the clients in its tests.

    python tools/lock.py                    what pyproject.toml asks for; versions that are locked stay
    python tools/lock.py --upgrade NAME...  renew these packages

requirements.lock serves every platform and every Python that the project takes. pip takes no hashes beside a
project's own folder, so environment.yml has the same versions without them.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setup import LOCK, ROOT, surroundings

CONDA = "environment.yml"
NAMES = ("v2", "cli", "kubernetes", "airflow", "wrangler", "pyspark")
CLIENTS = tuple(f"tests/clients/{name}.lock" for name in NAMES)
OLDEST = "3.11"
PIN = "      - "


def main() -> None:
    """Write every lock file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", nargs="+", default=[], metavar="NAME", help="packages to renew")
    renewed = [f"--upgrade-package={name}" for name in parser.parse_args().upgrade]
    lock = ROOT / LOCK
    compile_lock(lock, "--extra", "local", "--extra", "test", *renewed, source="pyproject.toml")
    (ROOT / CONDA).write_text(conda((ROOT / CONDA).read_text(), pins(lock.read_text())))
    for client in CLIENTS:
        named = "\n".join(pins((ROOT / client).read_text()))
        compile_lock(ROOT / client, "--no-deps", source="-", given=named)


def compile_lock(lock: Path, *options: str, source: str, given: str = "") -> None:
    """Lock what `source` asks for (- is what is given), for the oldest Python and later. SystemExit: why not.

    uv would keep the hashes that it finds, of another version too: it is shown versions alone.
    """
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    plain = ("--quiet", "--no-header", "--no-annotate", "--generate-hashes", "--universal")
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, lock.name)
        draft.write_text("\n".join(pins(lock.read_text())))
        command = [uv, "pip", "compile", *plain, "--python-version", OLDEST, "--output-file", str(draft)]
        done = subprocess.run(
            [*command, *options, source], cwd=ROOT, env=surroundings(), input=given, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(done.stderr)
        lock.write_text(draft.read_text())


def pins(lock: str) -> list[str]:
    """Each package of a lock file with its version and its condition, without its hashes."""
    return [re.split(r" \\$| --hash", line)[0] for line in lock.splitlines() if line and not line[0].isspace()]


def conda(environment: str, packages: list[str]) -> str:
    """environment.yml with these packages for pip, and the project itself after them."""
    head, _, _ = environment.partition(PIN)
    return head + "".join(f"{PIN}{package}\n" for package in [*packages, "-e ."])


if __name__ == "__main__":
    main()
