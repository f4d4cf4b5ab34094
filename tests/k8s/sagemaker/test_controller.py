from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.home import ACCOUNT, DEFAULT_REGION
from sagelab.k8s.sagemaker import fields
from sagelab.k8s.sagemaker.controller import Controller, Look
from sagelab.k8s.sagemaker.kinds import GROUP, KINDS, VERSION, Kind, definitions
from tests.cloud import endpoints, processing
from tests.cloud.jobs import ROLE
from tests.conftest import LocalCloud
from tests.k8s.conftest import Api
from tests.waiting import until

OF = {kind.name: kind for kind in KINDS}
MERGE = "application/merge-patch+json"
ENDED = ("Completed", "Failed", "Stopped")


class Here:
    """The controller's cluster: an API server in this process, and the controller that looks at its objects."""

    def __init__(self, api: Api, cloud: LocalCloud) -> None:
        self.api, self.cloud = api, cloud
        for definition in definitions():
            api.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        self.sagemaker = cloud.client("sagemaker", region_name=DEFAULT_REGION)
        self.controller = Controller(self, self.client, ACCOUNT, DEFAULT_REGION)

    def client(self, region: str) -> Any:
        return self.cloud.client("sagemaker", region_name=region)

    def path(self, kind: Kind, name: str = "", part: str = "") -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/default/{kind.plural}/{name}/{part}".rstrip("/")

    def patch(self, kind: Kind, body: dict[str, Any], change: dict[str, Any], part: str = "") -> dict[str, Any]:
        code, found = self.api.ask("PATCH", self.path(kind, body["metadata"]["name"], part), change, MERGE)
        if code == 404:
            raise LookupError(found["message"])
        assert code == 200, found
        return dict(found)

    def namespace(self, name: str) -> dict[str, Any]:
        return dict(self.api.do("GET", f"/api/v1/namespaces/{name}")["metadata"].get("annotations") or {})

    def make(self, kind: str, request: dict[str, Any], **annotations: str) -> dict[str, Any]:
        """An object that asks for what a request of SageMaker's asks for."""
        found = OF[kind]
        spec = fields.to_fields(request, found.operation("Create").input_shape)
        said = {f"services.k8s.aws/{name.replace('_', '-')}": one for name, one in annotations.items()}
        metadata = {"name": request[found.name_member], "annotations": said}
        head = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": metadata}
        return dict(self.api.do("POST", self.path(found), {**head, **({"spec": spec} if spec else {})}))

    def look(self, kind: str, name: str) -> Look:
        return self.controller.look(OF[kind], self.api.do("GET", self.path(OF[kind], name)))

    def delete(self, kind: str, name: str) -> None:
        """Delete the object, and look until it is gone."""
        self.api.do("DELETE", self.path(OF[kind], name))

        def gone() -> bool:
            if self.api.ask("GET", self.path(OF[kind], name))[0] == 200:
                self.look(kind, name)
            return self.api.ask("GET", self.path(OF[kind], name))[0] == 404

        until(gone, bool)


@pytest.fixture(scope="module")
def data(cloud: LocalCloud) -> str:
    """Where a model's archive lies."""
    return endpoints.Hosting(cloud).put("model.tar.gz", b"")


@pytest.fixture
def here(api: Api, cloud: LocalCloud) -> Here:
    return Here(api, cloud)


def conditions(look: Look) -> dict[str, tuple[str, str]]:
    found = look.body["status"]["conditions"]
    return {one["type"]: (one["status"], one.get("message", "")) for one in found}


@pytest.fixture
def model(unique: Callable[[str], str], data: str) -> dict[str, Any]:
    container = {"Image": endpoints.IMAGE, "ModelDataUrl": data}
    return {"ModelName": unique("model"), "ExecutionRoleArn": ROLE, "PrimaryContainer": container}


def test_a_job_is_created_and_followed_to_its_end(here: Here) -> None:
    request = processing.request("true")
    name = request["ProcessingJobName"]
    here.make("ProcessingJob", request)
    first = here.look("ProcessingJob", name)
    assert first.body["metadata"]["finalizers"] == ["finalizers.sagemaker.services.k8s.aws/ProcessingJob"]
    assert first.body["status"]["ackResourceMetadata"] == {
        "arn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:processing-job/{name}",
        "ownerAccountID": ACCOUNT,
        "partition": "aws",
        "region": "us-east-1",
    }
    last = until(
        lambda: here.look("ProcessingJob", name), lambda one: one.body["status"]["processingJobStatus"] in ENDED
    )
    assert last.body["status"]["processingJobStatus"] == "Completed"
    assert conditions(last)["ACK.ResourceSynced"] == ("True", "ProcessingJob is in Completed status.")
    again = here.look("ProcessingJob", name)
    assert again.body["metadata"]["resourceVersion"] == last.body["metadata"]["resourceVersion"]


