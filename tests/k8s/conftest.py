"""An API server in this process, over a store of its own; and the run's, with its operator, as a person has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from sagelab.k8s.app import App
from sagelab.k8s.objects import Objects
from sagelab.k8s.store import Store
from tests.loops import complete

TOKEN = "a-token"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
    },
}
STATUS = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(**version: Any) -> dict[str, Any]:
    """A CustomResourceDefinition of widgets, and what is to be otherwise in its version."""
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": SPEC, "status": STATUS}}
    plain = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [{**plain, "schema": {"openAPIV3Schema": schema}, **version}],
        },
    }


def widget(name: str = "a", size: Any = 3, **metadata: Any) -> dict[str, Any]:
    head = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name, **metadata}}
    return {**head, "spec": {"size": size}}


@dataclass
class Answer:
    """What the server sent."""

    status_code: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)

    async def take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status_code = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


class Api:
    """Requests to the server, in this process; each is answered by its code and its body."""

    def __init__(self, app: App) -> None:
        self._app = app

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, **query: Any
    ) -> Answer:
        sent = {"authorization": f"Bearer {TOKEN}"} | (headers or {})
        place, _, asked = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": place,
            "query_string": (urlencode(query) or asked).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        answer = Answer()
        complete(self._app(scope, receive, answer.take))
        return answer

    def ask(self, method: str, path: str, body: Any = None, media: str = "", **query: Any) -> tuple[int, Any]:
        headers = {"content-type": media} if media else {}
        content = b"" if body is None else json.dumps(body).encode()
        answer = self.send(method, path, content, headers, **query)
        return answer.status_code, answer.json()

    def do(self, method: str, path: str, body: Any = None, media: str = "", **query: Any) -> Any:
        """The body of a request that must succeed."""
        code, found = self.ask(method, path, body, media, **query)
        assert code < 300, found
        return found

    def make(self, *arguments: Any, **metadata: Any) -> Any:
        """A widget that is there now."""
        return self.do("POST", WIDGETS, widget(*arguments, **metadata))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "cluster.db")
    yield made
    made.close()


@pytest.fixture
def api(store: Store) -> Api:
    """With widgets."""
    found = Api(App(Objects(store), TOKEN, "127.0.0.1:1"))
    found.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition())
    return found
