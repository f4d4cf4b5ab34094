"""What of QuickSight's definitions of dashboards is drawn here, and what each visual asks of its data.

https://docs.aws.amazon.com/quicksight/latest/APIReference/API_DashboardVersionDefinition.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Columns = dict[str, str]  # name -> type: STRING, INTEGER, DECIMAL, DATETIME, BIT, BOOLEAN

NUMBERS = ("INTEGER", "DECIMAL")
UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
FUNCTIONS = ("SUM", "AVERAGE", "MIN", "MAX", "COUNT", "DISTINCT_COUNT")
COUNTS = ("COUNT", "DISTINCT_COUNT")

# Members that are honoured: a dict of a structure's, a list of a list's, None for any value, a tuple of values.
_FIELD: Document = {"FieldId": None, "Column": {"DataSetIdentifier": None, "ColumnName": None}}
_DIMENSION: Document = {
    "CategoricalDimensionField": _FIELD,
    "NumericalDimensionField": _FIELD,
    "DateDimensionField": _FIELD | {"DateGranularity": UNITS},
}
_MEASURE: Document = {
    "NumericalMeasureField": _FIELD | {"AggregationFunction": {"SimpleNumericalAggregation": FUNCTIONS}},
    "CategoricalMeasureField": _FIELD | {"AggregationFunction": COUNTS},
    "DateMeasureField": _FIELD | {"AggregationFunction": (*COUNTS, "MIN", "MAX")},
}
_TEXT: Document = {"Visibility": None, "FormatText": {"PlainText": None}}
_TEXTS: Document = {"VisualId": None, "Title": _TEXT, "Subtitle": _TEXT, "VisualContentAltText": None}
_SORT = [{"FieldSort": {"FieldId": None, "Direction": None}}]
_SERIES: Document = {"Category": [_DIMENSION], "Values": [_MEASURE], "Colors": [_DIMENSION]}
_CHARTS: dict[str, Document] = {
    "BarChartVisual": {
        "FieldWells": {"BarChartAggregatedFieldWells": _SERIES},
        "SortConfiguration": {"CategorySort": _SORT},
        "Orientation": None,
        "BarsArrangement": ("CLUSTERED", "STACKED"),
    },
    "LineChartVisual": {
        "FieldWells": {"LineChartAggregatedFieldWells": _SERIES},
        "SortConfiguration": {"CategorySort": _SORT},
        "Type": ("LINE",),
    },
    "KPIVisual": {"FieldWells": {"Values": [_MEASURE]}},
    "TableVisual": {
        "FieldWells": {
            "TableAggregatedFieldWells": {"GroupBy": [_DIMENSION], "Values": [_MEASURE]},
            "TableUnaggregatedFieldWells": {"Values": [_FIELD]},
        },
        "SortConfiguration": {"RowSort": _SORT},
    },
}
_ELEMENT: Document = dict.fromkeys(("ElementId", "ColumnIndex", "ColumnSpan", "RowIndex", "RowSpan"))
_LAYOUT: Document = {"Configuration": {"GridLayout": {"Elements": [_ELEMENT | {"ElementType": ("VISUAL",)}]}}}
_SHEET: Document = {
    **dict.fromkeys(("SheetId", "Title", "Description", "Name")),
    "ContentType": ("INTERACTIVE",),
    "Visuals": [{kind: _TEXTS | {"ChartConfiguration": chart} for kind, chart in _CHARTS.items()}],
    "Layouts": [_LAYOUT],
}
_DEFINITION: Document = {
    "DataSetIdentifierDeclarations": [{"Identifier": None, "DataSetArn": None}],
    "Sheets": [_SHEET],
}


class Refused(Exception):
    """Something of a definition is not drawn here, or makes no sense. Its text says which and why."""


@dataclass(frozen=True)
class Field:
    """A column of a question's. what: a unit of time of a dimension ("" for the value itself), or a function.

    id: what sorts go by.
    """

    id: str
    column: str
    what: str = ""


@dataclass(frozen=True)
class Question:
    """What a visual asks. kind: as in _CHARTS. data: the identifier of the data set.

    dimensions: what rows are grouped by; a plain question has no measures, and groups nothing.
    order: (the number of a field, whether descending).
    """

    kind: str
    data: str
    dimensions: tuple[Field, ...] = ()
    measures: tuple[Field, ...] = ()
    plain: bool = False
    order: tuple[tuple[int, bool], ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*self.dimensions, *self.measures)


def visuals_of(definition: Document) -> Iterator[tuple[str, Document]]:
    """(where it stands, {its kind: it}) of each visual."""
    for number, sheet in enumerate(definition.get("Sheets") or []):
        for index, visual in enumerate(sheet.get("Visuals") or []):
            yield f"Definition.Sheets[{number}].Visuals[{index}]", visual


def check(definition: Document, columns: dict[str, Columns]) -> None:
    """Refused: a definition has what is not drawn here. columns: of each data set that it declares."""
    _walk(definition, _DEFINITION, "Definition")
    names = list[str]()
    for where, visual in visuals_of(definition):
        question = read(visual, where)
        if question.data not in columns:
            raise Refused(f"{where}: no data set is declared as {question.data}.")
        for field in question.fields:
            if field.column not in columns[question.data]:
                raise Refused(f"{where}: {question.data} has no column {field.column}.")
        _check_types(visual, columns[question.data], where)
        names += [str(one["VisualId"]) for one in visual.values()]
    if len(set(names)) < len(names):
        raise Refused("Definition.Sheets: each VisualId is there once.")
    known = {*names}
    for number, sheet in enumerate(definition.get("Sheets") or []):
        for element in elements_of(sheet):
            if element["ElementId"] not in known:
                raise Refused(f"Definition.Sheets[{number}].Layouts: no visual is {element['ElementId']}.")


def elements_of(sheet: Document) -> list[Document]:
    """The elements of a sheet's grid."""
    found: list[Document] = []
    for layout in sheet.get("Layouts") or []:
        found += (layout["Configuration"].get("GridLayout") or {}).get("Elements") or []
    return found


