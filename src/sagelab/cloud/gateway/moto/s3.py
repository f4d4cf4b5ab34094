"""S3's requests that moto would stumble over, answered as S3 does.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from typing import Any

from moto.moto_server import werkzeug_app
from moto.moto_server.utilities import RegexConverter


class AnyCharacter(RegexConverter):  # type: ignore[misc]
    """A part of a path that a regular expression of moto's matches: a key of S3 may have a line's end in it."""

    def __init__(self, url_map: Any, *items: Any) -> None:
        super().__init__(url_map, *items)
        self.regex = f"(?s:{items[0]})"


def install() -> None:
    """Let moto's apps, which are made later, read paths so."""
    werkzeug_app.RegexConverter = AnyCharacter
