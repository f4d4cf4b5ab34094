"""A pipeline from a notebook: the folders of its jobs; of a run, a line a step, its steps, and its graph."""

from __future__ import annotations

import json
import logging
import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sagelab.lab import pictures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from sagemaker.core.shapes import ProcessingInput, ProcessingOutput
    from sagemaker.core.workflow.pipeline_context import PipelineSession

    from sagelab.lab.session import Lab

FOLDERS = "/opt/ml/processing"  # where a processing job has its inputs and outputs
PATIENCE = {"local": 60.0, "aws": 600.0}  # seconds until somebody else must have started a run
PAUSE = {"local": 0.2, "aws": 5.0}  # seconds between two looks for it
GOING = ("Starting", "Executing", "Stopping")
NOT_RUN, CACHED = "Not run", "Cached"
REFERENCE = re.compile(r'"Get":"Steps\.([A-Za-z0-9-]+)')
BRANCHES = {"IfSteps": "true", "ElseSteps": "false"}
COLOURS = {
    "Succeeded": pictures.GREEN,
    CACHED: pictures.BLUE,
    "Failed": pictures.RED,
    NOT_RUN: pictures.WAITING,
    "Stopped": pictures.WAITING,
}
BOX, GAP = (1.5, 0.78), (0.56, 0.3)  # inches: width and height of a step, and between two of them
BLANK = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind a word on an arrow
LETTERS = 18  # of a name that fit into a box


@dataclass(frozen=True)
class Step:
    """A step of a definition. needs: the steps that it waits for -> the branch of that condition, or ""."""

    name: str
    type: str
    needs: dict[str, str]


class Progress:
    """What there is to say of a run while it goes. Steps that have ended are told once."""

    def __init__(self, lab: Lab, arn: str) -> None:
        self._lab, self._arn = lab, arn
        self._told: set[str] = set()
        self._listed: list[dict[str, Any]] = []

    def look(self) -> Iterator[str]:
        """A line for each step that has ended since the last look."""
        self._listed = _list(self._lab, self._arn)
        for each in self._listed:
            if each["StepStatus"] not in GOING and each["StepName"] not in self._told:
                self._told.add(each["StepName"])
                said = (_status(each), f"{_seconds(each):.1f} s", _result(each))
                yield f"{each['StepName']:<12} {' · '.join(part for part in said if part)}"

    def sentence(self, found: dict[str, Any]) -> str:
        """Executing · 12 s · Train 4 s. found: the description of the run."""
        ended = found["PipelineExecutionStatus"] not in GOING
        end = found["LastModifiedTime"] if ended else datetime.now(UTC)
        seconds = (end - found["CreationTime"]).total_seconds()
        running = [
            f"{each['StepName']} {_seconds(each):.0f} s"
            for each in self._listed
            if each["StepStatus"] in GOING and not ended
        ]
        return " · ".join((found["PipelineExecutionStatus"], f"{seconds:.0f} s", *running))


def session(lab: Lab) -> PipelineSession:
    """The SDK's session that keeps requests for a pipeline's steps, in place of sending them.

    From then on the SDK's own log shows errors alone: it tells of every request that it keeps, and of each member
    of one that a pipeline chooses itself.
    """
    from sagemaker.core.workflow.pipeline_context import PipelineSession

    warnings.filterwarnings("ignore", "Running within a PipelineSession")
    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.ERROR)
    return PipelineSession(boto_session=lab.session, default_bucket=lab.bucket)


def folder_in(name: str, uri: Any) -> ProcessingInput:
    """An input of a processing job: what lies under an S3 URI, in the folder /opt/ml/processing/<name>.

    uri: a text, or what a pipeline has only when it runs.
    """
    from sagemaker.core.shapes import ProcessingInput, ProcessingS3Input

    place = {"s3_uri": uri, "local_path": f"{FOLDERS}/{name}", "s3_data_type": "S3Prefix", "s3_input_mode": "File"}
    return ProcessingInput(input_name=name, s3_input=ProcessingS3Input(**place))


def folder_out(name: str, uri: str = "") -> ProcessingOutput:
    """An output of a processing job: the folder /opt/ml/processing/<name>, to an S3 URI.

    Of a pipeline's step it has none: the SDK chooses one for each run.
    """
    from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output

    place = {"s3_uri": uri, "local_path": f"{FOLDERS}/{name}", "s3_upload_mode": "EndOfJob"}
    return ProcessingOutput(output_name=name, s3_output=ProcessingS3Output(**place))


