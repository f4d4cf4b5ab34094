"""The image sagemaker-model-monitor-groundtruth-merger: `python3 -m sagelab.monitoring.merge`.

Captured invocations get the label that was found for them, by inferenceId, else by eventId. Those without one are
left out. The files keep their places: <output_path>/<endpoint>/<variant>/yyyy/mm/dd/hh/.
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-merge.html
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sagelab.algorithms.job import Job, UserError, run, say
from sagelab.monitoring import records

NEEDED = ("dataset_source", "ground_truth_source", "output_path")


def merge(_: Job) -> None:
    """Merge what the container's variables name. UserError: one is missing, or nothing matches."""
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        raise UserError(f"Missing required environment variable: {missing[0]}")
    source, labels, output = (Path(os.environ[name]) for name in NEEDED)
    known = _labels(labels)
    count = sum(_merge_file(file, output / file.relative_to(source), known) for file in records.files(source))
    if not count:
        raise UserError("No captured record has a ground truth label: no eventId or inferenceId is in both")
    say(f"{count} records merged with {len(known)} labels")


def _labels(folder: Path) -> dict[str, Any]:
    """eventId -> a record of ground truth."""
    found = {}
    for record in records.lines(folder):
        meta = record.get("eventMetadata") if isinstance(record, dict) else None
        if not isinstance(meta, dict) or "groundTruthData" not in record:
            raise UserError(f"A record of ground truth has no groundTruthData or eventMetadata: {record!r:.100}")
        found[str(meta.get("eventId"))] = record["groundTruthData"]
    return found


def _merge_file(file: Path, target: Path, labels: dict[str, Any]) -> int:
    merged = []
    for record in records.lines(file):
        meta = (record.get("eventMetadata") or {}) if isinstance(record, dict) else {}
        key = str(meta.get("inferenceId") or meta.get("eventId"))
        if key in labels:
            merged.append(json.dumps(record | {"groundTruthData": labels[key]}))
    if merged:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(merged) + "\n")
    return len(merged)


if __name__ == "__main__":
    run(merge, Job())
