"""The table of Glue's catalogue by which records are converted, read anew for each buffer with a role's rights."""

from __future__ import annotations

from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.firehose.settings import Settings

LATEST = "LATEST"


class Schemas:
    """context: of the stream's region."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context

    def columns(self, settings: Settings) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """(name, type) of the columns, and what a failure tells of the table. ClientError: it is refused."""
        assert settings.conversion
        asked = settings.conversion.asked
        client = self._context.client_as(asked.get("RoleARN") or settings.place.role, "glue")
        database, table = asked["DatabaseName"], asked["TableName"]
        version = asked.get("VersionId") or LATEST
        where = {"CatalogId": asked["CatalogId"]} if asked.get("CatalogId") else {}
        if version == LATEST:
            found = client.get_table(DatabaseName=database, Name=table, **where)["Table"]
        else:
            named = {"DatabaseName": database, "TableName": table, "VersionId": version}
            found = client.get_table_version(**named, **where)["TableVersion"]["Table"]
        columns = found.get("StorageDescriptor", {}).get("Columns") or []
        told = {
            "catalogId": asked.get("CatalogId"),
            "databaseName": database,
            "tableName": table,
            "region": asked.get("Region") or settings.region,
            "versionId": version,
            "catalogArn": None,
        }
        return [(str(one["Name"]), str(one.get("Type", "string"))) for one in columns], told
