"""An endpoint, followed from a notebook: until it serves, and in numbers."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sagelab import catalog
from sagelab.lab import costs, pictures, watch

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sagelab.lab.session import Lab

KIND = catalog.of_stem("Endpoint")
NAMESPACE = "AWS/SageMaker"
METRICS = {
    "Invocations": "Sum",
    "Invocation4XXErrors": "Sum",
    "Invocation5XXErrors": "Sum",
    "ModelLatency": "Average",
    "OverheadLatency": "Average",
}
LATE = {"local": 10.0, "aws": 300.0}  # seconds that CloudWatch may be late
PERCENTILES = [1, *range(5, 96, 5), 99]
COLOURS = (pictures.BLUE, pictures.ORANGE, pictures.GREEN, pictures.VIOLET)
PAUSE = {"local": 0.25, "aws": 15.0}  # seconds between two looks at CloudWatch
PROBE = "probe"  # what requests are called that only ask whether all is well
GAP = 0.02  # seconds between two requests of a client that asks all the time
PATIENCE = {"local": 60.0, "aws": 1800.0}  # seconds until somebody else must have moved an endpoint


class EndpointFailed(Exception):
    """The endpoint did not come into service; the text is its FailureReason."""


@dataclass(frozen=True)
class Answer:
    """One request of a client that asks all the time. second: since it began. scores: (10,), of one digit; empty
    where it failed, with the error's text."""

    second: float
    scores: tuple[float, ...] = ()
    error: str = ""


def wait(lab: Lab, name: str) -> str:
    """Wait until an endpoint is created or updated; returns its status, InService. EndpointFailed: it is
    not, or its update was rolled back.
    """
    *_, endpoint = watch.looks(lab, KIND, name)
    status: str = endpoint["EndpointStatus"]
    if status != "InService" or "FailureReason" in endpoint:
        raise EndpointFailed(endpoint.get("FailureReason", "no reason was given"))
    return status


def arrive(lab: Lab, name: str, config: str) -> dict[str, Any]:
    """Follow an endpoint that somebody else makes, or moves, until it serves with a configuration.

    Returns its description. EndpointFailed: nobody has within half an hour, on the local cloud within a minute.
    JobFailed: it is Failed.
    """
    there = watch.until(lab, partial(_config, lab, name), lambda found: found == config, PATIENCE[lab.target])
    if there != config:
        raise EndpointFailed(f"{name} should serve {config}, and has {there or 'not been made'}: nobody moved it.")
    return watch.follow(lab, KIND, name)


def _config(lab: Lab, name: str) -> str | None:
    """The configuration of an endpoint; None: there is no endpoint."""
    try:
        return str(watch.look(lab, KIND, name)["EndpointConfigName"])
    except ClientError:
        return None


