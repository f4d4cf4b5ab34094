"""Where Spark finds the formats by itself: in modules whose names begin with `pyspark_`."""

from __future__ import annotations

from pathlib import Path

_FILE = "from sagelab.spark.kinesis.source import {} as DefaultSource\n"
_NAMES = {"pyspark_kinesis": "Kinesis", "pyspark_aws_kinesis": "AwsKinesis"}


def write(folder: Path) -> Path:
    """Make a folder of Python's path one of these."""
    folder.mkdir(exist_ok=True)
    for name, kind in _NAMES.items():
        (folder / f"{name}.py").write_text(_FILE.format(kind))
    return folder
