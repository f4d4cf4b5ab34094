"""CreateTrainingJob and its family, as a client sees them."""

from __future__ import annotations

import threading
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.jobs import IMAGE, ROLE, Jobs


def refused(jobs: Jobs, request: dict[str, Any]) -> tuple[str, str]:
    """The code and message that a CreateTrainingJob request is refused with."""
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        jobs.sagemaker.create_training_job(**request)
    error = trouble.value.response["Error"]
    return error["Code"], error["Message"]


def test_name_can_be_used_once(jobs: Jobs) -> None:
    request = jobs.shell("true")
    jobs.run(request)
    code, message = refused(jobs, request)
    assert code == "ResourceInUse"
    assert message.startswith("Training job names must be unique within an AWS account and region")


def test_one_of_many_creations_with_one_name_wins(jobs: Jobs) -> None:
    request, outcomes = jobs.shell("true"), []

    def create() -> None:
        try:
            jobs.sagemaker.create_training_job(**request)
            outcomes.append("made")
        except jobs.sagemaker.exceptions.ResourceInUse:
            outcomes.append("refused")

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made"] + ["refused"] * 7


def test_describe_returns_what_was_sent(jobs: Jobs) -> None:
    request = jobs.shell("true", Environment={"A": "b"}, HyperParameters={"$time": "1", "x": "y"})
    job = jobs.run(request)
    for name in ("AlgorithmSpecification", "Environment", "HyperParameters", "ResourceConfig", "RoleArn"):
        assert job[name] == request[name]
    assert job["TrainingJobArn"].endswith(f":training-job/{request['TrainingJobName']}")


def test_unknown_job_is_not_found(jobs: Jobs) -> None:
    for call in (jobs.sagemaker.describe_training_job, jobs.sagemaker.stop_training_job):
        with pytest.raises(botocore.exceptions.ClientError, match=r"Requested resource not found\."):
            call(TrainingJobName="nobody-made-this")


SPOT = {"EnableManagedSpotTraining": True}


def limits(runtime: int | None, wait: int) -> dict[str, Any]:
    """A StoppingCondition in a request."""
    given = {"MaxRuntimeInSeconds": runtime, "MaxWaitTimeInSeconds": wait}
    return {"StoppingCondition": {name: value for name, value in given.items() if value is not None}}


AT_LEAST_1 = "failed to satisfy constraint: Member must have value greater than or equal to 1"


def resources(**changes: int | None) -> dict[str, Any]:
    """A ResourceConfig in a request. None: left out."""
    given = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1} | changes
    return {"ResourceConfig": {name: value for name, value in given.items() if value is not None}}


