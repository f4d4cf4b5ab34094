"""Redshift's clusters as the Data API meets them: the record of a cluster, its database file, its roles.

A database is one file of DuckDB's in the home, from the first statement until its cluster is deleted.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.context import REDSHIFT, Cloud
from sagelab.cloud.engine.lake.queries import Turns
from sagelab.cloud.resources.call import Beside, Call, Params
from sagelab.cloud.resources.lake_sights import Sights
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND = "redshift-warehouse"
MOST = 100  # external schemas of a database
NO_ENDPOINT = "Redshift endpoint doesn't exist in this region."


@dataclass(frozen=True)
class Warehouse:
    """arn: of what is kept of it. cluster: as DescribeClusters tells of it. folder: of its database."""

    arn: str
    region: str
    cluster: Params
    folder: Path

    @property
    def database(self) -> str:
        return str(self.cluster.get("DBName") or "dev")

    @property
    def roles(self) -> list[str]:
        return [str(one["IamRoleArn"]) for one in self.cluster.get("IamRoles") or ()]


class Warehouses:
    """Those of one local cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._store = cloud, cloud.store
        self._turns: dict[str, Turns] = {}
        self._lock = threading.Lock()
        cloud.listen(self._on_change)

    def find(self, call: Call) -> Warehouse:
        """The one that a request names. Beside: there is none."""
        params = call.params
        for other in ("WorkgroupName", "SecretArn", "SessionId", "SessionKeepAliveSeconds", "WaitTimeSeconds"):
            if params.get(other):
                raise invalid(f"{other} is not something the local cloud can do: name a cluster and a DbUser.")
        name = params.get("ClusterIdentifier")
        if not name:
            raise invalid("Either ClusterIdentifier or WorkgroupName must be provided.")
        try:
            found = self._cloud.client("redshift", call.region, REDSHIFT).describe_clusters(ClusterIdentifier=name)
        except ClientError:
            raise invalid(NO_ENDPOINT) from None
        return self._kept(call, found["Clusters"][0])

    def turns(self, warehouse: Warehouse) -> Turns:
        """One process has a database at a time."""
        with self._lock:
            return self._turns.setdefault(warehouse.arn, Turns(1))

    def schemas(self, warehouse: Warehouse) -> dict[str, dict[str, str]]:
        """The external ones."""
        return dict(self._store.get(warehouse.arn)["Schemas"])

    def answer(self, warehouse: Warehouse, asked: Any) -> Params:
        """What the host of a statement is told; it may be anything. {"reason"}: no."""
        role = str(asked.get("role") or "")
        match asked.get("what"):
            case "table" | "partitions" if role in self._used(warehouse):
                return Sights(self._cloud, warehouse.region, role).answer(asked)
            case "role":
                return self._lend(warehouse, role)
            case "schema":
                return self._add_schema(warehouse, asked, role)
            case "drop schema":
                self._drop_schema(warehouse, str(asked.get("name")))
                return {}
        return {"reason": "Nobody can say."}

    def _used(self, warehouse: Warehouse) -> list[str]:
        return [*warehouse.roles, "default"]

    def _named(self, warehouse: Warehouse, role: str) -> str:
        """A role by its ARN; "": the cluster has none such."""
        if role == "default":
            return str(warehouse.cluster.get("DefaultIamRoleArn") or (warehouse.roles or [""])[0])
        return role if role in warehouse.roles else ""

    def _lend(self, warehouse: Warehouse, role: str) -> Params:
        named = self._named(warehouse, role)
        user = f"arn:aws:redshift:{warehouse.region}:{self._cloud.account}:dbuser:{warehouse.folder.name}"
        refusal = {"reason": f"User {user} is not authorized to assume IAM Role {role}"}
        if not named:
            return refusal
        try:
            sts = self._cloud.assuming(REDSHIFT, warehouse.region)
            lent = sts.assume_role(RoleArn=named, RoleSessionName="RedshiftIamRoleSession")["Credentials"]
        except ClientError:
            return refusal
        return {"keys": [lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"]], "role": named}

    def _add_schema(self, warehouse: Warehouse, asked: Params, role: str) -> Params:
        named, name = self._named(warehouse, role), str(asked.get("name"))[:127]
        if not named:
            return {"reason": f"The cluster is not associated with IAM Role {role}"}
        made = {"database": str(asked.get("database"))[:255], "role": named}

        def edit(kept: Document) -> None:
            if len(kept["Schemas"]) < MOST:
                kept["Schemas"][name] = made

        self._store.change(warehouse.arn, edit)
        return {"role": named}

    def _drop_schema(self, warehouse: Warehouse, name: str) -> None:
        def edit(kept: Document) -> None:
            kept["Schemas"].pop(name, None)

        self._store.change(warehouse.arn, edit)

    def _kept(self, call: Call, cluster: Params) -> Warehouse:
        name = str(cluster["ClusterIdentifier"])
        made = f"{call.region} {cluster.get('ClusterCreateTime')}"
        key = f"{name}-{hashlib.sha256(made.encode()).hexdigest()[:8]}"
        arn = f"arn:aws:redshift:{call.region}:{call.account}:warehouse/{key}"
        folder = self._cloud.home.warehouses / key
        folder.mkdir(mode=0o700, exist_ok=True)
        document = {"Cluster": name, "Key": key, "Region": call.region, "Schemas": {}}
        with suppress(Exists):
            self._store.add(Resource(arn, KIND, call.region, key, "THERE", document))
        return Warehouse(arn, call.region, cluster, folder)

    def _on_change(self, service: str, _name: str) -> None:
        if service == "redshift":
            threading.Thread(target=self.sweep, daemon=True, name="warehouses").start()

    def sweep(self) -> None:
        """The databases of clusters that are gone go, too."""
        for arn, kept in self._store.with_status(KIND, "THERE"):
            redshift = self._cloud.client("redshift", kept["Region"], REDSHIFT)
            try:
                redshift.describe_clusters(ClusterIdentifier=kept["Cluster"])
            except redshift.exceptions.ClusterNotFoundFault:
                shutil.rmtree(self._cloud.home.warehouses / kept["Key"], ignore_errors=True)
                with suppress(Missing):
                    self._store.remove(arn)
            except ClientError:
                continue


def invalid(words: str) -> Beside:
    return Beside("ValidationException", words)
