"""The processing jobs of an execution, as CreateProcessingJob takes them.

There is the analysis, and before that of a model's quality the merging of labels.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-contract-inputs.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.channels import Location
from sagelab.cloud.engine.monitoring.expressions import Window

LABELS, CODE, BASELINE = (f"/opt/ml/processing/{name}" for name in ("groundtruth", "code", "baseline"))
CONFIG = "/opt/ml/processing/config"
INPUT, OUTPUT = "endpointInput", "endpointOutput"
ATTRIBUTES = {
    "FeaturesAttribute": "features_attribute",
    "InferenceAttribute": "inference_attribute",
    "ProbabilityAttribute": "probability_attribute",
    "ProbabilityThresholdAttribute": "probability_threshold_attribute",
    "ExcludeFeaturesAttribute": "exclude_features_attribute",
}
LONGEST = 63  # characters of a job's name
Request = dict[str, Any]


@dataclass(frozen=True)
class Monitoring:
    """One type of monitoring. stem: of its jobs' names. analysis: as its container is told; "": as usual.

    merges: whether labels are merged first. sides: of an invocation that are looked at. reports: the names of the
    constraints and the statistics that its baselining job writes.
    """

    stem: str
    analysis: str = ""
    merges: bool = False
    sides: tuple[str, ...] = (INPUT, OUTPUT)
    reports: tuple[str, ...] = ("constraints.json", "statistics.json")


TYPES = {
    "DataQuality": Monitoring("data-quality-monitoring"),
    "ModelQuality": Monitoring("model-quality-monitoring", "MODEL_QUALITY", merges=True, sides=(OUTPUT,)),
    "ModelBias": Monitoring("model-bias-monitoring", "MODEL_BIAS", merges=True, reports=("analysis.json",)),
    "ModelExplainability": Monitoring(
        "model-explainability-monitoring", "MODEL_EXPLAINABILITY", sides=(INPUT,), reports=("analysis.json",)
    ),
}


@dataclass(frozen=True)
class Plan:
    """One execution. definition: in the form of MonitoringJobDefinition, with ProblemType and GroundTruthS3Input.

    captured: where the endpoint's data goes. code: of the jobs' names, unique. merger: the image that merges
    labels. baselining: the ARN of the job whose reports are the baseline, if there is one.
    """

    schedule: str
    kind: str
    definition: dict[str, Any]
    captured: Location
    scheduled: datetime
    window: Window
    code: str
    merger: str
    baselining: str = ""

    @property
    def type(self) -> Monitoring:
        return TYPES[self.kind]

    @property
    def endpoint(self) -> dict[str, Any]:
        found: dict[str, Any] = self.definition["MonitoringInputs"][0]["EndpointInput"]
        return found

    @property
    def output(self) -> dict[str, Any]:
        found: dict[str, Any] = self.definition["MonitoringOutputConfig"]["MonitoringOutputs"][0]["S3Output"]
        return found

    def name(self, stem: str) -> str:
        return f"{stem}-{self.scheduled:%Y%m%d%H%M}-{self.code}"[:LONGEST]

    @property
    def merged(self) -> Location:
        """Where the merger's records go."""
        return channels.locate(self.output["S3Uri"]).join("merge")


def found_folders(s3: Any, plan: Plan, place: Location) -> list[str]:
    """Where captured data of the window is, below a place: "ENDPOINT/VARIANT/2026/01/31/23"."""
    root = place.join(plan.endpoint["EndpointName"], "")
    answers = s3.get_paginator("list_objects_v2").paginate(Bucket=root.bucket, Prefix=root.key, Delimiter="/")
    variants = [one["Prefix"] for answer in answers for one in answer.get("CommonPrefixes", [])]
    start = len(place.join("").key)
    folders = [f"{variant[start:]}{hour}" for variant in variants for hour in plan.window.hours()]
    return [folder for folder in folders if channels.find_objects(s3, place.join(folder, ""), limit=1)]


def found_labels(s3: Any, plan: Plan) -> list[str]:
    """The hours of which there are labels, from the window's start to the execution: they come after the data."""
    place = _labels(plan)
    hours = Window(plan.window.start, max(plan.scheduled, plan.window.end)).hours()
    return [hour for hour in hours if channels.find_objects(s3, place.join(hour, ""), limit=1)]


def with_baseline(plan: Plan, job: Request) -> Request:
    """The definition with the reports of a baselining job as its baseline, as far as it names no others."""
    (output, *_) = job["ProcessingOutputConfig"]["Outputs"]
    place = channels.locate(output["S3Output"]["S3Uri"])
    members = zip(("ConstraintsResource", "StatisticsResource"), plan.type.reports, strict=False)
    found = {member: {"S3Uri": str(place.join(name))} for member, name in members}
    return plan.definition | {"BaselineConfig": found | plan.definition["BaselineConfig"]}


