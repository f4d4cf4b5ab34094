"""What runs now, what an hour of it would cost on AWS, and what seems to be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
from botocore import xform_name

from sagelab import catalog
from sagelab.catalog import Kind
from sagelab.prices import hourly, prices, serverless_second, spot_share

Client = Callable[[str], Any]
Runs = Callable[[Kind], bool]  # whether anything of a kind runs
Instances = tuple[str, int, float | None]  # type, count, dollars an hour of one (None: no price is known)

MOST = 50  # things of a kind in one status that are looked at one by one
GONE = ("ValidationException", "ResourceNotFound")  # codes of AWS's errors
LONG_NOTEBOOK = timedelta(hours=8)
LONG_JOB = timedelta(hours=24)
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


def look(client: Client, now: datetime | None = None, runs: Runs = lambda _: True) -> dict[str, Any]:
    """What runs, the newest first, and the prices' date: {"running", "prices"}.

    runs: a kind of which nothing runs is not asked for.
    """
    now = now or datetime.now(UTC)
    found = [each for kind in catalog.KINDS if runs(kind) for each in _running(client, kind, now)]
    table = prices()
    facts = [each.facts() for each in sorted(found, key=lambda each: each.since, reverse=True)]
    return {"running": facts, "prices": {"date": table["date"], "region": table["region"]}}


def _running(client: Client, kind: Kind, now: datetime) -> Iterator[Running]:
    """Everything of a kind that runs; what is deleted meanwhile is left out."""
    for summary in _parts(client, kind) if kind.within else _listed(client, kind):
        if summary.get(kind.status_member) in kind.running:
            try:
                yield _describe(client, kind, kind.address(summary), now)
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in GONE:
                    raise


def _listed(client: Client, kind: Kind) -> Iterator[dict[str, Any]]:
    """Summaries of what runs of a kind."""
    sagemaker, operation = client("sagemaker"), kind.operation("List")
    listing = getattr(sagemaker, xform_name(operation))
    by_status = "StatusEquals" in sagemaker.meta.service_model.operation_model(operation).input_shape.members
    for asked in [{"StatusEquals": status} for status in kind.running] if by_status else [{}]:
        yield from listing(**asked, MaxResults=MOST)[kind.listed]


def _parts(client: Client, kind: Kind) -> Iterator[dict[str, Any]]:
    """Summaries of the newest of a kind that can run and is a part of others."""
    owner = catalog.of_stem(kind.within)
    owners, parts = (getattr(client("sagemaker"), xform_name(each.operation("List"))) for each in (owner, kind))
    for found in owners(MaxResults=MOST)[owner.listed] if kind.running else ():
        yield from parts(**{owner.name_member: found[owner.name_member]}, MaxResults=MOST)[kind.listed]


def _describe(client: Client, kind: Kind, name: str, now: datetime) -> Running:
    found = _ask(client, kind, name)
    status, hosts = found.get("SecondaryStatus", found[kind.status_member]), list[Instances]()
    plans: list[dict[str, Any]] = []
    share = spot_share if found.get("EnableManagedSpotTraining") else lambda _: 1.0
    for use in kind.uses:
        if not use.by and "Create" in use.verbs:
            document = found if not use.of else _configuration(client, catalog.of_stem(use.of), found)
            hosts += [_instance(*host, share(host[1])) for host in use.hosts(document)]
            plans += use.serverless(document)
    hosts += [
        (f"serverless {plan['MemorySizeInMB']:,} MB", plan["ProvisionedConcurrency"], None)
        for plan in plans
        if "ProvisionedConcurrency" in plan
    ]
    by = [catalog.of_stem(use.by).plural for use in kind.uses if use.by]
    note = f"that of its {by[0]}" if by else _requests(plans) if plans else "" if kind.uses else "no charge"
    return Running(kind.path, name, status, _since(kind, found), hosts, _forgotten(client, kind, found, now), note)


def _requests(plans: list[dict[str, Any]]) -> str:
    """What the requests of a serverless endpoint cost."""
    return f"${serverless_second(plans[0]['MemorySizeInMB']):.5f} a second of its requests"


def _ask(client: Client, kind: Kind, name: str) -> dict[str, Any]:
    describe = getattr(client("sagemaker"), xform_name(kind.operation("Describe")))
    found: dict[str, Any] = describe(**{kind.name_member: name})
    return found


def _configuration(client: Client, kind: Kind, endpoint: dict[str, Any]) -> dict[str, Any]:
    """An endpoint's configuration with the numbers of instances that it has now; empty where it is deleted."""
    try:
        config = _ask(client, kind, endpoint[kind.name_member])
    except botocore.exceptions.ClientError:
        return {}
    counts = {
        each["VariantName"]: {"InitialInstanceCount": each["CurrentInstanceCount"]}
        if each.get("CurrentInstanceCount")
        else {"ServerlessConfig": each["CurrentServerlessConfig"]}
        for each in endpoint.get("ProductionVariants", [])
        if each.get("CurrentInstanceCount") or "CurrentServerlessConfig" in each
    }
    variants = [each | counts.get(each["VariantName"], {}) for each in config["ProductionVariants"]]
    return config | {"ProductionVariants": variants}


def _since(kind: Kind, found: dict[str, Any]) -> datetime:
    """When it began to run: what can be started again began with its last change."""
    time: datetime = found["LastModifiedTime" if "Start" in kind.verbs else "CreationTime"]
    return time


def _forgotten(client: Client, kind: Kind, found: dict[str, Any], now: datetime) -> str | None:
    """Why a thing that runs may be forgotten."""
    if kind.stem == "Endpoint":
        idle = found["EndpointStatus"] == "InService" and now - found["LastModifiedTime"] > UNUSED
        idle = idle and not any(_costs_nothing(each) for each in found.get("ProductionVariants", []))
        unused = idle and not _invoked(client, found["EndpointName"], now)
        return "Nobody has invoked it for an hour; it is billed until it is deleted." if unused else None
    passed, notebook = now - _since(kind, found), kind.stem == "NotebookInstance"
    if not kind.uses or passed <= (LONG_NOTEBOOK if notebook else LONG_JOB):
        return None
    hours = f"{passed.total_seconds() / 3600:.0f} hours"
    if notebook:
        return f"It has been on for {hours}; it is billed until it is stopped."
    return f"It has run for {hours}."


def _costs_nothing(variant: dict[str, Any]) -> bool:
    """Whether nobody is billed for a variant at rest."""
    plan = variant.get("CurrentServerlessConfig")
    return plan is not None and "ProvisionedConcurrency" not in plan


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


def _instance(plane: str, kind: str, count: int, share: float = 1.0) -> Instances:
    price = hourly(kind, plane)
    return kind, count, None if price is None else price * share
