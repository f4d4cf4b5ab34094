"""Definitions of dashboards as tests write them, and a data set with its ingestions."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from tests.cloud.lake import Lake
from tests.waiting import until

Document = dict[str, Any]


def _about(column: str, data: str) -> Document:
    return {"FieldId": column, "Column": {"DataSetIdentifier": data, "ColumnName": column}}


def field(column: str, kind: str = "", data: str = "data") -> Document:
    return {"DateDimensionField" if kind == "date" else "CategoricalDimensionField": _about(column, data)}


def date(column: str, unit: str = "DAY") -> Document:
    return {"DateDimensionField": _about(column, "data") | {"DateGranularity": unit}}


def measure(column: str, function: str = "SUM", data: str = "data") -> Document:
    if function == "DISTINCT_COUNT":
        return {"CategoricalMeasureField": _about(column, data) | {"AggregationFunction": function}}
    how = {"SimpleNumericalAggregation": function}
    return {"NumericalMeasureField": _about(column, data) | {"AggregationFunction": how}}


def _chart(kind: str, fields: Document, name: str = "", **more: Any) -> Document:
    return {kind: {"VisualId": name or uuid.uuid4().hex, "ChartConfiguration": {"FieldWells": fields} | more}}


def _wells(category: Document | None, values: tuple[Document, ...], colors: Document | None) -> Document:
    return {
        "Category": [category] if category else [],
        "Values": list(values),
        "Colors": [colors] if colors else [],
    }


def _sort(column: str, down: bool, member: str) -> Document:
    way = {"FieldId": column, "Direction": "DESC" if down else "ASC"}
    return {"SortConfiguration": {member: [{"FieldSort": way}]}} if column else {}


def bar(
    category: Document, *values: Document, colors: Document | None = None, stacked: bool = False, sort: str = "",
    down: bool = False, more: Document | None = None,
) -> Document:  # fmt: skip
    """values: measures; a dimension among them is the colours."""
    dimensions = [one for one in values if "DimensionField" in next(iter(one))]
    measures = tuple(one for one in values if one not in dimensions)
    wells = {"BarChartAggregatedFieldWells": _wells(category, measures, colors or next(iter(dimensions), None))}
    arranged = {"BarsArrangement": "STACKED" if stacked else "CLUSTERED"}
    return _chart("BarChartVisual", wells, **arranged, **_sort(sort, down, "CategorySort"), **(more or {}))


def line(category: Document | None, *values: Document, more: Document | None = None) -> Document:
    return _chart(
        "LineChartVisual", {"LineChartAggregatedFieldWells": _wells(category, values, None)}, **(more or {})
    )


def kpi(*values: Document, name: str = "") -> Document:
    return _chart("KPIVisual", {"Values": list(values)}, name)


def table(*columns: str, sort: str = "") -> Document:
    values = {"Values": [_about(column, "data") for column in columns]}
    return _chart("TableVisual", {"TableUnaggregatedFieldWells": values}, **_sort(sort, False, "RowSort"))


def define(arn: str, *charts: Document, layout: bool = False) -> Document:
    """A definition of one sheet over one data set."""
    sheet: Document = {"SheetId": "sheet", "Name": "Sheet", "Visuals": list(charts)}
    if layout:
        names = [next(iter(chart.values()))["VisualId"] for chart in charts]
        elements = [
            {"ElementId": name, "ElementType": "VISUAL", "ColumnIndex": 0, "ColumnSpan": 36, "RowSpan": 6}
            for name in names
        ]
        sheet["Layouts"] = [{"Configuration": {"GridLayout": {"Elements": elements}}}]
    return {"DataSetIdentifierDeclarations": [{"Identifier": "data", "DataSetArn": arn}], "Sheets": [sheet]}


@dataclass
class Desk:
    """QuickSight as a test uses it, with a workgroup that has a place for results."""

    lake: Lake

    def __post_init__(self) -> None:
        self.api: Any = self.lake.cloud.client("quicksight")
        self.account = self.lake.cloud.home.account
        self.name = f"desk-{uuid.uuid4().hex[:8]}"
        place = {"ResultConfiguration": {"OutputLocation": self.lake.uri("quicksight/")}}
        self.lake.athena.create_work_group(Name=self.name, Configuration=place)
        self.source = self.ask(
            "create_data_source", DataSourceId=self.name, Name="Athena", Type="ATHENA",
            DataSourceParameters={"AthenaParameters": {"WorkGroup": self.name}},
        )["Arn"]  # fmt: skip

    def ask(self, operation: str, api: Any = None, **params: Any) -> Any:
        return getattr(api or self.api, operation)(AwsAccountId=self.account, **params)

    def table(self, sql: str, **columns: str) -> Document:
        names = [{"Name": name, "Type": kind} for name, kind in columns.items()]
        return {"t": {"CustomSql": {"DataSourceArn": self.source, "Name": "q", "SqlQuery": sql, "Columns": names}}}

    def make(self, sql: str, api: Any = None, **columns: str) -> tuple[str, Document]:
        """A new data set of a query: its id, and its first ingestion once that has ended."""
        key = uuid.uuid4().hex[:12]
        asked = {"Name": key, "ImportMode": "SPICE", "PhysicalTableMap": self.table(sql, **columns)}
        made = self.ask("create_data_set", api, DataSetId=key, **asked)
        return key, self.wait(key, made["IngestionId"])

    def wait(self, key: str, ingestion: str) -> Document:
        def look() -> Document:
            found: Document = self.ask("describe_ingestion", DataSetId=key, IngestionId=ingestion)["Ingestion"]
            return found

        return until(look, lambda one: one["IngestionStatus"] in ("COMPLETED", "FAILED", "CANCELLED"))

    def arn(self, key: str) -> str:
        return f"arn:aws:quicksight:{self.api.meta.region_name}:{self.account}:dataset/{key}"

    def draw(self, key: str, *charts: Document, name: str = "Clicks") -> str:
        """A dashboard over a data set; its id."""
        identity = uuid.uuid4().hex[:12]
        self.ask("create_dashboard", DashboardId=identity, Name=name, Definition=define(self.arn(key), *charts))
        return identity
