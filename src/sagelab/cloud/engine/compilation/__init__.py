"""Compilation jobs that really compile."""
