"""The folder of a container in which an algorithm trains, as tests make it: no cloud, no process."""

from __future__ import annotations

import io
import json
import struct
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms.job import Job

CSV = "text/csv"


def csv(rows: Any) -> bytes:
    """Rows of numbers without a header."""
    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",", fmt="%.8g")
    return text.getvalue().encode()


def records(rows: Any, labels: Any = None) -> bytes:
    """Rows as RecordIO-protobuf. rows: (count, columns). labels: (count,)."""

    def field(number: int, content: bytes) -> bytes:
        size = (
            bytes([len(content)]) if len(content) < 128 else bytes([len(content) & 127 | 128, len(content) >> 7])
        )
        return bytes([number << 3 | 2]) + size + content

    def entry(number: int, values: Any) -> bytes:
        tensor = field(1, np.asarray(values, "<f4").tobytes())
        return field(number, field(1, b"values") + field(2, field(2, tensor)))

    found = b""
    for number, row in enumerate(rows):
        record = entry(1, row) + (b"" if labels is None else entry(2, [labels[number]]))
        found += struct.pack("<II", 0xCED7230A, len(record)) + record + bytes(-len(record) % 4)
    return found


def container(
    root: Path, hyperparameters: dict[str, Any], channels: dict[str, bytes], content_type: str | None = CSV
) -> Job:
    """A container with a file in each channel."""
    for folder in ("input/config", "input/data", "model", "output"):
        (root / folder).mkdir(parents=True)
    for name, content in channels.items():
        (root / "input/data" / name).mkdir()
        (root / "input/data" / name / "rows").write_bytes(content)
    kind = {} if content_type is None else {"ContentType": content_type}
    config: dict[str, Any] = {"hyperparameters": {name: str(value) for name, value in hyperparameters.items()}}
    config["inputdataconfig"] = dict.fromkeys(channels, kind)
    for name, told in config.items():
        (root / f"input/config/{name}.json").write_text(json.dumps(told))
    return Job(root)


def trained(module: Any, job: Job) -> list[str]:
    """The lines of the log of a job that trains."""
    text = io.StringIO()
    with redirect_stdout(text):
        module.train(job)
    return text.getvalue().splitlines()


def metric(log: list[str], what: str) -> float:
    """The last value that a log has of a metric: "train mse <loss>"."""
    return float([line for line in log if f", {what}=" in line][-1].rpartition("=")[2])


def ask(module: Any, job: Job, body: bytes, kind: str = CSV, accept: str = "application/json") -> Any:
    """What a job's model answers."""
    answer, given = module.load(job.model)(body, kind, accept)
    assert given == accept
    return json.loads(answer) if accept == "application/json" else answer
