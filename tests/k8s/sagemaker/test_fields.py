from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sagelab.k8s.sagemaker import fields
from sagelab.k8s.sagemaker.kinds import KINDS, definitions, model
from tests.k8s.conftest import Api

NAMES = {
    "TrainingJobName": "trainingJobName",
    "RoleArn": "roleARN",
    "S3Uri": "s3URI",
    "S3OutputPath": "s3OutputPath",
    "OutputS3Uri": "outputS3URI",
    "KmsKeyId": "kmsKeyID",
    "VolumeKmsKeyId": "volumeKMSKeyID",
    "VpcConfig": "vpcConfig",
    "SecurityGroupIds": "securityGroupIDs",
    "MaxPayloadInMB": "maxPayloadInMB",
    "VolumeSizeInGB": "volumeSizeInGB",
    "ModelDataUrl": "modelDataURL",
    "EnableSSMAccess": "enableSSMAccess",
    "TransformAmiVersion": "transformAMIVersion",
    "HyperParameters": "hyperParameters",
    "Type": "type_",
}


@pytest.mark.parametrize(("member", "field"), NAMES.items())
def test_members_have_the_controllers_names(member: str, field: str) -> None:
    assert fields.field(member) == field


def test_a_spec_is_a_request_and_an_answer_is_fields() -> None:
    shape = model().operation_model("CreateTrainingJob").input_shape
    spec = {
        "trainingJobName": "a",
        "hyperParameters": {"RoleArn": "x"},
        "inputDataConfig": [{"channelName": "train", "dataSource": {"s3DataSource": {"s3URI": "s3://b"}}}],
    }
    request = {
        "TrainingJobName": "a",
        "HyperParameters": {"RoleArn": "x"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://b"}}}],
    }
    assert fields.to_aws(spec, shape) == request
    assert fields.to_fields(request, shape) == spec
    told = model().operation_model("DescribeTrainingJob").output_shape
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert fields.to_fields({"CreationTime": time}, told) == {"creationTime": "2026-01-02T03:04:05Z"}


def test_only_what_is_wanted_is_compared() -> None:
    wanted = {"a": 1, "b": {"c": [1, {"d": 2}]}, "e": {}}
    assert fields.differences(wanted, {"a": 1, "b": {"c": [1, {"d": 2, "x": 3}]}, "f": 1}, "spec") == []
    found = {"a": 2, "b": {"c": [1, {"d": 3}]}}
    assert fields.differences(wanted, found, "spec") == ["spec.a", "spec.b.c[1].d"]


def test_every_definition_is_one(api: Api) -> None:
    for definition in definitions():
        made = api.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        assert [one["status"] for one in made["status"]["conditions"]] == ["True", "True"]
    listed = api.do("GET", "/apis/sagemaker.services.k8s.aws/v1alpha1")["resources"]
    assert {one["kind"] for one in listed} == {kind.name for kind in KINDS}


def test_a_spec_of_a_wrong_type_is_refused_before_aws_sees_it(api: Api) -> None:
    definition = next(one for one in definitions() if one["spec"]["names"]["kind"] == "TrainingJob")
    api.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    body = {
        "apiVersion": "sagemaker.services.k8s.aws/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "a"},
        "spec": {"trainingJobName": "a", "resourceConfig": {"instanceCount": "two"}},
    }
    path = "/apis/sagemaker.services.k8s.aws/v1alpha1/namespaces/default/trainingjobs"
    code, said = api.ask("POST", path, body)
    fields_at_fault = {cause["field"] for cause in said["details"]["causes"]}
    assert (code, fields_at_fault) == (
        422,
        {"spec.roleARN", "spec.outputDataConfig", "spec.resourceConfig.instanceCount"},
    )
