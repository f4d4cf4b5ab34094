"""What a request to Glue needs: its action, on the catalogue and on the databases and tables that it names.

Whoever may read a table needs that of the table, of its database, and of the catalogue.
https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagelab.cloud.gateway.auth.needed import Needed

_OF_DATABASES = ("CreateDatabase", "UpdateDatabase", "DeleteDatabase", "GetDatabase", "GetDatabases")
_NAMES = {"Crawler": "crawler", "Job": "job", "Trigger": "trigger", "Workflow": "workflow"}
_SEVERAL = ("JobNames", "CrawlerNames", "TriggerNames", "Names")
_PARTS = ("Table", "Partition", "UserDefinedFunction", "ColumnStatistics")


def needs(operation: str, params: dict[str, Any], where: str) -> Iterator[Needed]:
    """where: "REGION:ACCOUNT"."""
    for resource in _resources(operation, params, f"arn:aws:glue:{where}:"):
        yield Needed(f"glue:{operation}", resource)


def _resources(operation: str, params: dict[str, Any], start: str) -> Iterator[str]:
    if operation in _OF_DATABASES or any(part in operation for part in _PARTS):
        yield f"{start}catalog"
        yield from _of_catalog(operation, params, start)
        return
    kind = next((kind for word, kind in _NAMES.items() if word in operation), "")
    name = params.get("CrawlerName") or params.get("JobName") or params.get("Name")
    several = next((params[member] for member in _SEVERAL if isinstance(params.get(member), list)), None)
    if kind and several is not None:
        yield from (f"{start}{kind}/{one}" for one in several)
        return
    yield f"{start}{kind}/{name}" if kind and isinstance(name, str) else "*"


def _of_catalog(operation: str, params: dict[str, Any], start: str) -> Iterator[str]:
    given = params.get("DatabaseInput")
    own = given.get("Name") if isinstance(given, dict) else None
    if operation in _OF_DATABASES:
        name = params.get("Name") or own
        yield f"{start}database/{name if operation != 'GetDatabases' and name else '*'}"
        return
    database = params.get("DatabaseName") or "*"
    yield f"{start}database/{database}"
    yield from (f"{start}table/{database}/{table}" for table in _tables(operation, params))


def _tables(operation: str, params: dict[str, Any]) -> list[str]:
    given = params.get("TableInput")
    named = params.get("TableName") or (given.get("Name") if isinstance(given, dict) else None)
    if not named and operation.endswith(("Table", "TableVersions")):
        named = params.get("Name")
    several = params.get("TablesToDelete")
    if isinstance(several, list):
        return [str(one) for one in several]
    return [str(named) if named else "*"]
