"""Athena's look into Glue's catalogue, with the rights of who looks. AwsDataCatalog is the one that there is.

https://docs.aws.amazon.com/athena/latest/APIReference/API_GetTableMetadata.html
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.workgroups import refused

NAME = "AwsDataCatalog"
_TABLE = ("Name", "TableType")


class DataCatalogs(Family):
    """The one catalogue of one local cloud."""

    service = "athena"

    @operation("ListDataCatalogs")
    def list_catalogs(self, call: Call) -> Params:
        return listing.page(call, "DataCatalogsSummary", [{"CatalogName": NAME, "Type": "GLUE"}], 50)

    @operation("GetDataCatalog")
    def get_catalog(self, call: Call) -> Params:
        _check(call.params["Name"])
        parameters = {"catalog-id": call.account}
        return {"DataCatalog": {"Name": NAME, "Type": "GLUE", "Parameters": parameters}}

    @operation("ListDatabases")
    def list_databases(self, call: Call) -> Params:
        _check(call.params["CatalogName"])
        found = self._ask(call, "get_databases", "DatabaseList")
        return listing.page(call, "DatabaseList", [_database(one) for one in found], 50)

    @operation("GetDatabase")
    def get_database(self, call: Call) -> Params:
        _check(call.params["CatalogName"])
        glue = self._glue(call)
        found = _told(lambda: glue.get_database(Name=call.params["DatabaseName"]))
        return {"Database": _database(found["Database"])}

    @operation("ListTableMetadata")
    def list_tables(self, call: Call) -> Params:
        _check(call.params["CatalogName"])
        pattern = call.params.get("Expression")
        found = self._ask(call, "get_tables", "TableList", DatabaseName=call.params["DatabaseName"])
        rows = [_table(one) for one in found if not pattern or _like(one["Name"], pattern)]
        return listing.page(call, "TableMetadataList", rows, 50)

    @operation("GetTableMetadata")
    def get_table(self, call: Call) -> Params:
        _check(call.params["CatalogName"])
        glue, params = self._glue(call), call.params
        named = {"DatabaseName": params["DatabaseName"], "Name": params["TableName"]}
        return {"TableMetadata": _table(_told(lambda: glue.get_table(**named))["Table"])}

    def _glue(self, call: Call) -> Any:
        return self.cloud.client_with(self.cloud.lend(call.key, 60), "glue", call.region)

    def _ask(self, call: Call, method: str, member: str, **named: Any) -> list[Params]:
        pages = self._glue(call).get_paginator(method).paginate(**named)
        found: list[Params] = _told(lambda: [one for page in pages for one in page[member]])
        return found


def _check(name: str) -> None:
    if name.lower() != NAME.lower():
        raise Beside("InvalidRequestException", f"DataCatalog {name} was not found")


def _told(act: Any) -> Any:
    """What Glue answers. Beside: in Athena's words, what it refuses."""
    try:
        return act()
    except ClientError as error:
        said = error.response["Error"]
        if said.get("Code") == "EntityNotFoundException":
            raise Beside(
                "MetadataException", f"{said.get('Message')} (Service: Glue; Error Code: {said['Code']})"
            ) from None
        if said.get("Code") == "AccessDeniedException":
            raise Beside("MetadataException", str(said.get("Message"))) from None
        raise refused(str(said.get("Message"))) from None


def _like(name: str, pattern: str) -> bool:
    """Whether a name fits an expression, of which .* and | are honoured; one without any is a part of a name."""
    if not re.search(r"[*|]", pattern):
        return pattern in name
    return any(fnmatchcase(name, one.replace(".*", "*")) for one in pattern.split("|"))


def _database(found: Params) -> Params:
    row = {"Name": found["Name"], "Parameters": found.get("Parameters") or {}}
    return row | ({"Description": found["Description"]} if found.get("Description") else {})


def _columns(found: Any) -> list[Params]:
    members = ("Name", "Type", "Comment")
    return [{member: one[member] for member in members if one.get(member)} for one in found or ()]


def _table(found: Params) -> Params:
    storage = found.get("StorageDescriptor") or {}
    serde = storage.get("SerdeInfo") or {}
    parameters = dict(found.get("Parameters") or {})
    facts = {
        "inputformat": storage.get("InputFormat"),
        "location": storage.get("Location"),
        "outputformat": storage.get("OutputFormat"),
        "serde.serialization.lib": serde.get("SerializationLibrary"),
    }
    parameters |= {name: value for name, value in facts.items() if value}
    parameters |= {f"serde.param.{name}": value for name, value in (serde.get("Parameters") or {}).items()}
    return {
        **{name: found[name] for name in _TABLE if name in found},
        "CreateTime": found.get("CreateTime"),
        "LastAccessTime": found.get("LastAccessTime"),
        "Columns": _columns(storage.get("Columns")),
        "PartitionKeys": _columns(found.get("PartitionKeys")),
        "Parameters": parameters,
    }
