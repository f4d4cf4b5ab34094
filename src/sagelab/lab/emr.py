"""A cluster of EMR as a lab uses it: its nodes, a step as it goes, a node taken away, and Spark's tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sagelab.lab import security, watch
from sagelab.lab.calls import write_call
from sagelab.lab.pictures import BLUE, GREY, INK, ORANGE, RED, open_figure

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.figures import Picture
    from sagelab.lab.session import Lab

OVER = ("TERMINATED", "TERMINATED_WITH_ERRORS")
GOES_ON = ("PENDING", "CANCEL_PENDING", "RUNNING")
INTERRUPT = "sagelab:spot-interrupt"
SHADES = {"done": BLUE, "lost": RED, "done again": ORANGE}


class StepFailed(Exception):
    """A step, or the cluster, has failed; the text says why."""


def profile(lab: Lab, role: str) -> str:
    """The instance profile of a role, called as it is; returns its name. It may be there."""
    iam, name = lab.client("iam"), role.rpartition("/")[2]
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_instance_profile(InstanceProfileName=name, Tags=lab.tags)
    if not iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name


def start(lab: Lab, asked: dict[str, Any]) -> str:
    """Start a cluster, and show the call; returns its id."""
    print(write_call('lab.client("emr").run_job_flow', asked))
    return str(security.patiently(lambda: lab.client("emr").run_job_flow(**asked))["JobFlowId"])


def note(lab: Lab, notes: str) -> dict[str, Any]:
    """What an application has left in the folder of its notes: report.json."""
    place = urlsplit(f"{notes}/report.json")
    body = lab.client("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"]
    found: dict[str, Any] = json.load(body)
    return found


def nodes(lab: Lab, cluster: str) -> pd.DataFrame:
    """A row a node that has been there: role, market, state, address, id; its name as Spark's tasks know it."""
    import pandas as pd

    emr = lab.client("emr")
    groups = emr.list_instance_groups(ClusterId=cluster)["InstanceGroups"]
    roles = {one["Id"]: one["InstanceGroupType"].lower() for one in groups}
    pages = emr.get_paginator("list_instances").paginate(ClusterId=cluster)
    found = [one for page in pages for one in page["Instances"] if one.get("PrivateIpAddress")]
    rows = [
        (roles[one["InstanceGroupId"]], one["Market"], one["Status"]["State"], one["PrivateIpAddress"],
         one["PrivateDnsName"].partition(".")[0], one["Ec2InstanceId"])
        for one in found
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["role", "market", "state", "address", "name", "id"])
    return table.sort_values(["role", "address"], ignore_index=True)


def wait_ready(lab: Lab, cluster: str, count: int) -> pd.DataFrame:
    """Follow a cluster until so many nodes run, and it takes steps; returns its nodes. StepFailed: it ended."""
    emr, began = lab.client("emr"), time.time()

    def look() -> dict[str, Any]:
        state = emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]
        running = emr.list_instances(ClusterId=cluster, InstanceStates=["RUNNING"])["Instances"]
        return {"state": state["State"], "why": state["StateChangeReason"], "running": len(running)}

    def tell(found: dict[str, Any]) -> str:
        return f"{found['state']} · {time.time() - began:.0f} s · {found['running']} of {count} nodes"

    def rests(found: dict[str, Any]) -> bool:
        return found["state"] in OVER or (found["state"] in ("WAITING", "RUNNING") and found["running"] >= count)

    found = watch.follow_by(lab, look, tell, rests)
    if found["state"] in OVER:
        raise StepFailed(str(found["why"].get("Message")))
    return nodes(lab, cluster)


def begun(lab: Lab, cluster: str, step: str, notes: str) -> pd.Series[Any]:
    """Wait until a task of a step has begun on a task node, and return that node. StepFailed: the step ended.

    notes: where the application puts an object for each task that begins, PART/NODE.
    """
    place = urlsplit(f"{notes}/began/")
    asked = {"Bucket": place.netloc, "Prefix": place.path.lstrip("/")}
    there = nodes(lab, cluster)
    while True:
        found = lab.client("s3").list_objects_v2(**asked).get("Contents", [])
        at_work = there["name"].isin([one["Key"].rpartition("/")[2] for one in found])
        chosen = there[at_work & (there["role"] == "task")]
        if len(chosen):
            return chosen.iloc[-1]
        status = lab.client("emr").describe_step(ClusterId=cluster, StepId=step)["Step"]["Status"]
        if status["State"] not in GOES_ON:
            raise StepFailed(f"The step has {status['State']} before a task node had a task of it.")
        time.sleep(watch.PAUSES[lab.target][0])


def take_away(lab: Lab, cluster: str, node: str) -> None:
    """Take a node's instance away, and return when it is gone. node: the instance's id.

    Here the market of the local cloud does it, told by a tag. On AWS nobody can make the market do so; there the
    instance is terminated, which is the same to Spark.
    """
    if lab.local:
        lab.client("emr").add_tags(ResourceId=cluster, Tags=[{"Key": INTERRUPT, "Value": node}])
    else:
        lab.client("ec2").terminate_instances(InstanceIds=[node])
    while node in [each for each, state in zip(*_states(lab, cluster), strict=True) if state == "RUNNING"]:
        time.sleep(0.1)


