"""The image sagemaker-clarify-processing: `python3 -m sagelab.clarify` does what analysis_config.json asks for.

It writes analysis.json, explanations_shap/out.csv, and beside a baseline constraint_violations.json. An execution
of Model Monitor has variables as the monitor's own image has them: what an endpoint was asked is the data then.
https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-processing-job-analysis-results.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sagelab.algorithms.job import Job, UserError, run, say
from sagelab.clarify import bias, captured, drift, metrics, shapley
from sagelab.clarify.config import Config, chosen, column, groups, load, read, wanted
from sagelab.clarify.predictor import Predictor, model_of, serving
from sagelab.monitoring import cloudwatch
from sagelab.monitoring.settings import dimensions

CONFIG, DATA, OUTPUT = "processing/input/config", "processing/input/data", "processing/output"
MODEL, BASELINE = "model_name", "baseline_constraints"  # variables of a check: the model, an analysis.json
AGGREGATES: dict[str, Callable[[Any], Any]] = {
    "mean_abs": lambda values: np.abs(values).mean(axis=0),
    "median": lambda values: np.median(values, axis=0),
    "mean_sq": lambda values: (values**2).mean(axis=0),
}
MOST_ROWS = 2048  # coalitions, where nobody says how many: 2048 + 2 a feature, as the method's authors have it
Document = dict[str, Any]


def analyze(job: Job) -> None:
    """Do all methods. UserError: the configuration, the data or the model is no good."""
    variables: Mapping[str, str] = os.environ
    config, table = _data(job, variables)
    output = Path(variables.get("output_path") or job.root / OUTPUT)
    say(f"{len(table)} rows, {table.shape[1]} columns")
    output.mkdir(parents=True, exist_ok=True)
    found: Document = {"version": "1.0"}
    with ExitStack() as stack:
        predictor = _predictor(config, variables, stack)
        if "pre_training_bias" in config.methods:
            found["pre_training_bias_metrics"] = _bias(config, table, None)
        if "post_training_bias" in config.methods:
            found["post_training_bias_metrics"] = _bias(config, table, _guesses(config, table, predictor))
        if "shap" in config.methods:
            found["explanations"] = {"kernel_shap": _explain(config, table, predictor, output)}
    (output / "analysis.json").write_text(json.dumps(found, indent=4))
    if variables.get("publish_cloudwatch_metrics") == "Enabled":
        moment = variables.get("metric_time") or variables.get("end_time", "")
        cloudwatch.leave(job.root, dimensions(variables), moment, metrics.of(found))
    _conclude(job, found, output)


def _data(job: Job, variables: Mapping[str, str]) -> tuple[Config, pd.DataFrame]:
    """What is asked for, and the data that it is about."""
    usual = captured.USUAL.get(variables.get("analysis_type", ""))
    if usual is None:
        config = read(job.root / CONFIG / "analysis_config.json")
        return config, load(config, job.root / DATA)
    return captured.read(read(Path(variables["analysis_config"]), usual), variables)


def _conclude(job: Job, found: Document, output: Path) -> None:
    """Check against the baseline, where there is one, and say how it went."""
    message, baseline = "Completed: Job completed successfully with no violations.", os.environ.get(BASELINE)
    if baseline:
        violations = drift.violations(found, drift.read(Path(baseline)))
        (output / "constraint_violations.json").write_text(
            json.dumps({"version": "1.0", "violations": violations}, indent=4)
        )
        if violations:
            message = f"CompletedWithViolations: Job completed successfully with {len(violations)} violations."
    (job.root / "output").mkdir(exist_ok=True)
    (job.root / "output/message").write_text(message)
    say(message)


def _predictor(config: Config, variables: Mapping[str, str], stack: ExitStack) -> Predictor | None:
    """The model on an endpoint until the stack is closed; None where no method asks it."""
    asked = "shap" in config.methods or ("post_training_bias" in config.methods and config.predicted is None)
    if not asked:
        return None
    settings = dict(config.predictor or {})
    settings.setdefault(MODEL, variables.get(MODEL))
    monitored = variables.get("sagemaker_endpoint_name")
    if not (settings[MODEL] or settings.get("endpoint_name") or monitored):
        raise UserError("predictor: a model_name is needed")
    import boto3

    sagemaker = boto3.client("sagemaker")
    if monitored and not settings[MODEL]:
        settings[MODEL] = model_of(sagemaker, monitored)
    return stack.enter_context(serving(sagemaker, boto3.client("sagemaker-runtime"), settings))


def _features(config: Config, table: pd.DataFrame) -> pd.DataFrame:
    """The data without its labels."""
    labels = [column(table, one) for one in (config.label, config.predicted) if one is not None]
    return table.drop(columns=labels)


def _guesses(config: Config, table: pd.DataFrame, predictor: Predictor | None) -> pd.Series[Any]:
    if config.predicted is not None:
        return table[column(table, config.predicted)]
    assert predictor
    rows = _features(config, table).to_numpy(dtype=object).tolist()
    return pd.Series(predictor.labels(rows, config.threshold))


def _bias(config: Config, table: pd.DataFrame, guesses: pd.Series[Any] | None) -> Document:
    """The metrics of each facet; of data, or where there are guesses, of a model."""
    assert config.label is not None
    label, features = column(table, config.label), _features(config, table)
    positive = config.positive or [1]
    labels = chosen(table[label], positive)
    guessed = None if guesses is None else chosen(guesses, positive)
    group = None if config.group is None else table[column(table, config.group)]
    numbers = features.select_dtypes("number").to_numpy(float)
    name, metrics = ("pre_training_bias", bias.BEFORE) if guesses is None else ("post_training_bias", bias.AFTER)
    asked = wanted(config.methods, name, list(metrics))
    facets = {}
    for facet, given in config.facets:
        own = column(table, facet)
        facets[str(own)] = [
            {
                "value_or_threshold": shown,
                "metrics": bias.measure(
                    asked, metrics, bias.Rows(low, labels, guessed, group, numbers if numbers.shape[1] else None)
                ),
            }
            for shown, low in groups(table[own], given)
        ]
    return {"label": str(label), "label_value_or_threshold": ",".join(map(str, positive)), "facets": facets}


def _explain(config: Config, table: pd.DataFrame, predictor: Predictor | None, output: Path) -> Document:
    """The global values of each output; those of each row are written beside."""
    assert predictor
    settings, features = config.methods["shap"], _features(config, table)
    names, rows = [str(name) for name in features.columns], features.to_numpy(dtype=object)
    baseline = _baseline(settings, features)
    samples = settings.get("num_samples") or MOST_ROWS + 2 * len(names)

    def model(asked: Any) -> Any:
        scores = predictor.scores(asked.tolist())
        return np.log(scores / (1 - scores)) if settings.get("use_logit") else scores

    values, expected = shapley.explain(model, rows, baseline, samples, settings.get("seed") or 0)
    labels = (config.predictor or {}).get("label_headers") or [f"label{one}" for one in range(values.shape[2])]
    if settings.get("save_local_shap_values", True):
        (output / "explanations_shap").mkdir(exist_ok=True)
        heads = [f"{name}_{label}" for label in labels for name in names]
        flat = np.concatenate([values[:, :, one] for one in range(values.shape[2])], axis=1)
        pd.DataFrame(flat, columns=heads).to_csv(output / "explanations_shap/out.csv", index=False)
        pd.DataFrame(baseline, columns=names).to_csv(output / "explanations_shap/baseline.csv", index=False)
    method = AGGREGATES.get(settings.get("agg_method") or "mean_abs")
    if method is None:
        raise UserError(f"methods.shap.agg_method is one of {', '.join(AGGREGATES)}")
    totals = method(values)
    return {
        label: {
            "global_shap_values": {name: float(totals[at, one]) for at, name in enumerate(names)},
            "expected_value": float(expected[one]),
        }
        for one, label in enumerate(labels)
    }


def _baseline(settings: Document, features: pd.DataFrame) -> Any:
    """(rows, features): what is given, else the centre of the data.

    That is the mean of numbers, and the most frequent of other values.
    """
    given = settings.get("baseline")
    if isinstance(given, str):
        given = _fetch(given)
    if given:
        rows = [list(row.get("features", row.values()) if isinstance(row, dict) else row) for row in given]
        if any(len(row) != features.shape[1] for row in rows):
            raise UserError(
                f"methods.shap.baseline has rows of another length than the {features.shape[1]} features"
            )
        return np.array(rows, dtype=object)
    centre = [
        values.mean() if pd.api.types.is_numeric_dtype(values) else values.mode().iloc[0]
        for _, values in features.items()
    ]
    return np.array([centre], dtype=object)


def _fetch(uri: str) -> list[list[Any]]:
    """The rows of a CSV file without a header in S3."""
    import boto3
    import botocore.exceptions

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        rows: list[list[Any]] = pd.read_csv(body, header=None).to_numpy(dtype=object).tolist()
    except (ValueError, botocore.exceptions.ClientError, botocore.exceptions.ParamValidationError) as error:
        raise UserError(f"methods.shap.baseline {uri} cannot be read: {error}") from None
    return rows


if __name__ == "__main__":
    run(analyze, Job())
