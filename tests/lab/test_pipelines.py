from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagelab.lab import cleanup, pictures, pipelines, watch
from sagelab.lab.session import Lab
from tests.cloud.pipelines import definition, get, shell, step

START = datetime(2026, 1, 1, tzinfo=UTC)


def train(name: str, uri: dict[str, str], **more: Any) -> dict[str, Any]:
    return step(name, "Training", {"InputDataConfig": [{"DataSource": {"S3DataSource": {"S3Uri": uri}}}]}, **more)


def line() -> str:
    """Prepare, then Train by its output, then Check by both, then one of two."""
    condition = {
        "Type": "GreaterThan",
        "LeftValue": get("Steps.Prepare.ProcessingStartTime"),
        "RightValue": get("Steps.Train.BillableTimeInSeconds"),
    }
    branches = {
        "IfSteps": [step("Keep", "Model", {})],
        "ElseSteps": [step("Drop", "Fail", {"ErrorMessage": "no"})],
    }
    check = step("Check", "Condition", {"Conditions": [condition], **branches})
    return definition(check, train("Train", get("Steps.Prepare.ProcessingJobArn")), shell("Prepare", "true"))


def row(name: str, status: str = "Succeeded", seconds: float = 2, **more: Any) -> dict[str, Any]:
    end = START + timedelta(seconds=seconds)
    return {"StepName": name, "StepStatus": status, "StartTime": START, "EndTime": end} | more


def test_a_step_stands_after_what_it_reads() -> None:
    steps = pipelines.read(line())
    assert [each.name for each in steps] == ["Prepare", "Train", "Check", "Keep", "Drop"]
    assert steps[2].needs == {"Prepare": "", "Train": ""}
    assert (steps[3].needs, steps[4].needs) == ({"Check": "true"}, {"Check": "false"})


def test_an_arrow_leaves_out_what_another_leads_over() -> None:
    assert pipelines.direct(pipelines.read(line()))["Check"] == {"Train": ""}


def test_a_dependency_may_say_when() -> None:
    text = definition(shell("A", "true"), shell("B", "true", DependsOn=[{"StepName": "A", "Trigger": "Failed"}]))
    assert pipelines.read(text)[1].needs == {"A": ""}


def test_the_picture_tells_each_step_in_words() -> None:
    rows = [
        row("Prepare", CacheHitResult={}),
        row("Train", seconds=8.25),
        row("Check", Metadata={"Condition": {"Outcome": "False"}}),
        row("Drop", "Failed", FailureReason="no"),
    ]
    figure = pipelines.draw(pipelines.read(line()), {each["StepName"]: each for each in rows})
    assert figure.alt.removeprefix("The graph of a pipeline's run: ").split("; ") == [  # type: ignore[attr-defined]
        "Prepare (Processing): Cached",
        "Train (Training), after Prepare: Succeeded · 8.2 s",
        "Check (Condition), after Train: Succeeded · false",
        "Keep (Model), after Check if true: Not run",
        "Drop (Fail), after Check if false: Failed · 2.0 s",
    ]
    colours = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colours["Cached"] == pictures.BLUE
    assert colours["Failed · 2.0 s"] == pictures.RED
    figure.savefig(io.BytesIO(), format="png")


def test_a_wide_pipeline_has_a_row_for_each_of_a_column() -> None:
    steps = pipelines.read(definition(*(shell(f"S{number}", "true") for number in range(4))))
    figure = pipelines.draw(steps, {})
    heights = {round(float(text.get_position()[1]), 2) for text in figure.axes[0].texts if "S" in text.get_text()}
    assert len(heights) == 4


@pytest.fixture
def start(lab: Lab) -> Any:
    """Starts a run of a pipeline of these steps and returns its ARN."""

    def start(*steps: dict[str, Any]) -> str:
        request = {"PipelineName": lab.name, "PipelineDefinition": definition(*steps), "Tags": lab.tags}
        lab.client("sagemaker").create_pipeline(**request, RoleArn=lab.role)
        return str(lab.client("sagemaker").start_pipeline_execution(PipelineName=lab.name)["PipelineExecutionArn"])

    return start


def test_each_step_leaves_a_line(lab: Lab, start: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first = shell("First", "true")
    run = watch.follow(lab, "pipeline execution", start(first, shell("Second", "true", DependsOn=["First"])))
    assert run["PipelineExecutionStatus"] == "Succeeded"
    told = capsys.readouterr().out.splitlines()
    assert [text.split(" · ")[0].split() for text in told] == [
        ["First", "Succeeded"],
        ["Second", "Succeeded"],
        ["Succeeded"],
    ]


def test_the_line_of_a_step_that_fails_says_why(lab: Lab, start: Any, capsys: pytest.CaptureFixture[str]) -> None:
    arn = start(shell("Break", "exit 3"))
    with pytest.raises(watch.JobFailed, match="steps failed"):
        watch.follow(lab, "pipeline execution", arn)
    assert capsys.readouterr().out.startswith("Break        Failed · ")
    table = pipelines.steps(lab, arn)
    assert table[["step", "type", "status"]].to_numpy().tolist() == [["Break", "Processing", "Failed"]]
    assert "exit code: 3" in table["result"][0]
    assert pipelines.graph(lab, arn).alt.startswith("The graph")  # type: ignore[attr-defined]


def test_clean_stops_a_run_and_deletes_its_pipeline(lab: Lab, start: Any) -> None:
    arn = start(shell("Wait", "sleep 600"))
    said = cleanup.clean(lab)
    assert [sentence.split(" arn:")[0] for sentence in said[:2]] == [
        "stopped pipeline execution",
        f"deleted pipeline {lab.name}",
    ]
    with pytest.raises(Exception, match="does not exist"):
        lab.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)
    cleanup.assert_clean(lab)