def merging(plan: Plan, folders: list[str], labels: list[str]) -> Request:
    """The job that gives each record its label."""
    source = plan.endpoint["LocalPath"]
    environment = {
        "dataset_source": source,
        "ground_truth_source": LABELS,
        "output_path": plan.output["LocalPath"],
    }
    inputs = [
        *_inputs("groundtruth_input", _labels(plan), labels, LABELS),
        *_inputs("endpoint_input", plan.captured, folders, source),
    ]
    output = {"S3Uri": str(plan.merged), "LocalPath": plan.output["LocalPath"], "S3UploadMode": "EndOfJob"}
    application = {"ImageUri": plan.merger}
    return _request(plan, plan.name("groundtruth-merge"), application, environment, inputs, output)


def analysis(plan: Plan, folders: list[str]) -> Request:
    """The job that writes the report."""
    application = plan.definition["MonitoringAppSpecification"]
    where = plan.merged if plan.type.merges else plan.captured
    inputs = [
        *(_input(name, uri, path) for name, uri, path in _extras(plan)),
        *_inputs("endpoint_input", where, folders, plan.endpoint["LocalPath"]),
    ]
    place = channels.locate(plan.output["S3Uri"])
    report = place.join(plan.endpoint["EndpointName"], plan.schedule, f"{plan.scheduled:%Y/%m/%d/%H}")
    output = {"S3UploadMode": "EndOfJob"} | plan.output | {"S3Uri": str(report)}
    started = {
        name: application[name]
        for name in ("ImageUri", "ContainerEntrypoint", "ContainerArguments")
        if name in application
    }
    return _request(plan, plan.name(plan.type.stem), started, _environment(plan), inputs, output)


def _labels(plan: Plan) -> Location:
    return channels.locate(plan.definition["GroundTruthS3Input"]["S3Uri"])


def _extras(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """(name, object, folder) of the baseline's files, an analysis' configuration and the user's scripts."""
    application, baseline = (
        plan.definition["MonitoringAppSpecification"],
        plan.definition.get("BaselineConfig", {}),
    )
    for name, member in (("constraints", "ConstraintsResource"), ("statistics", "StatisticsResource")):
        if uri := baseline.get(member, {}).get("S3Uri"):
            yield name, uri, f"{BASELINE}/{name}"
    if uri := application.get("ConfigUri"):
        yield "analysis_config", uri, CONFIG
    for name, member in (
        ("record_preprocessor_script", "RecordPreprocessorSourceUri"),
        ("post_analytics_processor_script", "PostAnalyticsProcessorSourceUri"),
    ):
        if uri := application.get(member):
            yield name, uri, f"{CODE}/{name}"


def _environment(plan: Plan) -> dict[str, str]:
    given: dict[str, str] = plan.definition.get("Environment", {})
    found = {
        "dataset_format": json.dumps(_format(plan)),
        "dataset_source": plan.endpoint["LocalPath"],
        "output_path": plan.output["LocalPath"],
        "publish_cloudwatch_metrics": "Enabled",
        "sagemaker_endpoint_name": plan.endpoint["EndpointName"],
        "sagemaker_monitoring_schedule_name": plan.schedule,
        "start_time": f"{plan.window.start:%Y-%m-%dT%H:%M:%SZ}",
        "end_time": f"{plan.window.end:%Y-%m-%dT%H:%M:%SZ}",
        "metric_time": f"{plan.window.start:%Y-%m-%dT%H:%M:%SZ}",
    }
    for name, uri, folder in _extras(plan):
        variable = f"baseline_{name}" if folder.startswith(BASELINE) else name
        found[variable] = f"{folder}/{PurePosixPath(channels.locate(uri).key).name}"
    found |= {
        variable: str(plan.endpoint[member]) for member, variable in ATTRIBUTES.items() if member in plan.endpoint
    }
    if plan.type.analysis:
        found["analysis_type"] = plan.type.analysis
    if problem := plan.definition.get("ProblemType"):
        found["problem_type"] = problem
    return found | given


def _format(plan: Plan) -> dict[str, Any]:
    kind = "sagemakerMergeJson" if plan.type.merges else "sagemakerCaptureJson"
    return {kind: {"captureIndexNames": list(plan.type.sides)}}


def _inputs(stem: str, place: Location, folders: list[str], path: str) -> list[Request]:
    return [
        _input(f"{stem}_{number}", str(place.join(folder)), f"{path}/{folder}")
        for number, folder in enumerate(folders, start=1)
    ]


def _input(name: str, uri: str, path: str) -> Request:
    source = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": source | {"S3DataDistributionType": "FullyReplicated"}}


def _request(
    plan: Plan,
    name: str,
    application: Request,
    environment: dict[str, str],
    inputs: list[Request],
    output: Request,
) -> Request:
    found = {
        "ProcessingJobName": name,
        "RoleArn": plan.definition["RoleArn"],
        "AppSpecification": application,
        "Environment": environment,
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "result", "S3Output": output}]},
        "ProcessingResources": plan.definition["MonitoringResources"],
        "StoppingCondition": plan.definition.get("StoppingCondition", {"MaxRuntimeInSeconds": 3600}),
    }
    if key := plan.definition["MonitoringOutputConfig"].get("KmsKeyId"):
        found["ProcessingOutputConfig"]["KmsKeyId"] = key
    if network := plan.definition.get("NetworkConfig"):
        found["NetworkConfig"] = network
    return found
