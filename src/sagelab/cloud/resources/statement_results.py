"""What GetStatementResult reads: the rows that a statement has found, a line each, a page at a time.

https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_GetStatementResult.html
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from sagelab.cloud.resources.call import Params

PAGE = 1000  # rows


def page(file: Path, start: int) -> tuple[list[Any], str | None]:
    """A page of rows from a byte on, and where the next begins."""
    rows = list[Any]()
    if not file.exists():
        return rows, None
    with file.open("rb") as opened:
        opened.seek(start)
        while len(rows) < PAGE and (line := opened.readline()):
            rows.append([_value(one) for one in json.loads(line)])
        return rows, str(opened.tell()) if opened.read(1) else None


def _value(found: Params) -> Params:
    return {"blobValue": base64.b64decode(found["blobValue"])} if "blobValue" in found else found
