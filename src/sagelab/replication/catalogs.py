"""What PostgreSQL is asked of its own catalogues."""

from __future__ import annotations

_OWN = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'"
TABLES = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relreplident = 'f'
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND {_OWN} ORDER BY 2, 3
"""
COLUMNS = f"""
SELECT a.attrelid::bigint, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND {_OWN} ORDER BY 1, a.attnum
"""
SCHEMAS = f"SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE {_OWN} ORDER BY 1"
