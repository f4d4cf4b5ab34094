"""What a warm Python does before a query comes: what parses SQL and speaks to AWS builds its tables once."""

from __future__ import annotations

from sagelab.lake import __main__, clients, dialect, query

__all__ = ["__main__", "query"]
_SAMPLE = (
    "WITH a AS (SELECT x, count(*) AS n, row_number() OVER (PARTITION BY x ORDER BY y DESC) AS r FROM t"
    " LEFT JOIN u ON t.k = u.k WHERE d BETWEEN DATE '2026-01-01' AND current_date AND s LIKE 'a%' GROUP BY 1)"
    " SELECT CAST(x AS varchar), CASE WHEN n > 1 THEN date_format(y, '%Y') END FROM a ORDER BY 1 LIMIT 5"
)


def warm() -> None:
    dialect.render(dialect.parse(_SAMPLE))
    clients.warm()


warm()
