from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.cloud.resources.call import Call
from sagelab.cloud.resources.monitoring_schedules import MonitoringSchedules
from sagelab.cloud.store import Store
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import ROLE
from tests.cloud.monitoring import ANALYZER, CLARIFY, HOURLY, NOW, RESOURCES, SERVER, Monitoring
from tests.conftest import LocalCloud


@pytest.fixture(scope="module")
def monitoring(cloud: LocalCloud) -> Iterator[Monitoring]:
    hosting = Hosting(cloud)
    try:
        yield Monitoring(hosting)
    finally:
        hosting.close()


@pytest.fixture(scope="module")
def clarified(monitoring: Monitoring) -> Monitoring:
    """One more endpoint: what others capture is none of Clarify's."""
    return Monitoring(monitoring.hosting)


def refusal(code: str, call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def test_an_execution_of_now_reports_what_drifted(monitoring: Monitoring) -> None:
    monitoring.capture(*((f"{n},{n + 1}", str(2 * n + 1)) for n in range(100)))
    columns: dict[str, Any] = {
        "sum": [float(2 * n) for n in range(1000, 1100)],
        "a": list(range(100)),
        "b": list(range(1, 101)),
    }
    job = monitoring.definition("data") | {"BaselineConfig": monitoring.baseline(columns)}
    name = monitoring.schedule({"ScheduleConfig": NOW, "MonitoringJobDefinition": job})
    execution = monitoring.wait(name)
    assert execution["MonitoringExecutionStatus"] == "CompletedWithViolations", execution
    assert execution["EndpointName"] == monitoring.endpoint
    assert execution["MonitoringType"] == "DataQuality"
    violations = monitoring.report(execution, "constraint_violations.json")["violations"]
    assert {"baseline_drift_check"} == {
        one["constraint_check_type"] for one in violations if one["feature_name"] == "sum"
    } - {"data_type_check"}
    assert [one for one in violations if one["feature_name"] in "ab"] == []
    described = monitoring.sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name)
    assert described["MonitoringScheduleStatus"] == "Scheduled"
    assert described["LastMonitoringExecutionSummary"]["ProcessingJobArn"] == execution["ProcessingJobArn"]


def test_the_quality_of_a_model_is_judged_by_merged_labels(monitoring: Monitoring) -> None:
    monitoring.capture(*((f"{n}", str(n)) for n in range(10)))
    baseline = monitoring.put(
        "quality/constraints.json",
        '{"regression_constraints": {"mae": {"threshold": 0.1, "comparison_operator": "GreaterThanThreshold"}}}',
    )
    definition = monitoring.name("definition")
    arn = monitoring.sagemaker.create_model_quality_job_definition(
        JobDefinitionName=definition,
        ModelQualityBaselineConfig={"ConstraintsResource": {"S3Uri": baseline}},
        ModelQualityAppSpecification={"ImageUri": ANALYZER, "ProblemType": "Regression"},
        ModelQualityJobInput={
            "EndpointInput": monitoring.input(InferenceAttribute="0"),
            "GroundTruthS3Input": {"S3Uri": monitoring.label("labels", *(str(n + 1) for n in range(10)))},
        },
        ModelQualityJobOutputConfig=monitoring.output("quality"),
        JobResources=RESOURCES,
        RoleArn=ROLE,
    )["JobDefinitionArn"]
    assert arn.endswith(f":model-quality-job-definition/{definition}")
    name = monitoring.schedule(
        {"ScheduleConfig": NOW, "MonitoringJobDefinitionName": definition, "MonitoringType": "ModelQuality"}
    )
    execution = monitoring.wait(name)
    assert execution["MonitoringExecutionStatus"] == "CompletedWithViolations", execution
    assert execution["MonitoringJobDefinitionName"] == definition
    (violation,) = monitoring.report(execution, "constraint_violations.json")["violations"]
    assert violation["metric_name"] == "mae"
    rows = monitoring.sagemaker.list_model_quality_job_definitions(EndpointName=monitoring.endpoint)
    assert [one["MonitoringJobDefinitionName"] for one in rows["JobDefinitionSummaries"]] == [definition]
    monitoring.sagemaker.delete_model_quality_job_definition(JobDefinitionName=definition)
    described = monitoring.sagemaker.describe_model_quality_job_definition
    assert "Could not find" in refusal("ResourceNotFound", described, JobDefinitionName=definition)


