"""What GetQueryResults reads: the file that a query has left in S3, a page at a time, with the caller's rights.

https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.resources.call import Beside, Params

PAGE = 1000
_PART = 1 << 20  # bytes that are read at once
_LONGEST = 32 << 20  # bytes of a page
_ROW = re.compile(rb'(?:"(?:[^"]|"")*"|[^",\n]*)(?:,(?:"(?:[^"]|"")*"|[^",\n]*))*\n')
_LINE = re.compile(rb"[^\n]*\n")
_FIELD = re.compile(r'"((?:[^"]|"")*)"|([^",]*)')


def page(s3: Any, uri: str, columns: list[Params], token: str | None, most: int) -> Params:
    """{"Rows", "NextToken"}; of a CSV the first row is its head. Beside: it is not there, or may not be read."""
    start = _read_token(token, uri)
    as_csv = uri.endswith(".csv")
    rows: list[Params] = []
    at = start
    for line in _lines(s3, uri, start, as_csv):
        if len(rows) == most:
            return {"Rows": rows, "NextToken": _write_token(at, uri)}
        at += len(line)
        rows.append(_row(line.decode("utf-8", "replace").removesuffix("\n"), as_csv, len(columns)))
    return {"Rows": rows}


def _lines(s3: Any, uri: str, start: int, as_csv: bool) -> Iterator[bytes]:
    """The lines of an object from a byte on; in a CSV a line ends where no value is open."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    row, buffer, at, size = _ROW if as_csv else _LINE, b"", start, None
    while True:
        done = 0
        while found := row.match(buffer, done):
            yield found[0]
            done = found.end()
        buffer = buffer[done:]
        if size is not None and at >= size:
            return
        content, size = _read(s3, bucket, key, at)
        if not content or len(buffer) > _LONGEST:
            return
        buffer, at = buffer + content, at + len(content)


def _read(s3: Any, bucket: str, key: str, at: int) -> tuple[bytes, int]:
    """A part of an object, and the size of all of it."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={at}-{at + _PART - 1}")
    except ClientError as error:
        said = error.response["Error"]
        if said.get("Code") == "InvalidRange":
            return b"", at
        if said.get("Code") in ("AccessDenied", "403"):
            words = f"Access denied when reading the query results at s3://{bucket}/{key}: {said.get('Message')}"
            raise Beside("AccessDeniedException", words) from None
        words = f"Could not find results at s3://{bucket}/{key}"
        raise Beside("InvalidRequestException", words) from None
    content: bytes = answer["Body"].read()
    return content, int(answer["ContentRange"].rpartition("/")[2])


def _row(line: str, as_csv: bool, width: int) -> Params:
    if not as_csv:
        fields = line.split("\t", max(0, width - 1)) if width > 1 else [line]
        return {"Data": [{"VarCharValue": one} for one in fields]}
    data: list[Params] = []
    at = 0
    while True:
        found = _FIELD.match(line, at)
        assert found
        text = found[1]
        data.append({} if text is None else {"VarCharValue": text.replace('""', '"')})
        at = found.end()
        if at >= len(line):
            return {"Data": data}
        at += 1


def _write_token(at: int, uri: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at, uri]).encode()).decode()


def _read_token(token: str | None, uri: str) -> int:
    """Beside: it is none, or of another query."""
    if not token:
        return 0
    try:
        at, of = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        at, of = None, None
    if not isinstance(at, int) or not 0 <= at < 1 << 50 or of != uri:
        raise Beside("InvalidRequestException", "Invalid NextToken.")
    return at
