"""CloudWatch's metrics as moto keeps them, for what is answered beside it (statistics.py) and for alarms."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.backends import get_backend
from moto.moto_server.werkzeug_app import BackendRequest

from sagelab.cloud.alarms.samples import Metric, Sample
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.moto.environ import environ_of
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.home import ACCOUNT

_PROVIDED = "AWS/S3"  # the one namespace of which moto makes metrics when it is asked


class CloudWatchRequest:
    """One CloudWatch request as moto reads it, in any protocol, and the way back.

    params: the request in the input shape's form; times are naive, in UTC.
    """

    def __init__(self, request: Request) -> None:
        from moto.cloudwatch.responses import CloudWatchResponse

        self._response = CloudWatchResponse()
        with request.rewound():
            self._response.setup_class(BackendRequest(environ_of(request)))
        self.operation: str = self._response._get_action()
        self.params: dict[str, Any] = self._response.params

    def answer(self, output: dict[str, Any]) -> Answer:
        """The answer that carries `output`, in the protocol of the request."""
        from moto.core.responses import ActionResult

        status, headers, body = self._response.serialized(ActionResult(output))
        content = body if isinstance(body, bytes) else str(body).encode()
        return Answer(status, [(name, str(value)) for name, value in headers.items()], content)


class SampleIndex:
    """What moto keeps of each metric, in order of time: it has one list for all of them, in order of arrival.

    A look costs what is new since the last one, and what is found.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._regions: dict[str, _Region] = {}

    def window(self, region: str, metric: Metric, start: float, end: float) -> list[Sample]:
        """The samples from one epoch second to another, the end not included, in order of time."""
        backend = get_backend("cloudwatch")[ACCOUNT][region]
        with self._lock:
            found = self._regions.get(region)
            if found is None or not found.follows(backend):
                found = self._regions[region] = _Region(backend)
            found.take()
            data = found.window(metric, start, end)
        if metric.namespace == _PROVIDED:
            made = [one for one in backend.aws_metric_data if _key(one) == metric]
            data = [*data, *(one for one in made if start <= _time(one) < end)]
        return [_sample(datum) for datum in data]


class _Region:
    """One of moto's backends, read as far as it was when it was last looked at."""

    def __init__(self, backend: Any) -> None:
        self._backend, self._list, self._taken, self._last = backend, backend.metric_data, 0, None
        self._times: dict[Metric, array[float]] = {}
        self._data: dict[Metric, list[Any]] = {}

    def follows(self, backend: Any) -> bool:
        """Whether what was read is still there: moto's memory may have been made anew from what is written."""
        same = backend is self._backend and backend.metric_data is self._list
        taken = self._taken
        return same and (not taken or (len(self._list) >= taken and self._list[taken - 1] is self._last))

    def take(self) -> None:
        """Read what is new."""
        new = self._list[self._taken :]
        for datum in new:
            key, time = _key(datum), _time(datum)
            times = self._times.setdefault(key, array("d"))
            data = self._data.setdefault(key, [])
            if not times or time >= times[-1]:
                times.append(time)
                data.append(datum)
            else:
                place = bisect_right(times, time)
                times.insert(place, time)
                data.insert(place, datum)
        if new:
            self._taken, self._last = self._taken + len(new), new[-1]

    def window(self, metric: Metric, start: float, end: float) -> Iterable[Any]:
        times = self._times.get(metric)
        if times is None:
            return []
        return self._data[metric][bisect_left(times, start) : bisect_left(times, end)]


def _key(datum: Any) -> Metric:
    pairs = sorted((one.name, one.value) for one in datum.dimensions)
    return Metric(datum.namespace, datum.name, tuple(pairs))


def _time(datum: Any) -> float:
    stamp: datetime = datum.timestamp
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


def _sample(datum: Any) -> Sample:
    unit, time = datum.unit or "None", _time(datum)
    if hasattr(datum, "value"):
        return Sample(time, datum.value, datum.value, datum.value, 1, unit)
    return Sample(time, datum.min, datum.max, datum.sum, datum.sample_count, unit)
