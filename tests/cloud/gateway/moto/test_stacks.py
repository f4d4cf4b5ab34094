"""CloudFormation makes SageMaker's resources through the front door, and is no sooner ready than they are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.engine.images.own import OwnImages
from tests import signers
from tests.cloud.instances import encode
from tests.cloud.jobs import ROLE
from tests.conftest import LocalCloud
from tests.trusts import trusting

NAME = "123456789012.dkr.ecr.us-east-1.amazonaws.com/stacked:1"
TIMEOUT = 240
STACKS = trusting({"AWS": "123456789012", "Service": "cloudformation.amazonaws.com"})
# Serves, or ends at once.
SERVE = """#!/usr/bin/env python3
import http.server, os, signal, sys

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if os.environ.get("FAILS"):
    sys.exit("no model here")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""

Template = dict[str, Any]


@dataclass
class Stacks:
    """Makes stacks, and deletes what is left of them."""

    cloud: LocalCloud
    image: str
    unique: Callable[[str], str]
    made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cfn, self.sagemaker = self.cloud.client("cloudformation"), self.cloud.client("sagemaker")

    def create(self, resources: Template, client: Any = None, **options: Any) -> str:
        name = self.unique("stack")
        outputs = options.pop("outputs", {})
        template = json.dumps({"Resources": resources, "Outputs": outputs})
        (client or self.cfn).create_stack(StackName=name, TemplateBody=template, **options)
        self.made.append(name)
        return name

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cfn.describe_stacks(StackName=name)["Stacks"][0]
        return found

    def wait(self, name: str) -> str:
        """The status that a stack comes to rest in."""
        limit = time.monotonic() + TIMEOUT
        while time.monotonic() < limit:
            status: str = self.describe(name)["StackStatus"]
            if not status.endswith("IN_PROGRESS"):
                return status
            time.sleep(0.05)
        raise AssertionError(f"{name} is still {status}")

    def outputs(self, name: str) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self.describe(name).get("Outputs", [])}

    def reasons(self, name: str) -> dict[str, str]:
        """Logical id -> why it failed."""
        events = self.cfn.describe_stack_events(StackName=name)["StackEvents"]
        return {
            one["LogicalResourceId"]: one.get("ResourceStatusReason", "")
            for one in events
            if one["ResourceStatus"].endswith("FAILED")
        }

    def update(self, name: str, resources: Template, outputs: Template | None = None) -> str:
        template = json.dumps({"Resources": resources, "Outputs": outputs or {}})
        self.cfn.update_stack(StackName=name, TemplateBody=template)
        return self.wait(name)

    def model(self, **properties: Any) -> Template:
        container = {"Image": self.image, "Environment": properties.pop("Environment", {})}
        defaults = {"ExecutionRoleArn": ROLE, "PrimaryContainer": container}
        return {"Type": "AWS::SageMaker::Model", "Properties": defaults | properties}

    def close(self) -> None:
        for name in self.made:
            self.cfn.delete_stack(StackName=name)


