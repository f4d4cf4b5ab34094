"""The one thread that looks at metrics for their alarms: once a minute of the clock, or every ten of its seconds.

A look is at whole periods that are over, and slides: of five minutes, at 1 to 5, then at 2 to 6. What is sent of a
period arrives a little after its end, and is waited for.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from sagelab.cloud.alarms.alarms import METRIC, Alarms
from sagelab.cloud.alarms.evaluate import MISSING, MORE, Point, Rule, facts, judge, reason
from sagelab.cloud.alarms.frames import Frame
from sagelab.cloud.alarms.samples import Reads, Sample, count, few, metric_of, pause, read_percentile, statistic
from sagelab.cloud.alarms.series import Series
from sagelab.cloud.store import Document

SHORT, MINUTE = 10, 60  # seconds of the clock between two looks
LATE = 0.5  # real seconds that a sample takes from its sending to where it is read

logger = logging.getLogger("sagelab")


class Watch:
    """reads: the samples of a metric. It begins to look once `start` is called."""

    def __init__(self, alarms: Alarms, reads: Reads) -> None:
        self._alarms, self._reads, self._clock = alarms, reads, alarms.clock
        self._minute, self._short = (self._shown() // step for step in (MINUTE, SHORT))
        self._woken, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def start(self) -> None:
        self._alarms.listen(self._woken.set)
        self._clock.listen(self._woken.set)
        self._thread.start()

    def close(self) -> None:
        self._closed = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Look at the alarms whose time it is, by the clock."""
        shown = self._shown()
        minute, short = shown // MINUTE, shown // SHORT
        whole, self._minute = minute != self._minute, minute
        part, self._short = short != self._short, short
        if not (whole or part):
            return
        self._release()
        for document in self._alarms.all():
            quick = period_of(document) < MINUTE if document["Type"] == METRIC else False
            if document["Type"] != METRIC or not (part if quick else whole):
                continue
            try:
                with self._alarms.refusing():
                    self.judge(document, self._real(short * SHORT if quick else minute * MINUTE), whole)
            except Exception:
                if not self._closed:
                    logger.exception("alarm %s is not evaluated", document["AlarmName"])

    def _release(self) -> None:
        """Do the actions that have waited long enough."""
        for document in self._alarms.held():
            try:
                with self._alarms.refusing():
                    self._alarms.release(document["AlarmArn"])
            except Exception:
                if not self._closed:
                    logger.exception("the actions of alarm %s wait", document["AlarmName"])

    def judge(self, document: Document, end: float, again: bool) -> None:
        """Set an alarm's state by the periods that ended by a real epoch second.

        again: whether what scales is told once more of a state that lasts, with the datapoints of now.
        """
        rule = rule_of(document)
        found = judge(rule, self._points(document, rule.periods + MORE, end))
        arn, state = document["AlarmArn"], found.state
        about = {"statistic": _statistic(document)} if "MetricName" in document else {}
        about = {"unit": document["Unit"]} | about if "Unit" in document else about
        told = facts(rule, found, self._clock.real(), {**about, "period": period_of(document)})
        if state is None or state == document["StateValue"]:
            if again:
                self._alarms.actions.repeat(document | {"StateReasonData": json.dumps(told)})
            return
        self._alarms.move(arn, state, reason(rule, found) + self._clock.words, told)

    def _points(self, document: Document, number: int, end: float) -> list[Point]:
        """The last so many periods, the oldest first."""
        period = period_of(document)
        edges = [round(self._clock.ago(period * back, end), 3) for back in range(number, -1, -1)]
        region = document["Region"]
        if "Metrics" in document:
            return self._worked_out(document, region, edges)
        name = _statistic(document)
        parts = self._parts(region, document, document.get("Unit"), edges)
        return [Point(edges[at], statistic(name, part), count(part)) for at, part in enumerate(parts)]

    def _worked_out(self, document: Document, region: str, edges: Sequence[float]) -> list[Point]:
        metrics, texts = {}, {}
        watched = next(one["Id"] for one in document["Metrics"] if one.get("ReturnData", True))
        for query in document["Metrics"]:
            if "Expression" in query:
                texts[query["Id"]] = query["Expression"]
                continue
            asked = query["MetricStat"]
            parts = self._parts(region, asked["Metric"], asked.get("Unit"), edges)
            values = {edges[at]: statistic(asked["Stat"], part) for at, part in enumerate(parts)}
            known = {time: value for time, value in values.items() if value is not None}
            metrics[query["Id"]] = Series(known, query["Id"], asked["Period"])
        found = Frame(edges[:-1], metrics, texts).result(watched)
        one = found[0].values if found else {}
        return [Point(time, one.get(time), 1.0 if time in one else 0.0) for time in edges[:-1]]

    def _parts(
        self, region: str, metric: Document, unit: str | None, edges: Sequence[float]
    ) -> list[list[Sample]]:
        """The samples of each period; the edges are one more than there are periods."""
        if math.isinf(edges[0]):
            return [[] for _ in edges[1:]]
        found = self._reads(region, metric_of(metric), edges[0], edges[-1])
        if unit is not None:
            found = [one for one in found if one.unit == unit]
        times = [one.time for one in found]
        places = [bisect_left(times, edge) for edge in edges]
        return [found[start:stop] for start, stop in pairwise(places)]

    def _shown(self) -> float:
        """What the clock showed when the samples were sent that are there by now."""
        return self._clock.now() - (pause(self._clock) + LATE) * self._clock.speed

    def _real(self, shown: float) -> float:
        """The real epoch second at which the clock showed a time."""
        return round(self._clock.ago(self._clock.now() - shown), 3)

    def _run(self) -> None:
        while not self._closed:
            self._woken.wait(self._wait())
            self._woken.clear()
            if not self._closed:
                self.look()

    def _wait(self) -> float | None:
        """Real seconds until the next look; None: there is nothing to look at."""
        periods = [period_of(one) for one in self._alarms.all() if one["Type"] == METRIC]
        held = self._alarms.held()
        if not periods and not held:
            return None
        step = SHORT if held or min(periods) < MINUTE else MINUTE
        return (step - self._shown() % step) / self._clock.speed


def period_of(document: Document) -> int:
    """Seconds of the clock; of an expression's metrics, which all have one."""
    if "Period" in document:
        return int(document["Period"])
    return next(int(one["MetricStat"]["Period"]) for one in document["Metrics"] if "MetricStat" in one)


def rule_of(document: Document) -> Rule:
    wanted = document.get("DatapointsToAlarm")
    rank = read_percentile(_statistic(document) or "")
    ignores = document.get("EvaluateLowSampleCountPercentile") == "ignore"
    return Rule(
        document["ComparisonOperator"],
        document["Threshold"],
        document["EvaluationPeriods"],
        wanted or document["EvaluationPeriods"],
        wanted is not None,
        document.get("TreatMissingData", MISSING),
        few(rank) if ignores and rank is not None else 0.0,
    )


def _statistic(document: Document) -> str:
    return str(document.get("Statistic") or document.get("ExtendedStatistic") or "")
