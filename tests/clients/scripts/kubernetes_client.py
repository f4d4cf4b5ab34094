"""The official Python client on the API server: its typed, its custom and its dynamic side, watches and conflicts.

Arguments: a namespace, the file of a CustomResourceDefinition, the file of an object of it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException

NAMESPACE, *FILES = sys.argv[1:]
DEFINITION, BODY = (json.loads(Path(file).read_text()) for file in FILES)
WHERE = (DEFINITION["spec"]["group"], "v1", NAMESPACE, DEFINITION["spec"]["names"]["plural"])
PATIENCE = 60


def refused(code: int, call: Callable[..., Any], *arguments: Any) -> Any:
    """What the server says to a call that it must refuse."""
    try:
        call(*arguments)
    except ApiException as error:
        if error.status == code:
            return json.loads(error.body)
        raise
    raise AssertionError(f"not refused with {code}")


def own_kinds() -> None:
    core = client.CoreV1Api()
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    metadata = client.V1ObjectMeta(name="settings", labels={"team": "x"})
    core.create_namespaced_config_map(NAMESPACE, client.V1ConfigMap(metadata=metadata, data={"a": "1"}))
    core.patch_namespaced_config_map("settings", NAMESPACE, {"data": {"b": "2"}})
    found = core.list_namespaced_config_map(NAMESPACE, label_selector="team=x").items[0]
    assert found.data == {"a": "1", "b": "2"}, found
    found.data["a"] = "3"
    core.replace_namespaced_config_map("settings", NAMESPACE, found)
    assert refused(409, core.replace_namespaced_config_map, "settings", NAMESPACE, found)["reason"] == "Conflict"
    assert "runs pods" in refused(405, core.list_namespaced_pod, NAMESPACE)["message"]
    spec = client.V1LeaseSpec(holder_identity="me", lease_duration_seconds=10)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="leader"), spec=spec)
    client.CoordinationV1Api().create_namespaced_lease(NAMESPACE, lease)


def custom_objects() -> None:
    client.ApiextensionsV1Api().create_custom_resource_definition(DEFINITION)
    custom = client.CustomObjectsApi()
    made = custom.create_namespaced_custom_object(*WHERE, BODY)
    wrong = {**BODY, "spec": {"size": "big"}}
    causes = refused(422, custom.create_namespaced_custom_object, *WHERE, wrong)["details"]["causes"]
    assert causes[0]["field"] == "spec.size"
    name, version = made["metadata"]["name"], made["metadata"]["resourceVersion"]

    def change() -> None:
        custom.patch_namespaced_custom_object_status(*WHERE, name, {"status": {"phase": "Big"}})
        custom.delete_namespaced_custom_object(*WHERE, name)

    threading.Timer(0.2, change).start()
    seen = []
    options = {"resource_version": version, "timeout_seconds": PATIENCE}
    for event in watch.Watch().stream(custom.list_namespaced_custom_object, *WHERE, **options):
        seen.append((event["type"], event["object"].get("status")))
        if event["type"] == "DELETED":
            break
    assert seen == [("MODIFIED", {"phase": "Big"}), ("DELETED", {"phase": "Big"})], seen


def dynamic_side() -> None:
    api = dynamic.DynamicClient(client.ApiClient())
    kind = api.resources.get(api_version=f"{WHERE[0]}/v1", kind=DEFINITION["spec"]["names"]["kind"])
    for number in range(3):
        body = {**BODY, "metadata": {"generateName": "one-", "labels": {"number": str(number)}}}
        kind.create(body=body, namespace=NAMESPACE)
    page = kind.get(namespace=NAMESPACE, limit=2)
    rest = kind.get(namespace=NAMESPACE, limit=2, _continue=page.metadata["continue"])
    assert len(page.items) + len(rest.items) == 3
    kind.delete(namespace=NAMESPACE, label_selector="number in (0, 1)")
    assert [one.metadata.labels.number for one in kind.get(namespace=NAMESPACE).items] == ["2"]


config.load_kube_config()
own_kinds()
custom_objects()
dynamic_side()
client.CoreV1Api().delete_namespace(NAMESPACE)
client.ApiextensionsV1Api().delete_custom_resource_definition(DEFINITION["metadata"]["name"])
print("all is well")
