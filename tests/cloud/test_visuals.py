"""Which definitions of dashboards are drawn, what their visuals ask, and what SPICE answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud import visuals
from sagelab.cloud.spice import LONGEST, Empty, Spice, TooLong
from sagelab.cloud.visuals import Field, Question, Refused
from tests.cloud.dashboards import bar, date, define, field, kpi, line, measure, table

COLUMNS = {"data": {"day": "DATETIME", "topic": "STRING", "clicks": "INTEGER", "share": "DECIMAL"}}
ROWS = [
    ("2026-10-26 23:00:00", "sport", 3, 0.5),
    ("2026-10-26 01:00:00", "money", 4, None),
    ("2026-10-27 00:00:00", "sport", None, 0.25),
    ("2026-11-01 12:00:00", None, 5, 1.0),
]


def check(*charts: dict[str, Any], **more: Any) -> None:
    visuals.check(define("arn", *charts, **more), COLUMNS)


@pytest.fixture
def spice(tmp_path: Path) -> Spice:
    found = Spice(tmp_path / "spice")
    assert found.write("arn", list(COLUMNS["data"].items()), ROWS, {"query": "q"}) > 0
    return found


def ask(spice: Spice, chart: dict[str, Any]) -> list[Any]:
    return list(spice.ask("arn", visuals.read(chart))["rows"])


def test_charts_that_are_drawn_pass() -> None:
    check(
        bar(field("topic"), measure("clicks"), field("day", "date"), stacked=True),
        line(date("day", "MONTH"), measure("share", "AVERAGE"), measure("clicks", "MAX")),
        kpi(measure("topic", "DISTINCT_COUNT")),
        table("day", "topic"),
        layout=True,
    )


REFUSED = [
    ({"PieChartVisual": {"VisualId": "v"}}, r"Sheets\[0\].Visuals\[0\].PieChartVisual is not something"),
    (
        bar(field("topic"), measure("clicks"), more={"Legend": {"Visibility": "HIDDEN"}}),
        "ChartConfiguration.Legend",
    ),
    (bar(field("topic"), measure("clicks", "MEDIAN")), "SimpleNumericalAggregation MEDIAN is not something"),
    (
        bar(field("topic"), measure("topic", "SUM")),
        "topic is a STRING, which a NumericalMeasureField is not made of",
    ),
    (bar(date("clicks"), measure("clicks")), "clicks is a INTEGER, which a DateDimensionField"),
    (bar(field("nope"), measure("clicks")), "data has no column nope"),
    (bar(field("topic", data="other"), measure("clicks", data="other")), "no data set is declared as other"),
    (bar(field("topic"), measure("clicks", data="other")), "the columns of one data set"),
    (
        bar(field("topic"), measure("clicks"), measure("share"), colors=field("day")),
        "with Colors it has one of Values",
    ),
    (line(None, measure("clicks")), "it has one Category"),
    (kpi(measure("clicks"), measure("share")), "a KPI has one of Values"),
    (table(), "a table has columns"),
    (bar(field("topic"), measure("clicks"), sort="nope"), "it has no field nope to sort by"),
    (line(date("day"), measure("clicks"), more={"Type": "AREA"}), "Type AREA is not something"),
]


@pytest.mark.parametrize(("chart", "why"), REFUSED, ids=[case[1][:30] for case in REFUSED])
def test_what_is_not_drawn_is_refused_by_its_name(chart: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        check(chart)


def test_parts_of_a_definition_that_nothing_honours_are_refused_and_empty_ones_are_not() -> None:
    with pytest.raises(Refused, match=r"Definition\.CalculatedFields is not something"):
        visuals.check(define("arn") | {"CalculatedFields": [{"Name": "x"}]}, COLUMNS)
    visuals.check(
        define("arn", kpi(measure("clicks"))) | {"CalculatedFields": [], "AnalysisDefaults": {}}, COLUMNS
    )
    with pytest.raises(Refused, match="each VisualId is there once"):
        check(kpi(measure("clicks"), name="a"), kpi(measure("share"), name="a"))


def test_dates_are_grouped_by_their_unit(spice: Spice) -> None:
    found = {
        unit: [row[0] for row in ask(spice, line(date("day", unit), measure("clicks")))] for unit in visuals.UNITS
    }
    assert found["YEAR"] == ["2026"]
    assert found["QUARTER"] == ["2026-Q4"]
    assert found["MONTH"] == ["2026-10", "2026-11"]
    assert found["WEEK"] == ["2026-10-25", "2026-11-01"], "a week begins on Sunday"
    assert found["DAY"] == ["2026-10-26", "2026-10-27", "2026-11-01"]
    assert found["HOUR"][0] == "2026-10-26 01:00"


@pytest.mark.parametrize(
    ("column", "function", "expected"),
    [
        ("clicks", "SUM", 12.0),
        ("clicks", "AVERAGE", 4.0),
        ("clicks", "MIN", 3),
        ("share", "MAX", 1.0),
        ("clicks", "COUNT", 3),
        ("topic", "DISTINCT_COUNT", 2),
    ],
)
def test_values_are_aggregated_as_asked(spice: Spice, column: str, function: str, expected: float) -> None:
    assert ask(spice, kpi(measure(column, function))) == [(expected,)]


def test_groups_without_values_have_none_and_a_sort_is_kept(spice: Spice) -> None:
    chart = bar(field("topic"), measure("share"), sort="share", down=True)
    assert ask(spice, chart) == [(None, 1.0), ("sport", 0.75), ("money", None)]
    by_series = bar(field("topic"), measure("clicks"), colors=date("day"))
    assert ask(spice, by_series)[-1] == ("sport", "2026-10-27", None)


def test_a_table_shows_rows_as_they_are_and_says_when_there_are_more(
    spice: Spice, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(spice, table("topic", "clicks", sort="clicks"))[0] == ("sport", None)
    monkeypatch.setitem(spice_most(), "TableVisual", 2)
    found = spice.ask("arn", visuals.read(table("topic")))
    assert (len(found["rows"]), found["more"]) == (2, True)


def spice_most() -> dict[str, int]:
    from sagelab.cloud import spice

    return spice.MOST


def test_new_rows_come_all_at_once_and_those_before_stay_where_it_fails(spice: Spice) -> None:
    def broken() -> Any:
        yield ROWS[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        spice.write("arn", list(COLUMNS["data"].items()), broken(), {})
    assert ask(spice, kpi(measure("clicks", "COUNT"))) == [(3,)]
    assert len(list((spice._folder).iterdir())) == 1
    spice.write("arn", [("clicks", "INTEGER")], [(1,)], {})
    assert ask(spice, kpi(measure("clicks", "COUNT"))) == [(1,)]
    with pytest.raises(Empty, match="topic is not among its columns"):
        ask(spice, table("topic"))
    spice.remove("arn")
    spice.remove("arn")
    with pytest.raises(Empty):
        ask(spice, kpi(measure("clicks")))


def test_a_question_ends_when_its_time_is_over(spice: Spice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagelab.cloud.spice.SECONDS", -1.0)
    monkeypatch.setattr("sagelab.cloud.spice.STEPS", 1)
    with pytest.raises(TooLong):
        ask(spice, kpi(measure("clicks")))


def test_what_json_cannot_say_or_a_page_not_show_is_cut(spice: Spice) -> None:
    columns = [("name", "STRING"), ("n", "DECIMAL")]
    spice.write("arn", columns, [("x" * 10_000, 1e308), ("y", 1e308)], {})
    assert ask(spice, kpi(measure("n"))) == [(None,)]
    ((name,), _) = ask(spice, table("name"))
    assert len(name) == LONGEST


def test_names_of_columns_are_no_sql(spice: Spice) -> None:
    name = 'x"; DROP TABLE rows; --'
    spice.write("arn", [(name, "STRING")], [("a",)], {})
    question = Question("TableVisual", "data", (Field("f", name),), plain=True)
    assert spice.ask("arn", question)["rows"] == [("a",)]
