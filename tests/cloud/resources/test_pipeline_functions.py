"""Lambda steps: a function is really called, with the rights of the pipeline's role, and its answer is used."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from sagelab.cloud.server import TRUST
from tests.cloud.functions import Functions
from tests.cloud.jobs import Jobs
from tests.cloud.pipelines import Pipelines, definition, get, step
from tests.conftest import LocalCloud

CODE = """
import time
def handler(event, context):
    if "fail" in event:
        raise ValueError(event["fail"])
    return {"double": 2 * event["number"], "half": event["number"] / 2, "even": event["number"] % 2 == 0,
            "time": str(time.time()), "statusCode": 200}
"""
TYPES = {"double": "Integer", "half": "Float", "even": "Boolean", "time": "String"}


@pytest.fixture(scope="module")
def functions(cloud: LocalCloud) -> Functions:
    return Functions(cloud, lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="module")
def arn(functions: Functions) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:function:{functions.make(CODE)}"


@pytest.fixture(scope="module")
def pipelines(jobs: Jobs) -> Pipelines:
    return Pipelines(jobs)


def calling(name: str, arn: str, arguments: dict[str, Any], *outputs: str, **more: Any) -> dict[str, Any]:
    told = [{"OutputName": one, "OutputType": TYPES.get(one, "String")} for one in outputs]
    return step(name, "Lambda", arguments, FunctionArn=arn, OutputParameters=told, **more)


def test_answer_of_a_function_is_used_by_the_next_step(pipelines: Pipelines, arn: str) -> None:
    number = [{"Name": "Number", "Type": "Integer", "DefaultValue": 3}]
    first = calling("First", arn, {"number": get("Parameters.Number")}, "double", "half", "even")
    second = calling("Second", arn, {"number": get("Steps.First.OutputParameters['double']")}, "double")
    ran = pipelines.run(first, second, parameters=number)
    assert pipelines.describe(ran)["PipelineExecutionStatus"] == "Succeeded"
    steps = pipelines.steps(ran)
    outputs = [
        {"Name": "double", "Value": "6"},
        {"Name": "half", "Value": "1.5"},
        {"Name": "even", "Value": "false"},
    ]
    assert steps["First"]["Metadata"] == {"Lambda": {"Arn": arn, "OutputParameters": outputs}}
    assert steps["Second"]["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "double", "Value": "12"}]


def test_answer_is_kept_for_the_same_arguments(pipelines: Pipelines, arn: str) -> None:
    cached = calling("Call", arn, {"number": 1}, "time", CacheConfig={"Enabled": True, "ExpireAfter": "T1H"})
    name = pipelines.create(definition(cached))
    found = []
    for _ in range(2):
        ran = pipelines.start(name)
        pipelines.wait(ran)
        found.append(pipelines.steps(ran)["Call"])
    assert found[0]["Metadata"] == found[1]["Metadata"]
    assert "CacheHitResult" not in found[0]
    assert "CacheHitResult" in found[1]


def test_what_comes_to_nothing_fails_the_step(
    cloud: LocalCloud, functions: Functions, pipelines: Pipelines, arn: str
) -> None:
    ran = pipelines.run(
        calling("Raises", arn, {"fail": "no luck"}),
        calling("Lacks", arn, {"number": 1}, "more"),
        calling("Missing", f"{arn}-not", {}),
        calling("List", functions.make("def handler(event, context):\n    return []"), {}, "x"),
        step("Wrong", "Lambda", {"number": 1}, FunctionArn=arn, OutputParameters=[_typed("half", "Boolean")]),
        step("Text", "Lambda", {"number": 1}, FunctionArn=arn, OutputParameters=[_typed("half", "String")]),
    )
    assert pipelines.describe(ran)["PipelineExecutionStatus"] == "Failed"
    steps = pipelines.steps(ran)
    reasons = {name: one.get("FailureReason", "") for name, one in steps.items()}
    assert steps["Text"]["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "half", "Value": "0.5"}]
    assert '"errorMessage": "no luck", "errorType": "ValueError"' in reasons["Raises"]
    assert "did not return the output more" in reasons["Lacks"]
    assert "Function not found" in reasons["Missing"]
    assert "must return an object" in reasons["List"]
    assert "not of the type Boolean" in reasons["Wrong"]
    role = cloud.client("iam").create_role(
        RoleName=functions.unique("weak"), AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    ran = pipelines.start(pipelines.create(definition(calling("Call", arn, {"number": 1})), RoleArn=role))
    assert pipelines.wait(ran)["PipelineExecutionStatus"] == "Failed"
    assert "is not authorized to perform: lambda:InvokeFunction" in pipelines.steps(ran)["Call"]["FailureReason"]


def _typed(name: str, kind: str) -> dict[str, str]:
    return {"OutputName": name, "OutputType": kind}


def test_helper_of_the_sdk_makes_and_calls_a_function(
    cloud: LocalCloud, functions: Functions, tmp_path: Any
) -> None:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.lambda_helper import Lambda

    script = tmp_path / "hello.py"
    session = Session(cloud.session, sagemaker_client=cloud.client("sagemaker"))
    session.lambda_client, session.s3_client = cloud.client("lambda"), cloud.client("s3")
    helper = Lambda(
        function_name=functions.unique("helper"),
        execution_role_arn=functions.role,
        script=str(script),
        handler="hello.handler",
        session=session,
    )
    for word in ("one", "two"):
        script.write_text(f"def handler(event, context):\n    return '{word}'\n")
        assert helper.upsert()["FunctionName"] == helper.function_name
        assert json.loads(helper.invoke()["Payload"].read()) == word
    helper.delete()
