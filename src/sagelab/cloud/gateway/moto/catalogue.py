"""Glue's catalogue as AWS keeps it: names in small letters, whoever made them, and partitions a page at a time.

https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html
https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.exceptions import JsonRESTError

Asked = dict[str, Any]
LARGEST = 1000  # partitions of a page
SEGMENTS = 10
_INVALID = "InvalidInputException"


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


def page_partitions(asked: Asked) -> Callable[[Any], None]:
    """Of the partitions that moto finds those of a segment and a page. JsonRESTError: it is none."""
    sent = asked["self"].parameters
    number, segments = _segment(sent.get("Segment"))
    most, token = sent.get("MaxResults", LARGEST), str(sent.get("NextToken") or "0")
    if not isinstance(most, int) or not 1 <= most <= LARGEST:
        raise JsonRESTError(_INVALID, f"MaxResults must be between 1 and {LARGEST}.")
    if not token.isdecimal() or len(token) > len(str(1 << 53)):
        raise JsonRESTError(_INVALID, "NextToken is not valid.")
    start = int(token)

    def cut(answer: Any) -> None:
        found = answer.result["Partitions"][number::segments]
        page = found[start : start + most]
        answer.result["Partitions"] = [_bare(one) for one in page] if sent.get("ExcludeColumnSchema") else page
        if start + most < len(found):
            answer.result["NextToken"] = str(start + most)

    return cut


def _segment(asked: Any) -> tuple[int, int]:
    """(its number, of how many)."""
    if asked is None:
        return 0, 1
    found = [asked.get(name) if isinstance(asked, dict) else None for name in ("SegmentNumber", "TotalSegments")]
    number, count = (one if isinstance(one, int) else -1 for one in found)
    if not 0 <= number < count <= SEGMENTS:
        raise JsonRESTError(
            _INVALID, f"Segment is not valid: a number below TotalSegments, which is {SEGMENTS} at most."
        )
    return number, count


def _bare(partition: Asked) -> Asked:
    """Without its columns."""
    storage = partition.get("StorageDescriptor") or {}
    return partition | {"StorageDescriptor": {name: of for name, of in storage.items() if name != "Columns"}}
