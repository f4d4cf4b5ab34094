"""One thing that a request needs to be allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Context = dict[str, list[str]]  # lower-case condition keys -> values


@dataclass(frozen=True)
class Needed:
    """action: "s3:GetObject". resource: an ARN, "*", or None where it is not known. context: as in policies.
    pairs: the encryption context that KMS is told, by which grants are limited."""

    action: str
    resource: str | None
    context: Context = field(default_factory=dict)
    pairs: Mapping[str, str] = field(default_factory=dict)
