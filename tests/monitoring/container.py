"""A container of Model Monitor without one: a folder, variables, and the program called in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sagelab.algorithms.job import Job
from sagelab.monitoring.__main__ import analyze
from sagelab.monitoring.merge import merge

CSV = '{"csv": {"header": true}}'
PLAIN_CSV = '{"csv": {"header": false}}'
CAPTURED = '{"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}}'
MERGED = '{"sagemakerMergeJson": {"captureIndexNames": ["endpointOutput"]}}'


@dataclass
class Container:
    """root: /opt/ml."""

    root: Path
    patch: pytest.MonkeyPatch

    def put(self, name: str, text: str) -> Path:
        """A file below /opt/ml/processing."""
        file = self.root / "processing" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def analyze(self, data: str, kind: str = CSV, name: str = "data.csv", **variables: Any) -> dict[str, Any]:
        """Analyze a file; what is written, by name, and the exit message."""
        given = {"dataset_source": str(self.put(f"input/{name}", data).parent), "dataset_format": kind} | variables
        return self.run(**given)

    def run(self, **variables: Any) -> dict[str, Any]:
        given = {"output_path": str(self.root / "processing/output")} | variables
        with self.patch.context() as patch:
            for variable, value in given.items():
                patch.setenv(variable, str(value))
            analyze(Job(self.root))
        found = {file.stem: json.loads(file.read_text()) for file in (self.root / "processing/output").iterdir()}
        return found | {"message": (self.root / "output/message").read_text()}

    def baseline(self, data: str, kind: str = CSV, **variables: Any) -> dict[str, Any]:
        """The variables of an analysis beside a baseline of this data."""
        found = self.analyze(data, kind, **variables)
        names = ("constraints", "statistics")
        return {
            f"baseline_{name}": self.put(f"baseline/{name}/{name}.json", json.dumps(found[name])) for name in names
        }

    def merge(self, **variables: Path) -> None:
        with self.patch.context() as patch:
            for variable, value in variables.items():
                patch.setenv(variable, str(value))
            merge(Job(self.root))


def captured(event: str, given: str, answered: str, encoding: str = "CSV", **meta: str) -> str:
    """A line of captured data."""
    kind = "application/json" if encoding == "JSON" else "text/csv"
    sides = {
        f"endpoint{mode.title()}": {
            "observedContentType": kind,
            "mode": mode,
            "data": data,
            "encoding": encoding,
        }
        for mode, data in (("INPUT", given), ("OUTPUT", answered))
    }
    metadata = {"eventId": event, "inferenceTime": "2026-01-01T00:00:00Z"} | meta
    return json.dumps({"captureData": sides, "eventMetadata": metadata, "eventVersion": "0"}) + "\n"


def label(event: str, value: str) -> str:
    """A line of ground truth."""
    truth = {"groundTruthData": {"data": value, "encoding": "CSV"}, "eventMetadata": {"eventId": event}}
    return json.dumps(truth | {"eventVersion": "0"}) + "\n"
