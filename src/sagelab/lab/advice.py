"""What the Inference Recommender advises: its samples, its table, and what pays: cost against latency."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sagelab.lab import pictures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sagelab.lab.session import Lab

COLUMNS = ["instance", "dollars_an_hour", "dollars_a_million", "invocations_a_minute", "latency_ms", "cpu_percent"]


def upload_samples(lab: Lab, *bodies: bytes) -> str:
    """Put requests into an archive in S3, from which the recommender takes what it asks with; returns its URI."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for number, body in enumerate(bodies):
            member = tarfile.TarInfo(f"sample-{number}")
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/samples.tar.gz", Body=buffer.getvalue())
    return lab.uri("samples.tar.gz")


def table(job: dict[str, Any]) -> pd.DataFrame:
    """The recommendations of a job's description, the cheapest answer first; dollars_a_million: of invocations."""
    import pandas as pd

    rows = [_row(each) for each in job.get("InferenceRecommendations", ())]
    found = pd.DataFrame(rows, columns=COLUMNS)
    return found.sort_values("dollars_a_million", ignore_index=True)


def _row(advised: dict[str, Any]) -> tuple[Any, ...]:
    measured, asked = advised["Metrics"], advised["EndpointConfiguration"]
    serverless = asked.get("ServerlessConfig", {})
    return (
        asked.get("InstanceType") or f"serverless, {serverless.get('MemorySizeInMB')} MB",
        measured.get("CostPerHour"),
        measured.get("CostPerInference", float("nan")) * 1_000_000,
        measured["MaxInvocations"],
        measured["ModelLatency"],
        measured.get("CpuUtilization"),
    )


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (latency, cost) those that no other beats in one without being worse in the other, by latency."""
    return sorted(
        point
        for point in set(points)
        if not any(other != point and other[0] <= point[0] and other[1] <= point[1] for other in points)
    )


def show(found: pd.DataFrame, own: dict[str, tuple[float, float]]) -> Figure:
    """Cost against latency: the recommender's points with their frontier, and those of one's own load test.

    found: of `table`. own: what to call each -> (latency in ms, dollars a million answers).
    """
    advised = list(zip(found["latency_ms"], found["dollars_a_million"], strict=True))
    said = "; ".join(
        f"{name} {latency:.0f} ms and ${cost:.2f}"
        for name, (latency, cost) in zip(found["instance"], advised, strict=True)
    )
    mine = "; ".join(f"{name} {latency:.0f} ms and ${cost:.2f}" for name, (latency, cost) in own.items())
    figure, axes = pictures.open_figure(
        f"Latency and cost of a million answers. The recommender: {said}. The load test: {mine}", (7.5, 3.6)
    )
    axis = axes[0, 0]
    axis.step(
        *zip(*frontier(advised), strict=True), where="post", color=pictures.PALE, linewidth=6, label="frontier"
    )
    for points, names, colour, mark, label, above in (
        (advised, list(found["instance"]), pictures.BLUE, "o", "recommender", 6),
        (list(own.values()), list(own), pictures.ORANGE, "D", "own load test", -14),
    ):
        axis.plot(*zip(*points, strict=True), mark, color=colour, markersize=8, linestyle="", label=label)
        for name, point in zip(names, points, strict=True):
            axis.annotate(name, point, (8, above), textcoords="offset points", color=pictures.INK)
    right, top = (max(values) for values in zip(*advised, *own.values(), strict=True))
    axis.set(
        xlabel="latency (ms)", ylabel="a million answers (dollars)", xlim=(0, 1.4 * right), ylim=(0, 1.2 * top)
    )
    axis.legend(frameon=False, loc="lower left")
    return figure
