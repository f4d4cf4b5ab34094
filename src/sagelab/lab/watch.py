"""A job, or what else takes time, as it goes: one line that moves; its log; its metrics and stages as tables."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore import xform_name

from sagelab import catalog
from sagelab.catalog import Kind, Log
from sagelab.lab import pipelines

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

# Seconds between two looks at what is remote: the first after a change, and the most while nothing changes.
PAUSES = {"local": (0.2, 0.5), "aws": (5.0, 15.0)}
CHANGES = ("SecondaryStatus", "TrainingJobStatusCounters")  # what changes while a status lasts
TRAINING = catalog.of_stem("TrainingJob")
TUNING = catalog.of_stem("HyperParameterTuningJob")
EXECUTION = catalog.of_stem("PipelineExecution")
FINAL = "FinalHyperParameterTuningJobObjectiveMetric"


Found = TypeVar("Found")


class JobFailed(Exception):
    """A job, or another resource, is Failed. `reason` is its FailureReason, `job` its whole description."""

    def __init__(self, name: str, job: dict[str, Any]) -> None:
        self.reason = str(job.get("FailureReason", "no reason given"))
        self.job = job
        super().__init__(f"{name} failed. {self.reason}")


@dataclass(frozen=True)
class Event:
    """One line of a job's log. time: aware, UTC. host: "algo-1", "algo-2", ..."""

    time: datetime
    host: str
    message: str


# -- one line that moves ----------------------------------------------------------------------------------


def follow(lab: Lab, kind: Kind | str, name: str, metric: str | None = None) -> dict[str, Any]:
    """Follow a resource of any kind on one line until it rests: a job has ended, an endpoint is in service.

    kind: of the catalog, or its noun: "training job", "tuning job", "endpoint", "notebook instance", ... name: of
    a pipeline execution its ARN; each of its steps leaves a line of its own when it ends. metric: the one to show
    of a training job; by default the last that it defines. Returns the description as Describe gives it; the line
    has its status, how long it has taken, and what its kind has to tell. JobFailed: it is Failed, or an update of
    it was rolled back. ValueError: there is no such kind. An interrupt ends the watching, not the job.
    """
    from tqdm import tqdm

    kind, moving = find_kind(kind), moves()
    steps = pipelines.Progress(lab, name) if kind is EXECUTION else None
    tell = steps.sentence if steps else SENTENCES.get(kind.stem, partial(_progress, kind))
    if kind is TRAINING:
        tell = partial(_sentence, metric=metric)
    with tqdm(bar_format="{desc}", file=sys.stdout, disable=not moving) as line:
        for found in looks(lab, kind, name):
            for ended in steps.look() if steps else ():
                line.write(ended)
            text = tell(found)
            line.set_description_str(text)
    if not moving:
        print(text)
    return _unless_failed(kind, name, found)


def wait(lab: Lab, kind: Kind | str, name: str) -> dict[str, Any]:
    """The same without a line."""
    kind = find_kind(kind)
    *_, found = looks(lab, kind, name)
    return _unless_failed(kind, name, found)


def until(
    lab: Lab,
    look: Callable[[], Found],
    done: Callable[[Found], object],
    late: float = math.inf,
    slowly: bool = False,
) -> Found:
    """Look again and again until `done` of what is found, which is returned; or of what is when it is late.

    late: seconds. slowly: with long pauses.
    """
    limit = time.monotonic() + late
    while not done(found := look()) and time.monotonic() <= limit:
        time.sleep(PAUSES[lab.target][slowly])
    return found


def follow_by(
    lab: Lab,
    look: Callable[[], dict[str, Any]],
    tell: Callable[[dict[str, Any]], str],
    rests: Callable[[dict[str, Any]], bool],
) -> dict[str, Any]:
    """The same for what is of another service. look: describes it; tell: the line; rests: whether it is over."""
    from tqdm import tqdm

    pause, moving = PAUSES[lab.target][0], moves()
    with tqdm(bar_format="{desc}", file=sys.stdout, disable=not moving) as line:
        while True:
            found = look()
            line.set_description_str(tell(found))
            if rests(found):
                break
            time.sleep(pause)
    if not moving:
        print(tell(found))
    return found