def market(name: str, value: str) -> dict[str, Any]:
    """A tag of a spot market in a request."""
    return {"Tags": [{"Key": f"sagelab:spot-{name}", "Value": value}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"RoleArn": ROLE.replace("SageMakerLabRole", "missing")}, "Could not assume role arn:aws:iam::"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket-here/x"}}, '"no-such-bucket-here"'),
        ({"OutputDataConfig": {"S3OutputPath": "https://x"}}, "is not an S3 URI"),
        (SPOT, "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to"),
        (SPOT | limits(600, 599), "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal"),
        (SPOT | limits(None, 86399), "MaxRuntimeInSeconds (86400)"),
        (
            limits(600, 600),
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true",
        ),
        (SPOT | limits(600, 600) | market("rate", "often"), "rate of a spot market is a number from 0 to"),
        (
            SPOT | limits(600, 600) | market("interruptions", "1.5"),
            "interruptions of a spot market is a whole number",
        ),
        (SPOT | limits(600, 600) | market("wind", "1"), "a spot market has no 'wind'; it has rate, wait, seed"),
        (
            {"CheckpointConfig": {"S3Uri": "s3://no-such-bucket-here/x"}},
            'bucket "no-such-bucket-here" of CheckpointConfig.S3Uri',
        ),
        ({"CheckpointConfig": {"S3Uri": "https://x/y"}}, "is not an S3 URI"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 29 * 86400}}, "28 days"),
        ({"AlgorithmSpecification": {"AlgorithmName": "a", "TrainingInputMode": "File"}}, "TrainingImage"),
        (
            {"AlgorithmSpecification": {"TrainingImage": "busybox:1", "TrainingInputMode": "File"}},
            "tensorflow-training (versions 2.0.0",
        ),
        ({"AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "Floppy"}}, "enum value set"),
        ({"ResourceConfig": {"InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}}, "InstanceCount"),
        (resources(InstanceCount=0), f"Value '0' at 'resourceConfig.instanceCount' {AT_LEAST_1}"),
        (resources(VolumeSizeInGB=0), f"Value '0' at 'resourceConfig.volumeSizeInGB' {AT_LEAST_1}"),
        (resources(VolumeSizeInGB=None), "Value null at 'resourceConfig.volumeSizeInGB' failed"),
        ({"TrainingJobName": "no_underscores"}, "failed to satisfy constraint"),
    ],
)
def test_bad_request_is_refused_in_words(jobs: Jobs, change: dict[str, Any], words: str) -> None:
    code, message = refused(jobs, jobs.request(**change))
    assert code == "ValidationException"
    assert words in message


@pytest.mark.parametrize(
    "path",
    ["relative", "/", "/opt/ml", "/opt/ml/model/x", "/opt/ml/../ml/model", "/etc/x", "/usr/local/x", "/tmp"],
)
def test_checkpoint_folder_that_is_not_the_jobs_own_is_refused(jobs: Jobs, path: str) -> None:
    config = {"S3Uri": f"s3://{jobs.bucket}/checkpoints", "LocalPath": path}
    _, message = refused(jobs, jobs.shell("true", CheckpointConfig=config))
    assert message.startswith(f"Invalid CheckpointConfig.LocalPath {path!r}.")


def test_interrupting_tag_takes_one_value(jobs: Jobs) -> None:
    arn = jobs.run(jobs.shell("true"))["TrainingJobArn"]
    for value, words in (("later", "can only be 'now'"), ("now", "its status is Completed")):
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            jobs.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "sagelab:spot-interrupt", "Value": value}])
    assert jobs.sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://nobody-has-this/x"}}},
            "No S3 objects",
        ),
        ({"ShuffleConfig": {"Seed": 1}}, "ShuffleConfig is for Pipe mode"),
        ({"CompressionType": "Gzip"}, "CompressionType Gzip is for Pipe mode"),
    ],
)
def test_bad_channel_is_refused_in_words(jobs: Jobs, change: dict[str, Any], words: str) -> None:
    channel = jobs.channel("training", jobs.put("data/x.txt", b"")) | change
    _, message = refused(jobs, jobs.shell("true", InputDataConfig=[channel]))
    assert words in message


def test_channel_name_used_twice_is_refused(jobs: Jobs) -> None:
    channel = jobs.channel("training", jobs.put("data/x.txt", b""))
    assert "more than once" in refused(jobs, jobs.shell("true", InputDataConfig=[channel, channel]))[1]


def test_more_instances_than_a_machine_has_are_refused(jobs: Jobs) -> None:
    code, message = refused(jobs, jobs.shell("true", **resources(InstanceCount=2**31 - 1)))
    assert (code, "at most 100 instances" in message) == ("ResourceLimitExceeded", True)


def test_metric_expression_that_cannot_be_read_is_refused(jobs: Jobs) -> None:
    definitions = [{"Name": "loss", "Regex": "loss: ("}]
    _, message = refused(jobs, jobs.shell("true", algorithm={"MetricDefinitions": definitions}))
    assert "Invalid regex" in message


def test_stopped_job_keeps_its_log_and_its_model(jobs: Jobs) -> None:
    request = jobs.shell("echo m > /opt/ml/model/m.txt; echo started; exec sleep 1000")
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(name, "started")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert jobs.log(name) == "started"
    assert jobs.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"m.txt": b"m\n"}


@pytest.mark.slow
def test_script_hears_sigterm_and_may_save_its_work(jobs: Jobs) -> None:
    source = (
        "import signal, sys, time\n"
        "def save(*_):\n"
        "    open('/opt/ml/model/saved.txt', 'w').write('saved'); print('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(60)\n"
    )
    request = jobs.script(source)
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(name, "ready")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert jobs.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"saved.txt": b"saved"}


def test_ended_job_cannot_be_stopped(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("true"))
    with pytest.raises(botocore.exceptions.ClientError, match="because the training job is in status Completed"):
        jobs.sagemaker.stop_training_job(TrainingJobName=job["TrainingJobName"])


