"""Glue's catalogue as AWS keeps it: names in small letters, whoever made them.

https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html
"""

from __future__ import annotations

from typing import Any

Asked = dict[str, Any]


def fold_database(asked: Asked) -> None:
    """A new database."""
    asked["database_name"] = str(asked["database_name"]).lower()
    asked["database_input"] = asked["database_input"] | {"Name": asked["database_name"]}


def fold_table(asked: Asked) -> None:
    """A new table."""
    asked["database_name"], asked["table_name"] = (
        str(asked[one]).lower() for one in ("database_name", "table_name")
    )
    asked["table_input"] = asked["table_input"] | {"Name": asked["table_name"]}


def find_folded(asked: Asked) -> None:
    """What is there, in whatever letters it is named."""
    for name in ("database_name", "table_name"):
        if isinstance(asked.get(name), str):
            asked[name] = asked[name].lower()