def test_bias_that_is_more_than_the_baselines_is_found_and_measured(clarified: Monitoring) -> None:
    clarified.capture(*((f"{n % 2},{n}", "0.9" if n % 2 == 0 else "0.2") for n in range(8)))
    known = {"name": "DPPL", "description": "", "value": 0.5}
    facets = {"group": [{"value_or_threshold": "1", "metrics": [known]}]}
    config = {
        "headers": ["label", "group", "age"],
        "label": "label",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "group", "value_or_threshold": [1]}],
    }
    definition, place = clarified.name("bias"), clarified.name("config")
    clarified.sagemaker.create_model_bias_job_definition(
        JobDefinitionName=definition,
        ModelBiasBaselineConfig={
            "ConstraintsResource": {
                "S3Uri": clarified.put(
                    f"{place}/base.json", json.dumps({"post_training_bias_metrics": {"facets": facets}})
                )
            }
        },
        ModelBiasAppSpecification={
            "ImageUri": CLARIFY,
            "ConfigUri": clarified.put(f"{place}/analysis_config.json", json.dumps(config)),
        },
        ModelBiasJobInput={
            "EndpointInput": clarified.input(ProbabilityThresholdAttribute=0.8),
            "GroundTruthS3Input": {"S3Uri": clarified.label(place, *"10101010")},
        },
        ModelBiasJobOutputConfig=clarified.output(place),
        JobResources=RESOURCES,
        RoleArn=ROLE,
    )
    name = clarified.schedule(
        {"ScheduleConfig": NOW, "MonitoringJobDefinitionName": definition, "MonitoringType": "ModelBias"}
    )
    execution = clarified.wait(name)
    assert execution["MonitoringExecutionStatus"] == "CompletedWithViolations", execution
    (violation,) = clarified.report(execution, "constraint_violations.json")["violations"]
    assert (violation["metric_name"], violation["facet"]) == ("DPPL", "group")
    described = clarified.sagemaker.describe_model_bias_job_definition(JobDefinitionName=definition)
    assert described["ModelBiasAppSpecification"]["ImageUri"] == CLARIFY
    dimensions = [{"Name": "MonitoringSchedule", "Value": name}]
    found = clarified.hosting.cloud.client("cloudwatch").list_metrics(
        Namespace="aws/sagemaker/Endpoints/bias-metrics", Dimensions=dimensions
    )
    assert {"bias_metric_CI", "bias_metric_DPPL"} <= {one["MetricName"] for one in found["Metrics"]}