def looks(lab: Lab, kind: Kind, name: str) -> Iterator[dict[str, Any]]:
    """Descriptions of a resource until it rests; looks less often while nothing changes."""
    least, most = PAUSES[lab.target]
    pause, before = least, None
    while True:
        found = look(lab, kind, name)
        yield found
        if not kind.rests or found[kind.status_member] in kind.rests:
            return
        now = [found.get(member) for member in (kind.status_member, *CHANGES)]
        pause, before = least if now != before else min(most, pause * 1.3), now
        time.sleep(pause)


def look(lab: Lab, kind: Kind, name: str) -> dict[str, Any]:
    """The description of a resource now."""
    describe = getattr(lab.client("sagemaker"), xform_name(kind.operation("Describe")))
    found: dict[str, Any] = describe(**{kind.name_member: name})
    return found


def find_kind(kind: Kind | str) -> Kind:
    """A kind by its noun. ValueError: there is none."""
    if isinstance(kind, Kind):
        return kind
    for each in catalog.KINDS:
        if kind in (each.noun, each.stem):
            return each
    raise ValueError(f"There is no kind {kind!r}; there are {', '.join(each.noun for each in catalog.KINDS)}.")


def elapsed(kind: Kind, found: dict[str, Any]) -> float:
    """The seconds from the creation of a resource to its end, or until now."""
    end = found.get(kind.ends_member) or datetime.now(UTC)
    return max(0.0, float((end - found["CreationTime"]).total_seconds()))


def _progress(kind: Kind, found: dict[str, Any]) -> str:
    return f"{found.get(kind.status_member, 'there')} · {elapsed(kind, found):.0f} s"


def _unless_failed(kind: Kind, name: str, found: dict[str, Any]) -> dict[str, Any]:
    status = str(found.get(kind.status_member)).lower()
    if status == "failed" or (status == "inservice" and "FailureReason" in found):
        raise JobFailed(name, found)
    return found


def _sentence(job: dict[str, Any], metric: str | None) -> str:
    status = job["TrainingJobStatus"]
    word = job["SecondaryStatus"] if status == "InProgress" else status
    return " · ".join((word, f"{elapsed(TRAINING, job):.0f} s", *_last_metric(job, metric)))


def _last_metric(job: dict[str, Any], metric: str | None) -> list[str]:
    defined = [each["Name"] for each in job["AlgorithmSpecification"].get("MetricDefinitions", [])]
    wanted = metric or (defined[-1] if defined else None)
    found = [each["Value"] for each in job.get("FinalMetricDataList", []) if each["MetricName"] == wanted]
    return [f"{wanted} {found[-1]:.4f}"] if found else []


