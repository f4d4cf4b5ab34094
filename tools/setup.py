"""Set up the environment that the lock file names: `make setup`. Standard library alone.

    python3 tools/setup.py [FOLDER]            the environment's folder, .venv by default
    python3 tools/setup.py FOLDER --kernel     and a Jupyter kernel on it, where notebooks have another Python

Does nothing when the environment stands as the lock, pyproject.toml and this Python ask for. uv installs; it
is brought in by pip, so whatever index pip is told to use serves for both. Nothing is installed whose SHA-256 is
not the lock's: not uv, and not what builds the package.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements.lock"
KERNEL = "Python 3 (sagelab)"
SUPPORTED = ((3, 11), (3, 14))
ELSEWHERE = (
    "sagelab's local cloud needs Linux: open this folder in its dev container (.devcontainer, by VS Code or "
    "GitHub Codespaces) or in WSL. For the labs in your AWS account alone: pip install ."
)
# What pip and uv say where no package index can be reached.
UNREACHED = re.compile("NewConnectionError|ConnectTimeoutError|ReadTimeoutError|dns error|error sending request")
OFFLINE = (
    "no package index answers, and a first set-up takes its packages from one: with a network, run the same "
    "command again. It goes on from what was fetched, and later nothing needs a network."
)
# What no lab imports; it would be two fifths of the time.
NEVER_IMPORTED = r"/tests?/|/testing/|/(mypy|mypyc|pip|sklearn/externals|databricks|hive_metastore|torch)/"


def main() -> None:
    """Make the environment, or leave it as it is."""
    if sys.platform != "linux":
        sys.exit(ELSEWHERE)
    if not SUPPORTED[0] <= sys.version_info[:2] < SUPPORTED[1]:
        sys.exit(
            f"sagelab needs Python 3.11, 3.12 or 3.13; {sys.executable} is {sys.version.split()[0]}. "
            "Name another: make setup PYTHON=python3.12"
        )
    names = [argument for argument in sys.argv[1:] if argument != "--kernel"]
    folder = Path(names[0] if names else ".venv").absolute()
    stamp, asked = folder / "sagelab-setup", fingerprint()
    if stamp.exists() and stamp.read_text() == asked:
        return
    print(f"Setting up {folder.name} (once; a few minutes):", flush=True)
    build(folder)
    if "--kernel" in sys.argv:
        python = str(folder / "bin" / "python")
        step(
            "kernel", python, "-m", "ipykernel", "install", "--user", "--name", "sagelab", "--display-name", KERNEL
        )
    stamp.write_text(asked)


def build(folder: Path) -> None:
    """Every step, a line each."""
    python, uv = str(folder / "bin" / "python"), str(folder / "bin" / "uv")
    clear = [] if (folder / "lib" / "python{}.{}".format(*sys.version_info)).exists() else ["--clear"]
    step("environment", sys.executable, "-m", "venv", "--without-pip", *clear, str(folder))
    checked = ("--quiet", "--require-hashes")
    step("installer", *pip(python), "install", *checked, "--requirement", "/dev/stdin", given=locked("uv"))
    step("packages", uv, "pip", "sync", *checked, "--python", python, LOCK)
    own = ("--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")  # a folder has no hash
    step("sagelab", uv, "pip", "install", *own, "--python", python)
    compile_all(python)


def locked(package: str) -> str:
    """What the lock says of one package: its version and its hashes."""
    entries = re.split(r"\n(?=\S)", (ROOT / LOCK).read_text())
    return next(entry for entry in entries if entry.startswith(f"{package}=="))


def pip(python: str) -> list[str]:
    """A pip that installs into the environment: the one of this Python, else one put there (seconds more)."""
    there = [sys.executable, "-m", "pip", "--python", python]
    if subprocess.run([*there, "--version"], env=surroundings(), capture_output=True).returncode == 0:
        return there
    step("pip", python, "-m", "ensurepip", "--upgrade")
    return [python, "-m", "pip"]


def compile_all(python: str) -> None:
    """Compile bytecode, behind the back of who set this up: what is imported meanwhile only takes longer.

    In CI, where the tests follow at once, it is waited for.
    """
    command = [python, "-m", "compileall", "-q", "-j", "0", "-x", NEVER_IMPORTED, packages(python)]
    if os.environ.get("CI"):
        step("bytecode", *command)
        return
    subprocess.Popen(
        ["nice", "-n", "19", *command], env=surroundings(), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    print("  bytecode     goes on in the background (a minute or two)", flush=True)


def step(name: str, *command: str, given: str = "") -> None:
    """Run a command of the set-up, `given` as its input; its output is shown only where it fails."""
    began = time.monotonic()
    print(f"  {name:12}", end="", flush=True)
    done = subprocess.run(
        command, cwd=ROOT, env=surroundings(), text=True, input=given,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    # Some packages carry templates and samples in other Pythons' syntax, which never compile.
    if done.returncode and name != "bytecode" and UNREACHED.search(done.stdout):
        sys.exit(f"failed: {OFFLINE}")
    if done.returncode and name != "bytecode":
        sys.exit(f"failed:\n$ {' '.join(command)}\n{done.stdout}")
    print(f"{time.monotonic() - began:6.1f} s", flush=True)


def surroundings() -> dict[str, str]:
    """This environment, with uv told of the index that pip is told of by variable."""
    env = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    if "PIP_INDEX_URL" in env and not env.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}:
        env["UV_DEFAULT_INDEX"] = env["PIP_INDEX_URL"]
    return env


def packages(python: str) -> str:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return subprocess.run([python, "-c", code], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def fingerprint() -> str:
    """What the environment is made from: the lock, the project's own metadata, this file, this Python."""
    digest = hashlib.sha256(f"{sys.version} {sys.prefix} {ROOT}".encode())
    for file in (LOCK, "pyproject.toml", "tools/setup.py"):
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
