"""What a QualityCheck or ClarifyCheck step is beside its processing job: the baseline, and what is found.

The job computes a new baseline in any case; a check is made against the baseline that is supplied, else against
that of the latest approved model of a group.
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-quality-clarify-baseline-lifecycle.html
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from sagelab.cloud.engine.pipelines.expressions import BadExpression
from sagelab.cloud.engine.pipelines.kinds import files_of, placed

# Type of step -> CheckType -> where a model package's DriftCheckBaselines has its baseline, by what is supplied.
_USUAL = {"Statistics": "Statistics", "Constraints": "Constraints"}
BASELINES: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "QualityCheck": {"DATA_QUALITY": ("ModelDataQuality", _USUAL), "MODEL_QUALITY": ("ModelQuality", _USUAL)},
    "ClarifyCheck": {
        "DATA_BIAS": ("Bias", {"Constraints": "PreTrainingConstraints"}),
        "MODEL_BIAS": ("Bias", {"Constraints": "PostTrainingConstraints"}),
        "MODEL_EXPLAINABILITY": ("Explainability", {"Constraints": "Constraints"}),
    },
}
FILES = {
    "QualityCheck": {"Statistics": "statistics.json", "Constraints": "constraints.json"},
    "ClarifyCheck": {"Constraints": "analysis.json"},
}
FLAGS = {"SkipCheck": False, "FailOnViolation": True, "RegisterNewBaseline": False}
SUPPLIED = {"Statistics": "SuppliedBaselineStatistics", "Constraints": "SuppliedBaselineConstraints"}
MEMBERS = ("CheckType", "ModelPackageGroupName", "ModelName", *FLAGS, *SUPPLIED.values())
FOLDER = "/opt/ml/processing/baseline"
Check = dict[str, Any]


def read(step: str, given: dict[str, Any]) -> Check:
    """A step's members for its check, with expressions in them. BadExpression: there is no such check."""
    kinds = BASELINES[given["Type"]]
    if given.get("CheckType") not in kinds:
        raise BadExpression(f"step {step}: CheckType must be one of {', '.join(kinds)}")
    return {member: given[member] for member in MEMBERS if given.get(member) is not None}


def begin(check: Check, arguments: dict[str, Any], sagemaker: Any) -> tuple[dict[str, Any], Check]:
    """(the request of the job, what is known of the step now). check: with values in place of expressions.

    BadExpression: there is no baseline to check against. botocore's ClientError: the group cannot be read.
    """
    kind = next(one for one, kinds in BASELINES.items() if check["CheckType"] in kinds)
    flags = {name: _flag(check.get(name, usual)) for name, usual in FLAGS.items()}
    used = _baseline(check, sagemaker, *BASELINES[kind][check["CheckType"]])
    if not flags["SkipCheck"] and "Constraints" not in used:
        raise BadExpression(
            "there is no baseline to check against: supply one, name a group with an approved model that has"
            " DriftCheckBaselines, or set SkipCheck"
        )
    known = {name: check[name] for name in MEMBERS[:2] if name in check} | flags
    output = next((uri for _, uri in files_of(arguments)), None)
    if output is None:
        raise BadExpression(f"the job of a {kind} step needs an output")
    known["Output"] = output
    calculated = {name: placed(output, file) for name, file in FILES[kind].items()}
    known |= {f"CalculatedBaseline{name}": uri for name, uri in calculated.items()}
    kept = calculated if flags["RegisterNewBaseline"] else used
    known |= {f"BaselineUsedForDriftCheck{name}": uri for name, uri in kept.items()}
    if "ModelName" in check:
        arguments = _with(arguments, {"model_name": str(check["ModelName"])})
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


def _with(arguments: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    """A job's request with variables more."""
    return arguments | {"Environment": {**arguments.get("Environment", {}), **variables}}


def _baseline(check: Check, sagemaker: Any, member: str, names: dict[str, str]) -> dict[str, str]:
    """Statistics, Constraints -> the object of the baseline that there is. member, names: BASELINES' row."""
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
    found = package.get("DriftCheckBaselines", {}).get(member, {})
    return {name: found[own]["S3Uri"] for name, own in names.items() if own in found}


def _checking(arguments: dict[str, Any], baseline: dict[str, str]) -> dict[str, Any]:
    """A job's request with a baseline among its inputs, as the images of Model Monitor and Clarify read one."""
    environment, inputs = dict[str, str](), list(arguments.get("ProcessingInputs", []))
    for name, uri in baseline.items():
        word = name.lower()
        source = {"S3Uri": uri, "LocalPath": f"{FOLDER}/{word}", "S3DataType": "S3Prefix", "S3InputMode": "File"}
        inputs.append({"InputName": f"baseline_{word}", "S3Input": source})
        environment[f"baseline_{word}"] = f"{FOLDER}/{word}/{PurePosixPath(uri).name}"
    return _with(arguments | {"ProcessingInputs": inputs}, environment)
