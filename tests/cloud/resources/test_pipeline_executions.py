"""Executions of pipelines, as a client sees them: every step is a real job."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from sagelab.cloud.server import TRUST
from tests.built import build
from tests.cloud.endpoints import DOUBLER, pack_folder
from tests.cloud.jobs import ROLE, Gate, Jobs
from tests.cloud.pipelines import Pipelines, definition, get, shell, step
from tests.cloud.processing import log, source, target
from tests.cloud.resources.hosting import SERVING, name
from tests.cloud.tunings import Tunings
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipelines(jobs: Jobs) -> Pipelines:
    return Pipelines(jobs)


@pytest.fixture(scope="module")
def doubler() -> bytes:
    """A model.tar.gz that doubles two numbers."""
    return pack_folder(build(DOUBLER, "2"))


def training(jobs: Jobs, command: str) -> dict[str, Any]:
    request = jobs.shell(command)
    del request["TrainingJobName"]
    return step("Train", "Training", request)


def bar(*then: dict[str, Any], other: list[dict[str, Any]]) -> dict[str, Any]:
    """A condition on what the evaluation has written: its accuracy is over the bar."""
    value = {"PropertyFile": get("Steps.Evaluate.PropertyFiles.Report"), "Path": "metrics.accuracy.value"}
    over = {
        "Type": "GreaterThanOrEqualTo",
        "LeftValue": {"Std:JsonGet": value},
        "RightValue": get("Parameters.Bar"),
    }
    return step("Check", "Condition", {"Conditions": [over], "IfSteps": list(then), "ElseSteps": other})


@pytest.fixture(scope="module")
def line(jobs: Jobs, pipelines: Pipelines) -> tuple[str, str]:
    """The names of a pipeline that trains, evaluates and registers what is good enough, and of the group."""
    group, place = name("group"), f"s3://{jobs.bucket}/{name('report')}"
    report = json.dumps({"metrics": {"accuracy": {"value": 0.9}}})
    evaluate = shell(
        "Evaluate",
        f"mkdir -p /opt/ml/processing/report; echo '{report}' > /opt/ml/processing/report/report.json",
        target("report", place),
        DependsOn=["Train"],
        PropertyFiles=[{"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}],
    )
    quality = {
        "S3Uri": {"Std:Join": {"On": "/", "Values": [place, "report.json"]}},
        "ContentType": "application/json",
    }
    container = {"Image": SERVING, "ModelDataUrl": get("Steps.Train.ModelArtifacts.S3ModelArtifacts")}
    register = step(
        "Register",
        "RegisterModel",
        {
            "ModelPackageGroupName": group,
            "InferenceSpecification": {"Containers": [container]},
            "ModelApprovalStatus": "PendingManualApproval",
            "ModelMetrics": {"ModelQuality": {"Statistics": quality}},
        },
    )
    message = {"Std:Join": {"On": " ", "Values": ["accuracy below", get("Parameters.Bar")]}}
    text = definition(
        training(jobs, "mkdir -p /opt/ml/model/1; echo x > /opt/ml/model/1/weights"),
        evaluate,
        bar(register, other=[step("TooBad", "Fail", {"ErrorMessage": message})]),
        parameters=[{"Name": "Bar", "Type": "Float", "DefaultValue": 0.8}],
    )
    return pipelines.create(text), group


def test_what_is_good_enough_is_registered(jobs: Jobs, pipelines: Pipelines, line: tuple[str, str]) -> None:
    arn = pipelines.start(line[0])
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Succeeded"
    steps = pipelines.steps(arn)
    assert list(steps) == ["Train", "Evaluate", "Check", "Register"]
    assert {one["StepStatus"] for one in steps.values()} == {"Succeeded"}
    assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    job = steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    assert job.startswith(f"pipelines-{arn.rpartition('/')[2]}-Train-")
    found = jobs.sagemaker.describe_model_package(
        ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    )
    assert (found["ModelPackageGroupName"], found["ModelPackageVersion"]) == (line[1], 1)
    artifact = jobs.describe(job)["ModelArtifacts"]["S3ModelArtifacts"]
    assert found["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == artifact


def test_what_is_not_ends_the_execution_with_its_words(pipelines: Pipelines, line: tuple[str, str]) -> None:
    arn = pipelines.start(line[0], PipelineParameters=[{"Name": "Bar", "Value": "0.95"}])
    found, steps = pipelines.wait(arn), pipelines.steps(arn)
    assert (found["PipelineExecutionStatus"], found["FailureReason"]) == (
        "Failed",
        "Step failure: One or multiple steps failed.",
    )
    assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "False"}}
    assert steps["TooBad"]["Metadata"] == {"Fail": {"ErrorMessage": "accuracy below 0.95"}}
    assert "Register" not in steps
    listed = pipelines.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
    assert listed["PipelineParameters"] == [{"Name": "Bar", "Value": "0.95"}]
    retry = pipelines.sagemaker.retry_pipeline_execution
    with pytest.raises(pipelines.sagemaker.exceptions.ClientError, match="ended by its Fail step"):
        retry(PipelineExecutionArn=arn)


def test_properties_and_parameters_of_both_kinds_reach_the_jobs(jobs: Jobs, pipelines: Pipelines) -> None:
    first = shell("First", "echo one")
    words = ["the job was", get("Steps.First.ProcessingJobName"), get("Parameters.Count")]
    second = shell("Second", "")
    second["Arguments"]["AppSpecification"]["ContainerArguments"] = [
        {"Std:Join": {"On": " ", "Values": ["echo", *words, get("Execution.PipelineName")]}}
    ]
    second["Arguments"]["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = get("Parameters.Count")
    kinds = [{"Name": "Count", "Type": "Integer", "DefaultValue": 1}]
    arn = pipelines.run(first, second, parameters=kinds)
    names = [one["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2] for one in pipelines.steps(arn).values()]
    assert log(jobs, names[1]).split() == ["the", "job", "was", names[0], "1", arn.split("/")[1]]


def test_failed_step_keeps_what_depends_on_it_from_starting_and_nothing_else(pipelines: Pipelines) -> None:
    arn = pipelines.run(
        shell("Bad", "exit 3"),
        shell("After", "true", DependsOn=["Bad"]),
        shell("Beside", "true"),
        shell("Next", "true", DependsOn=["Beside"]),
    )
    assert pipelines.statuses(arn) == {"Bad": "Failed", "Beside": "Succeeded", "Next": "Succeeded"}
    assert "exit code: 3" in pipelines.steps(arn)["Bad"]["FailureReason"]
    assert pipelines.describe(arn)["PipelineExecutionStatus"] == "Failed"


def test_step_whose_request_is_refused_fails_with_the_words_of_the_refusal(pipelines: Pipelines) -> None:
    bad = shell("Bad", "true")
    bad["Arguments"]["AppSpecification"]["ImageUri"] = "nobody/has-it:1"
    wrong = shell("Wrong", "true")
    wrong["Arguments"]["Colour"] = "red"
    arn = pipelines.run(bad, wrong)
    reasons = {name: one["FailureReason"] for name, one in pipelines.steps(arn).items()}
    assert reasons["Bad"].startswith(
        "ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: "
    )
    assert "Colour" in reasons["Wrong"]


def test_step_is_tried_again_as_often_as_its_policy_says(jobs: Jobs, pipelines: Pipelines) -> None:
    again = {"ExceptionType": ["SageMaker.RESOURCE_LIMIT"], "IntervalSeconds": 1, "MaxAttempts": 1}
    request = jobs.shell("true")
    request["ResourceConfig"]["InstanceCount"] = 1000
    del request["TrainingJobName"]
    arn = pipelines.run(
        step("Once", "Training", request),
        step("Twice", "Training", request, RetryPolicies=[again]),
        shell("Beside", "true"),
    )
    steps = pipelines.steps(arn)
    assert {name: one["AttemptCount"] for name, one in steps.items()} == {"Once": 1, "Twice": 2, "Beside": 1}
    assert pipelines.statuses(arn) == {"Once": "Failed", "Twice": "Failed", "Beside": "Succeeded"}
    assert "instances" in steps["Twice"]["FailureReason"]


def test_same_arguments_are_not_run_again(pipelines: Pipelines) -> None:
    cached = shell("Once", "echo once", CacheConfig={"Enabled": True, "ExpireAfter": "30d"})
    made = pipelines.create(definition(cached, shell("After", "true", DependsOn=["Once"])))
    first, second = pipelines.start(made), ""
    pipelines.wait(first)
    second = pipelines.start(made)
    pipelines.wait(second)
    before, after = (pipelines.steps(arn) for arn in (first, second))
    assert after["Once"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    assert after["Once"]["Metadata"] == before["Once"]["Metadata"]
    assert after["After"]["Metadata"] != before["After"]["Metadata"]
    job = before["Once"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    pipelines.sagemaker.delete_processing_job(ProcessingJobName=job)
    third = pipelines.start(made)
    pipelines.wait(third)
    assert "CacheHitResult" not in pipelines.steps(third)["Once"]


def test_step_that_reads_what_a_cached_step_no_longer_has_fails_with_the_reason(
    jobs: Jobs, pipelines: Pipelines
) -> None:
    """A step's arguments make its result count again, as on AWS, and not what has become of its files."""
    place = f"s3://{jobs.bucket}/{name('made')}"
    make = shell(
        "Make",
        "mkdir -p /opt/ml/processing/made; echo 1 > /opt/ml/processing/made/one",
        target("made", place),
        CacheConfig={"Enabled": True, "ExpireAfter": "30d"},
    )
    read = shell("Read", "cat /opt/ml/processing/made/one")
    made = get("Steps.Make.ProcessingOutputConfig.Outputs['made'].S3Output.S3Uri")
    read["Arguments"]["ProcessingInputs"] = [source("made", made)]
    pipeline = pipelines.create(definition(make, read, shell("Beside", "true")))
    first = pipelines.start(pipeline)
    assert pipelines.wait(first)["PipelineExecutionStatus"] == "Succeeded"
    jobs.cloud.client("s3").delete_object(Bucket=jobs.bucket, Key=f"{place.rpartition('/')[2]}/one")
    second = pipelines.start(pipeline)
    assert pipelines.wait(second)["PipelineExecutionStatus"] == "Failed"
    steps = pipelines.steps(second)
    assert steps["Make"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    assert pipelines.statuses(second) == {"Make": "Succeeded", "Read": "Failed", "Beside": "Succeeded"}
    assert place in steps["Read"]["FailureReason"]


def test_execution_runs_so_many_steps_at_a_time_and_is_stopped(
    jobs: Jobs, pipelines: Pipelines, gate: Gate
) -> None:
    other = Gate(jobs.cloud.home)
    made = pipelines.create(
        definition(shell("S0", gate.wait), shell("S1", gate.wait), shell("S2", other.wait)),
        ParallelismConfiguration={"MaxParallelExecutionSteps": 1},
    )
    token = uuid.uuid4().hex
    arn = pipelines.start(made, ClientRequestToken=token)
    assert pipelines.start(made, ClientRequestToken=token) == arn
    pipelines.wait_step(arn, "S0")
    assert list(pipelines.steps(arn)) == ["S0"]
    with pytest.raises(pipelines.sagemaker.exceptions.ConflictException):
        pipelines.sagemaker.delete_pipeline(PipelineName=made)
    gate.open()
    pipelines.wait_step(arn, "S1")
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Stopped"
    assert pipelines.statuses(arn) == {"S0": "Succeeded", "S1": "Stopped"}
    with pytest.raises(pipelines.sagemaker.exceptions.ConflictException):
        pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    retried = pipelines.sagemaker.retry_pipeline_execution
    kept = pipelines.steps(arn)["S0"]["Metadata"]
    retried(PipelineExecutionArn=arn, ParallelismConfiguration={"MaxParallelExecutionSteps": 2})
    pipelines.wait_step(arn, "S2")
    assert pipelines.steps(arn)["S0"]["Metadata"] == kept
    gate.open()
    other.open()
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Succeeded"
    pipelines.sagemaker.delete_pipeline(PipelineName=made)
    with pytest.raises(pipelines.sagemaker.exceptions.ResourceNotFound):
        pipelines.describe(arn)


def test_callback_waits_for_an_answer_to_its_message(jobs: Jobs, pipelines: Pipelines) -> None:
    sqs = jobs.cloud.client("sqs")
    url = sqs.create_queue(QueueName=name("queue"))["QueueUrl"]
    ask = step(
        "Ask",
        "Callback",
        {"what": "go on?"},
        SqsQueueUrl=url,
        OutputParameters=[{"OutputName": "answer", "OutputType": "String"}],
    )
    told = step("Told", "Fail", {"ErrorMessage": get("Steps.Ask.OutputParameters['answer']")})
    arn = pipelines.start(pipelines.create(definition(ask, told), RoleArn=queue_role(jobs)))

    def receive() -> dict[str, Any]:
        (message,) = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages", []), bool)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found: dict[str, Any] = json.loads(message["Body"])
        return found

    message = receive()
    assert (message["pipelineExecutionArn"], message["arguments"]) == (arn, {"what": "go on?"})
    answer = [{"Name": "answer", "Value": "not today"}]
    send = pipelines.sagemaker.send_pipeline_execution_step_success
    send(CallbackToken=message["token"], OutputParameters=answer)
    pipelines.wait(arn)
    steps = pipelines.steps(arn)
    assert steps["Ask"]["Metadata"]["Callback"]["OutputParameters"] == answer
    assert steps["Told"]["FailureReason"] == "not today"
    with pytest.raises(pipelines.sagemaker.exceptions.ResourceNotFound):
        send(CallbackToken=message["token"])
    stopped = pipelines.start(arn.split("/")[1])
    token = receive()["token"]
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=stopped)
    assert receive() | {"token": token} == message | {
        "token": token,
        "pipelineExecutionArn": stopped,
        "status": "Stopping",
    }
    pipelines.sagemaker.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="no")
    assert pipelines.wait(stopped)["PipelineExecutionStatus"] == "Stopped"
    assert pipelines.steps(stopped)["Ask"]["FailureReason"] == "no"


