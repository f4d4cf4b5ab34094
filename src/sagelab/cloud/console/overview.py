"""What runs now, what an hour of it would cost on AWS, and what seems to be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
from botocore import xform_name

from sagelab.prices import hourly, prices, spot_share

Client = Callable[[str], Any]
Instances = tuple[str, int, float | None]  # type, count, dollars an hour of one (None: no price is known)

MOST = 50  # things of a kind that are looked at one by one
LONG_JOB = timedelta(hours=24)
LONG_NOTEBOOK = timedelta(hours=8)
UNUSED = timedelta(hours=1)


@dataclass(frozen=True)
class Running:
    """One thing that runs. forgotten: why it may be. note: why it has no instances of its own."""

    kind: str
    name: str
    status: str
    since: datetime
    instances: list[Instances] = field(default_factory=list)
    forgotten: str | None = None
    note: str = ""

    @property
    def dollars(self) -> float | None:
        """An hour of it on AWS; None: a price is not known."""
        known = [count * price for _, count, price in self.instances if price is not None]
        return sum(known) if len(known) == len(self.instances) else None

    def facts(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "status": self.status,
            "since": self.since.isoformat(),
            "instances": [
                {"type": kind, "count": count, "dollars": price} for kind, count, price in self.instances
            ],
            "dollars": self.dollars,
            "forgotten": self.forgotten,
            "note": self.note,
        }


def look(client: Client, now: datetime | None = None) -> dict[str, Any]:
    """What runs, the kinds that are not run here, and the prices' date: {"running", "unknown", "prices"}."""
    now = now or datetime.now(UTC)
    found: list[Running] = []
    unknown = []
    for kind, find in FINDERS.items():
        try:
            found += find(client, now)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "UnknownOperationException":
                raise
            unknown.append(kind)
    table = prices()
    facts = [each.facts() for each in sorted(found, key=lambda each: each.since, reverse=True)]
    return {"running": facts, "unknown": unknown, "prices": {"date": table["date"], "region": table["region"]}}


