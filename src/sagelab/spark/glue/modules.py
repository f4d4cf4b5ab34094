"""Python modules that a job brings: installed by pip, or laid on the way on which they are looked for."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from sagelab.spark.emr.objects import fetch
from sagelab.spark.glue.arguments import Asked

INSTALLED = ("--additional-python-modules",)
WHEEL = ".whl"
FOLDER = Path("/tmp/glue-python-libs")
TAIL = 300  # characters of pip's complaint


def install(asked: Asked) -> None:
    """RuntimeError: pip could not."""
    wanted = [_local(one) for one in asked.files("--additional-python-modules")]
    if asked.shell:
        wanted += [_local(one) for one in asked.files("--extra-py-files") if one.endswith(WHEEL)]
    if not wanted:
        return
    options = shlex.split(asked.arguments.get("--python-modules-installer-option", ""))
    done = subprocess.run(["pip3", "install", *options, *wanted], text=True, capture_output=True)
    print(done.stdout, done.stderr, file=sys.stderr)
    if done.returncode:
        said = " ".join(done.stderr.split())[-TAIL:]
        raise RuntimeError(f"Python Module Installer exited with code {done.returncode}: {said}")


def paths(asked: Asked) -> str:
    """Of pythonshell: archives and modules that are imported as they are, as a part of PYTHONPATH."""
    there = [Path(_local(one)) for one in asked.files("--extra-py-files") if not one.endswith(WHEEL)]
    return ":".join(str(one.parent if one.suffix == ".py" else one) for one in there)


def _local(place: str) -> str:
    """A file of this host for one in S3; else as it is, the name of a package."""
    if not place.startswith("s3://"):
        return place
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / place.rpartition("/")[2]
    fetch(place, target)
    return str(target)
