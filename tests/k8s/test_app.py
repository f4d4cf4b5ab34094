from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sagelab.k8s import app as app_module
from sagelab.k8s.tables import age
from tests.k8s.conftest import WIDGETS, Api, widget

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic YTph"])
def test_who_has_no_token_gets_nothing(api: Api, header: str) -> None:
    for path in ("/version", WIDGETS, "/openapi/v3", "/nowhere"):
        answer = api.send("GET", path, headers={"authorization": header})
        assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")
    assert api.send("GET", "/readyz", headers={"authorization": header}).body == b"ok"


def test_kinds_are_discovered_in_both_forms(api: Api) -> None:
    plain = api.do("GET", "/apis/example.com/v1")["resources"]
    assert [one["name"] for one in plain] == ["widgets", "widgets/status"]
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    whole = api.send("GET", "/apis", headers={"accept": accept}).json()
    found = next(group for group in whole["items"] if group["metadata"]["name"] == "example.com")
    assert found["versions"][0]["resources"][0]["responseKind"]["kind"] == "Widget"
    assert "example.com" in [group["name"] for group in api.do("GET", "/apis")["groups"]]
    assert api.do("GET", "/apis/example.com")["preferredVersion"]["version"] == "v1"
    assert api.do("GET", "/api")["versions"] == ["v1"]


def test_schemas_are_told_where_the_index_says(api: Api) -> None:
    index = api.do("GET", "/openapi/v3")["paths"]
    document = api.do("GET", index["apis/example.com/v1"]["serverRelativeURL"])
    schema = document["components"]["schemas"]["com.example.v1.Widget"]
    assert schema["properties"]["spec"]["properties"]["size"]["type"] == "integer"
    assert "com.example.v1.Widget" in api.do("GET", "/openapi/v2")["definitions"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/v1/namespaces/default/pods", "Pod"),
        ("/apis/apps/v1/namespaces/default/deployments", "Deployment"),
        ("/api/v1/nodes", "Node"),
    ],
)
def test_what_needs_nodes_is_refused_by_name(api: Api, path: str, kind: str) -> None:
    for method in ("GET", "POST"):
        code, said = api.ask(method, path, {"metadata": {"name": "x"}} if method == "POST" else None)
        assert (code, said["reason"]) == (405, "MethodNotAllowed")
        assert said["message"].startswith(f"{kind} is refused: ")


def test_a_list_is_a_table_for_who_asks(api: Api) -> None:
    api.make("a")
    found = api.send("GET", WIDGETS, headers=TABLE).json()
    assert found["kind"] == "Table"
    assert [column["name"] for column in found["columnDefinitions"]] == ["Name", "Age"]
    assert found["rows"][0]["cells"][0] == "a"
    assert found["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_ages_are_told_as_kubectl_does() -> None:
    now = datetime(2026, 1, 10, tzinfo=UTC)
    times = {
        "2026-01-09T23:59:55Z": "5s",
        "2026-01-09T23:57:30Z": "2m30s",
        "2026-01-09T23:30:00Z": "30m",
        "2026-01-09T19:30:00Z": "4h30m",
        "2026-01-08T20:00:00Z": "28h",
        "2026-01-01T00:00:00Z": "9d",
        "no time": "<invalid>",
    }
    assert {time: age(time, now) for time in times} == times


def test_patches_of_every_kind(api: Api) -> None:
    api.make("a")
    path, operations = f"{WIDGETS}/a", [{"op": "replace", "path": "/spec/size", "value": 8}]
    assert api.do("PATCH", path, operations, "application/json-patch+json")["spec"]["size"] == 8
    assert api.ask("PATCH", path, {"spec": {}}, "application/strategic-merge-patch+json")[0] == 415
    code, said = api.ask("PATCH", path, widget(), "application/apply-patch+yaml")
    assert (code, "server-side apply" in said["message"]) == (415, True)
    bad = [{"op": "test", "path": "/spec/size", "value": 1}]
    assert api.ask("PATCH", path, bad, "application/json-patch+json")[0] == 422
    assert api.ask("PATCH", path, [1], "application/json-patch+json")[0] == 400
    copies = [{"op": "copy", "from": "/metadata", "path": f"/metadata/{number}"} for number in range(40)]
    code, said = api.ask("PATCH", path, copies, "application/json-patch+json")
    assert (code, "accumulated size increase" in said["message"]) == (422, True)
    api.do("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "c"}, "data": {"a": "1"}})
    change = {"data": {"b": "2"}, "metadata": {"finalizers": ["example.com/x"], "$setElementOrder/finalizers": []}}
    strategic = "application/strategic-merge-patch+json"
    made = api.do("PATCH", "/api/v1/namespaces/default/configmaps/c", change, strategic)
    assert (made["data"], made["metadata"]["finalizers"]) == ({"a": "1", "b": "2"}, ["example.com/x"])


DEEP = b'{"metadata": {"name": "e"}, "involvedObject": ' + b'{"x": ' * 300 + b"{}" + b"}" * 301
HOSTILE: dict[str, tuple[str, str, bytes, int]] = {
    "deep": ("POST", WIDGETS, b"[" * 100_000 + b"]" * 100_000, 400),
    "too deep to be kept": ("POST", "/api/v1/namespaces/default/events", DEEP, 400),
    "no JSON": ("POST", WIDGETS, b"{", 400),
    "half a character": ("POST", WIDGETS, b'{"a": "\xff"}', 400),
    "a number that is none": ("POST", WIDGETS, b'{"spec": {"size": NaN}}', 400),
    "no options": ("DELETE", f"{WIDGETS}/a", b"[]", 400),
    "a method that is none": ("POST", f"{WIDGETS}/a", b"{}", 405),
    "a path that is none": ("GET", "/apis/example.com/v1/namespaces/default/gadgets", b"", 404),
    "a part that is none": ("GET", f"{WIDGETS}/a/scale", b"", 404),
    "protocol buffers cut short": ("POST", "/api/v1/namespaces", b"k8s\x00\x0a\x7f", 400),
}


@pytest.mark.parametrize(("method", "path", "body", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_cannot_be_read_is_no_fault_of_the_server(
    api: Api, method: str, path: str, body: bytes, code: int
) -> None:
    media = "application/vnd.kubernetes.protobuf" if body.startswith(b"k8s") else "application/json"
    answer = api.send(method, path, body, {"content-type": media})
    assert (answer.status_code, answer.json()["kind"]) == (code, "Status")


def test_a_body_has_a_limit(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "BODY", 1000)
    code, said = api.ask("POST", WIDGETS, widget(labels={"a": "b" * 2000}))
    assert (code, said["reason"]) == (413, "RequestEntityTooLarge")


def test_own_kinds_are_read_as_protocol_buffers(api: Api) -> None:
    def part(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    secret = part(1, part(1, b"s") + part(11, part(1, b"team") + part(2, b"x")))
    secret += part(2, part(1, b"key") + part(2, b"value"))
    about = part(1, b"v1") + part(2, b"Secret")
    body = b"k8s\x00" + part(1, about) + part(2, secret)
    media = {"content-type": "application/vnd.kubernetes.protobuf"}
    path = "/api/v1/namespaces/default/secrets"
    made: Any = api.send("POST", path, body, media).json()
    assert (made["data"], made["metadata"]["labels"]) == ({"key": "dmFsdWU="}, {"team": "x"})
