from __future__ import annotations

import re
from typing import Any

import pytest

from tests.k8s.conftest import WIDGETS, Api, widget

MERGE = "application/merge-patch+json"


def test_a_new_object_has_what_the_server_gives(api: Api) -> None:
    made = api.make("a", labels={"team": "x"})
    meta = made["metadata"]
    assert re.fullmatch(r"[0-9a-f-]{36}", meta["uid"])
    assert (meta["generation"], meta["namespace"], meta["labels"]) == (1, "default", {"team": "x"})
    assert made["spec"] == {"size": 3, "color": "red"}
    assert api.do("GET", f"{WIDGETS}/a") == made


def test_a_name_is_taken_once_and_a_generated_one_is_new(api: Api) -> None:
    api.make("a")
    code, said = api.ask("POST", WIDGETS, widget("a"))
    assert (code, said["reason"], said["message"]) == (
        409,
        "AlreadyExists",
        'widgets.example.com "a" already exists',
    )
    body = widget()
    body["metadata"] = {"generateName": "w-"}
    first, second = (api.do("POST", WIDGETS, body)["metadata"]["name"] for _ in range(2))
    assert first != second
    assert re.fullmatch("w-[a-z0-9]{5}", first)


def test_a_stale_update_is_refused(api: Api) -> None:
    made = api.make("a")
    api.do("PATCH", f"{WIDGETS}/a", {"spec": {"size": 4}}, MERGE)
    code, said = api.ask("PUT", f"{WIDGETS}/a", made)
    assert (code, said["reason"]) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in said["message"]
    del made["metadata"]["resourceVersion"]
    code, said = api.ask("PUT", f"{WIDGETS}/a", made)
    assert (code, said["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")


def test_a_generation_counts_what_is_wanted_and_the_status_is_a_part_of_its_own(api: Api) -> None:
    api.make("a")
    api.do("PATCH", f"{WIDGETS}/a", {"metadata": {"labels": {"q": "1"}}}, MERGE)
    api.do("PATCH", f"{WIDGETS}/a/status", {"status": {"phase": "Big"}, "spec": {"size": 9}}, MERGE)
    found = api.do("PATCH", f"{WIDGETS}/a", {"status": {"phase": "Small"}}, MERGE)
    assert (found["metadata"]["generation"], found["spec"]["size"]) == (1, 3)
    assert found["status"] == {"phase": "Big"}
    changed = api.do("PATCH", f"{WIDGETS}/a", {"spec": {"size": 9}}, MERGE)
    assert changed["metadata"]["generation"] == 2


def test_what_changes_nothing_has_no_new_version(api: Api) -> None:
    made = api.make("a")
    same = api.do("PATCH", f"{WIDGETS}/a", {"spec": {"size": 3}}, MERGE)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_finalizer_holds_an_object(api: Api) -> None:
    api.make("a", finalizers=["example.com/hold"])
    held = api.do("DELETE", f"{WIDGETS}/a")
    assert held["metadata"]["deletionTimestamp"]
    code, _ = api.ask("PATCH", f"{WIDGETS}/a", {"metadata": {"finalizers": ["example.com/new"]}}, MERGE)
    assert code == 422
    api.do("PATCH", f"{WIDGETS}/a", {"metadata": {"finalizers": None}}, MERGE)
    assert api.ask("GET", f"{WIDGETS}/a")[0] == 404


def test_what_an_object_owns_goes_with_it(api: Api) -> None:
    owner = api.make("owner")
    reference = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
    }
    api.make("child", ownerReferences=[reference])
    api.make("orphan", ownerReferences=[reference])
    api.do("DELETE", f"{WIDGETS}/child", {"propagationPolicy": "Background"})
    api.make("child", ownerReferences=[reference])
    api.do("DELETE", f"{WIDGETS}/owner", {"preconditions": {"uid": owner["metadata"]["uid"]}})
    assert [api.ask("GET", f"{WIDGETS}/{name}")[0] for name in ("child", "orphan")] == [404, 404]