CONFIG = {
    "Type": "AWS::SageMaker::EndpointConfig",
    "Properties": {
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
                "InstanceType": "ml.c5.large",
                "InitialInstanceCount": "1",  # a template may write a number as text
                "InitialVariantWeight": 1,
            }
        ]
    },
}
ENDPOINT = {
    "Type": "AWS::SageMaker::Endpoint",
    "Properties": {"EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}},
}
OUTPUTS = {
    "Arn": {"Value": {"Ref": "Endpoint"}},
    "Name": {"Value": {"Fn::GetAtt": ["Endpoint", "EndpointName"]}},
}


@pytest.fixture(scope="module")
def image(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, images = tmp_path_factory.mktemp("program"), OwnImages(cloud.home.images)
    (folder / "serve").write_text(SERVE)
    (folder / "serve").chmod(0o755)
    yield images.add(NAME, folder)
    images.remove(NAME)


@pytest.fixture
def stacks(cloud: LocalCloud, image: str, unique: Callable[[str], str]) -> Iterator[Stacks]:
    made = Stacks(cloud, image, unique)
    yield made
    made.close()


def test_stack_makes_what_describe_finds_with_its_tags(stacks: Stacks, unique: Callable[[str], str]) -> None:
    name = unique("model")
    model = stacks.model(ModelName=name, Tags=[{"Key": "lab", "Value": "2"}], EnableNetworkIsolation="true")
    tags = [{"Key": "team", "Value": "a"}, {"Key": "lab", "Value": "1"}]
    outputs = {"Arn": {"Value": {"Ref": "Model"}}, "Name": {"Value": {"Fn::Sub": "${Model.ModelName}"}}}
    stack = stacks.create({"Model": model}, Tags=tags, outputs=outputs)
    assert stacks.describe(stack)["StackStatus"] == "CREATE_COMPLETE"
    found = stacks.sagemaker.describe_model(ModelName=name)
    assert found["EnableNetworkIsolation"] is True
    assert stacks.outputs(stack) == {"Arn": found["ModelArn"], "Name": name}
    kept = stacks.sagemaker.list_tags(ResourceArn=found["ModelArn"])["Tags"]
    assert {one["Key"]: one["Value"] for one in kept} == {"lab": "2", "team": "a"}
    (resource,) = stacks.cfn.describe_stack_resources(StackName=stack)["StackResources"]
    assert resource["PhysicalResourceId"] == found["ModelArn"]
    stacks.cfn.delete_stack(StackName=stack)
    with pytest.raises(botocore.exceptions.ClientError, match="Could not find model"):
        stacks.sagemaker.describe_model(ModelName=name)


@pytest.mark.slow
def test_stack_is_complete_when_its_endpoint_is_in_service(stacks: Stacks) -> None:
    model = stacks.model()
    stack = stacks.create({"Model": model, "Config": CONFIG, "Endpoint": ENDPOINT}, outputs=OUTPUTS)
    limit, status = time.monotonic() + TIMEOUT, "CREATE_IN_PROGRESS"
    while status == "CREATE_IN_PROGRESS":
        assert time.monotonic() < limit, status
        status = stacks.describe(stack)["StackStatus"]
        (endpoint,) = stacks.sagemaker.list_endpoints(NameContains=stack)["Endpoints"]
        rows = stacks.cfn.list_stack_resources(StackName=stack)["StackResourceSummaries"]
        assert {one["LogicalResourceId"]: one["ResourceStatus"] for one in rows}["Model"] == "CREATE_COMPLETE"
    assert (status, endpoint["EndpointStatus"]) == ("CREATE_COMPLETE", "InService")
    outputs = stacks.outputs(stack)
    found = stacks.sagemaker.describe_endpoint(EndpointName=outputs["Name"])
    assert (found["EndpointArn"], found["EndpointStatus"]) == (outputs["Arn"], "InService")
    stacks.cfn.delete_stack(StackName=stack)
    assert not stacks.sagemaker.list_endpoints(NameContains=outputs["Name"])["Endpoints"]
    assert not stacks.sagemaker.list_endpoint_configs(NameContains=stack)["EndpointConfigs"]


@pytest.mark.slow
def test_update_replaces_what_cannot_be_changed_and_moves_the_endpoint(stacks: Stacks) -> None:
    stack = stacks.create({"Model": stacks.model(), "Config": CONFIG, "Endpoint": ENDPOINT}, outputs=OUTPUTS)
    assert stacks.wait(stack) == "CREATE_COMPLETE", stacks.reasons(stack)
    before = stacks.outputs(stack)
    (first,) = stacks.sagemaker.list_models(NameContains=stack)["Models"]
    changed = stacks.model(Environment={"CHANGED": 1})
    resources = {"Model": changed, "Config": CONFIG, "Endpoint": ENDPOINT}
    assert stacks.update(stack, resources, OUTPUTS) == "UPDATE_COMPLETE", stacks.reasons(stack)
    assert stacks.outputs(stack) == before
    (second,) = stacks.sagemaker.list_models(NameContains=stack)["Models"]
    assert second["ModelName"] != first["ModelName"]
    (config,) = stacks.sagemaker.list_endpoint_configs(NameContains=stack)["EndpointConfigs"]
    found = stacks.sagemaker.describe_endpoint(EndpointName=before["Name"])
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", config["EndpointConfigName"])


@pytest.mark.slow
def test_stack_whose_endpoint_fails_is_rolled_back(stacks: Stacks) -> None:
    model = stacks.model(Environment={"FAILS": True})
    stack = stacks.create({"Model": model, "Config": CONFIG, "Endpoint": ENDPOINT}, outputs=OUTPUTS)
    assert stacks.wait(stack) == "ROLLBACK_COMPLETE"
    assert "AllTraffic" in stacks.reasons(stack)["Endpoint"]
    described = stacks.describe(stack)
    assert described["StackStatusReason"].startswith("The following resource(s) failed to create: [Endpoint].")
    assert "Outputs" not in described
    for kind in ("models", "endpoints", "endpoint_configs"):
        listed = getattr(stacks.sagemaker, f"list_{kind}")(NameContains=stack)
        assert not next(value for value in listed.values() if isinstance(value, list)), kind


@pytest.mark.parametrize("on_failure", ["ROLLBACK", "DO_NOTHING", "DELETE"])
def test_what_sagemaker_refuses_fails_the_stack_in_its_words(stacks: Stacks, on_failure: str) -> None:
    wrong = stacks.model(ExecutionRoleArn="arn:aws:iam::123456789012:role/nobody")
    resources = {"First": stacks.model(), "Second": wrong | {"DependsOn": "First"}}
    stack = stacks.create(resources, OnFailure=on_failure)
    if on_failure == "DELETE":
        with pytest.raises(botocore.exceptions.ClientError, match="does not exist"):
            stacks.describe(stack)
    else:
        status = {"ROLLBACK": "ROLLBACK_COMPLETE", "DO_NOTHING": "CREATE_FAILED"}[on_failure]
        assert stacks.describe(stack)["StackStatus"] == status
        reason = stacks.reasons(stack)["Second"]
        assert "Service: AmazonSageMaker; Status Code: 400; Error Code: ValidationException" in reason
    left = stacks.sagemaker.list_models(NameContains=stack)["Models"]
    assert len(left) == (1 if on_failure == "DO_NOTHING" else 0)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"Colour": "red"}, "#: extraneous key [Colour] is not permitted"),
        ({"PrimaryContainer": "image"}, "#/PrimaryContainer: expected type: JSONObject, found: String"),
        ({"EnableNetworkIsolation": "perhaps"}, "#/EnableNetworkIsolation: expected type: Boolean, found: String"),
    ],
)
def test_property_that_does_not_fit_is_named(stacks: Stacks, properties: Template, said: str) -> None:
    stack = stacks.create({"Model": stacks.model(**properties)})
    assert stacks.describe(stack)["StackStatus"] == "ROLLBACK_COMPLETE"
    expected = f"Properties validation failed for resource Model with message: {said}"
    assert stacks.reasons(stack)["Model"] == expected


