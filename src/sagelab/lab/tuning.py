"""A search over hyperparameters: its training jobs as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelab import catalog
from sagelab.lab import watch

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

KIND = catalog.of_stem("HyperParameterTuningJob")
RANGES = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
# What Auto means in the local cloud: a range of positive numbers over two orders of magnitude is logarithmic.
WIDE = 100


def jobs(lab: Lab, name: str) -> pd.DataFrame:
    """The training jobs of a tuning job, a row each, in their order.

    Columns: job (its number), a column for each hyperparameter, one for the objective under its own name (NaN
    without a value), seconds, status, name. `attrs` says which is what: "objective", "maximize", "parameters" and
    "logarithmic", the parameters that were searched on a logarithmic scale.
    """
    import pandas as pd

    sagemaker = lab.client("sagemaker")
    found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=name
    )
    about = _describe(found["HyperParameterTuningJobConfig"])
    rows = [_row(job, about) for page in pages for job in page["TrainingJobSummaries"]]
    columns = ["job", *about["parameters"], about["objective"], "seconds", "status", "name"]
    table = pd.DataFrame(rows, columns=columns).sort_values("job", ignore_index=True)
    table.attrs = about
    return table


def _describe(config: dict[str, Any]) -> dict[str, Any]:
    ranges = [item for kind in RANGES for item in config["ParameterRanges"].get(kind, [])]
    objective = config["HyperParameterTuningJobObjective"]
    return {
        "objective": objective["MetricName"],
        "maximize": objective["Type"] == "Maximize",
        "parameters": [item["Name"] for item in ranges],
        "logarithmic": [item["Name"] for item in ranges if _is_logarithmic(item)],
    }


def _is_logarithmic(item: dict[str, Any]) -> bool:
    if "Values" in item:
        return False
    low, high = float(item["MinValue"]), float(item["MaxValue"])
    wide = low > 0 and high / low >= WIDE
    return bool(item.get("ScalingType", "Auto") in (("Logarithmic", "Auto") if wide else ("Logarithmic",)))


def _row(job: dict[str, Any], about: dict[str, Any]) -> tuple[Any, ...]:
    values = [_read(job["TunedHyperParameters"].get(name)) for name in about["parameters"]]
    ended = "TrainingStartTime" in job and "TrainingEndTime" in job
    seconds = (job["TrainingEndTime"] - job["TrainingStartTime"]).total_seconds() if ended else float("nan")
    final = job.get(watch.FINAL, {}).get("Value", float("nan"))
    return (watch.number_of(job), *values, final, seconds, job["TrainingJobStatus"], job["TrainingJobName"])


def _read(text: str | None) -> Any:
    """A hyperparameter as a number, where it is one."""
    if text is None:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip('"')