@contextmanager
def asking(lab: Lab, name: str, image: pictures.Array) -> Iterator[list[Answer]]:
    """Ask an endpoint for one digit, again and again, while the block runs; gives the answers as they come.

    image: (28, 28) of 0 to 255. What fails is not tried again, as boto3 would do without a word. The requests are
    called probes, by their InferenceId.
    """
    client = lab.session.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
    request = _request(name, image.reshape(1, 28, 28), PROBE)
    answers: list[Answer] = []
    begin, done = time.monotonic(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                scores = json.load(client.invoke_endpoint(**request)["Body"])["predictions"][0]
                answers.append(Answer(time.monotonic() - begin, tuple(scores)))
            except (ClientError, BotoCoreError) as error:
                answers.append(Answer(time.monotonic() - begin, error=str(error)))
            done.wait(GAP)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join()


def read(lab: Lab, name: str, images: pictures.Array, called: str = PROBE) -> pictures.Array:
    """What an endpoint says of digits, a hundred a request: scores, (n, 10).

    images: (n, 28, 28) of 0 to 255. called: the InferenceId of the requests, which stands beside what is captured.
    """
    client, scores = lab.client("sagemaker-runtime"), []
    for start in range(0, len(images), 100):
        answer = client.invoke_endpoint(**_request(name, images[start : start + 100], called))
        scores += json.load(answer["Body"])["predictions"]
    return np.array(scores)


def _request(name: str, images: pictures.Array, called: str) -> dict[str, Any]:
    body = json.dumps({"instances": (images[..., np.newaxis] / 255).round(4).tolist()})
    return {"EndpointName": name, "ContentType": "application/json", "Body": body, "InferenceId": called}


def show_answers(answers: Sequence[Answer], label: int) -> Figure:
    """How sure each answer was that the digit is `label`, over time; a failed request is a cross at the bottom."""
    good = [each for each in answers if not each.error]
    bad = [each for each in answers if each.error]
    sure = np.array([each.scores[label] for each in good])
    told = f"{len(answers)} requests, {len(bad)} failed"
    change = f"; the score of {label} goes from {sure[0]:.2f} to {sure[-1]:.2f}" if good else ""
    figure, axes = pictures.open_figure(f"A client that asks all the time: {told}{change}", (8, 2.8))
    axis = axes[0, 0]
    axis.plot([each.second for each in good], sure, ".", color=pictures.BLUE, markersize=4, label="answered")
    axis.plot([each.second for each in bad], [0] * len(bad), "x", color=pictures.RED, label="failed")
    axis.set(xlabel="seconds since the client began", ylabel=f"score of the digit {label}", ylim=(-0.05, 1.05))
    axis.set_title(told, loc="left")
    return figure


def metrics(lab: Lab, name: str, variant: str = "AllTraffic", at_least: int = 1) -> pd.DataFrame:
    """An endpoint's numbers since the lab began: metric, statistic, value, unit; latencies in microseconds.

    Waits until CloudWatch has `at_least` so many invocations, or is later than it should be.
    """
    import pandas as pd

    limit = time.monotonic() + LATE[lab.target]
    while value(lab, name, "Invocations", "Sum", variant)[0] < at_least and time.monotonic() < limit:
        time.sleep(PAUSE[lab.target])
    rows = [
        (metric, statistic, *value(lab, name, metric, statistic, variant)) for metric, statistic in METRICS.items()
    ]
    return pd.DataFrame(rows, columns=["metric", "statistic", "value", "unit"])


def serverless_bill(lab: Lab, name: str, variant: str = "AllTraffic") -> costs.ServerlessCost:
    """What AWS bills for the requests of a serverless endpoint since the lab began: the sum of ModelLatency.

    UnknownPrice: it has provisioned concurrency.
    """
    found = watch.look(lab, KIND, name)["ProductionVariants"]
    plan = next(each["CurrentServerlessConfig"] for each in found if each["VariantName"] == variant)
    microseconds, _ = value(lab, name, "ModelLatency", "Sum", variant)
    return costs.serverless(
        plan["MemorySizeInMB"], microseconds / 1e6, provisioned=plan.get("ProvisionedConcurrency", 0)
    )


def latency(lab: Lab, name: str, variants: Sequence[str]) -> pd.DataFrame:
    """ModelLatency in microseconds: a row a percentile (index: 1 to 99), a column a variant.

    CloudWatch takes at most ten percentiles in one request.
    """
    import pandas as pd

    return pd.DataFrame({variant: _percentiles(lab, name, variant) for variant in variants}, index=PERCENTILES)


def show_latency(table: pd.DataFrame) -> Figure:
    """The distributions of `latency`, one curve a variant: so many of 100 invocations took at most so long."""
    halves = ", ".join(f"half of {variant}'s within {table[variant].loc[50] / 1000:.2f} ms" for variant in table)
    figure, axes = pictures.open_figure(f"How long invocations take: {halves}", (7, 3))
    axis = axes[0, 0]
    for variant, colour in zip(table, itertools.cycle(COLOURS), strict=False):
        axis.plot(table[variant] / 1000, table.index, label=variant, linewidth=2, color=colour)
    axis.set(xlabel="ModelLatency (ms)", ylabel="invocations (of 100)", xlim=(0, None), ylim=(0, 100))
    axis.legend(frameon=False, loc="lower right")
    return figure


def _percentiles(lab: Lab, name: str, variant: str) -> list[float]:
    found: dict[str, float] = {}
    wanted = [f"p{percent}" for percent in PERCENTILES]
    for start in range(0, len(wanted), 10):
        points = lab.client("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName="ModelLatency",
            Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": variant}],
            StartTime=lab.started - timedelta(minutes=1),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=86400,
            ExtendedStatistics=wanted[start : start + 10],
        )["Datapoints"]
        found |= points[0]["ExtendedStatistics"] if points else {}
    return [found.get(name, float("nan")) for name in wanted]


def value(
    lab: Lab, name: str, metric: str, statistic: str, variant: str = "AllTraffic", **dimensions: str
) -> tuple[float, str]:
    """One of an endpoint's metrics since the lab began, and its unit: its Sum, its Average, its Maximum.

    dimensions: what tells it from others beside endpoint and variant: ContainerName="...".
    """
    place = {"EndpointName": name, "VariantName": variant, **dimensions}
    points = lab.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=metric,
        Dimensions=[{"Name": key, "Value": each} for key, each in place.items()],
        StartTime=lab.started - timedelta(minutes=1),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=86400,
        Statistics=[statistic],
    )["Datapoints"]
    values = [point[statistic] for point in points]
    total = sum(values) / (len(values) if statistic == "Average" and values else 1)
    return total, points[0]["Unit"] if points else ""
