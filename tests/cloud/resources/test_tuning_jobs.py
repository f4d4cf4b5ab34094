"""CreateHyperParameterTuningJob and its family, as a client sees them."""

from __future__ import annotations

import json
import re

import botocore.exceptions
import pytest

from sagelab.cloud.resources.training_jobs import DEFAULT_OUTPUT
from tests.cloud.jobs import Jobs
from tests.cloud.tunings import PARABOLA, Tunings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tunings(jobs: Jobs) -> Tunings:
    return Tunings(jobs)


@pytest.fixture(scope="module")
def ended(tunings: Tunings) -> str:
    """The name of a tuning job of five training jobs that has ended well."""
    request = tunings.request(tunings.config(5), Tags=[{"Key": "team", "Value": "red"}])
    job = tunings.run(request)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    return str(job["HyperParameterTuningJobName"])


def test_a_search_runs_all_of_its_jobs_and_finds_the_best(tunings: Tunings, ended: str) -> None:
    job, children = tunings.describe(ended), tunings.children(ended)
    assert job["TrainingJobStatusCounters"] == {
        "Completed": 5, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0
    }  # fmt: skip
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 5, "Pending": 0, "Failed": 0}
    best = max(children, key=lambda child: child["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
    assert job["BestTrainingJob"] == best
    x = float(best["TunedHyperParameters"]["point"])
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == pytest.approx(0.9 - (x - 0.3) ** 2)
    assert job["HyperParameterTuningEndTime"] >= job["CreationTime"]
    assert "OverallBestTrainingJob" not in job
    assert "FailureReason" not in job


def test_a_child_is_a_training_job_as_the_definition_says(tunings: Tunings, ended: str) -> None:
    request = tunings.describe(ended)["TrainingJobDefinition"]
    for number, summary in enumerate(tunings.children(ended), start=1):
        assert re.fullmatch(rf"{ended}-{number:03}-[0-9a-f]{{8}}", summary["TrainingJobName"])
        child = tunings.jobs.describe(summary["TrainingJobName"])
        assert child["TuningJobArn"] == tunings.describe(ended)["HyperParameterTuningJobArn"]
        assert child["HyperParameters"] == (
            request["StaticHyperParameters"]
            | summary["TunedHyperParameters"]
            | {"_tuning_objective_metric": "score"}
        )
        for member in ("AlgorithmSpecification", "RoleArn", "ResourceConfig"):
            assert child[member] == request[member]
        assert child["OutputDataConfig"] == DEFAULT_OUTPUT | request["OutputDataConfig"]
        tags = tunings.sagemaker.list_tags(ResourceArn=child["TrainingJobArn"])["Tags"]
        assert tags == [{"Key": "team", "Value": "red"}]


def test_a_child_is_no_call_of_anybody_but_the_service_s_own_event(tunings: Tunings, ended: str) -> None:
    child = tunings.children(ended)[0]["TrainingJobName"]
    asked = [{"AttributeKey": "ResourceName", "AttributeValue": child}]
    found = tunings.jobs.cloud.client("cloudtrail").lookup_events(LookupAttributes=asked)["Events"]
    record = json.loads(next(one for one in found if one["EventName"] == "CreateTrainingJob")["CloudTrailEvent"])
    assert (record["eventType"], record["requestParameters"]) == ("AwsServiceEvent", None)
    assert record["userIdentity"] == {"accountId": "123456789012", "invokedBy": "sagemaker.amazonaws.com"}
    assert record["serviceEventDetails"]["hyperParameterTuningJobName"] == ended


def test_children_are_listed_by_name_status_and_value(tunings: Tunings, ended: str) -> None:
    names = [child["TrainingJobName"] for child in tunings.children(ended)]
    assert names == sorted(names)
    assert [each["TrainingJobName"] for each in tunings.children(ended, SortOrder="Descending")] == names[::-1]
    assert tunings.children(ended, StatusEquals="Failed") == []
    ranked = tunings.children(ended, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    values = [child["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for child in ranked]
    assert len(values) == 5
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("order", ["Name", "CreationTime", "Status", "FinalObjectiveMetricValue"])
def test_pages_have_every_child_once(tunings: Tunings, ended: str, order: str) -> None:
    pages = tunings.children(ended, SortBy=order, PaginationConfig={"PageSize": 2})
    whole = tunings.children(ended, SortBy=order)
    assert [child["TrainingJobName"] for child in pages] == [child["TrainingJobName"] for child in whole]
    assert len(whole) == 5


def test_tuning_jobs_are_listed_searched_and_tagged(tunings: Tunings, ended: str) -> None:
    (found,) = tunings.sagemaker.list_hyper_parameter_tuning_jobs(NameContains=ended)[
        "HyperParameterTuningJobSummaries"
    ]
    assert found["Strategy"] == "Random"
    assert found["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 5
    assert found["TrainingJobStatusCounters"]["Completed"] == 5
    expression = {"Filters": [{"Name": "Tags.team", "Operator": "Equals", "Value": "red"}]}
    results = tunings.sagemaker.search(Resource="HyperParameterTuningJob", SearchExpression=expression)["Results"]
    names = [each["HyperParameterTuningJob"]["HyperParameterTuningJobName"] for each in results]
    assert ended in names
    assert tunings.sagemaker.list_tags(ResourceArn=found["HyperParameterTuningJobArn"])["Tags"]


def test_describe_returns_what_was_sent(tunings: Tunings, ended: str) -> None:
    job = tunings.describe(ended)
    assert job["HyperParameterTuningJobConfig"] == tunings.config(5)
    assert job["ConsumedResources"]["RuntimeInSeconds"] >= 0
    assert "TrainingJobDefinitions" not in job


def test_a_name_can_be_used_once(tunings: Tunings, ended: str) -> None:
    code, message = tunings.refused(tunings.request(HyperParameterTuningJobName=ended))
    assert code == "ResourceInUse"
    assert "already exists" in message


def test_a_job_that_is_not_there_is_not_found(tunings: Tunings) -> None:
    for operation in ("describe_hyper_parameter_tuning_job", "stop_hyper_parameter_tuning_job"):
        with pytest.raises(tunings.sagemaker.exceptions.ResourceNotFound, match="can't find a tuning job"):
            getattr(tunings.sagemaker, operation)(HyperParameterTuningJobName="nobody-made-it")


def test_stop_ends_the_search_and_its_jobs(tunings: Tunings) -> None:
    name = tunings.create(tunings.request(source="print('score: 1', flush=True)\nimport signal\nsignal.pause()"))
    tunings.wait_children(name, 2)
    for child in tunings.children(name):
        tunings.jobs.wait_log(child["TrainingJobName"], "score")
    tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = tunings.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 2
    assert [child["TrainingJobStatus"] for child in tunings.children(name)] == ["Stopped", "Stopped"]
    with pytest.raises(botocore.exceptions.ClientError, match="in status Stopped"):
        tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def test_delete_takes_the_tuning_job_alone(tunings: Tunings) -> None:
    request = tunings.request(tunings.config(1, 1))
    name = tunings.run(request)["HyperParameterTuningJobName"]
    (child,) = tunings.children(name)
    tunings.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    with pytest.raises(tunings.sagemaker.exceptions.ResourceNotFound):
        tunings.describe(name)
    assert tunings.jobs.describe(child["TrainingJobName"])["TrainingJobStatus"] == "Completed"
    tunings.run(request)  # the name is free again, and its list begins anew
    assert len(tunings.children(name)) == 1


def test_a_running_tuning_job_is_not_deleted(tunings: Tunings) -> None:
    name = tunings.create(tunings.request(source="import signal\nsignal.pause()"))
    with pytest.raises(botocore.exceptions.ClientError, match="Stop it first"):
        tunings.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    tunings.wait(name)


def test_several_algorithms_take_turns(tunings: Tunings) -> None:
    ranges = {"ContinuousParameterRanges": [tunings.config()["ParameterRanges"]["ContinuousParameterRanges"][0]]}
    both = [
        tunings.definition(
            PARABOLA.replace("1 - (args.point", f"{top} - (args.point"),
            DefinitionName=name,
            TuningObjective={"Type": "Maximize", "MetricName": "score"},
            HyperParameterRanges=ranges,
        )
        for name, top in (("weak", 1), ("strong", 5))
    ]
    config = tunings.config(4)
    del config["HyperParameterTuningJobObjective"], config["ParameterRanges"]
    request = tunings.request(config, TrainingJobDefinitions=both)
    del request["TrainingJobDefinition"]
    job = tunings.run(request)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    names = [child["TrainingJobDefinitionName"] for child in tunings.children(job["HyperParameterTuningJobName"])]
    assert names == ["weak", "strong", "weak", "strong"]
    best = job["BestTrainingJob"]
    assert best["TrainingJobDefinitionName"] == "strong"
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Type"] == "Maximize"


def test_instances_that_are_preferred_in_order_become_the_first(tunings: Tunings) -> None:
    definition = tunings.definition()
    del definition["ResourceConfig"]
    kinds = [
        {"InstanceType": f"ml.{kind}.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5} for kind in ("c5", "m5")
    ]
    definition["HyperParameterTuningResourceConfig"] = {
        "InstanceConfigs": kinds,
        "AllocationStrategy": "Prioritized",
    }
    job = tunings.run(tunings.request(tunings.config(1, 1), TrainingJobDefinition=definition))
    child = tunings.jobs.describe(job["BestTrainingJob"]["TrainingJobName"])
    assert child["ResourceConfig"] == kinds[0]


def test_spot_and_checkpoints_are_passed_on_each_with_a_place_of_its_own(tunings: Tunings) -> None:
    source = "open('/opt/ml/checkpoints/state', 'w').write('half way')\nprint('score: 1')"
    place = f"s3://{tunings.jobs.bucket}/checkpoints"
    definition = tunings.definition(
        source,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
        CheckpointConfig={"S3Uri": place, "LocalPath": "/opt/ml/checkpoints"},
    )
    tags = [{"Key": "sagelab:spot-rate", "Value": "0"}]
    request = tunings.request(tunings.config(2, 2), TrainingJobDefinition=definition, Tags=tags)
    job = tunings.run(request)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    for child in tunings.children(job["HyperParameterTuningJobName"]):
        name = child["TrainingJobName"]
        found = tunings.jobs.describe(name)
        assert found["EnableManagedSpotTraining"] is True
        assert found["CheckpointConfig"]["S3Uri"] == f"{place}/{name}"
        kept = tunings.jobs.s3.get_object(Bucket=tunings.jobs.bucket, Key=f"checkpoints/{name}/state")
        assert kept["Body"].read() == b"half way"
