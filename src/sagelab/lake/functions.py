"""Functions of Trino's that DuckDB has not, or has in another form.

https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

# Joda's letters of a time -> those of strftime.
_JODA = {
    "yyyy": "%Y",
    "YYYY": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "dd": "%d",
    "DDD": "%j",
    "EEEE": "%A",
    "EEE": "%a",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "SSS": "%g",
    "a": "%p",
    "Z": "%z",
}
_MACROS = (
    "to_iso8601(x) AS CASE WHEN typeof(x) = 'DATE' THEN strftime(x::TIMESTAMP, '%Y-%m-%d')"
    " WHEN typeof(x) <> 'TIMESTAMP WITH TIME ZONE' THEN strftime(x::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%g')"
    " ELSE strftime(x::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%gZ') END",
    "from_iso8601_timestamp(x) AS CAST(x AS TIMESTAMPTZ)",
    "from_iso8601_date(x) AS CAST(x AS DATE)",
    "url_extract_host(x) AS nullif(regexp_extract(x, '^[a-zA-Z][\\w+.-]*://(?:[^/@]*@)?([^/:?#]+)', 1), '')",
    "url_extract_protocol(x) AS nullif(regexp_extract(x, '^([a-zA-Z][\\w+.-]*):', 1), '')",
    "url_extract_path(x) AS regexp_extract(x, '^[a-zA-Z][\\w+.-]*://[^/?#]*([^?#]*)', 1)",
    "url_extract_query(x) AS nullif(regexp_extract(x, '\\?([^#]*)', 1), '')",
    "url_extract_parameter(x, n) AS nullif(url_decode(regexp_extract(x, '[?&]' || n || '=([^&#]*)', 1)), '')",
    "day_of_week(x) AS isodow(x)",
    "day_of_month(x) AS day(x)",
    "day_of_year(x) AS dayofyear(x)",
    "week_of_year(x) AS week(x)",
    "dow(x) AS isodow(x)",
    "at_timezone(x, z) AS timezone(z, x::TIMESTAMPTZ)",
    "codepoint(x) AS unicode(x)",
    "is_nan(x) AS isnan(x)",
    "is_finite(x) AS isfinite(x)",
    "is_infinite(x) AS isinf(x)",
    "infinity() AS 'Infinity'::DOUBLE",
    "nan() AS 'NaN'::DOUBLE",
    "json_parse(x) AS x::JSON",
    "json_format(x) AS CAST(x AS VARCHAR)",
    "to_utf8(x) AS encode(x)",
    "from_utf8(x) AS decode(x)",
    "arbitrary(x) AS any_value(x)",
    "every(x) AS bool_and(x)",
    "map_agg(k, v) AS map(list(k) FILTER (WHERE k IS NOT NULL), list(v) FILTER (WHERE k IS NOT NULL))",
    "array_union(a, b) AS list_distinct(list_concat(a, b))",
    "array_except(a, b) AS list_filter(a, lambda x: NOT list_contains(b, x))",
    "array_position(a, x) AS coalesce(list_position(a, x), 0)",
    "array_remove(a, x) AS list_filter(a, lambda y: y <> x)",
    "trino_slice(a, s, n) AS list_slice(a, s, s + n - 1)",
    "zip(a, b) AS list_zip(a, b)",
    "any_match(a, f) AS len(list_filter(a, f)) > 0",
    "width_bucket(x, lo, hi, n) AS CASE WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1"
    " ELSE CAST(floor((x - lo) / ((hi - lo)::DOUBLE / n)) AS INTEGER) + 1 END",
    "normalize(x) AS nfc_normalize(x)",
    "split_to_map(x, d, e) AS map_from_entries(list_transform(string_split(x, d),"
    " lambda p: {'k': string_split(p, e)[1], 'v': string_split(p, e)[2]}))",
)


def macros() -> Iterator[str]:
    """Statements that give DuckDB functions of Trino's that it has not."""
    for one in _MACROS:
        yield f"CREATE OR REPLACE MACRO {one}"


def mend(query: exp.Expr) -> exp.Expr:
    """The query with what sqlglot leaves as it is; it is changed in place."""
    return query.transform(_mended, copy=False)


def _mended(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.ArraySlice):
        return exp.func("trino_slice", node.this, node.args["start"], node.args["end"])
    if isinstance(node, exp.Format):
        return exp.Anonymous(this="printf", expressions=[node.this, *node.expressions])
    if isinstance(node, exp.ParseDatetime) and isinstance(node.args.get("format"), exp.Literal):
        parsed = exp.Anonymous(this="strptime", expressions=[node.this, _form(node.args["format"])])
        return exp.cast(parsed, "TIMESTAMPTZ")
    if isinstance(node, exp.Anonymous) and node.name.lower() == "format_datetime" and len(node.expressions) == 2:
        moment, form = node.expressions
        return exp.Anonymous(this="strftime", expressions=[exp.cast(moment, "TIMESTAMP"), _form(form)])
    return node


def _form(node: exp.Expr) -> exp.Expr:
    """A form of Joda's as one of strftime's."""
    if not isinstance(node, exp.Literal):
        return node
    found = re.sub(r"'([^']*)'|([A-Za-z])\2*", lambda one: one[1] or _JODA.get(one[0], one[0]), node.name)
    return exp.Literal.string(found)
