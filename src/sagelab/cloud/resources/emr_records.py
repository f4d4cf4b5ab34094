"""Steps of EMR as they are kept: each a resource of its own, below its cluster, in the order they came in."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import UTC, datetime

from sagelab.cloud.resources.call import Params
from sagelab.cloud.store import Document, Missing, Resource, Store

KIND = "emr-step"
GOES_ON = ("PENDING", "CANCEL_PENDING", "RUNNING")


def made(step: Params, cluster: str, number: int) -> Document:
    """A step as it is kept. cluster: its ARN. number: how many came before."""
    jar = step["HadoopJarStep"]
    return {
        "Id": f"s-{secrets.token_hex(7).upper()[:13]}",
        "Name": step["Name"],
        "Config": {"Jar": jar["Jar"], "Properties": {}, "Args": jar.get("Args") or []},
        "ActionOnFailure": step.get("ActionOnFailure") or "TERMINATE_CLUSTER",
        "Status": {
            "State": "PENDING",
            "StateChangeReason": {},
            "Timeline": {"CreationDateTime": datetime.now(UTC)},
        },
        "Own": {"Cluster": cluster, "Number": number},
    }


def keep(store: Store, region: str, steps: list[Document]) -> None:
    for step in steps:
        cluster = step["Own"]["Cluster"]
        name = f"{cluster.rpartition('/')[2]}/{step['Id']}"
        store.add(Resource(arn_of(cluster, step["Id"]), KIND, region, name, "PENDING", step))


def of(store: Store, cluster: str) -> list[Document]:
    """The steps of a cluster, the newest first."""
    rows = [one for one in store.documents(KIND, cluster.split(":")[3]) if one["Own"]["Cluster"] == cluster]
    return sorted(rows, key=lambda one: -one["Own"]["Number"])


def interrupt(store: Store, cluster: str) -> None:
    """The local cloud ended: what ran of a cluster was cut off, what waited will not run."""
    for step in of(store, cluster):
        running = step["Status"]["State"] != "PENDING"
        report(store, cluster, step["Id"], "INTERRUPTED" if running else "CANCELLED", {})


def report(store: Store, cluster: str, step: str, state: str, facts: Params) -> None:
    """A step has come to a state."""
    now = datetime.now(UTC)

    def edit(document: Document) -> str:
        status = document["Status"]
        if status["State"] in GOES_ON:
            status |= facts | {"State": state}
            if state == "RUNNING":
                status["Timeline"]["StartDateTime"] = now
            elif state not in GOES_ON and "StartDateTime" in status["Timeline"]:
                status["Timeline"]["EndDateTime"] = now
        return str(status["State"])

    with suppress(Missing):
        store.change(arn_of(cluster, step), edit)


def arn_of(cluster: str, step: str) -> str:
    return f"{cluster}/step/{step}"
