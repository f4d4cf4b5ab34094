"""The index of samples follows moto's one list, whatever becomes of that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.backends import get_backend

from sagelab.cloud.alarms.samples import Metric
from sagelab.cloud.gateway.moto.metrics import SampleIndex
from sagelab.cloud.home import ACCOUNT

REGION = "ap-south-1"
BEGIN = datetime(2026, 11, 30, tzinfo=UTC)
METRIC = Metric("test/index", "m", (("d", "v"),))


@pytest.fixture
def backend(gateway: Any) -> Any:
    gateway.client("cloudwatch")
    found = get_backend("cloudwatch")[ACCOUNT][REGION]
    found.metric_data = []
    return found


def add(backend: Any, value: float, second: float, **more: Any) -> None:
    moment = (BEGIN + timedelta(seconds=second)).replace(tzinfo=None)
    data = {"MetricName": "m", "Dimensions": [{"Name": "d", "Value": "v"}], "Timestamp": moment, **more}
    backend.put_metric_data("test/index", [data if more else data | {"Value": value}])


def values(index: SampleIndex, start: float = 0, end: float = 100) -> list[float]:
    begin = BEGIN.timestamp()
    return [one.low for one in index.window(REGION, METRIC, begin + start, begin + end)]


def test_samples_are_found_by_metric_and_time(backend: Any) -> None:
    index = SampleIndex()
    for value, second in ((1.0, 10), (3.0, 30), (2.0, 20)):
        add(backend, value, second)
    backend.put_metric_data("test/index", [{"MetricName": "m", "Value": 9.0}])
    assert values(index) == [1, 2, 3]
    assert values(index, 20, 30) == [2]
    add(backend, 2.5, 25)
    assert values(index, 20) == [2, 2.5, 3]
    summary = {"SampleCount": 4, "Sum": 20, "Minimum": 2, "Maximum": 8}
    add(backend, 0, 40, StatisticValues=summary)
    begin = BEGIN.timestamp()
    (last,) = index.window(REGION, METRIC, begin + 40, begin + 41)
    assert (last.count, last.total, last.low, last.high, last.value) == (4, 20, 2, 8, None)


def test_samples_that_are_gone_are_not_found(backend: Any) -> None:
    index = SampleIndex()
    for second in range(5):
        add(backend, float(second), second)
    assert values(index) == [0, 1, 2, 3, 4]
    del backend.metric_data[:2]
    assert values(index) == [2, 3, 4]
    del backend.metric_data[1:]
    add(backend, 7.0, 7)
    assert values(index) == [2, 7]
    backend.metric_data = []
    assert values(index) == []