def _search(job: dict[str, Any]) -> str:
    """Completed · 61 s · 6 of 6 jobs ended · best val_acc 0.9540 by job 4."""
    counters = job["TrainingJobStatusCounters"]
    running = counters["InProgress"]
    ended = sum(counters.values()) - running
    wanted = job["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    parts = [_progress(TUNING, job), f"{ended} of {wanted} jobs ended" if wanted else f"{ended} jobs ended"]
    parts += [f"{running} running"] if running else []
    failed = counters["NonRetryableError"] + counters["RetryableError"]
    parts += [f"{failed} failed"] if failed else []
    if "BestTrainingJob" in job:
        best = job["BestTrainingJob"]
        metric = best[FINAL]
        parts.append(f"best {metric['MetricName']} {metric['Value']:.4f} by job {number_of(best)}")
    return " · ".join(parts)


def number_of(job: dict[str, Any]) -> int:
    """The number of a training job in its search: SageMaker puts it into the name, before eight hex digits."""
    return int(job["TrainingJobName"].split("-")[-2])


SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {TUNING.stem: _search}


def moves() -> bool:
    """Whether somebody looks at a line that moves: in a notebook or at a terminal, and not in a build."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel") or (sys.stdout.isatty() and not os.environ.get("CI"))


# -- the log ----------------------------------------------------------------------------------------------


def log(lab: Lab, name: str, kind: Kind | str = TRAINING) -> str:
    """The whole log of a job, in order; with several hosts each line says which one wrote it."""
    return _text(events(lab, name, kind))


def tail(lab: Lab, name: str, lines: int = 10, kind: Kind | str = TRAINING) -> str:
    """The last lines of a job's log."""
    return _text(events(lab, name, kind)[-lines:])


def events(lab: Lab, name: str, kind: Kind | str = TRAINING) -> list[Event]:
    """A log as CloudWatch Logs holds it, every page of every host, ordered by time."""
    place = find_kind(kind).log or Log("")
    group, prefix = (part.format(name=name) for part in (place.group, place.streams))
    found = [event for stream in _streams(lab, group, prefix) for event in _read(lab, group, stream)]
    return sorted(found, key=lambda event: event.time)


def _streams(lab: Lab, group: str, prefix: str) -> list[str]:
    logs = lab.client("logs")
    named = {"logStreamNamePrefix": prefix} if prefix else {}
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group, **named) if group else []
    try:
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def _read(lab: Lab, group: str, stream: str) -> Iterator[Event]:
    """A stream's events from head to end: its end is where the forward token no longer changes."""
    host = "-".join(stream.rsplit("/", 1)[-1].split("-")[:2])
    request: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
    while True:
        page = lab.client("logs").get_log_events(**request)
        for event in page["events"]:
            yield Event(datetime.fromtimestamp(event["timestamp"] / 1000, UTC), host, event["message"])
        if page["nextForwardToken"] == request.get("nextToken"):
            return
        request["nextToken"] = page["nextForwardToken"]


def _text(events: list[Event]) -> str:
    several = len({event.host for event in events}) > 1
    return "\n".join(f"{event.host} | {event.message}" if several else event.message for event in events)


# -- tables -----------------------------------------------------------------------------------------------


def metrics(lab: Lab, name: str) -> pd.DataFrame:
    """Every value that the job's MetricDefinitions find in its log: metric, step, value, timestamp.

    step counts a metric's values on one host from 1: the epoch, where a script logs one line an epoch. The
    description of a job has only the last value of each, hence the log.
    """
    import pandas as pd

    job = lab.client("sagemaker").describe_training_job(TrainingJobName=name)
    definitions = job["AlgorithmSpecification"].get("MetricDefinitions", [])
    written = events(lab, name)
    rows = [row for each in definitions for row in _values(each["Name"], re.compile(each["Regex"]), written)]
    return pd.DataFrame(rows, columns=["metric", "step", "value", "timestamp"])


def _values(name: str, regex: re.Pattern[str], events: list[Event]) -> Iterator[tuple[str, int, float, datetime]]:
    steps: Counter[str] = Counter()
    for event in events:
        for match in regex.finditer(event.message):
            try:
                value = float(match[1] if regex.groups else match[0])
            except ValueError:
                continue  # a regex may catch what is no number; CloudWatch drops it too
            steps[event.host] += 1
            yield name, steps[event.host], value, event.time


def transitions(lab: Lab, name: str) -> pd.DataFrame:
    """The stages of a training job: status, start, end, seconds, message. A stage that lasts has no end."""
    import pandas as pd

    job = lab.client("sagemaker").describe_training_job(TrainingJobName=name)
    rows = [
        (each["Status"], each["StartTime"], each.get("EndTime"), each.get("StatusMessage", ""))
        for each in job.get("SecondaryStatusTransitions", [])
    ]
    table = pd.DataFrame(rows, columns=["status", "start", "end", "message"])
    for column in ("start", "end"):
        table[column] = pd.to_datetime(table[column], utc=True)
    table.insert(3, "seconds", (table["end"] - table["start"]).dt.total_seconds())
    return table
