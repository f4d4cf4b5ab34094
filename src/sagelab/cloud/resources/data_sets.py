"""QuickSight's data sources and data sets: a workgroup of Athena, and a query whose answer SPICE keeps.

https://docs.aws.amazon.com/quicksight/latest/APIReference/API_CreateDataSet.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.ingestions import Ingestions
from sagelab.cloud.resources.quicksight_rules import (
    DATA,
    SOURCE,
    answer,
    arn_of,
    bad,
    check,
    missing,
    refuse,
    tags_of,
    taken,
)
from sagelab.cloud.resources.tags import TagsByArn
from sagelab.cloud.store import Document, Exists, Missing, Resource

PAGE = 100
NO_COLUMNS = "Columns: name those of the query with their types."
OTHER_TYPE = "Type {} is not something the local cloud can do: ATHENA is the one that is here."
DIRECT = "ImportMode DIRECT_QUERY is not something the local cloud can do: SPICE is the one that is here."
TYPES = ("STRING", "INTEGER", "DECIMAL", "DATETIME", "BIT", "BOOLEAN")


class DataSets(TagsByArn, Family):
    """Both kinds of one local cloud, and the tags of all that is QuickSight's."""

    service = "quicksight"
    needs = (Ingestions,)
    tags_page, too_many = 50, "LimitExceededException"

    def __init__(self, cloud: Cloud, ingestions: Ingestions) -> None:
        super().__init__(cloud)
        self._ingestions = ingestions

    def tagged(self, call: Call) -> str:
        arn = str(call.params["ResourceArn"])
        if not arn.startswith(f"arn:aws:quicksight:{call.region}:{call.account}:") or not self.store.has(arn):
            raise missing("Resource", arn)
        return arn

    # Data sources

    @operation("CreateDataSource")
    def create_source(self, call: Call) -> Params:
        check(call, "DataSourceId", "Name", "Type", "DataSourceParameters", "Permissions", "SslProperties")
        params, key = call.params, call.params["DataSourceId"]
        if params["Type"] != "ATHENA":
            raise bad(OTHER_TYPE.format(params["Type"]))
        given = params.get("DataSourceParameters") or {}
        refuse(given, ("AthenaParameters",), "DataSourceParameters.")
        refuse(given.get("AthenaParameters") or {}, ("WorkGroup",), "DataSourceParameters.AthenaParameters.")
        arn, now = arn_of(call, SOURCE, key), datetime.now(UTC)
        document = {
            "Arn": arn,
            "DataSourceId": key,
            "Name": params["Name"],
            "Type": "ATHENA",
            "Status": "CREATION_SUCCESSFUL",
            "CreatedTime": now,
            "LastUpdatedTime": now,
            "DataSourceParameters": {
                "AthenaParameters": {"WorkGroup": "primary"} | (given.get("AthenaParameters") or {})
            },
        }
        self._add(call, Resource(arn, SOURCE, call.region, key, "CREATION_SUCCESSFUL", document), "DataSource")
        return answer(202, Arn=arn, DataSourceId=key, CreationStatus="CREATION_IN_PROGRESS")

    @operation("DescribeDataSource")
    def describe_source(self, call: Call) -> Params:
        check(call, "DataSourceId")
        return answer(DataSource=self._find(call, SOURCE, call.params["DataSourceId"]))

    @operation("ListDataSources")
    def list_sources(self, call: Call) -> Params:
        check(call, "NextToken", "MaxResults")
        return self._list(call, SOURCE, "DataSources")

    @operation("DeleteDataSource")
    def delete_source(self, call: Call) -> Params:
        check(call, "DataSourceId")
        found = self._find(call, SOURCE, call.params["DataSourceId"])
        self.store.remove(found["Arn"])
        return answer(Arn=found["Arn"], DataSourceId=found["DataSourceId"])

    # Data sets

    @operation("CreateDataSet")
    def create(self, call: Call) -> Params:
        honoured = ("DataSetId", "Name", "PhysicalTableMap", "LogicalTableMap", "ImportMode", "Permissions")
        check(call, *honoured)
        params, key = call.params, call.params["DataSetId"]
        if params["ImportMode"] != "SPICE":
            raise bad(DIRECT)
        table = _table(params)
        _check_logical(params)
        if not self.store.has(table["DataSourceArn"]):
            raise missing("DataSource", table["DataSourceArn"])
        arn, now = arn_of(call, DATA, key), datetime.now(UTC)
        document = {
            "Arn": arn,
            "DataSetId": key,
            "Name": params["Name"],
            "CreatedTime": now,
            "LastUpdatedTime": now,
            "PhysicalTableMap": params["PhysicalTableMap"],
            "LogicalTableMap": params.get("LogicalTableMap") or None,
            "OutputColumns": list(_columns(table)),
            "ImportMode": "SPICE",
            "ConsumedSpiceCapacityInBytes": 0,
        }
        self._add(call, Resource(arn, DATA, call.region, key, "", document), "DataSet")
        ingestion = self._ingestions.start(call, document, "INITIAL_INGESTION")
        told = {"IngestionArn": ingestion["Arn"], "IngestionId": ingestion["IngestionId"]}
        return answer(201, Arn=arn, DataSetId=key, **told)

    @operation("DescribeDataSet")
    def describe(self, call: Call) -> Params:
        check(call, "DataSetId")
        return answer(DataSet=self._find(call, DATA, call.params["DataSetId"]))

    @operation("ListDataSets")
    def list_sets(self, call: Call) -> Params:
        check(call, "NextToken", "MaxResults")
        return self._list(call, DATA, "DataSetSummaries")

    @operation("DeleteDataSet")
    def delete(self, call: Call) -> Params:
        check(call, "DataSetId")
        found = self._find(call, DATA, call.params["DataSetId"])
        self.store.remove(found["Arn"])
        self._ingestions.forget(found["Arn"])
        return answer(Arn=found["Arn"], DataSetId=found["DataSetId"])

    def _add(self, call: Call, resource: Resource, what: str) -> None:
        try:
            self.store.add(resource, tags_of(call.params))
        except Exists:
            raise taken(what, resource.name) from None

    def _find(self, call: Call, kind: str, name: str) -> Document:
        try:
            return self.store.get(arn_of(call, kind, name))
        except Missing:
            raise missing({SOURCE: "DataSource", DATA: "DataSet"}[kind], name) from None

    def _list(self, call: Call, kind: str, member: str) -> Params:
        return answer(**listing.page(call, member, list(self.store.documents(kind, call.region)), PAGE))