@pytest.mark.parametrize("kind", ["Pipeline", "FeatureGroup", "Domain", "TrainingJob"])
def test_other_types_of_sagemaker_are_refused_before_anything_is_made(
    stacks: Stacks, unique: Callable[[str], str], kind: str
) -> None:
    stack, other = unique("stack"), {"Type": f"AWS::SageMaker::{kind}", "Properties": {}}
    body = json.dumps({"Resources": {"Model": stacks.model(ModelName=stack), "Other": other}})
    said = rf"Template format error: Unrecognized resource types: \[AWS::SageMaker::{kind}\]"
    ask = {"StackName": stack, "TemplateBody": body}
    for call, more in (
        ("create_stack", {}),
        ("create_change_set", {"ChangeSetName": "new", "ChangeSetType": "CREATE"}),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=said) as refused:
            getattr(stacks.cfn, call)(**ask, **more)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    kept = stacks.create({"Model": stacks.model()})
    with pytest.raises(botocore.exceptions.ClientError, match=said):
        stacks.cfn.update_stack(StackName=kept, TemplateBody=body)
    assert stacks.describe(kept)["StackStatus"] == "CREATE_COMPLETE"
    with pytest.raises(botocore.exceptions.ClientError, match="stack sets"):
        stacks.cfn.create_stack_set(StackSetName=stack, TemplateBody=body)
    assert not stacks.sagemaker.list_models(NameContains=stack)["Models"]