def steps(lab: Lab, arn: str) -> pd.DataFrame:
    """The steps of a run in the order in which they began: step, type, status, seconds, result, job.

    status: Cached where a result was used again. result: what a condition came to, or why a step failed. job: the
    name of the job, or of what else a step has made; empty where it has made nothing.
    """
    import pandas as pd

    types = {step.name: step.type for step in read(_definition(lab, arn))}
    rows = [
        (
            each["StepName"],
            types.get(each["StepName"], ""),
            _status(each),
            _seconds(each),
            _result(each),
            _job(each),
        )
        for each in _list(lab, arn)
    ]
    return pd.DataFrame(rows, columns=["step", "type", "status", "seconds", "result", "job"])


def started(lab: Lab, name: str, called: str) -> str:
    """The ARN of a pipeline's run that somebody else starts, by what it is called, as soon as it is there.

    TimeoutError: nobody has started it within some minutes, on the local cloud within a minute.
    """
    asked = {"PipelineName": name, "SortBy": "CreationTime", "SortOrder": "Descending"}
    limit = time.monotonic() + PATIENCE[lab.target]
    while time.monotonic() < limit:
        for each in lab.client("sagemaker").list_pipeline_executions(**asked)["PipelineExecutionSummaries"]:
            if each.get("PipelineExecutionDisplayName") == called:
                return str(each["PipelineExecutionArn"])
        time.sleep(PAUSE[lab.target])
    raise TimeoutError(f"No run of {name} is called {called}: nobody has started it.")


def graph(lab: Lab, arn: str) -> Figure:
    """The graph of a run: a box a step with its state and seconds, an arrow for what waits for what."""
    listed = {each["StepName"]: each for each in _list(lab, arn)}
    return draw(read(_definition(lab, arn)), listed)


def draw(steps: list[Step], listed: dict[str, dict[str, Any]]) -> Figure:
    """The same of steps of a definition. listed: a step's name -> its row of ListPipelineExecutionSteps."""
    from matplotlib.patches import FancyArrowPatch

    places = _places(steps)
    size = [1 + max(place[axis] for place in places.values()) for axis in (0, 1)]
    width, height = (count * (box + gap) for count, box, gap in zip(size, BOX, GAP, strict=True))
    needs = direct(steps)
    told = "; ".join(_words(step, needs[step.name], listed.get(step.name)) for step in steps)
    figure, axes = pictures.open_figure(f"The graph of a pipeline's run: {told}", (width, height))
    axis = axes[0, 0]
    axis.set(xlim=(-GAP[0] / 2, width - GAP[0] / 2), ylim=(height - GAP[1] / 2, -GAP[1] / 2))
    axis.axis("off")
    corners = {name: (x * (BOX[0] + GAP[0]), y * (BOX[1] + GAP[1])) for name, (x, y) in places.items()}
    for step in steps:
        for need, branch in needs[step.name].items():
            start, end = corners[need], corners[step.name]
            ends = (start[0] + BOX[0], start[1] + BOX[1] / 2), (end[0], end[1] + BOX[1] / 2)
            axis.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=11, color=pictures.GREY))
            middle = [(a + b) / 2 for a, b in zip(*ends, strict=True)]
            axis.text(*middle, branch, ha="center", va="center", fontsize=9, color=pictures.INK, bbox=BLANK)
        _box(axis, step, listed.get(step.name), corners[step.name])
    return figure


def read(definition: str) -> list[Step]:
    """The steps of a definition, those in the branches of its conditions too; a step after what it needs."""
    found = list(_read(json.loads(definition)["Steps"], {}))
    names = {step.name for step in found}
    known = [Step(s.name, s.type, {n: b for n, b in s.needs.items() if n in names}) for s in found]
    depths = _depths(known)
    return sorted(known, key=lambda step: depths[step.name])


def direct(steps: list[Step]) -> dict[str, dict[str, str]]:
    """Each step's needs without those that another of its needs has already."""
    needs = {step.name: step.needs for step in steps}

    @cache
    def above(name: str) -> set[str]:
        return set(needs[name]).union(*(above(need) for need in needs[name]))

    return {
        name: {need: branch for need, branch in of.items() if not any(need in above(other) for other in of)}
        for name, of in needs.items()
    }