def _table(params: Params) -> Params:
    """The one table that a data set is made of. InvalidParameterValueException: it is another kind of one."""
    tables: list[Params] = list(params["PhysicalTableMap"].values())
    if len(tables) != 1:
        raise bad("PhysicalTableMap has one table here: join them in its query.")
    given = {name: one for name, one in tables[0].items() if one}
    refuse(given, ("CustomSql", "RelationalTable"), "PhysicalTableMap.")
    if len(given) != 1:
        raise bad("A physical table is a CustomSql or a RelationalTable.")
    ((kind, table),) = given.items()
    if table.get("Catalog", "AwsDataCatalog").lower() != "awsdatacatalog":
        raise bad(f"Catalog {table['Catalog']} is not found: AwsDataCatalog is the one that is here.")
    if not table.get("Columns" if kind == "CustomSql" else "InputColumns"):
        raise bad(NO_COLUMNS)
    return dict(table)


def _check_logical(params: Params) -> None:
    """A logical table is the physical one by another name here."""
    tables: dict[str, Any] = params.get("LogicalTableMap") or {}
    if len(tables) > 1:
        raise bad("LogicalTableMap has one table here: join them in the query.")
    for one in tables.values():
        refuse(one, ("Alias", "Source"), "LogicalTableMap.")
        refuse(one["Source"], ("PhysicalTableId",), "LogicalTableMap.Source.")
        if one["Source"].get("PhysicalTableId") not in params["PhysicalTableMap"]:
            raise bad("LogicalTableMap.Source.PhysicalTableId is not in PhysicalTableMap.")


def _columns(table: Params) -> Iterator[Params]:
    seen = set[str]()
    for one in table.get("Columns") or table.get("InputColumns") or []:
        if one["Type"] not in TYPES:
            raise bad(f"Type {one['Type']} of column {one['Name']} is not something the local cloud can do.")
        if one["Name"].lower() in seen:
            raise bad(f"Column {one['Name']} is there twice.")
        seen.add(one["Name"].lower())
        yield {"Name": one["Name"], "Type": one["Type"]}
