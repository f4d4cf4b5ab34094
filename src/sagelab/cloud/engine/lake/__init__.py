"""Queries and crawls: DuckDB in a host of its own, for each of them."""