def _read(steps: list[dict[str, Any]], branch: dict[str, str]) -> Iterator[Step]:
    for step in steps:
        arguments = step.get("Arguments", {})
        own = {name: value for name, value in arguments.items() if name not in BRANCHES}
        read = json.dumps([own, step.get("SqsQueueUrl")], separators=(",", ":"))
        needs = dict.fromkeys([_name(each) for each in step.get("DependsOn", [])] + REFERENCE.findall(read), "")
        yield Step(step["Name"], step["Type"], needs | branch)
        for member, word in BRANCHES.items():
            yield from _read(arguments.get(member, []), {step["Name"]: word})


def _name(dependency: str | dict[str, Any]) -> str:
    """The step of an element of DependsOn, which may carry a trigger."""
    return dependency if isinstance(dependency, str) else str(dependency["StepName"])


def _depths(steps: list[Step]) -> dict[str, int]:
    needs = {step.name: step.needs for step in steps}

    @cache
    def depth(name: str) -> int:
        return 1 + max((depth(need) for need in needs[name]), default=-1)

    return {name: depth(name) for name in needs}


def _places(steps: list[Step]) -> dict[str, tuple[int, int]]:
    """Each step's column, as far as the longest way to it, and row."""
    depths, rows = _depths(steps), dict[int, int]()
    places = {}
    for step in steps:
        column = depths[step.name]
        places[step.name] = column, rows.get(column, 0)
        rows[column] = rows.get(column, 0) + 1
    return places


def _box(axis: Axes, step: Step, row: dict[str, Any] | None, corner: tuple[float, float]) -> None:
    from matplotlib.patches import FancyBboxPatch

    status = _status(row)
    edge = COLOURS.get(status, pictures.ORANGE)
    shape = FancyBboxPatch(corner, *BOX, boxstyle="round,pad=0,rounding_size=0.08", linewidth=2)
    shape.set(facecolor="white", edgecolor=edge, linestyle="--" if row is None else "-")
    axis.add_patch(shape)
    name = step.name if len(step.name) <= LETTERS else f"{step.name[: LETTERS - 1]}…"
    ink = pictures.GREY if row is None else pictures.INK
    for text, down, colour, more in (
        (name, 0.2, ink, {"fontsize": 11, "fontweight": "bold"}),
        (step.type, 0.41, pictures.GREY, {"fontsize": 9}),
        (_state(row), 0.62, pictures.GREY if row is None else edge, {"fontsize": 9}),
    ):
        place = corner[0] + BOX[0] / 2, corner[1] + down
        axis.text(*place, text, ha="center", va="center", color=colour, **more)


def _words(step: Step, needs: dict[str, str], row: dict[str, Any] | None) -> str:
    """Register (RegisterModel), after Check if true: Succeeded · 0.1 s."""
    waited = [f"{need} if {branch}" if branch else need for need, branch in needs.items()]
    after = f", after {' and '.join(waited)}" if waited else ""
    return f"{step.name} ({step.type}){after}: {_state(row)}"


def _state(row: dict[str, Any] | None) -> str:
    status = _status(row)
    outcome = row.get("Metadata", {}).get("Condition", {}).get("Outcome") if row else None
    if row is None or status == CACHED:
        return status
    return f"{status} · {outcome.lower() if outcome else f'{_seconds(row):.1f} s'}"


def _status(row: dict[str, Any] | None) -> str:
    if row is None:
        return NOT_RUN
    return CACHED if "CacheHitResult" in row else str(row["StepStatus"])


def _seconds(row: dict[str, Any]) -> float:
    if "StartTime" not in row:
        return 0.0
    seconds = (row.get("EndTime", datetime.now(UTC)) - row["StartTime"]).total_seconds()
    return max(0.0, float(seconds))


def _result(row: dict[str, Any]) -> str:
    outcome = row.get("Metadata", {}).get("Condition", {}).get("Outcome", "")
    return str(row.get("FailureReason") or outcome.lower())


def _job(row: dict[str, Any]) -> str:
    """Of the one entry of a step's metadata, the name at the end of its ARN."""
    made: dict[str, Any] = next(iter(row.get("Metadata", {}).values()), {})
    return str(made.get("Arn", "")).rpartition("/")[2]


def _list(lab: Lab, arn: str) -> list[dict[str, Any]]:
    pages = lab.client("sagemaker").get_paginator("list_pipeline_execution_steps")
    found = pages.paginate(PipelineExecutionArn=arn, SortOrder="Ascending")
    return [each for page in found for each in page["PipelineExecutionSteps"]]


def _definition(lab: Lab, arn: str) -> str:
    found = lab.client("sagemaker").describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    return str(found["PipelineDefinition"])
