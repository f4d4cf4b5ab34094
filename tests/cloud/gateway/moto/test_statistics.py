"""Percentiles of CloudWatch's metrics, through boto3 and in every protocol that CloudWatch speaks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import botocore.exceptions
import numpy as np
import pytest

from sagelab.cloud.alarms import samples
from sagelab.cloud.alarms.samples import Sample

START = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
END = START + timedelta(minutes=20)
WINDOW = {"StartTime": START, "EndTime": END}
SPACE = "test/statistics"
PAIRS = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}]


@pytest.fixture(scope="module")
def cloudwatch(gateway: Any) -> Any:
    return gateway.client("cloudwatch")


@pytest.fixture
def metric(unique: Any) -> dict[str, Any]:
    """A metric that no other test writes to."""
    return {"Namespace": SPACE, "MetricName": unique("metric"), "Dimensions": PAIRS}


def put(cloudwatch: Any, metric: dict[str, Any], values: list[float], minute: float = 0, **more: Any) -> None:
    data = {
        "MetricName": metric["MetricName"],
        "Dimensions": metric["Dimensions"],
        "Timestamp": START + timedelta(minutes=minute),
        "Unit": "Microseconds",
        **({"Values": values} if values else {}),
        **more,
    }
    cloudwatch.put_metric_data(Namespace=metric["Namespace"], MetricData=[data])


def points(cloudwatch: Any, metric: dict[str, Any], *names: str, **changes: Any) -> list[dict[str, Any]]:
    """The datapoints of percentiles, oldest first."""
    request = {**metric, **WINDOW, "Period": 60, "ExtendedStatistics": list(names)} | changes
    found = cloudwatch.get_metric_statistics(**request)["Datapoints"]
    return sorted(found, key=lambda point: point["Timestamp"])


def query(metric: dict[str, Any], name: str, stat: str, **more: Any) -> dict[str, Any]:
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}, **more}


def test_percentiles_are_those_of_the_values(cloudwatch: Any, metric: dict[str, Any]) -> None:
    values = np.random.default_rng(0).lognormal(8, 1, 101).round(3).tolist()
    put(cloudwatch, metric, values)
    names = ["p0", "p50", "p90", "p99", "p99.9", "p100"]
    (point,) = points(cloudwatch, metric, *names)
    expected = {name: float(np.percentile(values, float(name[1:]))) for name in names}
    assert point["ExtendedStatistics"] == pytest.approx(expected)
    assert point["Unit"] == "Microseconds"


def test_counts_weigh_their_values(cloudwatch: Any, metric: dict[str, Any]) -> None:
    put(cloudwatch, metric, [10, 20], Counts=[9, 1])
    (point,) = points(cloudwatch, metric, "p50", "p100")
    assert point["ExtendedStatistics"] == {"p50": 10, "p100": 20}


def test_each_period_has_its_own_and_average_has_the_same_periods(cloudwatch: Any, metric: dict[str, Any]) -> None:
    for minute, values in ((0, [1.0, 3.0]), (1, [5.0]), (7, [9.0])):
        put(cloudwatch, metric, values, minute)
    found = points(cloudwatch, metric, "p50")
    assert [point["ExtendedStatistics"]["p50"] for point in found] == [2, 5, 9]
    averages = cloudwatch.get_metric_statistics(**metric, **WINDOW, Period=60, Statistics=["Average"])
    assert {point["Timestamp"]: point["Average"] for point in averages["Datapoints"]} == {
        point["Timestamp"]: point["ExtendedStatistics"]["p50"] for point in found
    }


def test_values_of_other_metrics_units_and_times_do_not_count(cloudwatch: Any, metric: dict[str, Any]) -> None:
    put(cloudwatch, metric, [1.0])
    put(cloudwatch, metric, [100.0], Unit="Seconds")
    put(cloudwatch, metric, [100.0], 21)
    put(cloudwatch, metric | {"Dimensions": [*PAIRS, {"Name": "Instance", "Value": "i"}]}, [100.0])
    put(cloudwatch, metric | {"Namespace": f"{SPACE}/other"}, [100.0])
    (point,) = points(cloudwatch, metric, "p100", Unit="Microseconds")
    assert point["ExtendedStatistics"] == {"p100": 1}
    assert points(cloudwatch, metric, "p100", Dimensions=PAIRS[:1]) == []
    plain = metric | WINDOW | {"Unit": "Microseconds", "Period": 60, "Statistics": ["Maximum"]}
    (point,) = cloudwatch.get_metric_statistics(**plain)["Datapoints"]
    assert point["Maximum"] == 1
    assert cloudwatch.get_metric_statistics(**plain | {"Dimensions": PAIRS[:1]})["Datapoints"] == []


def test_negative_values_and_statistic_sets_have_no_percentile(cloudwatch: Any, metric: dict[str, Any]) -> None:
    def summary(least: float, most: float) -> dict[str, float]:
        return {"SampleCount": 2, "Sum": least + most, "Minimum": least, "Maximum": most}

    put(cloudwatch, metric, [-1.0, 2.0])
    put(cloudwatch, metric, [], 3, StatisticValues=summary(1, 2))
    put(cloudwatch, metric, [], 5, StatisticValues=summary(4, 4))
    found = points(cloudwatch, metric, "p50")
    assert [point["ExtendedStatistics"] for point in found] == [{"p50": 4}]


def test_data_of_percentiles_beside_plain_statistics(cloudwatch: Any, metric: dict[str, Any]) -> None:
    put(cloudwatch, metric, [1.0, 2.0, 3.0])
    put(cloudwatch, metric, [7.0], 2)
    queries = [
        query(metric, "high", "p90", Label="the slow ones"),
        query(metric, "mean", "Average"),
        query(metric, "hidden", "p10", ReturnData=False),
        {"Id": "again", "Expression": "mean"},
    ]
    found = cloudwatch.get_metric_data(MetricDataQueries=queries, **WINDOW)["MetricDataResults"]
    assert [result["Id"] for result in found] == ["high", "mean", "again"]
    assert [result["Label"] for result in found] == ["the slow ones", f"{metric['MetricName']} Average", "again"]
    assert found[0]["Values"] == pytest.approx([7, 2.8])
    assert found[0]["Timestamps"] == found[1]["Timestamps"] == [START + timedelta(minutes=2), START]
    assert found[1]["Values"] == found[2]["Values"] == [7, 2]
    ascending = cloudwatch.get_metric_data(MetricDataQueries=queries[:1], ScanBy="TimestampAscending", **WINDOW)[
        "MetricDataResults"
    ]
    assert ascending[0]["Values"] == pytest.approx([2.8, 7])


def test_metric_without_data_has_an_empty_answer(cloudwatch: Any, metric: dict[str, Any]) -> None:
    assert points(cloudwatch, metric, "p90") == []
    found = cloudwatch.get_metric_data(MetricDataQueries=[query(metric, "none", "p90")], **WINDOW)
    assert found["MetricDataResults"][0]["Values"] == []


@pytest.mark.parametrize("name", ["p101", "p-1", "p", "90", "p1.", "p0.12345678901", "tm90", "P90"])
def test_what_is_no_percentile_is_refused(cloudwatch: Any, metric: dict[str, Any], name: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=r"InvalidParameterValue.*is not supported"):
        points(cloudwatch, metric, name)
    with pytest.raises(botocore.exceptions.ClientError, match=r"ValidationError.*is not supported"):
        cloudwatch.get_metric_data(MetricDataQueries=[query(metric, "bad", name)], **WINDOW)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Statistics": ["Average"]}, "Must specify either Statistics or ExtendedStatistics"),
        ({"EndTime": START}, "StartTime must be less than"),
        ({"Unit": "Furlongs"}, "enum value set"),
    ],
)
def test_bad_request_is_refused_in_words(
    cloudwatch: Any, metric: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=words):
        points(cloudwatch, metric, "p90", **changes)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("high * nothing", "Error in expression 'sum': nothing is not the Id of a metric"),
        ("high *", "Error in expression 'sum': Invalid syntax"),
        ("AVG(high)", "must be a time series"),
        ("SELECT AVG(x) FROM y", "no Metrics Insights"),
        ("SEARCH('{a,b} c', 'Sum')", "no search expressions"),
        ("ANOMALY_DETECTION_BAND(high)", "no anomaly detection"),
    ],
)
def test_an_expression_that_is_none_is_refused_in_words(
    cloudwatch: Any, metric: dict[str, Any], expression: str, words: str
) -> None:
    queries = [query(metric, "high", "p90"), {"Id": "sum", "Expression": expression, "Period": 60}]
    with pytest.raises(botocore.exceptions.ClientError, match=rf"ValidationError.*{words}"):
        cloudwatch.get_metric_data(MetricDataQueries=queries, **WINDOW)


def test_expressions_over_metrics_and_each_other(cloudwatch: Any, metric: dict[str, Any]) -> None:
    put(cloudwatch, metric, [1.0, 2.0, 3.0])
    put(cloudwatch, metric, [7.0], 2)
    queries = [
        {"Id": "ratio", "Expression": "100 * sum / calls", "Label": "of all"},
        query(metric, "sum", "Sum", ReturnData=False),
        query(metric, "calls", "SampleCount", ReturnData=False),
        {"Id": "filled", "Expression": "FILL(ratio, 0)", "ReturnData": False},
        {"Id": "both", "Expression": "METRICS() + 1"},
    ]
    found = cloudwatch.get_metric_data(
        MetricDataQueries=queries,
        ScanBy="TimestampAscending",
        StartTime=START,
        EndTime=START + timedelta(minutes=3),
    )["MetricDataResults"]
    assert [(one["Id"], one["Label"].partition(" ")[0]) for one in found] == [
        ("ratio", "of"), ("both", "both"), ("both", "both"),
    ]  # fmt: skip
    assert found[0]["Values"] == [200, 700]
    assert [one["Values"] for one in found[1:]] == [[7, 8], [4, 2]]


def test_query_and_json_protocols_are_answered_in_kind(
    gateway: Any, cloudwatch: Any, metric: dict[str, Any]
) -> None:
    put(cloudwatch, metric, [4.0])
    times = {"StartTime": f"{START:%Y-%m-%dT%H:%M:%SZ}", "EndTime": f"{END:%Y-%m-%dT%H:%M:%SZ}"}
    plain = {"Namespace": SPACE, "MetricName": metric["MetricName"], "Period": 60}
    pairs = {f"Dimensions.member.{n}.{key}": p[key] for n, p in enumerate(PAIRS, 1) for key in p}
    form = {"Action": "GetMetricStatistics", "Version": "2010-08-01", "ExtendedStatistics.member.1": "p90"}
    body = urlencode({**form, **plain, **times, **pairs}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, xml = gateway.signed("POST", "/", "monitoring", body, kind)
    assert (status, b"<key>p90</key><value>4.0</value>" in b"".join(xml.split())) == (200, True)

    target = {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricStatistics"}
    epochs = {"StartTime": START.timestamp(), "EndTime": END.timestamp()}
    body = json.dumps({**plain, **epochs, "Dimensions": PAIRS, "ExtendedStatistics": ["p90"]}).encode()
    kind = {"Content-Type": "application/x-amz-json-1.0", **target}
    status, _, text = gateway.signed("POST", "/", "monitoring", body, kind)
    assert (status, json.loads(text)["Datapoints"][0]["ExtendedStatistics"]) == (200, {"p90": 4.0})


def test_percentile_lies_between_its_neighbours_by_proportion() -> None:
    found = [Sample(0.0, value, value, value, 1, "None") for value in (4.0, 1.0, 3.0, 2.0)]
    assert [samples.percentile(found, rank) for rank in (0, 50, 100)] == [1, 2.5, 4]
    assert samples.percentile([], 50) is None
