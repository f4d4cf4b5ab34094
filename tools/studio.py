"""Build dist/sagelab-studio.tar.gz, to be imported into SageMaker Studio: `make studio`.

It holds the labs, the notebooks, the package as a wheel, what the local cloud's own environment is made from
(tools/setup.py and the lock), and studio/on-start.sh, a lifecycle configuration that installs it all.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = (
    "labs", "notebooks", "src", "docs", "tools/setup.py", "tools/packing.py",
    "studio/on-start.sh", "pyproject.toml", "requirements.lock", "README.md", "LICENSE",
)  # fmt: skip
LEFT_OUT = ("__pycache__", ".ipynb_checkpoints")


def main() -> None:
    """Build it, and say where it is. An argument names another folder than dist."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist")
    folder.mkdir(exist_ok=True)
    print(build(folder / "sagelab-studio.tar.gz"))


def build(archive: Path) -> Path:
    """The archive, with everything below sagelab/."""
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(archive, "w:gz") as out:
        wheel = build_wheel(Path(scratch))
        out.add(wheel, f"sagelab/dist/{wheel.name}", filter=tidy)
        for part in PARTS:
            out.add(ROOT / part, f"sagelab/{part}", filter=tidy)
    return archive


def build_wheel(folder: Path) -> Path:
    """The package as a wheel, built with what this environment has. SystemExit: it cannot be built, and why."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(done.stdout)
    return next(folder.glob("*.whl"))


def tidy(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Nobody's files, and no leftovers of a run."""
    if any(part in LEFT_OUT for part in Path(member.name).parts):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