def _jobs(client: Client, stem: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, description) of each job of a kind that has not ended."""
    sagemaker, words = client("sagemaker"), xform_name(stem)
    for status in ("InProgress", "Stopping"):
        found = getattr(sagemaker, f"list_{words}s")(StatusEquals=status, MaxResults=MOST)
        for summary in found[f"{stem}Summaries"]:
            name = summary[f"{stem}Name"]
            yield name, getattr(sagemaker, f"describe_{words}")(**{f"{stem}Name": name})


def _training_jobs(client: Client, now: datetime) -> Iterator[Running]:
    for name, job in _jobs(client, "TrainingJob"):
        instances, since = _hosts(job["ResourceConfig"], job["EnableManagedSpotTraining"]), job["CreationTime"]
        why = _running_long(now, since)
        yield Running("training-jobs", name, job["SecondaryStatus"], since, instances, why)


def _hosts(compute: dict[str, Any], spot: bool) -> list[Instances]:
    """The instances of a training job, at the price of spot capacity where it is on such."""
    groups = compute.get("InstanceGroups") or [compute]
    return [
        _instance(kind, group["InstanceCount"], "training", spot_share(kind) if spot else 1.0)
        for group in groups
        if (kind := group.get("InstanceType"))
    ]


def _endpoints(client: Client, now: datetime) -> Iterator[Running]:
    sagemaker = client("sagemaker")
    for summary in sagemaker.list_endpoints(MaxResults=MOST)["Endpoints"]:
        name, created = summary["EndpointName"], summary["CreationTime"]
        if summary["EndpointStatus"] == "Failed":  # it has no instances
            continue
        try:
            endpoint = sagemaker.describe_endpoint(EndpointName=name)
            config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        except botocore.exceptions.ClientError:  # deleted meanwhile, or its configuration before it
            yield Running("endpoints", name, summary["EndpointStatus"], created)
            continue
        long = _long(now, summary["LastModifiedTime"], UNUSED)
        unused = long and summary["EndpointStatus"] == "InService" and not _invoked(client, name, now)
        why = "Nobody has invoked it for an hour; it is billed until it is deleted." if unused else None
        yield Running("endpoints", name, summary["EndpointStatus"], created, _servers(endpoint, config), why)


def _servers(endpoint: dict[str, Any], config: dict[str, Any]) -> list[Instances]:
    counts = {
        each["VariantName"]: each.get("CurrentInstanceCount") for each in endpoint.get("ProductionVariants", [])
    }
    found = []
    for variant in config["ProductionVariants"]:
        count = counts.get(variant["VariantName"]) or variant.get("InitialInstanceCount", 0)
        if "InstanceType" in variant:  # a serverless variant is billed by the request
            found.append(_instance(variant["InstanceType"], count, "hosting"))
        if "AcceleratorType" in variant:
            found.append(_instance(variant["AcceleratorType"], count, "accelerator"))
    return found


def _invoked(client: Client, name: str, now: datetime) -> bool:
    cloudwatch = client("cloudwatch")
    metrics = cloudwatch.list_metrics(
        Namespace="AWS/SageMaker", MetricName="Invocations", Dimensions=[{"Name": "EndpointName", "Value": name}]
    )["Metrics"]
    return any(
        cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=metric["Dimensions"],
            StartTime=now - UNUSED,
            EndTime=now + timedelta(minutes=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        for metric in metrics
    )


def _notebook_instances(client: Client, now: datetime) -> Iterator[Running]:
    pages = client("sagemaker").list_notebook_instances(MaxResults=MOST)
    for summary in pages["NotebookInstances"]:
        status = summary["NotebookInstanceStatus"]
        if status in ("Stopped", "Failed", "Deleting"):
            continue
        since = summary.get("LastModifiedTime", summary["CreationTime"])
        long = _long(now, since, LONG_NOTEBOOK)
        why = f"It has been on for {long}; it is billed until it is stopped." if long else None
        instances = [_instance(summary["InstanceType"], 1, "notebook")] if "InstanceType" in summary else []
        yield Running("notebook-instances", summary["NotebookInstanceName"], status, since, instances, why)


def _tuning_jobs(client: Client, _: datetime) -> Iterator[Running]:
    """A search costs what its training jobs cost."""
    pages = client("sagemaker").list_hyper_parameter_tuning_jobs(StatusEquals="InProgress", MaxResults=MOST)
    for job in pages["HyperParameterTuningJobSummaries"]:
        name, status = job["HyperParameterTuningJobName"], job["HyperParameterTuningJobStatus"]
        yield Running("tuning-jobs", name, status, job["CreationTime"], note="that of its training jobs")


def _compilation_jobs(client: Client, _: datetime) -> Iterator[Running]:
    """Neo compiles without a charge."""
    pages = client("sagemaker").list_compilation_jobs(StatusEquals="INPROGRESS", MaxResults=MOST)
    for job in pages["CompilationJobSummaries"]:
        name, status = job["CompilationJobName"], job["CompilationJobStatus"]
        yield Running("compilation-jobs", name, status, job["CreationTime"], note="no charge")


def _processing_jobs(client: Client, now: datetime) -> Iterator[Running]:
    for name, job in _jobs(client, "ProcessingJob"):
        instances, since = _cluster(job["ProcessingResources"]["ClusterConfig"], "training"), job["CreationTime"]
        why = _running_long(now, since)
        yield Running("processing-jobs", name, job["ProcessingJobStatus"], since, instances, why)


def _transform_jobs(client: Client, now: datetime) -> Iterator[Running]:
    for name, job in _jobs(client, "TransformJob"):
        instances, since = _cluster(job["TransformResources"], "hosting"), job["CreationTime"]
        why = _running_long(now, since)
        yield Running("transform-jobs", name, job["TransformJobStatus"], since, instances, why)


def _cluster(cluster: dict[str, Any], plane: str) -> list[Instances]:
    return [_instance(cluster["InstanceType"], cluster["InstanceCount"], plane)]


FINDERS: dict[str, Callable[[Client, datetime], Iterator[Running]]] = {
    "training-jobs": _training_jobs,
    "endpoints": _endpoints,
    "notebook-instances": _notebook_instances,
    "tuning-jobs": _tuning_jobs,
    "compilation-jobs": _compilation_jobs,
    "processing-jobs": _processing_jobs,
    "transform-jobs": _transform_jobs,
}


def _instance(kind: str, count: int, plane: str, share: float = 1.0) -> Instances:
    price = hourly(kind, plane)
    return kind, count, None if price is None else price * share


def _running_long(now: datetime, since: datetime) -> str | None:
    long = _long(now, since, LONG_JOB)
    return f"It has run for {long}." if long else None


def _long(now: datetime, since: datetime, limit: timedelta) -> str | None:
    """How many hours it is since then, if that is more than the limit."""
    passed = now - since
    return f"{passed.total_seconds() / 3600:.0f} hours" if passed > limit else None
