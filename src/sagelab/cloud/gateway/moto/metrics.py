"""CloudWatch's metrics as moto keeps them, for what is answered beside it (statistics.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.moto_server.werkzeug_app import BackendRequest

from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.moto.environ import environ_of
from sagelab.cloud.gateway.wire.faults import Answer


@dataclass(frozen=True)
class Sample:
    """`count` equal values of a metric. value None: a statistic set, which says no more than its extremes."""

    time: datetime
    value: float | None
    count: int
    unit: str


class Metrics:
    """One CloudWatch request as moto reads it, in any protocol, the data that moto keeps, and the way back.

    params: the request in the input shape's form; times are naive, in UTC.
    """

    def __init__(self, request: Request) -> None:
        from moto.cloudwatch.responses import CloudWatchResponse

        self._response = CloudWatchResponse()
        with request.rewound():
            self._response.setup_class(BackendRequest(environ_of(request)))
        self.params: dict[str, Any] = self._response.params

    def samples(self, namespace: str, name: str, dimensions: dict[str, str]) -> list[Sample]:
        """Everything measured of one metric, whose dimensions are exactly these."""
        return [
            _sample(datum)
            for datum in self._response.cloudwatch_backend.get_all_metrics()
            if (datum.namespace, datum.name) == (namespace, name)
            and {one.name: one.value for one in datum.dimensions} == dimensions
        ]

    def data(
        self, queries: list[dict[str, Any]], window: tuple[datetime, datetime], descending: bool
    ) -> list[dict[str, Any]]:
        """moto's own results of GetMetricData."""
        order = "TimestampDescending" if descending else "TimestampAscending"
        backend = self._response.cloudwatch_backend
        found: list[dict[str, Any]] = backend.get_metric_data(queries, *window, order) if queries else []
        return found

    def answer(self, output: dict[str, Any]) -> Answer:
        """The answer that carries `output`, in the protocol of the request."""
        from moto.core.responses import ActionResult

        status, headers, body = self._response.serialized(ActionResult(output))
        content = body if isinstance(body, bytes) else str(body).encode()
        return Answer(status, [(name, str(value)) for name, value in headers.items()], content)


def _sample(datum: Any) -> Sample:
    unit = datum.unit or "None"
    if hasattr(datum, "value"):
        return Sample(datum.timestamp, datum.value, 1, unit)
    value = datum.min if datum.min == datum.max else None
    return Sample(datum.timestamp, value, max(1, round(datum.sample_count)), unit)
