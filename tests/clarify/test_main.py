"""The container of Clarify without one: a folder, its configuration, and the program called in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sagelab.algorithms.job import Job, UserError
from sagelab.clarify.__main__ import CONFIG, DATA, OUTPUT, analyze
from sagelab.clarify.predictor import Predictor

TABLE = "y,sex,age\n" + "\n".join(["1,m,30", "1,m,40", "0,m,20", "1,f,50", "0,f,25", "0,f,22"]) + "\n"
BIAS = {
    "dataset_type": "text/csv",
    "label": "y",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "sex", "value_or_threshold": ["f"]}],
    "methods": {"pre_training_bias": {"methods": ["CI", "DPL"]}, "report": {"name": "report"}},
}


def run(root: Path, config: Any, data: str = TABLE) -> dict[str, Any]:
    """What analysis.json says."""
    for name, text in ((f"{CONFIG}/analysis_config.json", json.dumps(config)), (f"{DATA}/table.csv", data)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    analyze(Job(root))
    found: dict[str, Any] = json.loads((root / OUTPUT / "analysis.json").read_text())
    return found


def values(found: dict[str, Any], kind: str, facet: str = "sex") -> dict[str, float]:
    (group,) = found[kind]["facets"][facet]
    return {one["name"]: one["value"] for one in group["metrics"]}


def test_bias_of_data_is_told_as_clarify_tells_it(tmp_path: Path) -> None:
    found = run(tmp_path, BIAS)["pre_training_bias_metrics"]
    assert (found["label"], found["label_value_or_threshold"]) == ("y", "1")
    (group,) = found["facets"]["sex"]
    assert group["value_or_threshold"] == "f"
    assert [one["name"] for one in group["metrics"]] == ["CI", "DPL"]
    assert [one["value"] for one in group["metrics"]] == pytest.approx([0, 1 / 3])


def test_names_may_stand_in_the_file_once_more(tmp_path: Path) -> None:
    found = run(tmp_path, BIAS | {"headers": ["y", "sex", "age"]})
    assert values(found, "pre_training_bias_metrics") == pytest.approx({"CI": 0, "DPL": 1 / 3})


def test_columns_without_names_and_predicted_labels_of_the_data(tmp_path: Path) -> None:
    config = BIAS | {"headers": ["guess", "y", "sex", "age"], "predicted_label": "guess"}
    config["methods"] = {"post_training_bias": {"methods": "all"}}
    rows = "\n".join(f"{guess},{line}" for guess, line in zip("110100", TABLE.splitlines()[1:], strict=True))
    found = values(run(tmp_path, config, rows), "post_training_bias_metrics")
    assert found["DPPL"] == pytest.approx(1 / 3)
    assert found["AD"] == 0
    assert len(found) == 13


def test_facet_without_values_is_compared_value_by_value(tmp_path: Path) -> None:
    found = run(tmp_path, BIAS | {"facet": [{"name_or_index": 1}]})["pre_training_bias_metrics"]["facets"]["sex"]
    assert [one["value_or_threshold"] for one in found] == ["f", "m"]


def test_column_of_measures_is_divided_by_a_threshold(tmp_path: Path) -> None:
    lines = "\n".join(f"{int(age > 30)},{age}" for age in range(10, 60))
    config = BIAS | {"facet": [{"name_or_index": "age", "value_or_threshold": [40]}]}
    found = run(tmp_path, config, f"y,age\n{lines}\n")["pre_training_bias_metrics"]["facets"]["age"]
    assert found[0]["value_or_threshold"] == "(40, 59]"
    assert found[0]["metrics"][0]["value"] == pytest.approx((31 - 19) / 50)


def test_more_bias_than_the_baseline_has_is_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, BIAS)
    before = tmp_path / "analysis.json"
    before.write_bytes((tmp_path / OUTPUT / "analysis.json").read_bytes())
    monkeypatch.setenv("baseline_constraints", str(before))
    run(tmp_path, BIAS)
    assert (tmp_path / "output/message").read_text().startswith("Completed:")
    run(tmp_path, BIAS, TABLE.replace("1,f,50", "0,f,50"))
    assert "CompletedWithViolations" in (tmp_path / "output/message").read_text()
    (found,) = json.loads((tmp_path / OUTPUT / "constraint_violations.json").read_text())["violations"]
    assert (found["facet"], found["facet_value"], found["metric_name"]) == ("sex", "f", "DPL")


def test_threshold_is_the_baselines_though_the_largest_value_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = BIAS | {"facet": [{"name_or_index": "age", "value_or_threshold": [40]}]}
    config["methods"] = {"pre_training_bias": {"methods": ["CI"]}}
    run(tmp_path, config, "y,age\n" + "\n".join(f"1,{age}" for age in range(10, 60)))
    before = tmp_path / "analysis.json"
    before.write_bytes((tmp_path / OUTPUT / "analysis.json").read_bytes())
    monkeypatch.setenv("baseline_constraints", str(before))
    few = run(tmp_path, config, "y,age\n1,10\n1,20\n0,30\n1,35\n0,50\n")
    (group,) = few["pre_training_bias_metrics"]["facets"]["age"]
    assert (group["value_or_threshold"], group["metrics"][0]["value"]) == ("(40, 50]", pytest.approx(0.6))
    (found,) = json.loads((tmp_path / OUTPUT / "constraint_violations.json").read_text())["violations"]
    assert (found["metric_name"], found["facet_value"]) == ("CI", "40")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset_type": "application/x-image"}, "reads text/csv"),
        ({"methods": {}}, "at least one"),
        ({"methods": {"pdp": {"grid_resolution": 5}}}, "does not do pdp"),
        ({"methods": {"pre_training_bias": {"methods": ["XYZ"]}}}, "XYZ is none of"),
        ({"methods": {"shap": {"text_config": {"granularity": "token"}}}}, "no explanations of texts"),
        ({"facet": []}, "needs a label and a facet"),
        ({"facet": [{"name_or_index": "height"}]}, "no column 'height'"),
        ({"headers": ["a"]}, "1 names for 3 columns"),
        ({"methods": {"shap": {}}}, "a model_name is needed"),
    ],
)
def test_what_cannot_be_analyzed_is_said(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        run(tmp_path, BIAS | changes)


def test_no_data_and_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing or is no JSON"):
        analyze(Job(tmp_path))
    with pytest.raises(UserError, match="no data"):
        run(tmp_path, BIAS, "y,sex,age\n")


class Runtime:
    """Answers each row with the sum of its numbers."""

    def __init__(self, accept: str) -> None:
        self.accept = accept

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        lines = request["Body"].decode().splitlines()
        if request["ContentType"] == "application/jsonlines":
            sums = [sum(json.loads(line)["features"]) for line in lines]
        else:
            sums = [sum(map(float, line.split(","))) for line in lines]
        written = {
            "text/csv": ",".join(map(str, sums)),
            "application/jsonlines": "\n".join(json.dumps({"score": one}) for one in sums),
            "application/json": json.dumps({"predictions": [{"score": one} for one in sums]}),
        }[self.accept]

        class Body:
            def read(self) -> bytes:
                return written.encode()

        return {"Body": Body()}


@pytest.mark.parametrize("content", ["text/csv", "application/jsonlines"])
@pytest.mark.parametrize("accept", ["text/csv", "application/jsonlines", "application/json"])
def test_model_is_asked_and_read_in_each_form(content: str, accept: str) -> None:
    settings = {"content_type": content, "accept_type": accept}
    predictor = Predictor(Runtime(accept), "e", settings)
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": [0.5, -1.0]}).to_numpy(dtype=object).tolist()
    assert predictor.scores(rows).tolist() == [[1.5], [1.0]]
    assert predictor.labels(rows, 1.2) == [1, 0]


def test_member_that_an_answer_does_not_have_is_said() -> None:
    predictor = Predictor(Runtime("application/json"), "e", {"accept_type": "application/json", "label": "class"})
    with pytest.raises(UserError, match="has no 'class'"):
        predictor.labels([[1.0]], 0.5)
