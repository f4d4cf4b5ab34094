"""Whose an ARN is: the user or role behind a session, whatever path it has."""

from __future__ import annotations


def holder(arn: str) -> str:
    """The ARN, without a path, of the user or role that a caller is or has a session of."""
    head, _, kind = arn.rpartition(":")
    if kind.startswith("assumed-role/"):
        return f"{head.replace(':sts:', ':iam:')}:role/{kind.split('/')[1]}"
    return without_path(arn)


def without_path(arn: str) -> str:
    kind, slash, name = arn.rpartition(":")[2].partition("/")
    if not slash or kind not in ("user", "role"):
        return arn
    return f"{arn.rpartition(':')[0]}:{kind}/{name.rpartition('/')[2]}"
