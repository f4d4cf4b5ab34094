"""What changes in the local cloud, told to every open page while it happens.

Four things are told: a resource of the store has changed, lines came to a log, values came to a metric, a
request changed a bucket of S3 or something in IAM. Lines and values are heard at the local cloud's own boto3
clients, by which the engine writes them. An event says what has changed, never how: the page asks the API. So
many changes of one thing between two sends are one event, and for a page that is slow or asleep no more than
one event a thing is held.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud
    from sagelab.cloud.store import Change

GATHER = 0.05  # seconds in which changes of one thing become one event
HEARTBEAT = 15.0  # seconds without an event after which a comment shows that the line stands
MOST_WAITING = 1000  # things; a page with more to hear is told to look at everything again

SHOWN = ("s3", "iam")  # services beside SageMaker that have pages

Event = dict[str, Any]


class Hub:
    """Takes events from any thread, and hands them to the listeners of one asyncio loop."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def publish(self, key: str, event: Event) -> None:
        """Tell every listener. key: what has changed; a later event with it replaces one that still waits."""
        loop = self._loop
        if loop is None or not self._listeners:
            return
        try:
            loop.call_soon_threadsafe(self._spread, key, event)
        except RuntimeError:  # the loop has ended, and all listeners with it
            return

    async def listen(self) -> AsyncIterator[str]:
        """Server-sent events until the hub closes; the first says that all which follows will be told."""
        self._loop = asyncio.get_running_loop()
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield _text({"type": "hello"})
            while not listener.closed:
                for text in await listener.take():
                    yield text
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End every listener's stream; called in the loop."""
        for listener in self._listeners:
            listener.close()

    def _spread(self, key: str, event: Event) -> None:
        for listener in self._listeners:
            listener.put(key, event)


class _Listener:
    """One open page."""

    def __init__(self) -> None:
        self.closed = False
        self._waiting: dict[str, Event] = {}
        self._news = asyncio.Event()

    def put(self, key: str, event: Event) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting = {"*": {"type": "everything"}}
        self._waiting[key] = event
        self._news.set()

    def close(self) -> None:
        self.closed = True
        self._news.set()

    async def take(self) -> list[str]:
        """What waits, as soon as something does; a comment where nothing happened for long."""
        try:
            await asyncio.wait_for(self._news.wait(), HEARTBEAT)
        except TimeoutError:
            return [": nothing happened\n\n"]
        if not self.closed:
            await asyncio.sleep(GATHER)
        self._news.clear()
        events, self._waiting = self._waiting, {}
        return [_text(event) for event in events.values()]


def _text(event: Event) -> str:
    return f"data: {json.dumps(event, separators=(',', ':'))}\n\n"


def connect(hub: Hub, cloud: Cloud) -> None:
    """Let a hub hear of everything that happens in a local cloud."""

    def changed(change: Change) -> None:
        event = {"type": "resource", "kind": change.kind, "name": change.name, "status": change.status}
        hub.publish(change.arn, event)

    def logged(params: dict[str, Any]) -> None:
        group, stream = params["logGroupName"], params["logStreamName"]
        hub.publish(f"{group} {stream}", {"type": "log", "group": group, "stream": stream})

    def measured(params: dict[str, Any]) -> None:
        for name in {each["Value"] for data in params["MetricData"] for each in data.get("Dimensions", [])}:
            event = {"type": "metric", "namespace": params["Namespace"], "name": name}
            hub.publish(f"{params['Namespace']} {name}", event)

    def elsewhere(service: str, name: str) -> None:
        if service in SHOWN:
            hub.publish(f"{service} {name}", {"type": "service", "service": service, "name": name})

    cloud.store.listen(changed)
    cloud.listen(elsewhere)
    _after(cloud.client("logs"), "PutLogEvents", logged)
    cloud.tell_of_clients("logs", lambda client: _after(client, "PutLogEvents", logged))  # of jobs, by their roles
    _after(cloud.client("cloudwatch"), "PutMetricData", measured)


def _after(client: Any, operation: str, act: Callable[[dict[str, Any]], None]) -> None:
    """Call `act` with the parameters of each call of an operation that succeeded."""
    service = client.meta.service_model.service_id.hyphenize()

    def remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["sagelab"] = params

    def succeeded(http_response: Any, context: dict[str, Any], **_: Any) -> None:
        if http_response.status_code < 300:
            act(context["sagelab"])

    client.meta.events.register(f"before-parameter-build.{service}.{operation}", remember)
    client.meta.events.register(f"after-call.{service}.{operation}", succeeded)
