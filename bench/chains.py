"""Instances of several containers and of many models: what a container more costs, and a model that is loaded."""

from __future__ import annotations

import io
import statistics
import tarfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs import ROLE
from place import Place, local_cloud
from table import Result
from turns import Call, compare

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SCRIPT = """
def model_fn(folder):
    return None

def transform_fn(model, body, kind, accept):
    return body, kind
"""
NAMES, INSTANCE, CSV = ("first", "second", "third"), "ml.c5.large", "text/csv"
BODY = b"0.25,1.5,-3.75,12.0"
WAIT = 3.0  # seconds until the last latencies are in CloudWatch
POLL = 0.02


class Hosting:
    """Makes endpoints of a script that answers what it is asked."""

    def __init__(self, place: Place, models: int) -> None:
        self.place, self.sagemaker, self.runtime = (
            place,
            place.client("sagemaker"),
            place.client("sagemaker-runtime"),
        )
        self.bucket, s3 = f"chains-{uuid.uuid4().hex[:8]}", place.client("s3")
        s3.create_bucket(Bucket=self.bucket)
        for number in range(models):
            s3.put_object(Bucket=self.bucket, Key=f"models/{number}.tar.gz", Body=_pack())

    def serve(self, name: str, *containers: dict[str, Any], mode: str = "Serial") -> str:
        """An endpoint in service whose model has these containers."""
        several = {"Containers": list(containers), "InferenceExecutionConfig": {"Mode": mode}}
        made_of = several if len(containers) > 1 else {"PrimaryContainer": containers[0]}
        variant = {"VariantName": "v", "ModelName": name, "InstanceType": INSTANCE, "InitialInstanceCount": 1}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, **made_of)
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        while (status := self.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]) == "Creating":
            time.sleep(POLL)
        if status != "InService":
            raise SystemExit(f"the endpoint is {status}")
        return name

    def container(self, key: str = "models/0.tar.gz", **options: Any) -> dict[str, Any]:
        data = {"ModelDataUrl": f"s3://{self.bucket}/{key}", "Environment": {"SAGEMAKER_PROGRAM": "inference.py"}}
        return {"Image": IMAGE, **data, **options}

    def call(self, name: str, **options: str) -> Call:
        return lambda: self.runtime.invoke_endpoint(EndpointName=name, Body=BODY, ContentType=CSV, **options)[
            "Body"
        ].read()

    def latency(self, name: str) -> float:
        """Milliseconds that the containers of an endpoint take together, p50."""
        time.sleep(WAIT)
        now, dimensions = datetime.now(UTC), {"EndpointName": name, "VariantName": "v"}
        found = self.place.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="ModelLatency",
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=86400,
            ExtendedStatistics=["p50"],
        )
        return float(found["Datapoints"][0]["ExtendedStatistics"]["p50"]) / 1000


def chains(quick: bool) -> Iterator[Result]:
    """One container, a row of three, three by name, and many models."""
    count, models = (30, 3) if quick else (500, 12)
    with local_cloud() as place:
        hosting = Hosting(place, models)
        one = hosting.serve("one", hosting.container())
        yield _row(hosting, one, count)
        yield from _ratios(hosting, one, count)
        yield _loads(hosting, models)


def _row(hosting: Hosting, one: str, count: int) -> Result:
    row = hosting.serve("row", *[hosting.container() for _ in NAMES])
    alone, together = compare(hosting.call(one), hosting.call(row), count)
    here, there = hosting.latency(row), hosting.latency(one)
    seen = (
        f"p50 of {count}: {together:.2f} ms, {here:.2f} ms of them in the containers; one alone {alone:.2f} ms,"
        f" {there:.2f} ms in its container"
    )
    more = (together - here) - (alone - there)
    return Result("what a row of three adds to its containers, to what one adds", more, 1.5, "ms", seen=seen)


def _ratios(hosting: Hosting, one: str, count: int) -> Iterator[Result]:
    named = [hosting.container(ContainerHostname=name) for name in NAMES]
    hosting.serve("named", *named, mode="Direct")
    hosting.serve("many", hosting.container("models/", Mode="MultiModel"))
    by_name = hosting.call("named", TargetContainerHostname=NAMES[0])
    loaded = hosting.call("many", TargetModel="0.tar.gz")
    for what, call in (("a container that is asked by its name", by_name), ("a model of many, loaded", loaded)):
        here, there = compare(call, hosting.call(one), count)
        seen = f"p50 of {count}: {here:.2f} ms; {there:.2f} ms"
        yield Result(f"{what} / an endpoint of one", here / there, 1.1, "x", seen=seen)


def _loads(hosting: Hosting, models: int) -> Result:
    taken = []
    for number in range(1, models):
        began = time.perf_counter()
        hosting.call("many", TargetModel=f"{number}.tar.gz")()
        taken.append(time.perf_counter() - began)
    seen = f"p50 of {len(taken)}; slowest {max(taken):.2f} s"
    return Result("first call of a model of many", statistics.median(taken), 1.5, "s", seen=seen)


def _pack() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(SCRIPT)
        archive.addfile(member, io.BytesIO(SCRIPT.encode()))
    return out.getvalue()
