"""What a request to QuickSight needs: its action, on the data source, data set, dashboard or user that it names.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonquicksight.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagelab import catalog
from sagelab.cloud.gateway.auth.needed import Needed

_KINDS = {"DashboardId": "dashboard", "DataSourceId": "datasource", "UserName": "user/default"}


def needs(operation: str, params: dict[str, Any], where: str) -> Iterator[Needed]:
    """where: "REGION:ACCOUNT". Whoever builds on a data source or a data set may pass it on."""
    start = f"arn:aws:quicksight:{where}:"
    yield Needed(f"quicksight:{operation}", _named(operation, params, start))
    if operation == "CreateDataSet":
        for table in (params.get("PhysicalTableMap") or {}).values():
            for arn in catalog.read({"Tables": list(table.values())}, "Tables[].DataSourceArn"):
                yield Needed("quicksight:PassDataSource", str(arn))
    if operation in ("CreateDashboard", "UpdateDashboard"):
        for arn in catalog.read(params, "Definition.DataSetIdentifierDeclarations[].DataSetArn"):
            yield Needed("quicksight:PassDataSet", str(arn))


def _named(operation: str, params: dict[str, Any], start: str) -> str:
    if arn := params.get("ResourceArn") or params.get("UserArn"):
        return str(arn)
    if name := params.get("DataSetId"):
        key = params.get("IngestionId")
        if key or operation == "ListIngestions":
            return f"{start}dataset/{name}/ingestion/{key or '*'}"
        return f"{start}dataset/{name}"
    return next((f"{start}{kind}/{params[member]}" for member, kind in _KINDS.items() if params.get(member)), "*")
