"""ClarifyCheck steps: bias of data, and what a model's answers come from, beside a baseline of an earlier run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.engine.pipelines.definition import BadDefinition, read
from tests.cloud.jobs import ROLE, Jobs, pack
from tests.cloud.pipelines import Pipelines, definition, step

IMAGE = "205585389593.dkr.ecr.us-east-1.amazonaws.com/sagemaker-clarify-processing:1.0"
SERVING = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
TABLE = "y,sex,age\n" + "\n".join(["1,1,30", "1,1,40", "0,1,20", "1,0,50", "0,0,25", "0,0,22"]) + "\n"
BIAS = {
    "dataset_type": "text/csv",
    "label": "y",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "sex", "value_or_threshold": [0]}],
    "methods": {"pre_training_bias": {"methods": ["CI", "DPL"]}},
}
WEIGHTS = """
def model_fn(folder):
    return None
def predict_fn(rows, model):
    return rows @ [3.0, 0.5]
"""


@pytest.fixture(scope="module")
def pipelines(jobs: Jobs) -> Pipelines:
    return Pipelines(jobs)


def check(jobs: Jobs, name: str, kind: str, config: dict[str, Any], table: str, **more: Any) -> dict[str, Any]:
    def given(member: str, uri: str) -> dict[str, Any]:
        place = {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/input/{member}"}
        return {"InputName": member, "S3Input": place | {"S3DataType": "S3Prefix", "S3InputMode": "File"}}

    output = {"S3Uri": f"s3://{jobs.bucket}/{name}/report", "LocalPath": "/opt/ml/processing/output"}
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    arguments = {
        "AppSpecification": {"ImageUri": IMAGE},
        "RoleArn": ROLE,
        "ProcessingResources": {"ClusterConfig": cluster},
        "ProcessingInputs": [
            given("config", jobs.put(f"{name}/analysis_config.json", json.dumps(config).encode())),
            given("data", jobs.put(f"{name}/data/table.csv", table.encode())),
        ],
        "ProcessingOutputConfig": {
            "Outputs": [{"OutputName": "result", "S3Output": output | {"S3UploadMode": "EndOfJob"}}]
        },
    }
    return step(name, "ClarifyCheck", arguments, CheckType=kind, **more)


def report(jobs: Jobs, name: str) -> Any:
    body = jobs.s3.get_object(Bucket=jobs.bucket, Key=f"{name}/report/analysis.json")["Body"].read()
    return json.loads(body)


@pytest.mark.slow
def test_more_bias_than_in_the_first_data_fails_the_step(
    jobs: Jobs, pipelines: Pipelines, unique: Callable[[str], str]
) -> None:
    first, good, bad = (unique(name) for name in ("first", "good", "bad"))
    made = pipelines.run(check(jobs, first, "DATA_BIAS", BIAS, TABLE, SkipCheck=True, RegisterNewBaseline=True))
    baseline = f"s3://{jobs.bucket}/{first}/report/analysis.json"
    known = pipelines.steps(made)[first]["Metadata"]["ClarifyCheck"]
    assert known["CalculatedBaselineConstraints"] == known["BaselineUsedForDriftCheckConstraints"] == baseline
    worse = TABLE.replace("1,0,50", "0,0,50")
    checked = pipelines.run(
        check(jobs, good, "DATA_BIAS", BIAS, TABLE, SuppliedBaselineConstraints=baseline),
        check(jobs, bad, "DATA_BIAS", BIAS, worse, SuppliedBaselineConstraints=baseline),
    )
    steps = pipelines.steps(checked)
    assert (steps[good]["StepStatus"], steps[bad]["StepStatus"]) == ("Succeeded", "Failed")
    assert "CompletedWithViolations" in steps[bad]["FailureReason"]
    assert steps[bad]["Metadata"]["ClarifyCheck"]["ViolationReport"].endswith("/constraint_violations.json")


@pytest.mark.slow
def test_what_a_model_answers_by_is_found_through_an_endpoint_that_is_gone_after(
    jobs: Jobs, pipelines: Pipelines, unique: Callable[[str], str]
) -> None:
    name, model = unique("why"), unique("model")
    archive = jobs.put(f"{name}/model.tar.gz", pack({"inference.py": WEIGHTS}))
    variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": archive}
    container = {"Image": SERVING, "ModelDataUrl": archive, "Environment": variables}
    jobs.sagemaker.create_model(ModelName=model, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    config = {
        "dataset_type": "text/csv",
        "label": "y",
        "methods": {"shap": {"baseline": [[0, 0]], "num_samples": 10}},
        "predictor": {"instance_type": "ml.m5.large", "accept_type": "text/csv", "endpoint_name_prefix": name},
    }
    arguments = check(jobs, name, "MODEL_EXPLAINABILITY", config, TABLE, SkipCheck=True, ModelName=model)
    ran = pipelines.run(arguments)
    assert pipelines.steps(ran)[name]["StepStatus"] == "Succeeded", pipelines.steps(ran)[name].get("FailureReason")
    found = report(jobs, name)["explanations"]["kernel_shap"]["label0"]
    assert found["global_shap_values"] == pytest.approx({"sex": 1.5, "age": 0.5 * 187 / 6})
    assert jobs.sagemaker.list_endpoints(NameContains=name)["Endpoints"] == []
    assert jobs.sagemaker.list_endpoint_configs(NameContains=name)["EndpointConfigs"] == []


def test_check_that_is_none_is_refused() -> None:
    text = definition(step("Check", "ClarifyCheck", {}, CheckType="DATA_QUALITY"))
    with pytest.raises(BadDefinition, match="DATA_BIAS, MODEL_BIAS, MODEL_EXPLAINABILITY"):
        read(text)
