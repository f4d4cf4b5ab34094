"""A load on an endpoint: users who ask again as soon as they are answered, what they saw, where latency bends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sagelab.lab import pictures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sagelab.lab.session import Lab

LEVELS = (1, 2, 4, 8, 16)  # users, each level twice the one before
SECONDS = {"local": 2.0, "aws": 30.0}  # of a level
WARM = 5  # requests before the first level, which find a server that has not worked yet
NEARLY = 0.8  # of the most answers a second: more users than bring so many hardly bring more
PAUSE = 0.05  # seconds that a user waits after a failure, so that a refusal is not asked for in a tight loop
BUSY = 0.7  # of a processor: a client that needs so much of it may be what is measured
COLUMNS = ["users", "requests", "failed", "per_second", "p50_ms", "p90_ms", "p99_ms", "client"]


@dataclass(frozen=True)
class Request:
    """One request: when it began and ended, in seconds since the epoch; why it failed, empty where it did not."""

    begin: float
    end: float
    error: str = ""

    @property
    def milliseconds(self) -> float:
        return 1000 * (self.end - self.begin)


@contextmanager
def users(
    lab: Lab, name: str, body: bytes | str, count: int, kind: str = "application/json"
) -> Iterator[list[Request]]:
    """Let some users ask an endpoint while the block runs; gives their requests as they end.

    body, kind: of every request. What fails is not tried again, as boto3 would do without a word.
    """
    client = lab.session.client(
        "sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}, max_pool_connections=count)
    )
    request = {"EndpointName": name, "ContentType": kind, "Body": body}
    requests: list[Request] = []
    done = threading.Event()
    threads = [threading.Thread(target=_ask, args=(client, request, requests, done)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield requests
    finally:
        done.set()
        for thread in threads:
            thread.join()


def ask(client: Any, request: Mapping[str, Any]) -> Request:
    """One InvokeEndpoint, answered or refused."""
    begin, error = time.time(), ""
    try:
        client.invoke_endpoint(**request)["Body"].read()
    except (ClientError, BotoCoreError) as refused:
        error = str(refused)
    return Request(begin, time.time(), error)


def series(lab: Lab, name: str, body: bytes | str, number: int, kind: str = "application/json") -> list[Request]:
    """So many requests, one after the other."""
    client = lab.client("sagemaker-runtime")
    return [ask(client, {"EndpointName": name, "ContentType": kind, "Body": body}) for _ in range(number)]


def _ask(client: Any, request: Mapping[str, Any], requests: list[Request], done: threading.Event) -> None:
    while not done.is_set():
        requests.append(ask(client, request))
        if requests[-1].error:
            done.wait(PAUSE)


def measure(
    lab: Lab, name: str, body: bytes | str, levels: Sequence[int] = LEVELS, seconds: float | None = None
) -> pd.DataFrame:
    """Ask an endpoint with ever more users at once; a row a level.

    seconds: of each level; by default 30 on AWS, 2 here. Columns: users, requests (ended in time), failed,
    per_second (answered), p50_ms, p90_ms and p99_ms (of the answered), client (processors that this process needed
    for asking: near 1, Python itself may be the limit).
    """
    import pandas as pd

    lasts = seconds or SECONDS[lab.target]
    client = lab.client("sagemaker-runtime")
    for _ in range(WARM):
        client.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=body)["Body"].read()
    rows = []
    for count in levels:
        begin, worked = time.time(), time.process_time()
        with users(lab, name, body, count) as requests:
            time.sleep(lasts)
            took, worked = time.time() - begin, time.process_time() - worked
            ended = list(requests)
        rows.append((count, *summary(ended, took), worked / took))
    return pd.DataFrame(rows, columns=COLUMNS)


def summary(requests: Sequence[Request], seconds: float) -> tuple[int, int, float, float, float, float]:
    """Requests, failed ones, answers a second, and three percentiles of their milliseconds."""
    good = [each.milliseconds for each in requests if not each.error]
    p50, p90, p99 = np.percentile(good, [50, 90, 99]) if good else [np.nan] * 3
    return len(requests), len(requests) - len(good), len(good) / seconds, p50, p90, p99


def bend(table: pd.DataFrame) -> pd.Series[float]:
    """The row of a load test from which on more users hardly bring more answers: there they begin to queue.

    It is that of the fewest users who get four fifths of the most answers a second.
    """
    enough = table["per_second"] >= NEARLY * table["per_second"].max()
    return table[enough].iloc[0]


def sentence(table: pd.DataFrame) -> str:
    """Where a load test's latency bends, in words; says where the client may have been the limit."""
    at = bend(table)
    told = f"Up to {at['users']:.0f} users more of them get more answers, {at['per_second']:.0f} a second"
    if table["failed"].sum():
        told += f"; {table['failed'].sum()} requests failed"
    if at["client"] > BUSY:
        told += f". This process itself was busy for {at['client']:.0%} of the time: it may be the limit"
    return f"{told}."