def test_change_set_of_a_new_stack_makes_it_with_its_outputs(stacks: Stacks, unique: Callable[[str], str]) -> None:
    stack = unique("stack")
    stacks.made.append(stack)
    outputs = {"Name": {"Value": {"Fn::GetAtt": ["Model", "ModelName"]}}}
    body = json.dumps({"Resources": {"Model": stacks.model()}, "Outputs": outputs})
    ask = {"StackName": stack, "ChangeSetName": "first"}
    stacks.cfn.create_change_set(**ask, TemplateBody=body, ChangeSetType="CREATE")
    assert not stacks.sagemaker.list_models(NameContains=stack)["Models"]
    stacks.cfn.execute_change_set(**ask)
    assert stacks.describe(stack)["StackStatus"] == "CREATE_COMPLETE"
    (model,) = stacks.sagemaker.list_models(NameContains=stack)["Models"]
    assert stacks.outputs(stack) == {"Name": model["ModelName"]}


def test_failed_update_says_so_and_keeps_what_a_name_of_its_own_would_lose(
    stacks: Stacks, unique: Callable[[str], str]
) -> None:
    name = unique("model")
    stack = stacks.create({"Model": stacks.model(ModelName=name)})
    changed = stacks.model(ModelName=name, EnableNetworkIsolation=True)
    assert stacks.update(stack, {"Model": changed}) == "UPDATE_FAILED"
    expected = (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
        f"Rename {name} and update the stack again."
    )
    assert stacks.reasons(stack)["Model"] == expected
    assert stacks.sagemaker.describe_model(ModelName=name)["EnableNetworkIsolation"] is False


def test_lifecycle_configuration_and_tags_change_where_they_stand(stacks: Stacks) -> None:
    kind = "NotebookInstanceLifecycleConfig"
    member = f"{kind}Name"
    outputs = {"Name": {"Value": {"Fn::GetAtt": ["Config", member]}}}

    def config(script: str) -> Template:
        return {"Type": f"AWS::SageMaker::{kind}", "Properties": {"OnStart": encode(script)}}

    tags = [{"Key": "lab", "Value": "0"}, {"Key": "old", "Value": "1"}]
    before = {"Config": config("echo one"), "Model": stacks.model(Tags=tags)}
    stack = stacks.create(before, outputs=outputs)
    name = stacks.outputs(stack)["Name"]
    (model,) = stacks.sagemaker.list_models(NameContains=stack)["Models"]
    after = {"Config": config("echo two"), "Model": stacks.model(Tags=[{"Key": "lab", "Value": "1"}])}
    assert stacks.update(stack, after, outputs) == "UPDATE_COMPLETE", stacks.reasons(stack)
    found = stacks.sagemaker.describe_notebook_instance_lifecycle_config(**{member: name})
    assert (stacks.outputs(stack)["Name"], found["OnStart"]) == (name, encode("echo two"))
    kept = stacks.sagemaker.list_tags(ResourceArn=model["ModelArn"])["Tags"]
    assert kept == [{"Key": "lab", "Value": "1"}]