def test_the_deletion_of_a_running_job_stops_it(here: Here) -> None:
    request = processing.request("exec sleep 1000")
    name = request["ProcessingJobName"]
    here.make("ProcessingJob", request)
    running = here.look("ProcessingJob", name)
    assert conditions(running)["ACK.ResourceSynced"] == ("False", "ProcessingJob is in InProgress status.")
    here.delete("ProcessingJob", name)
    assert here.sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "Stopped"


def test_what_another_has_made_is_not_taken_but_adopted(here: Here, model: dict[str, Any]) -> None:
    request = model
    here.sagemaker.create_model(**request)
    name = request["ModelName"]
    here.make("Model", request)
    refused = here.look("Model", name)
    assert conditions(refused)["ACK.Terminal"] == ("True", "Resource already exists")
    assert refused.delay is None
    here.delete("Model", name)
    assert here.sagemaker.describe_model(ModelName=name)["ModelName"] == name
    adopter = {
        "metadata": {"name": "adopter", "annotations": {}},
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Model",
    }
    adopter["metadata"]["annotations"] = {  # type: ignore[index]
        "services.k8s.aws/adoption-policy": "adopt",
        "services.k8s.aws/adoption-fields": f'{{"modelName": "{name}"}}',
    }
    here.api.do("POST", here.path(OF["Model"]), adopter)
    adopted = here.look("Model", "adopter").body
    assert adopted["spec"]["executionRoleARN"] == ROLE
    assert adopted["metadata"]["annotations"]["services.k8s.aws/adopted"] == "true"
    here.delete("Model", "adopter")
    with pytest.raises(here.sagemaker.exceptions.ClientError):
        here.sagemaker.describe_model(ModelName=name)


def test_what_is_gone_outside_is_made_again(here: Here, model: dict[str, Any]) -> None:
    request = model
    here.make("Model", request)
    assert conditions(here.look("Model", request["ModelName"]))["ACK.ResourceSynced"][0] == "True"
    here.sagemaker.delete_model(ModelName=request["ModelName"])
    here.look("Model", request["ModelName"])
    assert here.sagemaker.describe_model(ModelName=request["ModelName"])["ExecutionRoleArn"] == ROLE
    here.delete("Model", request["ModelName"])


def test_a_change_that_aws_has_not_is_told(here: Here, model: dict[str, Any]) -> None:
    request = model
    here.make("Model", request)
    body = here.look("Model", request["ModelName"]).body
    here.patch(OF["Model"], body, {"spec": {"executionRoleARN": f"{ROLE}2"}})
    told = conditions(here.look("Model", request["ModelName"]))
    assert told["ACK.Terminal"][0] == "True"
    assert "spec.executionRoleARN" in told["ACK.Terminal"][1]
    assert told["ACK.ResourceSynced"] == ("False", "Resource not synced")
    here.patch(OF["Model"], body, {"spec": {"executionRoleARN": ROLE}})
    told = conditions(here.look("Model", request["ModelName"]))
    assert (told["ACK.Terminal"][0], told["ACK.ResourceSynced"][0]) == ("False", "True")
    here.delete("Model", request["ModelName"])


def test_what_aws_refuses_is_told_in_its_words(here: Here) -> None:
    request = processing.request("true", RoleArn="arn:aws:iam::123456789012:role/nobody")
    here.make("ProcessingJob", request)
    look = here.look("ProcessingJob", request["ProcessingJobName"])
    status, said = conditions(look)["ACK.Recoverable"]
    assert (status, look.failed) == ("True", True)
    assert said.startswith("ValidationException: ")
    assert conditions(look)["ACK.ResourceSynced"][0] == "Unknown"
    here.delete("ProcessingJob", request["ProcessingJobName"])


def test_annotations_say_where_and_what_stays(here: Here, model: dict[str, Any]) -> None:
    request = model
    name = request["ModelName"]
    here.make("Model", request, region="eu-west-1", deletion_policy="retain")
    body = here.look("Model", name).body
    assert ":eu-west-1:" in body["status"]["ackResourceMetadata"]["arn"]
    here.delete("Model", name)
    elsewhere = here.client("eu-west-1")
    elsewhere.delete_model(ModelName=name)


def test_adoption_that_cannot_be_meant_is_refused(here: Here, model: dict[str, Any]) -> None:
    for name, policy in (("one", "steal"), ("two", "adopt")):
        request = model | {"ModelName": f"{model['ModelName']}-{name}"}
        here.make("Model", request, adoption_policy=policy, adoption_fields="no JSON")
        assert conditions(here.look("Model", request["ModelName"]))["ACK.Terminal"][0] == "True"
        here.delete("Model", request["ModelName"])
