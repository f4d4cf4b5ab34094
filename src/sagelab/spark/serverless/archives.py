"""Archives that a job run brings, laid into its working folder; of a Python environment, its packages.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/using-python-libraries.html
"""

from __future__ import annotations

import logging
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

from sagelab.spark.emr.objects import fetch

PACKAGES = "lib/python3*/site-packages"
INTERPRETERS = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
logger = logging.getLogger("emr-serverless")


def lay(archives: Iterable[str], folder: Path) -> None:
    """Unpack each, in a folder of the name behind its #. botocore's ClientError, OSError, ValueError: why."""
    for one in archives:
        place, _, name = one.partition("#")
        file = place.rpartition("/")[2]
        name = name or file
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"--archives {one}: {name} is no name of a folder.")
        packed, target = folder / f".{file}", folder / name
        fetch(place, packed)
        target.mkdir()
        if file.endswith((".zip", ".jar")):
            shutil.unpack_archive(packed, target, "zip")
        else:
            with tarfile.open(packed) as archive:
                archive.extractall(target, filter="tar")  # links of an environment lead out of it
        packed.unlink()


def packages(folder: Path, interpreters: Iterable[str]) -> list[str]:
    """Those of the environments whose Pythons are asked for: this one runs, and imports from them."""
    found = list[str]()
    for name in dict.fromkeys(interpreters):
        place = folder / name
        inside = place.parent.parent
        if not name.startswith("/") and inside.is_relative_to(folder) and inside != folder and inside.is_dir():
            found += map(str, sorted(inside.glob(PACKAGES)))
            logger.info("%s: this image's own Python runs, with the packages of that environment", name)
    return found
