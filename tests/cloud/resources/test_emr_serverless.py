"""EMR Serverless: applications from state to state, job runs and what becomes of each at an end.

Spark's image is stood for by a `java` that runs the script (tests/cloud/spark_image.py); tests/spark has the real
one.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError

from sagelab.cloud import clock, control
from sagelab.cloud.gateway.auth import emr
from sagelab.cloud.home import Home
from sagelab.cloud.resources import state_changes
from sagelab.cloud.resources.emr_job_runs import may_again
from sagelab.cloud.store import Transition
from tests import clouds
from tests.cloud import spark_image
from tests.cloud.builds import make_role
from tests.cloud.emr_serverless import ONE, Serverless
from tests.cloud.engine.vpc.networks import Network
from tests.cloud.gateway.moto.test_state_machines import Machines, task
from tests.cloud.jobs import LIGHT, Jobs
from tests.cloud.kills import kill
from tests.cloud.pipelines import Pipelines, definition, step
from tests.waiting import until

WHO = """
import boto3, os, sys
print("args", *sys.argv[1:], os.environ.get("TABLE"), os.path.basename(os.getcwd()).startswith("work-"))
print(boto3.client("sts").get_caller_identity()["Arn"].rpartition("role/")[2])
print("beside", file=sys.stderr)
"""
LONG = "import time; print('here', flush=True); time.sleep(1000)"
ONE_RUN = {"maxConcurrentRuns": 1}


@pytest.fixture(scope="module")
def serverless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serverless]:
    home = Home(tmp_path_factory.mktemp("serverless") / "home")
    spark_image.lay(home)
    yield Serverless(clouds.start(home))
    control.down(home)


@pytest.fixture(scope="module")
def application(serverless: Serverless) -> str:
    return serverless.make(
        monitoringConfiguration={"managedPersistenceMonitoringConfiguration": {"enabled": False}}
    )


def refusal(call: Any, **asked: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        call(**asked)
    error = refused.value.response["Error"]
    return refused.value.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def test_an_application_goes_from_state_to_state(serverless: Serverless) -> None:
    api = serverless.api
    capacity = {"Driver": {"workerCount": 1, "workerConfiguration": {"cpu": "2 vCPU", "memory": "4 GB"}}}
    key = serverless.make(initialCapacity=capacity, tags={"team": "a"}, clientToken=serverless.bucket)
    found = serverless.get(key)
    assert (found["type"], found["architecture"], found["tags"]) == ("Spark", "X86_64", {"team": "a"})
    assert found["autoStopConfiguration"] == {"enabled": True, "idleTimeoutMinutes": 15}
    assert found["autoStartConfiguration"] == {"enabled": True}
    assert found["initialCapacity"] == capacity
    api.start_application(applicationId=key)
    serverless.wait(key, "STARTED")
    must = (
        f"Application {key} must be in one of the following statuses [CREATED, STOPPED]. Current status: STARTED"
    )
    for call in (api.delete_application, partial(api.update_application, releaseLabel="emr-7.1.0")):
        assert refusal(call, applicationId=key) == (400, "ValidationException", must)
    api.stop_application(applicationId=key)
    serverless.wait(key, "STOPPED")
    changed = api.update_application(applicationId=key, releaseLabel="emr-7.1.0")["application"]
    assert (changed["releaseLabel"], changed["initialCapacity"]) == ("emr-7.1.0", capacity)
    (row,) = [one for one in api.list_applications()["applications"] if one["id"] == key]
    assert row["state"] == "STOPPED"
    api.delete_application(applicationId=key)
    assert serverless.get(key)["state"] == "TERMINATED"
    assert key not in [one["id"] for one in api.list_applications()["applications"]]
    assert refusal(api.get_application, applicationId="00none")[:2] == (404, "ResourceNotFoundException")


def test_a_job_run_has_its_arguments_its_role_and_its_logs(serverless: Serverless, application: str) -> None:
    more = "--conf spark.emr-serverless.driverEnv.TABLE=clicks --num-executors 1"
    more += " --conf spark.sql.shuffle.partitions=3"
    run = serverless.start(application, WHO, "one", "two words", parameters=f"{ONE} {more}", name="first")
    found = serverless.end(application, run)
    assert (found["state"], found["stateDetails"]) == ("SUCCESS", "")
    role = serverless.role.rpartition("/")[2]
    said = serverless.log(found, "SPARK_DRIVER/stdout").splitlines()
    assert said == ["args one two words clicks True", f"{role}/emr-serverless"]
    errors = serverless.log(found, "SPARK_DRIVER/stderr").splitlines()
    # What the plan stands for is not told again, all else is.
    assert "option --conf spark.sql.shuffle.partitions=3" in errors
    assert not [line for line in errors if "emr-serverless" in line or "spark.executor" in line]
    assert "beside" in errors
    assert found["createdAt"] <= found["startedAt"] <= found["endedAt"]
    # A driver and an executor of 4 vCPU and 8 GB each, the least that such a worker has, for a minute at least.
    assert found["billedResourceUtilization"] == {"vCPUHour": 0.133, "memoryGBHour": 0.267, "storageGBHour": 0.0}
    assert 0 <= found["totalResourceUtilization"]["vCPUHour"] < 0.133
    assert serverless.get(application)["state"] == "STARTED"
    (row,) = [
        one for one in serverless.api.list_job_runs(applicationId=application)["jobRuns"] if one["id"] == run
    ]
    assert (row["name"], row["mode"], row["attempt"]) == ("first", "BATCH", 1)
    url = urlsplit(serverless.api.get_dashboard_for_job_run(applicationId=application, jobRunId=run)["url"])
    place = f"s3://{serverless.bucket}/logs/applications/{application}/jobs/{run}/"
    assert (url.path, parse_qs(url.query)) == ("/spark", {"place": [place]})


def test_a_run_without_logs_in_s3_has_no_page(serverless: Serverless, application: str) -> None:
    run = serverless.start(application, "print(1)", parameters=ONE, configurationOverrides={})
    serverless.end(application, run)
    ask = serverless.api.get_dashboard_for_job_run
    assert "logUri" in refusal(ask, applicationId=application, jobRunId=run)[2]


FAILS = {
    "an error": ("raise ValueError('no such table')", ONE, "Last few exceptions: ValueError: no such table"),
    "memory": ("import os; os.kill(os.getpid(), 9)", ONE, "137. Last few exceptions: Worker has been killed"),
    "no script": ("s3://{bucket}/none.py", ONE, "An error occurred (404)"),
    "an option": ("print(1)", f"{ONE} --no-such-option x", "Error: Unrecognized option: --no-such-option"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILS)
def test_a_job_run_that_fails_says_why(serverless: Serverless, application: str, case: str) -> None:
    script, parameters, words = FAILS[case]
    found = serverless.run(application, script.format(bucket=serverless.bucket), parameters=parameters)
    assert found["state"] == "FAILED"
    assert found["stateDetails"].startswith(
        "Job failed, please check complete logs in configured logging destination."
    )
    assert words in found["stateDetails"]
    assert len(found["stateDetails"]) <= 256


def test_a_role_that_nobody_may_take_on_and_one_that_may_not_read(
    serverless: Serverless, application: str
) -> None:
    foreign = make_role(serverless.cloud, "glue")
    found = serverless.run(application, "print(1)", executionRoleArn=foreign)
    words = "because it doesn't exist or isn't setup with the required trust relationship."
    assert (found["state"], found["stateDetails"]) == (
        "FAILED",
        f"Could not assume runtime role {foreign} {words}",
    )
    poor = make_role(serverless.cloud, "emr-serverless", actions=("logs:*",))
    found = serverless.run(application, "print(1)", executionRoleArn=poor)
    assert (found["state"], "(403)" in found["stateDetails"]) == ("FAILED", True)


def test_a_policy_of_its_own_limits_what_a_run_may(serverless: Serverless, application: str) -> None:
    script = "import boto3; s3 = boto3.client('s3'); print('may list', s3.list_buckets() and 1)"
    script += f"\ns3.put_object(Bucket='{serverless.bucket}', Key='no', Body=b'')"
    reads = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}
    logs = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{serverless.bucket}/logs/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [reads, logs]})
    found = serverless.run(application, script, executionIamPolicy={"policy": policy})
    assert (found["state"], found["executionIamPolicy"]) == ("FAILED", {"policy": policy})
    assert "botocore.errorfactory.AccessDenied" in found["stateDetails"]
    assert serverless.log(found, "SPARK_DRIVER/stdout") == "may list 1\n"
    found = serverless.run(application, "print(1)", executionIamPolicy={"policy": "no policy"})
    assert (found["state"], "policy" in found["stateDetails"].lower()) == ("FAILED", True), found["stateDetails"]


def test_a_job_run_is_cancelled_in_the_middle_and_the_next_comes_to_its_turn(serverless: Serverless) -> None:
    key, api = serverless.make(schedulerConfiguration=ONE_RUN), serverless.api
    first, second, third = (serverless.start(key, script) for script in (LONG, LONG, "print('third')"))
    serverless.end(key, first, "RUNNING")
    assert [serverless.see(key, run)["state"] for run in (second, third)] == ["QUEUED", "QUEUED"]
    words = refusal(api.stop_application, applicationId=key)[2]
    assert "must be completed or cancelled" in words
    for run in (second, first):
        assert api.cancel_job_run(applicationId=key, jobRunId=run)["jobRunId"] == run
    for run in (first, second):
        found = serverless.end(key, run)
        assert (found["state"], found["stateDetails"]) == ("CANCELLED", "Job run was cancelled.")
    found = serverless.end(key, third)
    assert (found["state"], serverless.log(found, "SPARK_DRIVER/stdout")) == ("SUCCESS", "third\n")
    api.cancel_job_run(applicationId=key, jobRunId=third)
    assert serverless.see(key, third)["state"] == "SUCCESS"
    runs = api.get_paginator("list_job_runs").paginate(applicationId=key, PaginationConfig={"PageSize": 2})
    assert [[one["id"] for one in page["jobRuns"]] for page in runs] == [[third, second], [first]]


def test_what_fails_is_tried_again_and_every_attempt_is_kept(serverless: Serverless, application: str) -> None:
    script = f"import boto3; s3 = boto3.client('s3'); b = '{serverless.bucket}'\n"
    script += "there = s3.list_objects_v2(Bucket=b, Prefix='seen/')['KeyCount']\n"
    script += "s3.put_object(Bucket=b, Key=f'seen/{there}')\nprint('try', there)\nassert there"
    run = serverless.start(application, script, retryPolicy={"maxAttempts": 3})
    found = serverless.end(application, run)
    assert (found["state"], found["attempt"]) == ("SUCCESS", 2)
    assert serverless.log(found, "SPARK_DRIVER/stdout") == "try 1\n"
    assert serverless.log(found | {"attempt": 1}, "SPARK_DRIVER/stdout") == "try 0\n"
    tries = serverless.api.list_job_run_attempts(applicationId=application, jobRunId=run)["jobRunAttempts"]
    assert [(one["attempt"], one["state"]) for one in tries] == [(2, "SUCCESS"), (1, "FAILED")]
    before = serverless.api.get_job_run(applicationId=application, jobRunId=run, attempt=1)["jobRun"]
    assert "AssertionError" in before["stateDetails"]


def test_a_request_is_made_once_by_its_token_and_starts_no_application_that_is_not_to_be(
    serverless: Serverless,
) -> None:
    key, api = serverless.make(autoStartConfiguration={"enabled": False}), serverless.api
    driver = {"sparkSubmit": serverless.driver("print(1)")}
    asked = {"applicationId": key, "jobDriver": driver, "executionRoleArn": serverless.role, "clientToken": "one"}
    must = f"Application {key} must be in one of the following statuses [STARTED]. Current status: CREATED"
    assert refusal(api.start_job_run, **asked) == (400, "ValidationException", must)
    api.start_application(applicationId=key)
    serverless.wait(key, "STARTED")
    first, second = (api.start_job_run(**asked)["jobRunId"] for _ in range(2))
    assert first == second
    assert refusal(api.start_job_run, **asked | {"name": "other"})[:2] == (409, "ConflictException")
    serverless.end(key, first)
    assert len(api.list_job_runs(applicationId=key)["jobRuns"]) == 1


def test_what_an_application_has_no_room_for_fails(serverless: Serverless) -> None:
    key = serverless.make(maximumCapacity={"cpu": "4 vCPU", "memory": "16 GB"})
    found = serverless.run(key, "print(1)")
    assert found["state"] == "FAILED"
    assert found["stateDetails"].startswith(
        "ApplicationMaxCapacityExceededException: Worker could not be allocated"
    )
    small = "--conf spark.driver.cores=2 --conf spark.executor.cores=2 --conf spark.executor.instances=3"
    found = serverless.run(key, "print(1)", parameters=f"{ONE} {small}".replace("instances=1", "instances=3"))
    assert (found["state"], found["billedResourceUtilization"]["vCPUHour"]) == ("SUCCESS", 0.067)


def test_archives_bring_packages_and_logs_go_to_cloudwatch(serverless: Serverless, application: str) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in (("lib/python3.9/site-packages/helper.py", "ANSWER = 42"), ("bin/python", "not run")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    place = serverless.put("lib/environment.tar.gz", packed.getvalue())
    own = "--conf spark.emr-serverless.driverEnv.PYSPARK_PYTHON=./environment/bin/python"
    own += f" --archives {place}#environment"
    watch = {"cloudWatchLoggingConfiguration": {"enabled": True, "logStreamNamePrefix": "mine"}}
    script = "import helper; print(helper.ANSWER, open('environment/bin/python').read())"
    overrides = {"monitoringConfiguration": watch}
    found = serverless.run(application, script, parameters=f"{ONE} {own}", configurationOverrides=overrides)
    assert found["state"] == "SUCCESS"
    logs = serverless.cloud.client("logs")
    stream = f"mine/applications/{application}/jobs/{found['jobRunId']}/SPARK_DRIVER"

    def lines(name: str) -> list[str]:
        asked = {"logGroupName": "/aws/emr-serverless", "logStreamName": f"{stream}/{name}"}
        return [one["message"] for one in logs.get_log_events(**asked, startFromHead=True)["events"]]

    assert lines("stdout") == ["42 not run"]
    said = lines("stderr")
    assert any("is, here" in line and "1 executor, the driver beside" in line for line in said)
    assert any("USD on AWS" in line for line in said)


def test_tags_of_applications_and_runs(serverless: Serverless, application: str) -> None:
    run = serverless.start(application, "print(1)", tags={"a": "1"})
    arn = serverless.see(application, run)["arn"]
    serverless.api.tag_resource(resourceArn=arn, tags={"b": "2"})
    serverless.api.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert serverless.api.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    assert serverless.end(application, run)["tags"] == {"b": "2"}
    none = arn.replace(run, "00none")
    assert refusal(serverless.api.list_tags_for_resource, resourceArn=none)[1] == "ResourceNotFoundException"


def test_eventbridge_hears_of_every_state_and_of_another_attempt() -> None:
    when = datetime(2026, 11, 29, 10, tzinfo=UTC)
    run = {"jobRunId": "r", "applicationId": "a", "state": "RUNNING", "attempt": 1, "createdAt": when}
    run |= {"updatedAt": when, "attemptCreatedAt": when, "jobDriver": {}, "Own": {"Attempts": []}}
    tried = {"attempt": 1, "state": "FAILED", "attemptCreatedAt": when, "attemptUpdatedAt": when}
    again = run | {"state": "PENDING", "attempt": 2, "Own": {"Attempts": [tried]}}
    change = Transition("arn", "emr-serverless-job-run", "us-east-1", run, again, {})
    moved, retried = state_changes.events(change)
    assert (moved["source"], moved["detail-type"]) == ("aws.emr-serverless", "EMR Serverless Job Run State Change")
    assert (moved["detail"]["previousState"], moved["detail"]["state"]) == ("RUNNING", "PENDING")
    assert moved["detail"]["createdAt"] == "2026-11-29T10:00:00.000000Z"
    assert "jobDriver" not in moved["detail"]
    facts = {"previousAttempt": 1, "previousAttemptState": "FAILED", "newAttempt": 2}
    assert retried["detail-type"] == "EMR Serverless Job Run Retry"
    assert facts.items() <= retried["detail"].items()


def test_a_stream_is_tried_again_as_long_as_it_does_not_fail_too_often() -> None:
    now = datetime.now(UTC)
    ago = [{"attemptUpdatedAt": now - timedelta(minutes=minutes)} for minutes in (90, 70, 20, 10)]
    stream = {"mode": "STREAMING", "state": "RUNNING", "attempt": 5, "Own": {"Attempts": ago}}
    assert may_again(stream)  # the third failure of this hour, of five
    assert not may_again(stream | {"retryPolicy": {"maxFailedAttemptsPerHour": 3}})
    assert not may_again(stream | {"state": "CANCELLED"})
    batch = stream | {"mode": "BATCH", "attempt": 1}
    assert [may_again(batch | {"retryPolicy": {"maxAttempts": most}}) for most in (1, 2)] == [False, True]


def test_what_a_caller_must_be_allowed() -> None:
    where, start = "us-east-1:123456789012", "arn:aws:emr-serverless:us-east-1:123456789012:/"

    def needed(operation: str, **params: Any) -> list[tuple[str, str | None]]:
        return [(one.action, one.resource) for one in emr.needs_of_serverless(operation, params, where)]

    asked = {"applicationId": "a", "executionRoleArn": "r", "tags": {"team": "x"}}
    assert needed("StartJobRun", **asked) == [
        ("emr-serverless:StartJobRun", f"{start}applications/a"),
        ("emr-serverless:TagResource", f"{start}applications/a"),
        ("iam:PassRole", "r"),
    ]
    assert needed("GetJobRun", applicationId="a", jobRunId="j") == [
        ("emr-serverless:GetJobRun", f"{start}applications/a/jobruns/j")
    ]
    assert needed("ListApplications") == [("emr-serverless:ListApplications", f"{start}*")]
    assert needed("UntagResource", resourceArn="arn")[0][1] == "arn"


APPLICATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "hive": ({"type": "HIVE"}, "the local cloud has no Hive"),
    "an engine": ({"type": "FLINK"}, "Unsupported engine FLINK"),
    "a release": ({"releaseLabel": "emr-6.5.0"}, "is not supported for release label 'emr-6.5.0'"),
    "an image": (
        {"imageConfiguration": {"imageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"}},
        "imageConfiguration is not something the local cloud can do",
    ),
    "a studio": ({"interactiveConfiguration": {"studioEnabled": True}}, "interactiveConfiguration.studioEnabled"),
    "half a network": ({"networkConfiguration": {"subnetIds": ["subnet-1"]}}, "are given together"),
    "a network": (
        {"networkConfiguration": {"subnetIds": ["subnet-0a"], "securityGroupIds": ["sg-0a"]}},
        "The subnet ID 'subnet-0a' does not exist",
    ),
    "a queue": ({"schedulerConfiguration": {"queueTimeoutMinutes": 5}}, "must be between 15 and 720"),
    "more than the most": (
        {"maximumCapacity": {"cpu": "2", "memory": "4"}, "initialCapacity": {"DRIVER": {"workerCount": 1}}},
        "exceeds the maximum capacity",
    ),
    "a classification": (
        {"runtimeConfiguration": [{"classification": "hive-site"}]},
        "reads spark-defaults alone",
    ),
}


@pytest.mark.parametrize("case", APPLICATIONS)
def test_an_application_that_cannot_be_is_refused_in_words(serverless: Serverless, case: str) -> None:
    changes, words = APPLICATIONS[case]
    asked = {"name": "no", "releaseLabel": "emr-7.5.0", "type": "SPARK"} | changes
    status, code, said = refusal(serverless.api.create_application, **asked)
    assert (status, code) == (400, "ValidationException")
    assert words in said


RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "hive": ({"jobDriver": {"hive": {"query": "select 1"}}}, "runs sparkSubmit"),
    "a quotation": ({"parameters": "--conf 'a"}, "sparkSubmitParameters: No closing quotation"),
    "a script too many": ({"parameters": "--verbose more.py"}, "more.py is no option"),
    "cores": ({"parameters": "--conf spark.executor.cores=3"}, "a worker has 1, 2, 4, 8, 16 vCPU"),
    "memory": ({"parameters": "--driver-memory 30g"}, "a worker with 4 vCPU has 8 to 30 GB"),
    "no size": ({"parameters": "--driver-memory much"}, "a size is needed"),
    "a time": ({"executionTimeoutMinutes": 3}, "RunTimeout must be at least 5 minutes."),
    "HDFS": ({"parameters": "--files hdfs:///a"}, "no HDFS"),
    "attempts": ({"retryPolicy": {"maxAttempts": 11}}, "must be between 1 and 10"),
    "a stream's": ({"retryPolicy": {"maxFailedAttemptsPerHour": 1}}, "not supported for job runs of mode BATCH"),
    "Prometheus": (
        {"configurationOverrides": {"monitoringConfiguration": {"prometheusMonitoringConfiguration": {
            "remoteWriteUrl": "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/w/api/v1/remote_write"}}}},
        "prometheusMonitoringConfiguration",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RUNS)
def test_a_job_run_that_cannot_be_is_refused_in_words(serverless: Serverless, application: str, case: str) -> None:
    changes, words = RUNS[case]
    changes = dict(changes)
    submit = {"entryPoint": "s3://b/a.py", "sparkSubmitParameters": changes.pop("parameters", ONE)}
    asked = {
        "applicationId": application,
        "executionRoleArn": serverless.role,
        "jobDriver": {"sparkSubmit": submit},
    }
    status, code, said = refusal(serverless.api.start_job_run, **asked | changes)
    assert (status, code) == (400, "ValidationException")
    assert words in said


def test_a_role_of_another_account_is_not_passed(serverless: Serverless, application: str) -> None:
    role = "arn:aws:iam::111122223333:role/theirs"
    driver = {"sparkSubmit": {"entryPoint": "s3://b/a.py"}}
    found = refusal(
        serverless.api.start_job_run, applicationId=application, executionRoleArn=role, jobDriver=driver
    )
    assert found == (403, "AccessDeniedException", "Cross-account pass role is not allowed.")


def test_state_machines_make_applications_and_wait_for_their_runs(serverless: Serverless) -> None:
    machines = Machines(serverless.cloud, make_role(serverless.cloud, "states"))
    key = {"ApplicationId.$": "$.made.ApplicationId"}
    made = {"Name": "of-a-machine", "ReleaseLabel": "emr-7.5.0", "Type": "SPARK", "Tags": {"team": "a"}}

    def run(script: str) -> dict[str, Any]:
        submit = {"EntryPoint": serverless.put(f"{len(script)}.py", script), "SparkSubmitParameters": ONE}
        return key | {"ExecutionRoleArn": serverless.role, "JobDriver": {"SparkSubmit": submit}}

    states = {
        "Make": task("emr-serverless:createApplication.sync", made, ResultPath="$.made", Next="Run"),
        "Run": task("emr-serverless:startJobRun.sync", run("print(1)"), ResultPath="$.run", Next="Fails"),
        "Fails": task("emr-serverless:startJobRun.sync", run("raise SystemExit(3)"), Next="Stop")
        | {"Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "Stop", "ResultPath": "$.caught"}]},
        "Stop": task("emr-serverless:stopApplication.sync", key, ResultPath="$.stopped", Next="Delete"),
        "Delete": task("emr-serverless:deleteApplication.sync", key, ResultPath="$.gone", End=True),
    }
    found = machines.output(states)
    assert (found["made"]["State"], found["made"]["Tags"]) == ("CREATED", {"team": "a"})
    assert (found["run"]["State"], found["run"]["JobDriver"]["SparkSubmit"]["SparkSubmitParameters"]) == (
        "SUCCESS",
        ONE,
    )
    assert "ExitCode: 3" in found["caught"]["Cause"]
    assert (found["stopped"]["State"], found["gone"]["State"]) == ("STOPPED", "TERMINATED")
    refused = machines.run({"Run": task("emr-serverless:startApplication", {"ApplicationId": "00none"})})
    assert refused["error"] == "EmrServerless.ResourceNotFoundException"


@pytest.mark.long
def test_a_stopped_execution_cancels_its_job_run(serverless: Serverless, application: str) -> None:
    machines = Machines(serverless.cloud, make_role(serverless.cloud, "states"))
    submit = {"EntryPoint": serverless.put("long.py", LONG), "SparkSubmitParameters": ONE}
    asked = {"ApplicationId": application, "ExecutionRoleArn": serverless.role, "Name": "long"}
    states = {"Run": task("emr-serverless:startJobRun.sync", asked | {"JobDriver": {"SparkSubmit": submit}})}
    execution = machines.start(machines.make(states))

    def look() -> list[str]:
        rows = serverless.api.list_job_runs(applicationId=application)["jobRuns"]
        return [one["state"] for one in rows if one.get("name") == "long"]

    until(look, lambda states: states == ["RUNNING"])
    machines.client.stop_execution(executionArn=execution)
    until(look, lambda states: states == ["CANCELLED"])


@pytest.mark.long
def test_a_pipelines_step_runs_on_an_application_that_is_there_or_its_own(
    serverless: Serverless, application: str
) -> None:
    pipelines = Pipelines(Jobs(serverless.cloud, image=LIGHT))
    role = make_role(serverless.cloud, "sagemaker")

    def on(script: str, **arguments: Any) -> dict[str, Any]:
        job = {"executionRoleArn": serverless.role, "jobDriver": {"sparkSubmit": serverless.driver(script)}}
        return {"ExecutionRoleArn": serverless.role, "JobConfig": job} | arguments

    def run(*steps: dict[str, Any]) -> str:
        name = pipelines.create(definition(*steps), RoleArn=role)
        arn = pipelines.start(name)
        pipelines.wait(arn)
        return arn

    own = {"releaseLabel": "emr-7.5.0", "type": "SPARK", "name": "of-a-step"}
    there = step("There", "EMRServerless", on("print(1)", ApplicationId=application))
    fails = step("Own", "EMRServerless", on("raise ValueError('no rows')", ApplicationConfig=own))
    found = pipelines.steps(run(there, fails | {"DependsOn": ["There"]}))
    told = found["There"]["Metadata"]["EMRServerless"]
    assert (found["There"]["StepStatus"], told["ApplicationId"]) == ("Succeeded", application)
    assert serverless.see(application, told["JobRunId"])["name"] == told["JobRunName"]
    assert (found["Own"]["StepStatus"], "ValueError: no rows" in found["Own"]["FailureReason"]) == ("Failed", True)
    made = found["Own"]["Metadata"]["EMRServerless"]["ApplicationId"]
    assert serverless.get(made)["state"] == "TERMINATED"
    with pytest.raises(ClientError, match="either ApplicationId or ApplicationConfig"):
        pipelines.create(definition(step("A", "EMRServerless", on("print(1)"))))


@pytest.mark.long
def test_a_run_in_a_vpc_reaches_what_its_subnet_does(serverless: Serverless) -> None:
    network = Network(serverless.cloud.client("ec2"))
    inside = {"subnetIds": network.subnets, "securityGroupIds": [network.group]}
    key = serverless.make(networkConfiguration=inside)
    found = serverless.run(key, "print(1)")
    assert (found["state"], found["networkConfiguration"]) == ("FAILED", inside)
    assert "ExitCode: 1" in found["stateDetails"]
    network.add_gateway_endpoint()
    found = serverless.run(key, "import socket; print(socket.gethostbyname(socket.gethostname()))")
    assert found["state"] == "SUCCESS", found["stateDetails"]
    assert serverless.log(found, "SPARK_DRIVER/stdout").startswith("10.7.")


def test_time_ends_what_takes_too_long_and_what_is_idle(serverless: Serverless) -> None:
    clock.set_speed(serverless.cloud.home, 600)
    try:
        lazy = serverless.make(autoStopConfiguration={"idleTimeoutMinutes": 5})
        found = serverless.run(lazy, LONG, executionTimeoutMinutes=5)
        words = "Job run exceeded its execution timeout of 5 minutes."
        assert (found["state"], found["stateDetails"]) == ("CANCELLED", words)
        key = serverless.make(schedulerConfiguration=ONE_RUN | {"queueTimeoutMinutes": 15})
        run, waits = (serverless.start(key, LONG, executionTimeoutMinutes=9000) for _ in range(2))
        assert "queue timeout" in serverless.end(key, waits)["stateDetails"]
        serverless.api.cancel_job_run(applicationId=key, jobRunId=run)
        serverless.wait(lazy, "STOPPED")
    finally:
        clock.set_speed(serverless.cloud.home, 1)


def test_what_a_kill_cuts_off_has_failed_at_the_next_start(serverless: Serverless) -> None:
    key = serverless.make(name="killed")
    run = serverless.start(key, LONG, retryPolicy={"maxAttempts": 2})
    serverless.end(key, run, "RUNNING")
    kill(serverless.cloud.home)
    serverless.connect(clouds.start(serverless.cloud.home))
    found = serverless.see(key, run)
    ended = "The local cloud ended while the job run was under way."
    assert (found["state"], found["stateDetails"], found["attempt"]) == ("FAILED", ended, 1)
    assert serverless.get(key)["state"] == "STARTED"
    assert len(serverless.api.list_job_runs(applicationId=key)["jobRuns"]) == 1
