"""Statements of Redshift's: each in a host that has the database of its warehouse."""
