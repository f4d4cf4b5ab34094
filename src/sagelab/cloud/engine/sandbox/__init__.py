"""Hosts: processes in namespaces of their own, forked from a warm Python."""