def show(table: pd.DataFrame) -> Figure:
    """A load test: answers a second and latency, each against the number of users, with the bend marked."""
    at = bend(table)["users"]
    told = "; ".join(
        f"{row.users} at once {row.per_second:.0f} a second, half within {row.p50_ms:.0f} ms"
        for row in table.itertuples()
    )
    figure, axes = pictures.open_figure(f"A load test, users: {told}. Latency bends at {at:.0f}", (9, 3.3), 1, 2)
    rate, latency = axes[0]
    rate.plot(table["users"], table["per_second"], "o-", color=pictures.BLUE)
    rate.set(
        xlabel="users who ask at once", ylabel="answers (a second)", ylim=(0, 1.15 * table["per_second"].max())
    )
    latency.plot(table["users"], table["p50_ms"], "o-", color=pictures.ORANGE, label="half within")
    latency.plot(table["users"], table["p90_ms"], "s--", color=pictures.VIOLET, label="9 of 10 within")
    latency.set(xlabel="users who ask at once", ylabel="latency (ms)", ylim=(0, 1.15 * table["p90_ms"].max()))
    latency.legend(facecolor="white", edgecolor="white", framealpha=1, loc="upper left")
    for axis in axes[0]:
        axis.set_xscale("log", base=2)
        axis.set_xticks(table["users"], [str(each) for each in table["users"]])
        axis.axvline(at, color=pictures.GREY, linestyle=":", linewidth=2)
    rate.annotate("here it bends", (at, 0), (6, 6), textcoords="offset points", color=pictures.GREY)
    return figure


def show_requests(
    runs: Mapping[str, Sequence[Request]], marks: Mapping[str, float] | None = None, within: float = 0
) -> Figure:
    """Requests over time, a panel a run: how long each took, and which failed.

    runs: what to call each -> its requests. marks: of a run by its name, a moment in seconds since the epoch,
    where its panel's time begins, else with the first request. within: seconds before that, to be shown.
    """
    failed = {name: sum(bool(each.error) for each in run) for name, run in runs.items()}
    told = "; ".join(f"{name}: {len(run)} requests, {failed[name]} failed" for name, run in runs.items())
    height = 2.3 * len(runs) + 0.5
    figure, axes = pictures.open_figure(
        f"Requests over time. {told}", (9, height), len(runs), 1, sharex=True, sharey=True
    )
    for axis, (name, run) in zip(axes[:, 0], runs.items(), strict=True):
        begin = (marks or {}).get(name, min((each.begin for each in run), default=0.0))
        _draw_requests(axis, [each for each in run if each.begin >= begin - within], begin)
        axis.set_title(f"{name}: {len(run)} requests, {failed[name]} failed", loc="left")
        if name in (marks or {}):
            axis.axvline(0, color=pictures.INK, linestyle=":")
    axes[-1, 0].set_xlabel("seconds")
    axes[0, 0].legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _draw_requests(axis: Axes, run: Sequence[Request], begin: float) -> None:
    """Points of the answered, crosses of the failed."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    for label, mark, colour, failed in (
        ("answered", ".", pictures.BLUE, False),
        ("failed", "x", pictures.RED, True),
    ):
        ones = [each for each in run if bool(each.error) is failed]
        times = [each.begin - begin for each in ones]
        axis.plot(times, [each.milliseconds for each in ones], mark, color=colour, markersize=5, label=label)
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_ylabel("latency (ms)")