def _walk(value: Any, tree: Any, path: str) -> None:
    if value in (None, [], {}):
        return
    if isinstance(tree, tuple) and value not in tree:
        raise Refused(f"{path} {value} is not something the local cloud can do: it is one of {', '.join(tree)}.")
    if isinstance(tree, list):
        for number, one in enumerate(value):
            _walk(one, tree[0], f"{path}[{number}]")
    elif isinstance(tree, dict):
        for name, one in value.items():
            if name not in tree and one not in (None, [], {}):
                raise Refused(f"{path}.{name} is not something the local cloud can do.")
            _walk(one, tree.get(name), f"{path}.{name}")


def read(visual: Document, where: str = "A visual") -> Question:
    """The question of a visual. Refused: it asks none, or more than is drawn here."""
    ((kind, one),) = [item for item in visual.items() if item[1] is not None] or [("", {})]
    if kind not in _CHARTS:
        raise Refused(f"{where}.{kind or 'Visual'} is not something the local cloud can do.")
    chart = one.get("ChartConfiguration") or {}
    wells = _present(chart.get("FieldWells") or {})
    plain = "TableUnaggregatedFieldWells" in wells
    inner = wells if kind == "KPIVisual" else next(iter(wells.values()), {})
    if plain:
        rows, measured, data = [_plain(field) for field in inner.get("Values") or []], [], set[str]()
        data = {_data(field) for field in inner.get("Values") or []}
    else:
        grouped = [field for name in ("Category", "GroupBy", "Colors") for field in inner.get(name) or []]
        rows, measured = (
            [_dimension(field) for field in grouped],
            [_measure(each) for each in inner.get("Values") or []],
        )
        data = {_data(_only(field)[1]) for field in (*grouped, *(inner.get("Values") or []))}
    _check_wells(kind, inner, measured, plain, where)
    if len(data) != 1:
        raise Refused(f"{where}: the columns of one data set make a visual.")
    sort = chart.get("SortConfiguration") or {}
    fields = (*rows, *measured)
    order = tuple(_order(field, fields, where) for field in sort.get("CategorySort") or sort.get("RowSort") or [])
    return Question(kind, data.pop(), tuple(rows), tuple(measured), plain, order)


def _check_wells(kind: str, wells: Document, measured: list[Field], plain: bool, where: str) -> None:
    count = {name: len(wells.get(name) or []) for name in ("Category", "Values", "Colors", "GroupBy")}
    if kind == "KPIVisual" and count["Values"] != 1:
        raise Refused(f"{where}: a KPI has one of Values.")
    if kind in ("BarChartVisual", "LineChartVisual"):
        if count["Category"] != 1 or count["Colors"] > 1 or not measured:
            raise Refused(f"{where}: it has one Category, one of Colors at the most, and Values.")
        if count["Colors"] and len(measured) > 1:
            raise Refused(f"{where}: with Colors it has one of Values.")
    if (kind == "TableVisual" and not (plain or count["GroupBy"] or measured)) or (plain and not count["Values"]):
        raise Refused(f"{where}: a table has columns.")


def _present(value: Document) -> Document:
    return {name: one for name, one in value.items() if one not in (None, [], {})}


def _only(field: Document) -> tuple[str, Document]:
    ((kind, one),) = [item for item in field.items() if item[1]] or [("", {"Column": {"ColumnName": ""}})]
    return kind, one


def _data(one: Document) -> str:
    return str(one["Column"].get("DataSetIdentifier") or "")


def _plain(one: Document) -> Field:
    return Field(str(one.get("FieldId")), str(one["Column"]["ColumnName"]))


def _dimension(field: Document) -> Field:
    kind, one = _only(field)
    unit = (one.get("DateGranularity") or "DAY") if kind == "DateDimensionField" else ""
    return Field(str(one.get("FieldId")), str(one["Column"]["ColumnName"]), unit)


def _measure(field: Document) -> Field:
    kind, one = _only(field)
    asked = one.get("AggregationFunction")
    if kind == "NumericalMeasureField":
        function = (asked or {}).get("SimpleNumericalAggregation") or "SUM"
    else:
        function = asked or "COUNT"
    return Field(str(one.get("FieldId")), str(one["Column"]["ColumnName"]), function)


def _order(sort: Document, fields: tuple[Field, ...], where: str) -> tuple[int, bool]:
    asked = sort.get("FieldSort") or {}
    for number, field in enumerate(fields):
        if field.id == asked.get("FieldId"):
            return number, asked.get("Direction") == "DESC"
    raise Refused(f"{where}: it has no field {asked.get('FieldId')} to sort by.")


def _check_types(visual: Document, columns: Columns, where: str) -> None:
    """Refused: a field is of another type than its column."""
    for kind, field in _fields(visual):
        column = field["Column"]["ColumnName"]
        is_a = columns[column]
        if (kind.startswith("Numerical") and is_a not in NUMBERS) or (
            kind.startswith("Date") and is_a != "DATETIME"
        ):
            raise Refused(f"{where}: {column} is a {is_a}, which a {kind} is not made of.")


def _fields(value: Any) -> Iterator[tuple[str, Document]]:
    """(kind, it) of each field below a value."""
    if isinstance(value, list):
        for one in value:
            yield from _fields(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name.endswith(("DimensionField", "MeasureField")) and one:
                yield name, one
            else:
                yield from _fields(one)