def _states(lab: Lab, cluster: str) -> tuple[list[str], list[str]]:
    found = nodes(lab, cluster)
    return list(found["id"]), list(found["state"])


def follow(lab: Lab, cluster: str, step: str) -> dict[str, Any]:
    """Follow a step on one line to its end. StepFailed: it did not complete, and why."""
    emr, began = lab.client("emr"), time.time()

    def look() -> dict[str, Any]:
        found: dict[str, Any] = emr.describe_step(ClusterId=cluster, StepId=step)["Step"]["Status"]
        return found

    def tell(found: dict[str, Any]) -> str:
        return f"{found['State']} · {time.time() - began:.0f} s"

    found = watch.follow_by(lab, look, tell, lambda found: found["State"] not in GOES_ON)
    if found["State"] != "COMPLETED":
        details = found.get("FailureDetails", {})
        raise StepFailed(f"{found['State']}: {details.get('Message', '')} {details.get('LogFile', '')}".strip())
    return found


def tasks(lab: Lab, events: str, cluster: str) -> pd.DataFrame:
    """Every attempt at a task of the newest application that has written its event log below an address.

    stage, part: which task; node: where; start, end: seconds since the first; fate: "done"; "lost", with its node;
    "done again", after it was lost.
    """
    import pandas as pd

    named = nodes(lab, cluster)
    names = {key: f"{row.role} {row.address}" for row in named.itertuples() for key in (row.address, row.name)}
    rows = [_attempt(each, names) for each in _events(lab, events) if each["Event"] == "SparkListenerTaskEnd"]
    table = pd.DataFrame(rows, columns=["stage", "part", "node", "start", "end", "fate"]).sort_values("end")
    lost = set(table[table["fate"] == "lost"][["stage", "part"]].itertuples(index=False, name=None))
    again = [(row.stage, row.part) in lost and row.fate == "done" for row in table.itertuples()]
    table.loc[again, "fate"] = "done again"
    first = table["start"].min()
    return table.assign(start=table["start"] - first, end=table["end"] - first).reset_index(drop=True)


def _attempt(event: dict[str, Any], names: dict[str, str]) -> tuple[Any, ...]:
    info, reason = event["Task Info"], event["Task End Reason"]["Reason"]
    host = info["Host"].partition(".")[0] if info["Host"].startswith("ip-") else info["Host"]
    fate = "done" if reason == "Success" else "lost"
    times = (info["Launch Time"] / 1000, info["Finish Time"] / 1000)
    return event["Stage ID"], info["Index"], names.get(host, host), *times, fate


def _events(lab: Lab, uri: str) -> Iterator[dict[str, Any]]:
    """https://spark.apache.org/docs/latest/monitoring.html: a line of JSON an event."""
    place, s3 = urlsplit(uri), lab.client("s3")
    found = s3.list_objects_v2(Bucket=place.netloc, Prefix=place.path.lstrip("/"))["Contents"]
    newest = max((one for one in found if one["Size"]), key=lambda one: one["LastModified"])
    for line in s3.get_object(Bucket=place.netloc, Key=newest["Key"])["Body"].iter_lines():
        yield json.loads(line)


def show_tasks(table: pd.DataFrame, until: float | None = None) -> Picture:
    """Who did what when: a row a node, a bar a task. until: seconds, where the picture ends."""
    until = until or float(table["end"].max())
    names = sorted(table["node"].unique())
    counts = table["fate"].value_counts()
    alt = f"Tasks on {len(names)} nodes over time: " + ", ".join(f"{counts[f]} {f}" for f in SHADES if f in counts)
    figure, axes = open_figure(alt, (9, 0.9 + 0.55 * len(names)))
    axis = axes[0, 0]
    for number, name in enumerate(names):
        for lane, row in _lanes(table[table["node"] == name]):
            place = {"left": row.start, "y": number + 0.36 * lane - 0.18, "height": 0.3}
            axis.barh(width=row.end - row.start, color=SHADES[row.fate], edgecolor="white", linewidth=0.5, **place)
    for found in table[table["fate"] == "lost"]["end"].head(1):
        axis.axvline(found, color=INK, linestyle="--", linewidth=1)
        axis.annotate(" its node is taken away", (found, -0.55), color=INK, fontsize=10, va="center")
    axis.set(yticks=range(len(names)), yticklabels=names, xlim=(0, until), ylim=(len(names) - 0.4, -0.75))
    axis.set_xlabel("seconds since the first task", color=GREY)
    axis.grid(axis="y", visible=False)
    handles = [_patch(fate) for fate in SHADES if fate in counts]
    axis.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
    return figure


def _lanes(rows: pd.DataFrame) -> Iterator[tuple[int, Any]]:
    """Each task with its lane: those at the same time stand one above the other, on two lanes."""
    free = [0.0, 0.0]
    for row in rows.sort_values("start").itertuples():
        lane = free.index(min(free))
        free[lane] = row.end
        yield lane, row


def _patch(fate: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=SHADES[fate], label=fate)
