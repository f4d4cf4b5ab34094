"""QualityCheck steps: a new baseline always, a check against the one that is supplied or registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.engine.pipelines.definition import BadDefinition, read
from tests.cloud.engine.jobs.test_container_metrics import TABLE, analysis
from tests.cloud.jobs import Jobs
from tests.cloud.pipelines import Pipelines, definition, get, step

DRIFTED = TABLE.replace("\n1,", "\n1,1")


@pytest.fixture(scope="module")
def pipelines(jobs: Jobs) -> Pipelines:
    return Pipelines(jobs)


def check(jobs: Jobs, name: str, table: str, **more: Any) -> dict[str, Any]:
    """A step that looks at a table; what it finds goes to a place of its own."""
    arguments = analysis(jobs, jobs.put(f"{name}/table.csv", table.encode()))
    del arguments["ProcessingJobName"]
    arguments["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"] = f"s3://{jobs.bucket}/{name}/report"
    return step(name, "QualityCheck", arguments, CheckType="DATA_QUALITY", **more)


def supplied(jobs: Jobs, name: str) -> dict[str, str]:
    place = f"s3://{jobs.bucket}/{name}/report"
    return {
        "SuppliedBaselineStatistics": f"{place}/statistics.json",
        "SuppliedBaselineConstraints": f"{place}/constraints.json",
    }


def test_a_first_baseline_is_made_and_the_next_table_is_checked_against_it(
    jobs: Jobs, pipelines: Pipelines, unique: Callable[[str], str]
) -> None:
    first, good, bad, lenient = (unique(name) for name in ("first", "good", "bad", "lenient"))
    made = pipelines.run(check(jobs, first, TABLE, SkipCheck=True, RegisterNewBaseline=True))
    known = pipelines.steps(made)[first]["Metadata"]["QualityCheck"]
    calculated = f"s3://{jobs.bucket}/{first}/report/constraints.json"
    assert known["CalculatedBaselineConstraints"] == known["BaselineUsedForDriftCheckConstraints"] == calculated
    assert (known["SkipCheck"], known["RegisterNewBaseline"]) == (True, True)
    assert known["CheckJobArn"].rpartition("/")[2].startswith("pipelines-")

    reader = step(
        "Fail-after", "Fail", {"ErrorMessage": get(f"Steps.{lenient}.BaselineUsedForDriftCheckConstraints")}
    )
    checked = pipelines.run(
        check(jobs, good, TABLE, **supplied(jobs, first)),
        check(jobs, bad, DRIFTED, **supplied(jobs, first)),
        check(jobs, lenient, DRIFTED, FailOnViolation=False, **supplied(jobs, first)),
        reader,
    )
    steps = pipelines.steps(checked)
    assert pipelines.statuses(checked) == {
        good: "Succeeded",
        bad: "Failed",
        lenient: "Succeeded",
        "Fail-after": "Failed",
    }
    report = f"s3://{jobs.bucket}/{bad}/report/constraint_violations.json"
    assert steps[bad]["FailureReason"].startswith("ClientError: CompletedWithViolations: ")
    assert report in steps[bad]["FailureReason"]
    assert steps[lenient]["Metadata"]["QualityCheck"]["ViolationReport"].startswith(
        f"s3://{jobs.bucket}/{lenient}"
    )
    assert steps["Fail-after"]["Metadata"]["Fail"]["ErrorMessage"] == calculated
    body = jobs.s3.get_object(Bucket=jobs.bucket, Key=f"{bad}/report/constraint_violations.json")["Body"].read()
    assert "baseline_drift_check" in {one["constraint_check_type"] for one in json.loads(body)["violations"]}
    new = json.loads(jobs.s3.get_object(Bucket=jobs.bucket, Key=f"{bad}/report/statistics.json")["Body"].read())
    assert new["features"][1]["numerical_statistics"]["max"] == 199


def test_the_baseline_is_that_of_the_latest_approved_model(
    jobs: Jobs, pipelines: Pipelines, unique: Callable[[str], str]
) -> None:
    group, first, next_ = unique("group"), unique("first"), unique("next")
    pipelines.run(check(jobs, first, TABLE, SkipCheck=True))
    place = f"s3://{jobs.bucket}/{first}/report"
    baselines = {
        name: {"ContentType": "application/json", "S3Uri": f"{place}/{name.lower()}.json"}
        for name in ("Statistics", "Constraints")
    }
    jobs.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
    jobs.sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": image, "ModelDataUrl": jobs.put("m/model.tar.gz", b"")}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        DriftCheckBaselines={"ModelDataQuality": baselines},
    )
    ran = pipelines.run(check(jobs, next_, DRIFTED, ModelPackageGroupName=group))
    found = pipelines.steps(ran)[next_]
    assert found["StepStatus"] == "Failed"
    known = found["Metadata"]["QualityCheck"]
    assert known["BaselineUsedForDriftCheckStatistics"] == f"{place}/statistics.json"
    assert known["ModelPackageGroupName"] == group


def test_a_check_without_a_baseline_fails_before_its_job(
    jobs: Jobs, pipelines: Pipelines, unique: Callable[[str], str]
) -> None:
    name = unique("none")
    found = pipelines.steps(pipelines.run(check(jobs, name, TABLE)))[name]
    assert found["StepStatus"] == "Failed"
    assert "no baseline to check against" in found["FailureReason"]


def test_a_check_of_another_type_is_none() -> None:
    wrong = step("A", "QualityCheck", {}, CheckType="DATA_BIAS")
    with pytest.raises(BadDefinition, match="CheckType must be one of DATA_QUALITY, MODEL_QUALITY"):
        read(definition(wrong))