def test_deleted_job_is_gone_and_a_running_one_stays(jobs: Jobs) -> None:
    request = jobs.shell("sleep 1000")
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    with pytest.raises(botocore.exceptions.ClientError, match="in status InProgress"):
        jobs.sagemaker.delete_training_job(TrainingJobName=name)
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.wait(name)
    jobs.sagemaker.delete_training_job(TrainingJobName=name)
    with pytest.raises(botocore.exceptions.ClientError, match="not found"):
        jobs.describe(name)


def test_warm_pool_period_can_be_updated_where_it_was_asked_for(jobs: Jobs) -> None:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    plain = jobs.run(jobs.shell("true"))["TrainingJobName"]
    change = {"KeepAlivePeriodInSeconds": 120}
    with pytest.raises(botocore.exceptions.ClientError, match="has no warm pool"):
        jobs.sagemaker.update_training_job(TrainingJobName=plain, ResourceConfig=change)
    kept = jobs.run(jobs.shell("true", ResourceConfig=resources | {"KeepAlivePeriodInSeconds": 60}))
    jobs.sagemaker.update_training_job(TrainingJobName=kept["TrainingJobName"], ResourceConfig=change)
    assert jobs.describe(kept["TrainingJobName"])["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 120


def test_list_filters_sorts_and_pages(jobs: Jobs) -> None:
    mark = jobs.bucket.rpartition("-")[2]
    names = [f"list-{mark}-{letter}" for letter in "bca"]
    for name in names:
        jobs.run(jobs.shell("true", TrainingJobName=name))
    jobs.run(jobs.shell("exit 1", TrainingJobName=f"list-{mark}-failed"))
    pages = jobs.sagemaker.get_paginator("list_training_jobs")

    def listed(**filters: Any) -> list[str]:
        options = {"NameContains": mark, "PaginationConfig": {"PageSize": 2}} | filters
        return [
            job["TrainingJobName"] for page in pages.paginate(**options) for job in page["TrainingJobSummaries"]
        ]

    assert listed(StatusEquals="Completed") == names[::-1]
    assert listed(StatusEquals="Completed", SortOrder="Ascending") == names
    assert listed(SortBy="Name", SortOrder="Ascending", StatusEquals="Completed") == sorted(names)
    assert listed(StatusEquals="Failed") == [f"list-{mark}-failed"]
    second = jobs.describe(names[1])["CreationTime"]
    assert listed(CreationTimeBefore=second) == [names[0]]
    with pytest.raises(botocore.exceptions.ClientError, match="next token is invalid"):
        jobs.sagemaker.list_training_jobs(NextToken="bm9uc2Vuc2U=")


def test_tags_of_a_job(jobs: Jobs) -> None:
    arn = jobs.run(jobs.shell("true", Tags=[{"Key": "team", "Value": "blue"}]))["TrainingJobArn"]
    jobs.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "cost", "Value": "1"}, {"Key": "team", "Value": "red"}])
    jobs.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["cost"])
    assert jobs.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "red"}]


def test_search_by_tag_status_and_metric(jobs: Jobs) -> None:
    mark = jobs.bucket
    definitions = {"MetricDefinitions": [{"Name": "acc", "Regex": "acc: (.*)"}]}
    for value in ("0.5", "0.9"):
        jobs.run(jobs.shell(f"echo acc: {value}", algorithm=definitions, Tags=[{"Key": "set", "Value": mark}]))

    def found(*filters: dict[str, str], **options: Any) -> list[float]:
        mine = {"Name": "Tags.set", "Operator": "Equals", "Value": mark}
        results = jobs.sagemaker.search(
            Resource="TrainingJob", SearchExpression={"Filters": [mine, *filters]}, **options
        )["Results"]
        return [result["TrainingJob"]["FinalMetricDataList"][0]["Value"] for result in results]

    assert found(SortBy="Metrics.acc", SortOrder="Ascending") == pytest.approx([0.5, 0.9])
    assert found({"Name": "Metrics.acc", "Operator": "GreaterThan", "Value": "0.7"}) == pytest.approx([0.9])
    assert found({"Name": "TrainingJobStatus", "Operator": "NotEquals", "Value": "Completed"}) == []
    with pytest.raises(botocore.exceptions.ClientError, match="not Endpoint"):
        jobs.sagemaker.search(Resource="Endpoint")


def test_describe_tells_an_output_without_a_key_as_aws_does(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("true"))
    assert job["OutputDataConfig"]["KmsKeyId"] == ""
    assert job["OutputDataConfig"]["CompressionType"] == "GZIP"
