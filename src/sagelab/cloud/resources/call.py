"""The seam between the gateway and the resources: one call of one operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Params = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One validated request.

    operation: the API's name, "CreateTrainingJob".
    params: parsed by botocore's shapes; timestamps are aware datetimes.
    region, account: where it is addressed. caller: the ARN of who calls.
    """

    operation: str
    params: Params
    region: str
    account: str
    caller: str

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a SageMaker resource here: kind is "training-job", "endpoint", ..."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"


Handler = Callable[[Call], Params]


class Family(Protocol):
    """The operations of one family of resources."""

    def operations(self) -> Mapping[str, Handler]:
        """Name of each operation -> its handler."""
        ...
