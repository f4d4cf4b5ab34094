"""What a request to Athena needs: its action, on the workgroup or the catalogue that it is about.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonathena.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagelab import catalog
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.store import Missing, Store

_KEPT = {"QueryExecutionId": "query", "NamedQueryId": "named-query"}
_EVERYWHERE = ("ListWorkGroups", "ListEngineVersions", "ListDataCatalogs")


def needs(operation: str, params: dict[str, Any], where: str, store: Store) -> Iterator[Needed]:
    """where: "REGION:ACCOUNT". A query that is kept is judged by its workgroup."""
    start = f"arn:aws:athena:{where}:"
    if operation in _EVERYWHERE:
        found = ["*"]
    elif arn := params.get("ResourceARN"):
        found = [str(arn)]
    elif "CatalogName" in params or "DataCatalog" in operation:
        found = [f"{start}datacatalog/{params.get('CatalogName') or params.get('Name')}"]
    elif any(member in params or f"{member}s" in params for member in _KEPT):
        found = sorted({f"{start}workgroup/{name}" for name in _groups(params, start, store)})
    elif operation == "CreateWorkGroup":
        found = [f"{start}workgroup/{params.get('Name')}"]
    else:
        found = [f"{start}workgroup/{params.get('WorkGroup', 'primary')}"]
    yield from (Needed(f"athena:{operation}", one) for one in found)


def _groups(params: dict[str, Any], start: str, store: Store) -> Iterator[str]:
    """The workgroups of the queries that a request names; of one that is not there, the usual one."""
    for member, kind in _KEPT.items():
        for key in (*catalog.read(params, member), *catalog.read(params, f"{member}s[]")):
            try:
                yield str(store.get(f"{start}{kind}/{key}")["WorkGroup"])
            except Missing:
                yield "primary"