def test_reasons_are_those_of_the_monitored_model_and_of_its_baselining_job(clarified: Monitoring) -> None:
    clarified.capture(("100,1", "101"), ("200,2", "202"))
    place = clarified.name("reasons")
    config = {"headers": ["a", "b"], "methods": {"shap": {"baseline": [[0, 0]]}}}
    baseline = {"explanations": {"kernel_shap": {"label0": {"global_shap_values": {"a": 1.0, "b": 50.0}}}}}
    clarified.put(f"{place}/base/analysis.json", json.dumps(baseline))
    definition, job = clarified.name("why"), clarified.name("baselining")
    clarified.sagemaker.create_processing_job(
        ProcessingJobName=job,
        AppSpecification={"ImageUri": SERVER, "ContainerEntrypoint": ["python3", "-c", "pass"]},
        ProcessingResources=RESOURCES,
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "found",
                    "S3Output": {
                        "S3Uri": f"s3://{clarified.bucket}/{place}/base",
                        "LocalPath": "/opt/ml/processing/output",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        RoleArn=ROLE,
    )
    clarified.sagemaker.create_model_explainability_job_definition(
        JobDefinitionName=definition,
        ModelExplainabilityBaselineConfig={"BaseliningJobName": job},
        ModelExplainabilityAppSpecification={
            "ImageUri": CLARIFY,
            "ConfigUri": clarified.put(f"{place}/analysis_config.json", json.dumps(config)),
        },
        ModelExplainabilityJobInput={"EndpointInput": clarified.input()},
        ModelExplainabilityJobOutputConfig=clarified.output(place),
        JobResources=RESOURCES,
        RoleArn=ROLE,
    )
    name = clarified.schedule(
        {"ScheduleConfig": NOW, "MonitoringJobDefinitionName": definition, "MonitoringType": "ModelExplainability"}
    )
    execution = clarified.wait(name)
    assert execution["MonitoringExecutionStatus"] == "CompletedWithViolations", execution
    reasons = clarified.report(execution, "analysis.json")["explanations"]["kernel_shap"]["label0"]
    assert reasons["global_shap_values"]["a"] > reasons["global_shap_values"]["b"] > 0
    (violation,) = clarified.report(execution, "constraint_violations.json")["violations"]
    assert violation["constraint_check_type"] == "feature_attribution_drift_check"


def test_without_data_in_the_window_an_execution_fails(monitoring: Monitoring) -> None:
    job = monitoring.definition("none")
    early = {"ScheduleExpression": "NOW", "DataAnalysisStartTime": "-PT9H", "DataAnalysisEndTime": "-PT8H"}
    execution = monitoring.wait(monitoring.schedule({"ScheduleConfig": early, "MonitoringJobDefinition": job}))
    assert execution["MonitoringExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Job inputs had no data"
    assert "ProcessingJobArn" not in execution


def test_a_schedule_is_stopped_started_changed_and_deleted(monitoring: Monitoring) -> None:
    sagemaker, job = monitoring.sagemaker, monitoring.definition("moves")
    name = monitoring.schedule({"ScheduleConfig": HOURLY, "MonitoringJobDefinition": job})
    taken = {"MonitoringScheduleName": name}
    config = {"ScheduleConfig": {"ScheduleExpression": "cron(0 3 ? * * *)"}, "MonitoringJobDefinition": job}
    again = refusal(
        "ResourceInUse", sagemaker.create_monitoring_schedule, **taken, MonitoringScheduleConfig=config
    )
    assert name in again

    def look() -> tuple[str, str]:
        found = sagemaker.describe_monitoring_schedule(**taken)
        expression = found["MonitoringScheduleConfig"]["ScheduleConfig"]["ScheduleExpression"]
        return found["MonitoringScheduleStatus"], expression

    sagemaker.stop_monitoring_schedule(**taken)
    assert look() == ("Stopped", HOURLY["ScheduleExpression"])
    sagemaker.update_monitoring_schedule(**taken, MonitoringScheduleConfig=config)
    sagemaker.start_monitoring_schedule(**taken)
    assert look() == ("Scheduled", "cron(0 3 ? * * *)")
    listed = sagemaker.list_monitoring_schedules(NameContains=name, StatusEquals="Scheduled")
    assert [one["MonitoringScheduleName"] for one in listed["MonitoringScheduleSummaries"]] == [name]
    assert (
        sagemaker.list_monitoring_schedules(NameContains=name, MonitoringTypeEquals="ModelQuality")[
            "MonitoringScheduleSummaries"
        ]
        == []
    )
    sagemaker.delete_monitoring_schedule(**taken)
    for call in ("describe", "stop", "start", "delete"):
        words = refusal("ResourceNotFound", getattr(sagemaker, f"{call}_monitoring_schedule"), **taken)
        assert words.startswith("Could not find monitoring schedule")


def test_executions_come_in_pages_and_orders(monitoring: Monitoring) -> None:
    job = monitoring.definition("pages")
    early = {"ScheduleExpression": "NOW", "DataAnalysisStartTime": "-PT9H", "DataAnalysisEndTime": "-PT8H"}
    name = monitoring.schedule({"ScheduleConfig": early, "MonitoringJobDefinition": job})
    monitoring.wait(name)
    for _ in range(2):
        monitoring.sagemaker.stop_monitoring_schedule(MonitoringScheduleName=name)
        monitoring.sagemaker.start_monitoring_schedule(MonitoringScheduleName=name)
        monitoring.wait(name)
    ask = {"MonitoringScheduleName": name, "SortBy": "ScheduledTime", "SortOrder": "Ascending", "MaxResults": 2}
    first = monitoring.sagemaker.list_monitoring_executions(**ask)
    rest = monitoring.sagemaker.list_monitoring_executions(**ask, NextToken=first["NextToken"])
    times = [one["ScheduledTime"] for page in (first, rest) for one in page["MonitoringExecutionSummaries"]]
    assert times == sorted(times)
    assert len(times) == 3
    assert "NextToken" not in rest
    later = monitoring.sagemaker.list_monitoring_executions(
        MonitoringScheduleName=name, ScheduledTimeAfter=datetime.now(UTC)
    )
    assert later["MonitoringExecutionSummaries"] == []


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "cron": ({"ScheduleConfig": {"ScheduleExpression": "rate(5 minutes)"}}, {}, "is not supported"),
    "offsets": ({"ScheduleConfig": {"ScheduleExpression": "NOW"}}, {}, "DataAnalysisStartTime is required"),
    "window": ({"ScheduleConfig": NOW | {"DataAnalysisStartTime": "-P2D"}}, {}, "must precede"),
    "backwards": ({"ScheduleConfig": NOW | {"DataAnalysisEndTime": "-PT2H"}}, {}, "must precede"),
    "bias": ({"MonitoringType": "ModelBias"}, {}, "needs a MonitoringJobDefinitionName"),
    "both": ({"MonitoringJobDefinitionName": "x"}, {}, "Give either"),
    "role": ({}, {"RoleArn": "arn:aws:iam::000000000000:role/Nobody"}, "pass role"),
    "image": ({}, {"MonitoringAppSpecification": {"ImageUri": "busybox"}}, "no runtime"),
    "path": (
        {},
        {"MonitoringInputs": [{"EndpointInput": {"EndpointName": "e", "LocalPath": "/data"}}]},
        "must be an absolute path",
    ),
    "endpoint": (
        {},
        {"MonitoringInputs": [{"EndpointInput": {"EndpointName": "none", "LocalPath": "/opt/ml/processing/x"}}]},
        "Could not find endpoint",
    ),
    "nothing": ({}, {"MonitoringInputs": [{}]}, "EndpointInput is needed"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_schedule_is_refused_in_words(monitoring: Monitoring, case: str) -> None:
    changes, job, words = BAD[case]
    config = {"ScheduleConfig": HOURLY, "MonitoringJobDefinition": monitoring.definition("bad") | job} | changes
    said = refusal(
        "ValidationException",
        monitoring.sagemaker.create_monitoring_schedule,
        MonitoringScheduleName=monitoring.name(),
        MonitoringScheduleConfig=config,
    )
    assert words in said


def test_a_definition_that_is_not_there_is_not_found(monitoring: Monitoring) -> None:
    config = {"ScheduleConfig": HOURLY, "MonitoringJobDefinitionName": "nobody"}
    create = monitoring.sagemaker.create_monitoring_schedule
    words = refusal("ResourceNotFound", create, MonitoringScheduleName="x", MonitoringScheduleConfig=config)
    assert "data quality job definition" in words


def test_batch_transforms_have_no_data_to_monitor(monitoring: Monitoring) -> None:
    source = {
        "DataCapturedDestinationS3Uri": "s3://b/x",
        "DatasetFormat": {"Csv": {}},
        "LocalPath": "/opt/ml/processing/x",
    }
    words = refusal(
        "ValidationException",
        monitoring.sagemaker.create_data_quality_job_definition,
        JobDefinitionName=monitoring.name(),
        DataQualityAppSpecification={"ImageUri": ANALYZER},
        DataQualityJobInput={"BatchTransformInput": source},
        DataQualityJobOutputConfig=monitoring.output("x"),
        JobResources=RESOURCES,
        RoleArn=ROLE,
    )
    assert "not of batch transforms" in words


class Executions:
    """Takes down what would be executed."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, datetime]] = []

    def begin(self, schedule: dict[str, Any], due: datetime) -> None:
        self.begun.append((schedule["MonitoringScheduleName"], due))


def test_a_schedule_is_due_again_after_a_restart_unless_it_is_stopped(tmp_path: Path) -> None:
    noon = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    store, executions, clock = Store(tmp_path / "store"), Executions(), [noon - timedelta(minutes=1)]

    def start() -> MonitoringSchedules:
        """The family of a local cloud that has just begun; the test looks at the clock in place of its thread."""
        cloud: Any = SimpleNamespace(store=store)
        found = MonitoringSchedules(cloud, executions, None, lambda: clock[0])  # type: ignore[arg-type]
        found.timer.close()
        return found

    before = start()
    for name in ("goes", "stands"):
        call = Call("CreateMonitoringSchedule", {"MonitoringScheduleName": name}, "us-east-1", "1", "me")
        config = {"MonitoringScheduleConfig": {"ScheduleConfig": HOURLY}, "MonitoringScheduleStatus": "Scheduled"}
        before.add(call, config | call.params, "Scheduled")
    before.stop(Call("StopMonitoringSchedule", {"MonitoringScheduleName": "stands"}, "us-east-1", "1", "me"))
    after = start()
    for minutes in (0, 1, 61):
        clock[0] = noon + timedelta(minutes=minutes)
        after.timer.tick()
    assert executions.begun == [("goes", noon), ("goes", noon + timedelta(hours=1))]
    store.close()
