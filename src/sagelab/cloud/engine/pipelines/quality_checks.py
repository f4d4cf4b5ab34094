"""What a QualityCheck step is beside its processing job: the baseline that it checks against, and what it finds.

The job computes a new baseline in any case; a check is made against the baseline that is supplied, else against
that of the latest approved model of a group.
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-quality-clarify-baseline-lifecycle.html
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from sagelab.cloud.engine.pipelines.expressions import BadExpression
from sagelab.cloud.engine.pipelines.kinds import files_of, placed

# CheckType -> the member of a model package's DriftCheckBaselines that has its baseline.
BASELINES = {"DATA_QUALITY": "ModelDataQuality", "MODEL_QUALITY": "ModelQuality"}
FLAGS = {"SkipCheck": False, "FailOnViolation": True, "RegisterNewBaseline": False}
SUPPLIED = {"Statistics": "SuppliedBaselineStatistics", "Constraints": "SuppliedBaselineConstraints"}
MEMBERS = ("CheckType", "ModelPackageGroupName", *FLAGS, *SUPPLIED.values())
FOLDER = "/opt/ml/processing/baseline"
Check = dict[str, Any]


def read(step: str, given: dict[str, Any]) -> Check:
    """A step's members for its check, with expressions in them. BadExpression: there is no such check."""
    if given.get("CheckType") not in BASELINES:
        raise BadExpression(f"step {step}: CheckType must be one of {', '.join(BASELINES)}")
    return {member: given[member] for member in MEMBERS if given.get(member) is not None}


def begin(check: Check, arguments: dict[str, Any], sagemaker: Any) -> tuple[dict[str, Any], Check]:
    """(the request of the job, what is known of the step now). check: with values in place of expressions.

    BadExpression: there is no baseline to check against. botocore's ClientError: the group cannot be read.
    """
    flags = {name: _flag(check.get(name, usual)) for name, usual in FLAGS.items()}
    used = _baseline(check, sagemaker)
    if not flags["SkipCheck"] and "Constraints" not in used:
        raise BadExpression(
            "there is no baseline to check against: supply one, name a group with an approved model that has"
            " DriftCheckBaselines, or set SkipCheck"
        )
    known = {name: check[name] for name in ("CheckType", "ModelPackageGroupName") if name in check} | flags
    output = next((uri for _, uri in files_of(arguments)), None)
    if output is None:
        raise BadExpression("the job of a QualityCheck step needs an output")
    known["Output"] = output
    calculated = {name: placed(output, f"{name.lower()}.json") for name in SUPPLIED}
    known |= {f"CalculatedBaseline{name}": uri for name, uri in calculated.items()}
    kept = calculated if flags["RegisterNewBaseline"] else used
    known |= {f"BaselineUsedForDriftCheck{name}": uri for name, uri in kept.items()}
    return arguments if flags["SkipCheck"] else _checking(arguments, used), known


def judge(check: Check, job: dict[str, Any]) -> str | None:
    """Why a step fails whose job has Completed; None where it does not. check: `begin`'s, which this adds to."""
    if not str(job.get("ExitMessage", "")).startswith("CompletedWithViolations"):
        return None
    report = check["ViolationReport"] = placed(check["Output"], "constraint_violations.json")
    return f"ClientError: {job['ExitMessage']} See {report}." if check["FailOnViolation"] else None


def properties(check: Check) -> dict[str, Any]:
    """What other steps may read of a step."""
    return {name: value for name, value in check.items() if "Baseline" in name and isinstance(value, str)}


def _flag(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


def _baseline(check: Check, sagemaker: Any) -> dict[str, str]:
    """Statistics, Constraints -> the object of the baseline that there is."""
    supplied = {name: check[member] for name, member in SUPPLIED.items() if check.get(member)}
    if supplied or not check.get("ModelPackageGroupName"):
        return supplied
    listed = sagemaker.list_model_packages(
        ModelPackageGroupName=check["ModelPackageGroupName"],
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )["ModelPackageSummaryList"]
    if not listed:
        return {}
    package = sagemaker.describe_model_package(ModelPackageName=listed[0]["ModelPackageArn"])
    found = package.get("DriftCheckBaselines", {}).get(BASELINES[check["CheckType"]], {})
    return {name: found[name]["S3Uri"] for name in SUPPLIED if name in found}


def _checking(arguments: dict[str, Any], baseline: dict[str, str]) -> dict[str, Any]:
    """A job's request with a baseline among its inputs, as the image of Model Monitor reads one."""
    environment, inputs = dict(arguments.get("Environment", {})), list(arguments.get("ProcessingInputs", []))
    for name, uri in baseline.items():
        word = name.lower()
        source = {"S3Uri": uri, "LocalPath": f"{FOLDER}/{word}", "S3DataType": "S3Prefix", "S3InputMode": "File"}
        inputs.append({"InputName": f"baseline_{word}", "S3Input": source})
        environment[f"baseline_{word}"] = f"{FOLDER}/{word}/{PurePosixPath(uri).name}"
    return arguments | {"Environment": environment, "ProcessingInputs": inputs}