def queue_role(jobs: Jobs) -> str:
    """The ARN of a role that SageMaker takes on, and that may do everything."""
    iam, made = jobs.cloud.client("iam"), name("role")
    arn = iam.create_role(RoleName=made, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_role_policy(RoleName=made, PolicyName="all", PolicyDocument=policy)
    return str(arn)


def test_step_may_do_what_the_role_of_its_pipeline_may(pipelines: Pipelines, jobs: Jobs) -> None:
    iam, made = jobs.cloud.client("iam"), name("role")
    role = iam.create_role(RoleName=made, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    arn = pipelines.start(pipelines.create(definition(shell("One", "true")), RoleArn=role))
    pipelines.wait(arn)
    reason = pipelines.steps(arn)["One"]["FailureReason"]
    assert "is not authorized to perform: sagemaker:CreateProcessingJob" in reason


def test_chosen_steps_run_on_what_an_earlier_execution_made(pipelines: Pipelines) -> None:
    reading = shell("Read", "true")
    reading["Arguments"]["Environment"] = {"BEFORE": get("Steps.Make.ProcessingJobName")}
    made = pipelines.create(definition(shell("Make", "true"), reading, shell("Other", "true")))
    chosen: dict[str, Any] = {"SelectedSteps": [{"StepName": "Read"}]}
    with pytest.raises(pipelines.sagemaker.exceptions.ClientError, match="reads Make"):
        pipelines.start(made, SelectiveExecutionConfig=chosen)
    first = pipelines.start(made)
    pipelines.wait(first)
    second = pipelines.start(made, SelectiveExecutionConfig=chosen | {"SourcePipelineExecutionArn": first})
    assert pipelines.wait(second)["PipelineExecutionStatus"] == "Succeeded"
    steps = pipelines.steps(second)
    assert set(steps) == {"Make", "Read"}
    assert steps["Make"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": first}
    assert steps["Make"]["Metadata"] == pipelines.steps(first)["Make"]["Metadata"]


def test_executions_are_listed_newest_first(pipelines: Pipelines) -> None:
    made = pipelines.create(definition(step("Stop", "Fail", {"ErrorMessage": "x"})))
    arns = [pipelines.start(made, PipelineExecutionDisplayName=f"run-{number}") for number in range(3)]
    for arn in arns:
        pipelines.wait(arn)
    listing = pipelines.sagemaker.list_pipeline_executions
    first = listing(PipelineName=made, MaxResults=2)
    second = listing(PipelineName=made, MaxResults=2, NextToken=first["NextToken"])
    rows = first["PipelineExecutionSummaries"] + second["PipelineExecutionSummaries"]
    assert [row["PipelineExecutionArn"] for row in rows] == arns[::-1]
    assert rows[0]["PipelineExecutionDisplayName"] == "run-2"
    (row,) = pipelines.sagemaker.list_pipelines(PipelineNamePrefix=made)["PipelineSummaries"]
    assert row["LastExecutionTime"] >= row["CreationTime"]


@pytest.mark.long
def test_what_is_searched_trained_and_made_is_served_and_transforms(
    jobs: Jobs, pipelines: Pipelines, doubler: bytes
) -> None:
    """Tuning, Model, Transform, EndpointConfig and Endpoint steps."""
    tunings = Tunings(jobs)
    search = {
        "HyperParameterTuningJobConfig": tunings.config(1, 1),
        "TrainingJobDefinition": tunings.definition(),
    }
    data = jobs.put("pipeline/model.tar.gz", doubler)
    container = {"Image": SERVING, "ModelDataUrl": data}
    lines = {"S3DataType": "S3Prefix", "S3Uri": jobs.put("pipeline/rows.jsonl", b"[1, 2]\n")}
    batch = {
        "ModelName": get("Steps.Make.ModelName"),
        "TransformInput": {"DataSource": {"S3DataSource": lines}, "ContentType": "application/jsonlines"},
        "TransformOutput": {"S3OutputPath": f"s3://{jobs.bucket}/pipeline/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    served, variant = (
        name("endpoint"),
        {
            "VariantName": "All",
            "ModelName": get("Steps.Make.ModelName"),
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        },
    )
    best = {"Std:Join": {"On": "/", "Values": [get("Steps.Search.BestTrainingJob.TrainingJobName"), "x"]}}
    arn = pipelines.run(
        step("Search", "Tuning", search),
        step(
            "Make",
            "Model",
            {
                "PrimaryContainer": container | {"Environment": {"BEST": best}},
                "ExecutionRoleArn": ROLE,
            },
        ),
        step("Batch", "Transform", batch),
        step("Configure", "EndpointConfig", {"ProductionVariants": [variant]}),
        step(
            "Serve",
            "Endpoint",
            {"EndpointName": served, "EndpointConfigName": get("Steps.Configure.EndpointConfigName")},
        ),
    )
    steps = pipelines.steps(arn)
    assert {one["StepStatus"] for one in steps.values()} == {"Succeeded"}, steps
    assert len(steps["Search"]["Metadata"]["TuningJob"]["Arn"].rpartition("/")[2]) <= 32
    assert b"2.0" in jobs.s3.get_object(Bucket=jobs.bucket, Key="pipeline/out/rows.jsonl.out")["Body"].read()
    body = json.dumps({"instances": [[1.0, 2.0]]})
    asked = jobs.cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=served, ContentType="application/json", Body=body
    )
    assert json.loads(asked["Body"].read()) == {"predictions": [[2.0, 4.0]]}
    jobs.sagemaker.delete_endpoint(EndpointName=served)
