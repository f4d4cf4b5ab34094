"""A monitoring schedule, followed from a notebook: what its last execution has found."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sagelab.lab import watch

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

GOING = ("Pending", "InProgress", "Stopping")
PATIENCE = {"local": 120.0, "aws": 7200.0}  # seconds until an execution must have ended: on AWS it begins late
LATE = {"local": 30.0, "aws": 600.0}  # seconds until what an endpoint was asked is in S3, at the most
VIOLATIONS = "constraint_violations.json"


class MonitoringFailed(Exception):
    """An execution of a schedule did not end as it should; the text says why."""


def captured(lab: Lab, uri: str, called: str, at_least: int) -> int:
    """Wait until S3 has so many captured requests of an InferenceId; returns how many. uri: where captures go.

    MonitoringFailed: it has not, though it should have by now.
    """
    place = urlsplit(uri)
    count = partial(_count, lab, place.netloc, place.path.lstrip("/"), called)
    found = watch.until(lab, count, lambda found: found >= at_least, LATE[lab.target], slowly=True)
    if found < at_least:
        raise MonitoringFailed(f"{found} requests called {called} are captured under {uri}, not {at_least}.")
    return found


def _count(lab: Lab, bucket: str, prefix: str, called: str) -> int:
    s3 = lab.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    bodies = (
        s3.get_object(Bucket=bucket, Key=item["Key"])["Body"]
        for page in pages
        for item in page.get("Contents", [])
    )
    metas = (json.loads(line)["eventMetadata"] for body in bodies for line in body.iter_lines())
    return sum(meta.get("inferenceId") == called for meta in metas)


def follow(lab: Lab, name: str) -> pd.DataFrame:
    """Wait for the last execution of a schedule; says and returns its violations.

    Columns: feature_name, constraint_check_type, description; no row: there are none. MonitoringFailed: it has
    failed, or does not end.
    """
    import pandas as pd

    last = watch.until(
        lab, partial(_last, lab, name), lambda found: _status(found) not in GOING, PATIENCE[lab.target]
    )
    if (status := _status(last)) in GOING:
        raise MonitoringFailed(f"{name} has not ended: {last or 'no execution has begun'}.")
    print(f"{name}: {status}")
    if not status.startswith("Completed"):
        raise MonitoringFailed(str(last.get("FailureReason", status)))
    columns = ["feature_name", "constraint_check_type", "description"]
    found = pd.DataFrame(_violations(lab, last["ProcessingJobArn"]), columns=columns)
    for name, check, description in found.itertuples(index=False):
        print(f"{name}, {check}: {description}")
    return found


def _last(lab: Lab, name: str) -> dict[str, Any]:
    """The newest execution; empty where there is none."""
    asked = {"MonitoringScheduleName": name, "SortBy": "ScheduledTime", "SortOrder": "Descending"}
    found = lab.client("sagemaker").list_monitoring_executions(**asked)["MonitoringExecutionSummaries"]
    return dict(found[0]) if found else {}


def _status(execution: dict[str, Any]) -> str:
    return str(execution.get("MonitoringExecutionStatus", "Pending"))


def _violations(lab: Lab, job: str) -> list[dict[str, Any]]:
    """Of the report that an execution's processing job has left."""
    described = lab.client("sagemaker").describe_processing_job(ProcessingJobName=job.rpartition("/")[2])
    place = urlsplit(described["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"])
    key = f"{place.path.strip('/')}/{VIOLATIONS}"
    s3 = lab.client("s3")
    try:
        body = s3.get_object(Bucket=place.netloc, Key=key)["Body"]
    except s3.exceptions.NoSuchKey:
        return []
    found: list[dict[str, Any]] = json.load(body)["violations"]
    return found
