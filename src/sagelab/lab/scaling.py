"""Automatic scaling of an endpoint's variant, watched: its instances, its alarms, what each activity did."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sagelab import catalog
from sagelab.lab import clock, pictures, watch

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sagelab.lab.session import Lab

ENDPOINT = catalog.of_stem("Endpoint")
VARIANT = "AllTraffic"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
NAMESPACE = "AWS/SageMaker"
PAUSE = {"local": 0.25, "aws": 10.0}  # seconds between two looks
OK, ALARM, NO_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
STATES = {OK: (pictures.GREEN, ""), ALARM: (pictures.RED, "//"), NO_DATA: (pictures.WAITING, "..")}
CAUSE = re.compile(
    r"monitor alarm \S*-(?P<side>Alarm\w+)-\S+ in state (?P<state>\w+) triggered policy (?P<policy>.+)"
)
SIDES = ("AlarmHigh", "AlarmLow")  # of a target tracking policy, in the names of its alarms


@dataclass(frozen=True)
class Look:
    """A variant at one moment. time: seconds since the epoch. minute: of the clock, since the watching began.

    instances: that serve; wanted: that should. alarms: AlarmHigh and AlarmLow -> OK, ALARM or INSUFFICIENT_DATA.
    """

    time: float
    minute: float
    instances: int
    wanted: int
    alarms: dict[str, str]

    def __str__(self) -> str:
        wanted = f", {self.wanted} wanted" if self.wanted != self.instances else ""
        states = "".join(f" · {side} {state}" for side, state in self.alarms.items())
        return f"minute {self.minute:.1f} · {count(self.instances)}{wanted}{states}"


def count(instances: int) -> str:
    """ "1 instance", "2 instances"."""
    return f"{instances} instance{'' if instances == 1 else 's'}"


def target(name: str, variant: str = VARIANT) -> dict[str, str]:
    """How Application Auto Scaling is told of a variant's number of instances: a part of each of its requests."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/{variant}",
        "ScalableDimension": DIMENSION,
    }


def follow(
    lab: Lab, name: str, until: Callable[[Look], bool], minutes: float, variant: str = VARIANT
) -> pd.DataFrame:
    """Watch a variant, on one line that moves, until something holds or so many minutes of the clock are over.

    Returns the looks, a row each: time, minute, instances, wanted, AlarmHigh, AlarmLow (empty: no such alarm).
    """
    import pandas as pd
    from tqdm import tqdm

    seen: list[Look] = []
    with tqdm(bar_format="{desc}", file=sys.stdout, disable=not watch.moves()) as line:
        for look in _looks(lab, name, variant, minutes):
            seen.append(look)
            line.set_description_str(str(look))
            if until(look):
                break
    if not watch.moves():
        print(seen[-1])
    rows = [
        (each.time, each.minute, each.instances, each.wanted, *(each.alarms.get(side, "") for side in SIDES))
        for each in seen
    ]
    return pd.DataFrame(rows, columns=["time", "minute", "instances", "wanted", *SIDES])


def _looks(lab: Lab, name: str, variant: str, minutes: float) -> Iterator[Look]:
    begin, minute = time.time(), clock.minute(lab)
    while True:
        passed = (time.time() - begin) / minute
        yield look(lab, name, passed, variant)
        if passed > minutes:
            return
        time.sleep(PAUSE[lab.target])


def look(lab: Lab, name: str, minute: float = 0, variant: str = VARIANT) -> Look:
    """A variant and the alarms of its policies now."""
    found = watch.look(lab, ENDPOINT, name)
    ours = next(each for each in found["ProductionVariants"] if each["VariantName"] == variant)
    states = {row["side"]: row["state"] for row in _alarms(lab, name, variant)}
    return Look(time.time(), minute, ours["CurrentInstanceCount"], ours.get("DesiredInstanceCount", 0), states)


def alarms(lab: Lab, name: str, variant: str = VARIANT) -> pd.DataFrame:
    """The alarms of a variant's policies: side, state, when (over or under what, how often), reason."""
    import pandas as pd

    return pd.DataFrame(list(_alarms(lab, name, variant)), columns=["side", "state", "when", "reason"])


def _alarms(lab: Lab, name: str, variant: str) -> Iterator[dict[str, str]]:
    policies = lab.client("application-autoscaling").describe_scaling_policies(**target(name, variant))
    names = [alarm["AlarmName"] for policy in policies["ScalingPolicies"] for alarm in policy.get("Alarms", ())]
    found = lab.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"] if names else []
    for alarm in sorted(found, key=lambda each: str(each["AlarmName"])):
        side = next((each for each in SIDES if each in alarm["AlarmName"]), alarm["AlarmName"])
        sign = "over" if alarm["ComparisonOperator"].startswith("Greater") else "under"
        points = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
        when = f"{sign} {alarm['Threshold']:.4g} in {points} of {alarm['EvaluationPeriods']} minutes"
        yield {"side": side, "state": alarm["StateValue"], "when": when, "reason": alarm.get("StateReason", "")}


def activities(lab: Lab, name: str, variant: str = VARIANT) -> pd.DataFrame:
    """What scaling did, the oldest first: begun, ended (None while it lasts), did, cause, status."""
    import pandas as pd

    pages = lab.client("application-autoscaling").get_paginator("describe_scaling_activities")
    found = [each for page in pages.paginate(**target(name, variant)) for each in page["ScalingActivities"]]
    rows = [
        (each["StartTime"], each.get("EndTime"), each["Description"], _cause(each["Cause"]), each["StatusCode"])
        for each in sorted(found, key=lambda each: each["StartTime"])
    ]
    return pd.DataFrame(rows, columns=["begun", "ended", "did", "cause", "status"])


