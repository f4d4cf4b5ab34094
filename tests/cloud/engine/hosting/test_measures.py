from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.hosting.measures import COUNTS, QUIET, SAMPLES, Measures, _thin

BEGIN = datetime(2026, 11, 30, 1, 0, tzinfo=UTC).timestamp()


class CloudWatch:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []

    def put_metric_data(self, **asked: Any) -> None:
        self.data += asked["MetricData"]

    def times(self, name: str) -> list[float]:
        """When there was a datum of a metric, in seconds since BEGIN."""
        return [round(one["Timestamp"].timestamp() - BEGIN, 2) for one in self.of_variant(name)]

    def of_variant(self, name: str) -> list[dict[str, Any]]:
        """The data of a metric of a variant, whatever its configuration."""
        return [one for one in self.data if one["MetricName"] == name and len(one["Dimensions"]) == 2]


class Stage:
    """Measures on a clock that stands still between two steps."""

    def __init__(self, speed: float = 1.0) -> None:
        self.now = BEGIN
        self.clock = Clock([(BEGIN, speed)] if speed != 1 else [], lambda: self.now)
        self.cloudwatch = CloudWatch()
        self.measures = Measures("e", self.cloudwatch, self.clock)

    def note(self) -> None:
        self.measures.note("v", 2, 200, 0.001, 0.001, "c")


def test_few_latencies_are_all_kept() -> None:
    assert _thin([3.0, 1.0]) == [3.0, 1.0]


def test_many_latencies_keep_their_distribution() -> None:
    kept = _thin([float(n) for n in range(10_001)])
    assert len(kept) == SAMPLES
    assert (kept[0], kept[-1]) == (0.0, 10_000.0)
    assert abs(kept[SAMPLES // 2] - 5_000) < 200


def test_zeros_are_of_the_minutes_without_an_invocation() -> None:
    stage = Stage()
    stage.now = BEGIN + 60.2
    stage.measures.rest([("v", "c")])
    assert [one["MetricName"] for one in stage.cloudwatch.data] == [*COUNTS, *COUNTS]
    assert all(one["Value"] == 0 for one in stage.cloudwatch.data)
    stage.now = BEGIN + 90
    stage.note()
    stage.now = BEGIN + 120.2
    stage.note()  # of the next minute already
    stage.measures.rest([("v", "c")])
    for later in (180.2, 240.2):
        stage.now = BEGIN + later
        stage.measures.rest([("v", "c")])
    stage.measures.close()
    assert sorted(stage.cloudwatch.times("Invocation4XXErrors")) == [59, 90, 120.2, 239]


def test_zeros_of_a_serverless_variant_are_not_of_instances() -> None:
    stage = Stage()
    for later in (60.2, 120.2):
        stage.now = BEGIN + later
        stage.measures.rest([("v", "c"), ("s", "c")], {"s"})
    told = [(one["Dimensions"][1]["Value"], one["MetricName"]) for one in stage.cloudwatch.data]
    assert ("v", "InvocationsPerInstance") in told
    assert ("s", "Invocations") in told
    assert ("s", "InvocationsPerInstance") not in told


def test_invocations_of_two_minutes_are_never_one_datum() -> None:
    stage = Stage(speed=60)
    for at in (0.9, 0.95, 1.05):
        stage.now = BEGIN + at
        stage.note()
    stage.measures.close()
    sent = stage.cloudwatch.of_variant("Invocations")
    late = [one["Timestamp"].timestamp() >= BEGIN + 1 for one in sent]
    sums = [one["StatisticValues"]["Sum"] for one in sent]
    assert sum(each for each, after in zip(sums, late, strict=True) if after) == 1
    assert sum(each for each, after in zip(sums, late, strict=True) if not after) == 2


def test_on_a_fast_clock_an_endpoint_that_nobody_asks_falls_asleep() -> None:
    stage = Stage(speed=60)
    told = 0
    for minute in range(1, QUIET + 121):
        stage.now = BEGIN + minute + 0.01
        told += stage.measures.rest([("v", "c")])
    stage.measures.close()
    assert QUIET < told < QUIET + 5