@pytest.mark.parametrize(("policy", "code"), [("Orphan", 200), ("Foreground", 404)])
def test_owned_objects_follow_the_policy(api: Api, policy: str, code: int) -> None:
    owner = api.make("owner")
    reference = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
    }
    api.make("child", ownerReferences=[reference])
    api.ask("DELETE", f"{WIDGETS}/owner", {"propagationPolicy": policy})
    assert api.ask("GET", f"{WIDGETS}/owner")[0] == 404
    assert api.ask("GET", f"{WIDGETS}/child")[0] == code


def test_a_namespace_goes_when_it_is_empty(api: Api) -> None:
    api.do("POST", "/api/v1/namespaces", {"metadata": {"name": "n1"}})
    path = WIDGETS.replace("default", "n1")
    api.do("POST", path, widget("a", finalizers=["example.com/hold"]))
    assert api.do("DELETE", "/api/v1/namespaces/n1")["status"] == {"phase": "Terminating"}
    code, said = api.ask("POST", path, widget("b"))
    assert (code, said["reason"]) == (403, "Forbidden")
    api.do("PATCH", f"{path}/a", {"metadata": {"finalizers": None}}, MERGE)
    assert api.ask("GET", "/api/v1/namespaces/n1")[0] == 404
    assert api.ask("POST", path, widget("b"))[0] == 404
    assert api.ask("DELETE", "/api/v1/namespaces/default")[0] == 403


def test_a_definition_goes_with_its_objects(api: Api) -> None:
    api.make("a", finalizers=["example.com/hold"])
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com"
    assert api.do("DELETE", path)["metadata"]["deletionTimestamp"]
    assert api.ask("POST", WIDGETS, widget("b"))[0] == 405
    api.do("PATCH", f"{WIDGETS}/a", {"metadata": {"finalizers": None}}, MERGE)
    assert api.ask("GET", path)[0] == 404
    assert api.ask("GET", WIDGETS)[0] == 404


def test_a_dry_run_keeps_nothing(api: Api) -> None:
    assert api.do("POST", WIDGETS, widget("a"), dryRun="All")["metadata"]["uid"]
    assert api.ask("GET", f"{WIDGETS}/a")[0] == 404


def test_a_secrets_plain_text_is_written_and_not_read(api: Api) -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"key": "value"}}
    assert api.do("POST", "/api/v1/namespaces/default/secrets", body)["data"] == {"key": "dmFsdWU="}
    code, said = api.ask("POST", "/api/v1/namespaces/default/secrets", body | {"data": {"other": "%"}})
    assert (code, said["details"]["causes"][0]["field"]) == (422, "data[other]")


BAD: dict[str, Any] = {
    "another kind": widget() | {"kind": "Gadget"},
    "another version": widget() | {"apiVersion": "example.com/v2"},
    "another namespace": widget(namespace="elsewhere"),
    "no metadata": {"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"size": 1}},
    "a version": widget(resourceVersion="7"),
    "labels that are no texts": widget(labels={"a": 1}),
    "no object": [1],
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_a_body_that_cannot_be_meant_is_a_bad_request(api: Api, body: Any) -> None:
    code, said = api.ask("POST", WIDGETS, body)
    assert (code, said["kind"], said["reason"]) == (400, "Status", "BadRequest")


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a" * 254, ""])
def test_a_name_is_a_subdomain(api: Api, name: str) -> None:
    code, said = api.ask("POST", WIDGETS, widget(name))
    assert (code, said["details"]["causes"][0]["field"]) == (422, "metadata.name")


def test_all_of_a_list_is_deleted_or_only_looked_at(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.make(name, labels={"team": "x" if name == "c" else "y"})
    api.do("DELETE", WIDGETS, dryRun="All")
    api.do("DELETE", WIDGETS, labelSelector="team=y")
    assert [one["metadata"]["name"] for one in api.do("GET", WIDGETS)["items"]] == ["c"]


def test_a_status_is_taken_away_by_a_patch(api: Api) -> None:
    api.make("a")
    api.do("PATCH", f"{WIDGETS}/a/status", {"status": {"phase": "Big"}}, MERGE)
    assert "status" not in api.do("PATCH", f"{WIDGETS}/a/status", {"status": None}, MERGE)
