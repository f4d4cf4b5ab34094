"""For whom the local cloud calls itself: each of its requests says so, in a header that nobody else can write.

The secret is this process's own. A request by the home's own key that is marked is the platform's, no user's; one
with a role's keys is what a service of AWS's does with that role.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

HEADER = "x-sagelab-by"


@dataclass(frozen=True)
class Mark:
    """service: of AWS's, "sagemaker.amazonaws.com". source: the ARN of what it acts for, or ""."""

    service: str
    source: str = ""


class Marks:
    """Marks of one process."""

    def __init__(self) -> None:
        self._secret = secrets.token_urlsafe(30)

    def write(self, mark: Mark) -> str:
        """The value of the header."""
        return f"{self._secret} {mark.service} {mark.source}".rstrip()

    def read(self, text: str | None) -> Mark | None:
        """The mark that a header's value is; None where there is none, or somebody else wrote it."""
        secret, _, rest = (text or "").partition(" ")
        if not hmac.compare_digest(secret.encode("utf-8", "replace"), self._secret.encode()):
            return None
        service, _, source = rest.partition(" ")
        return Mark(service, source)