def test_type_of_a_resource_cannot_be_changed(stacks: Stacks) -> None:
    stack = stacks.create({"Thing": stacks.model()})
    with pytest.raises(botocore.exceptions.ClientError, match=r"Update of resource type .* \[Thing\]"):
        stacks.update(stack, {"Thing": {"Type": "AWS::S3::Bucket"}})
    assert stacks.describe(stack)["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.slow
def test_notebook_instance_comes_changes_and_goes_with_its_stack(stacks: Stacks) -> None:
    def instance(size: int) -> Template:
        properties = {"InstanceType": "ml.t3.medium", "RoleArn": ROLE, "VolumeSizeInGB": str(size)}
        return {"Notebook": {"Type": "AWS::SageMaker::NotebookInstance", "Properties": properties}}

    outputs = {"Name": {"Value": {"Fn::GetAtt": ["Notebook", "NotebookInstanceName"]}}}
    stack = stacks.create(instance(5), outputs=outputs)
    assert stacks.wait(stack) == "CREATE_COMPLETE", stacks.reasons(stack)
    name = stacks.outputs(stack)["Name"]
    find = stacks.sagemaker.describe_notebook_instance
    assert find(NotebookInstanceName=name)["NotebookInstanceStatus"] == "InService"
    assert stacks.update(stack, instance(6), outputs) == "UPDATE_COMPLETE", stacks.reasons(stack)
    found = find(NotebookInstanceName=name)
    assert (found["NotebookInstanceStatus"], found["VolumeSizeInGB"]) == ("InService", 6)
    stacks.cfn.delete_stack(StackName=stack)
    with pytest.raises(botocore.exceptions.ClientError, match="RecordNotFound"):
        find(NotebookInstanceName=name)


def make_role(cloud: LocalCloud, name: str, actions: list[str]) -> str:
    """A role that may do these, for everybody and for CloudFormation."""
    iam = cloud.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=STACKS)["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
    return str(role)


def client_of(cloud: LocalCloud, role: str) -> Any:
    """CloudFormation, as a session of a role asks it."""
    keys = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="lab")["Credentials"]
    signing = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    return signers.session(*signing).client("cloudformation", endpoint_url=cloud.url)


def test_caller_needs_the_rights_that_its_resources_need(
    stacks: Stacks, cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    statements = {"stacks": ["cloudformation:*"], "all": ["cloudformation:*", "sagemaker:*", "iam:PassRole"]}
    roles = {kind: make_role(cloud, unique(kind), actions) for kind, actions in statements.items()}

    def client(kind: str) -> Any:
        return client_of(cloud, roles[kind])

    refused = stacks.create({"Model": stacks.model()}, client=client("stacks"))
    assert stacks.describe(refused)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "not authorized to perform: sagemaker:CreateModel" in stacks.reasons(refused)["Model"]
    with pytest.raises(botocore.exceptions.ClientError, match="not authorized to perform: iam:PassRole"):
        stacks.create({"Model": stacks.model()}, client=client("stacks"), RoleARN=roles["all"])
    made = stacks.create({"Model": stacks.model()}, client=client("all"))
    assert stacks.describe(made)["StackStatus"] == "CREATE_COMPLETE"
    by_role = stacks.create({"Model": stacks.model()}, RoleARN=roles["stacks"])
    assert "not authorized to perform: sagemaker:CreateModel" in stacks.reasons(by_role)["Model"]


def test_stack_makes_nothing_that_who_asks_may_not(
    stacks: Stacks, cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    iam, statements = cloud.client("iam"), {"stacks": [], "half": ["sqs:CreateQueue"], "whole": ["sqs:*"]}
    roles = {
        kind: make_role(cloud, unique(kind), ["cloudformation:*", *more]) for kind, more in statements.items()
    }

    def client(kind: str) -> Any:
        return client_of(cloud, roles[kind])

    queue, raised = {"Queue": {"Type": "AWS::SQS::Queue"}}, unique("raised")
    properties = {"RoleName": raised, "AssumeRolePolicyDocument": json.loads(STACKS)}
    user = {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}
    for kind in ("stacks", "half"):
        with pytest.raises(botocore.exceptions.ClientError, match=r"not authorized to perform: sqs:\*"):
            stacks.create(queue, client=client(kind))
    with pytest.raises(botocore.exceptions.ClientError, match=r"not authorized to perform: iam:\*"):
        stacks.create(user, client=client("whole"))
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchEntity"):
        iam.get_role(RoleName=raised)
    made = stacks.create(queue, client=client("whole"))
    assert stacks.describe(made)["StackStatus"] == "CREATE_COMPLETE"
    for call in (client("stacks").delete_stack, client("half").delete_stack):
        with pytest.raises(botocore.exceptions.ClientError, match=r"not authorized to perform: sqs:\*"):
            call(StackName=made)
    with pytest.raises(botocore.exceptions.ClientError, match=r"not authorized to perform: sqs:\*"):
        stacks.create(queue, RoleARN=roles["half"])
