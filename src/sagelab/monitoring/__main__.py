"""The image sagemaker-model-monitor-analyzer: `python3 -m sagelab.monitoring` analyzes what its variables name.

It writes statistics.json, constraints.json and, beside a baseline, constraint_violations.json; the exit message
says how many violations there are. constraints.json is what the data at hand suggests, as for a new baseline.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from sagelab.algorithms.job import Job, UserError, run, say
from sagelab.monitoring import cloudwatch, constraints, predictions, quality, records, scripts, statistics
from sagelab.monitoring import settings as variables
from sagelab.monitoring.settings import CAPTURE, MERGED, MODEL, Settings

Document = dict[str, Any]
MESSAGE = "output/message"


def analyze(job: Job) -> None:
    """Analyze the data that the container's variables name. UserError: they, or the data, are no good."""
    settings = variables.read(os.environ)
    settings.output.mkdir(parents=True, exist_ok=True)
    found = (_model if settings.analysis == MODEL else _data)(job, settings)
    scripts.postprocess(settings.after)
    message = "Completed: Job completed successfully with no violations."
    if found:
        message = f"CompletedWithViolations: Job completed successfully with {len(found)} violations."
    (job.root / "output").mkdir(exist_ok=True)
    (job.root / MESSAGE).write_text(message)
    say(message)


def _data(job: Job, settings: Settings) -> list[dict[str, str]]:
    """Data quality; the violations."""
    asked, before = _load(settings.constraints), _load(settings.statistics)
    table = records.read(settings)
    if asked and settings.format in (CAPTURE, MERGED):
        table.columns = _names(list(table.columns), asked)
    kept = [name for number, name in enumerate(table) if not {str(number), name} & {*settings.excluded}]
    if asked:
        asked["features"] = [one for one in asked.get("features", []) if one["name"] not in {*table} - {*kept}]
    features = statistics.columns(table[kept])
    say(f"{len(table)} records, {len(features)} features")
    _write(settings, "statistics", statistics.describe(features))
    _write(settings, "constraints", constraints.suggest(features, settings.drift_method))
    if asked is None:
        return []
    apart = constraints.drifts(features, asked, before or {})
    if settings.publish and constraints.emits(asked):
        cloudwatch.write(job.root, settings, cloudwatch.of_data(features, apart))
    found = constraints.violations(features, asked, apart)
    _write(settings, "constraint_violations", {"violations": found})
    return found


def _model(job: Job, settings: Settings) -> list[dict[str, str]]:
    """Model quality; the violations."""
    asked = _load(settings.constraints)
    pairs = predictions.read(settings)
    say(f"{len(pairs)} predictions")
    found = quality.describe(settings.problem, pairs)
    _write(settings, "statistics", found)
    _write(settings, "constraints", quality.suggest(settings.problem, found))
    if asked is None:
        return []
    if settings.publish:
        scores = found[f"{quality.GROUPS[settings.problem]}_metrics"]
        cloudwatch.write(job.root, settings, cloudwatch.of_model(scores))
    broken = quality.violations(settings.problem, found, asked)
    _write(settings, "constraint_violations", {"violations": broken})
    return broken


def _names(columns: list[Any], asked: Document) -> list[str]:
    """The names of captured columns: CSV has none, so they have the baseline's, in order."""
    known = [str(one["name"]) for one in asked.get("features", [])]
    if columns != [f"_c{number}" for number in range(len(columns))]:
        return [str(name) for name in columns]
    return [*known[: len(columns)], *map(str, columns[len(known) :])]


def _load(file: Path | None) -> Document | None:
    if file is None:
        return None
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{file} is no object of JSON")
    return found


def _write(settings: Settings, name: str, document: Document) -> None:
    (settings.output / f"{name}.json").write_text(json.dumps(_finite(document), indent=2))


def _finite(value: Any) -> Any:
    """A document without numbers that JSON does not have; AWS's files say "NaN" there."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return str(value).replace("nan", "NaN") if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    run(analyze, Job())