def _cause(cause: str) -> str:
    """AWS's words, with the side of an alarm of target tracking in the place of its long name."""
    found = CAUSE.fullmatch(cause)
    return f"{found['side']} in {found['state']}: {found['policy']}" if found else cause


def invocations(lab: Lab, name: str, since: float, variant: str = VARIANT) -> pd.DataFrame:
    """InvocationsPerInstance of each minute of the clock since a moment: time (its begin), per_instance.

    since: seconds since the epoch. CloudWatch is asked for the finest points it has, which are then added up.
    """
    import pandas as pd

    minute = clock.minute(lab)
    points = lab.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName="InvocationsPerInstance",
        Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": variant}],
        StartTime=datetime.fromtimestamp(int(since), UTC),
        EndTime=datetime.now(UTC) + timedelta(seconds=minute),
        Period=60 if minute >= 60 else 1,
        Statistics=["Sum"],
    )["Datapoints"]
    sums: dict[float, float] = {}
    for point in points:
        begin = point["Timestamp"].timestamp() // minute * minute
        sums[begin] = sums.get(begin, 0.0) + point["Sum"]
    return pd.DataFrame(sorted(sums.items()), columns=["time", "per_instance"])


BESIDE: dict[str, Any] = {"frameon": False, "ncols": 3, "loc": "lower right", "bbox_to_anchor": (1, 1)}  # a legend


# -- the picture ------------------------------------------------------------------------------------------


def show(lab: Lab, looks: pd.DataFrame, counts: pd.DataFrame, did: pd.DataFrame, goal: float) -> Figure:
    """Scaling on one axis: what came in against the target, the alarms, the instances with each activity.

    looks: of `follow`. counts: of `invocations`. did: of `activities`. goal: the policy's target value.
    The axis has the clock's minutes since the first look.
    """
    begin, minute = looks["time"].iloc[0], clock.minute(lab)
    high, low = looks["instances"].max(), looks["instances"].iloc[-1]
    told = f"from {looks['instances'].iloc[0]} to {high} and then {low} instances, target {goal:.0f} a minute"
    figure, axes = pictures.open_figure(
        f"Automatic scaling over {looks['minute'].iloc[-1]:.0f} minutes: {told}",
        (9, 5.4),
        3,
        1,
        sharex=True,
        height_ratios=[3, 1, 3],
    )
    came, states, servers = axes[:, 0]
    minutes = (counts["time"] - begin) / minute
    came.step(minutes, counts["per_instance"], where="post", color=pictures.BLUE)
    came.axhline(goal, color=pictures.ORANGE, linestyle="--", label=f"target, {goal:.0f}")
    came.set(ylabel="invocations\n(a minute, an instance)", ylim=(0, None))
    came.legend(**BESIDE)
    _draw_states(states, (looks["time"] - begin) / minute, looks)
    _draw_instances(servers, (looks["time"] - begin) / minute, looks)
    _mark(servers, [(each.timestamp() - begin) / minute for each in did["begun"]], list(did["did"]))
    servers.set(xlabel=f"minutes{clock.words(lab)}", xlim=(0, None))
    return figure


def _draw_states(axis: Axes, minutes: pd.Series[float], looks: pd.DataFrame) -> None:
    """A row an alarm, a bar a state: colour and hatch say which."""
    from matplotlib.patches import Patch

    for row, side in enumerate(SIDES):
        for state, begin, end in spans(list(minutes), list(looks[side])):
            if state in STATES:
                colour, hatch = STATES[state]
                axis.barh(row, end - begin, left=begin, color=colour, hatch=hatch, edgecolor="white", height=0.7)
    axis.set_yticks(range(len(SIDES)), SIDES)
    axis.invert_yaxis()
    axis.grid(visible=False)
    patches = [Patch(facecolor=colour, hatch=hatch, edgecolor="white") for colour, hatch in STATES.values()]
    axis.legend(patches, ["OK", "ALARM", "no data"], **BESIDE)


def spans(times: Sequence[float], values: Sequence[str]) -> Iterator[tuple[str, float, float]]:
    """Equal values in a row as (value, from when, until the next one's first time)."""
    place = 0
    for value, same in groupby(values):
        last = place + len(list(same))
        yield value, times[place], times[min(last, len(times) - 1)]
        place = last


def _draw_instances(axis: Axes, minutes: pd.Series[float], looks: pd.DataFrame) -> None:
    axis.step(minutes, looks["wanted"], where="post", color=pictures.ORANGE, linestyle="--", label="wanted")
    axis.step(minutes, looks["instances"], where="post", color=pictures.BLUE, linewidth=2.5, label="in service")
    axis.set(ylabel="instances", ylim=(0, max(looks["wanted"].max(), looks["instances"].max()) + 1))
    axis.locator_params(axis="y", integer=True)
    axis.legend(**BESIDE)


def _mark(axis: Axes, minutes: Sequence[float], words: Sequence[str]) -> None:
    """A line an activity, with the number that it set."""
    for minute, text in zip(minutes, words, strict=True):
        if minute >= 0:
            number = text.rstrip(".").split()[-1]
            axis.axvline(minute, color=pictures.GREY, linestyle=":")
            axis.annotate(f"to {number}", (minute, 0), (4, 6), textcoords="offset points", color=pictures.INK)
