"""Model quality: predictions beside what was true, in baselines and in merged records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sagelab.algorithms.job import UserError
from tests.monitoring.container import MERGED, Container, captured, label

BINARY = {
    "analysis_type": "MODEL_QUALITY",
    "problem_type": "BinaryClassification",
    "inference_attribute": "prediction",
    "probability_attribute": "probability",
    "ground_truth_attribute": "label",
}


def test_two_classes_have_the_documented_metrics(container: Container) -> None:
    table = "label,prediction,probability\n0,0,0.1\n0,1,0.6\n0,1,0.7\n1,1,0.9\n"
    found = container.analyze(table, **BINARY)
    scores = found["statistics"]["binary_classification_metrics"]
    assert scores["confusion_matrix"] == {"0": {"0": 1, "1": 2}, "1": {"0": 0, "1": 1}}
    values = {name: one["value"] for name, one in scores.items() if "value" in one}
    expected = {
        "recall": 1.0,
        "precision": 1 / 3,
        "accuracy": 0.5,
        "recall_best_constant_classifier": 1.0,
        "precision_best_constant_classifier": 0.25,
        "accuracy_best_constant_classifier": 0.25,
        "true_negative_rate": 1 / 3,
        "false_positive_rate": 2 / 3,
        "false_negative_rate": 0.0,
        "auc": 1.0,
        "f0_5": 0.38461538,
        "f1": 0.5,
        "f2": 0.71428571,
        "f2_best_constant_classifier": 0.625,
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected)
    assert scores["recall"]["standard_deviation"] == "NaN"
    assert scores["receiver_operating_characteristic_curve"]["true_positive_rates"][-1] == 1.0
    asked = found["constraints"]["binary_classification_constraints"]
    assert asked["f2"] == {"threshold": values["f2"], "comparison_operator": "LessThanThreshold"}
    assert asked["false_positive_rate"]["comparison_operator"] == "GreaterThanThreshold"


def test_regression_with_enough_rows_has_standard_deviations(container: Container) -> None:
    rows = "\n".join(f"{n},{n + (n % 3)}" for n in range(200))
    settings = {"analysis_type": "MODEL_QUALITY", "problem_type": "Regression"}
    settings |= {"inference_attribute": "guess", "ground_truth_attribute": "truth"}
    found = container.analyze(f"truth,guess\n{rows}\n", **settings)
    scores = found["statistics"]["regression_metrics"]
    assert list(scores) == ["mae", "mse", "rmse", "r2"]
    assert 0 < scores["mae"]["standard_deviation"] < 0.1
    again = container.analyze(f"truth,guess\n{rows}\n", **settings)
    assert again["statistics"] == found["statistics"]


def test_several_classes_may_be_words(container: Container) -> None:
    settings = {"analysis_type": "MODEL_QUALITY", "problem_type": "MulticlassClassification"}
    settings |= {"inference_attribute": "p", "ground_truth_attribute": "t"}
    found = container.analyze("t,p\ncat,cat\ndog,cat\nbird,bird\ncat,cat\n", **settings)
    scores = found["statistics"]["multiclass_classification_metrics"]
    assert scores["accuracy"]["value"] == 0.75
    assert scores["confusion_matrix"]["dog"] == {"bird": 0, "cat": 1, "dog": 0}
    assert scores["accuracy_best_constant_classifier"]["value"] == 0.5
    assert set(found["constraints"]["multiclass_classification_constraints"]) >= {"weighted_f0_5", "accuracy"}


def merged(container: Container, pairs: list[tuple[str, str]], encoding: str = "CSV") -> Path:
    """Captured answers and their labels, merged; where they lie."""
    data = "".join(captured(f"e{n}", "1,2", answer, encoding) for n, (_, answer) in enumerate(pairs))
    labels = "".join(label(f"e{n}", truth) for n, (truth, _) in enumerate(pairs))
    container.put("captured/e/v/2026/01/01/00/a.jsonl", data + captured("unlabelled", "1", "1", encoding))
    container.put("labels/2026/01/01/00/b.jsonl", labels)
    places = {
        "dataset_source": "captured",
        "ground_truth_source": "labels",
        "output_path": "merged",
    }
    container.merge(**{name: container.root / "processing" / place for name, place in places.items()})
    return container.root / "processing/merged"


def baseline(container: Container, **asked: float) -> Path:
    less = {
        name: {"threshold": value, "comparison_operator": "LessThanThreshold"} for name, value in asked.items()
    }
    document = {"version": 0.0, "binary_classification_constraints": less}
    return container.put("baseline/constraints/constraints.json", json.dumps(document))


@pytest.mark.parametrize(
    ("encoding", "answer", "attribute"),
    [("CSV", "{}", "0"), ("JSON", '{{"predictions": [{{"score": {}}}]}}', "$.predictions[0].score")],
)
def test_merged_records_are_judged_by_the_baseline(
    container: Container, encoding: str, answer: str, attribute: str
) -> None:
    pairs = [("1", answer.format(0.9)), ("0", answer.format(0.8)), ("0", answer.format(0.2))]
    place = merged(container, pairs, encoding)
    settings: dict[str, Any] = {"analysis_type": "MODEL_QUALITY", "problem_type": "BinaryClassification"}
    settings |= {"probability_attribute": attribute, "probability_threshold_attribute": "0.5"}
    asked = baseline(container, precision=0.75, recall=0.5)
    found = container.run(
        dataset_source=place,
        dataset_format=MERGED,
        baseline_constraints=asked,
        publish_cloudwatch_metrics="Enabled",
        **settings,
    )
    (one,) = found["constraint_violations"]["violations"]
    assert one == {
        "constraint_check_type": "LessThanThreshold",
        "description": "Metric precision with 0.5 +/- NaN was LessThanThreshold '0.75'",
        "metric_name": "precision",
    }
    assert found["message"] == "CompletedWithViolations: Job completed successfully with 1 violations."
    assert found["statistics"]["dataset"]["item_count"] == 3
    lines = (container.root / "output/metrics/cloudwatch/cloudwatch_metrics.jsonl").read_text().splitlines()
    assert {"precision", "f1", "auc"} <= {json.loads(line)["MetricName"] for line in lines}


def test_the_callers_own_id_comes_before_the_events(container: Container) -> None:
    container.put("captured/a.jsonl", captured("e1", "1", "1", inferenceId="mine"))
    container.put("labels/b.jsonl", label("mine", "1") + label("e1", "0"))
    place = container.root / "processing"
    container.merge(
        dataset_source=place / "captured", ground_truth_source=place / "labels", output_path=place / "merged"
    )
    assert json.loads((place / "merged/a.jsonl").read_text())["groundTruthData"]["data"] == "1"


def test_labels_that_match_nothing_are_the_users_error(container: Container) -> None:
    container.put("captured/a.jsonl", captured("e1", "1", "1"))
    container.put("labels/b.jsonl", label("e2", "0"))
    place = container.root / "processing"
    with pytest.raises(UserError, match="No captured record has a ground truth label"):
        container.merge(
            dataset_source=place / "captured", ground_truth_source=place / "labels", output_path=place / "merged"
        )


BAD: dict[str, tuple[dict[str, str], str]] = {
    "problem": ({"problem_type": "Ranking"}, "problem_type"),
    "column": ({"inference_attribute": "none"}, "has no column none"),
    "labels": ({"ground_truth_attribute": "probability"}, "are 0 and 1"),
    "number": ({"probability_attribute": "word"}, "no number"),
    "nothing": ({"ground_truth_attribute": ""}, "ground_truth_attribute is needed"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_good_is_said(container: Container, case: str) -> None:
    changes, words = BAD[case]
    with pytest.raises(UserError, match=words):
        container.analyze("label,prediction,probability,word\n0,0,0.1,x\n1,1,0.9,y\n", **(BINARY | changes))
