"""Glue's jobs with Python alone: what they may be, their runs, and what becomes of each at an end."""

from __future__ import annotations

import io
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.cloud import clock
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.glue import Glue
from tests.cloud.kills import kill
from tests.conftest import LocalCloud
from tests.waiting import until
from tests.wheels import make_wheel

ARGUMENTS = """
import sys, os, boto3, helper
from awsglue.utils import getResolvedOptions
args = getResolvedOptions(sys.argv, ["table", "more"])
print("args", args["table"], args["more"], args["TempDir"], helper.ANSWER)
print("as", boto3.client("sts").get_caller_identity()["Arn"].rpartition("role/")[2])
print("beside", file=sys.stderr)
"""


COMMIT = """
from awsglue.job import BOOKMARK, Job
job = Job(None)
job.init("a job", {"job_bookmark_option": "job-bookmark-enable"})
BOOKMARK.now["in"] = {"time": 1, "files": ["s3://b/in/1.csv@1"]}
job.commit()
raise SystemExit("after the commit")
"""


@pytest.fixture(scope="module")
def glue(cloud: LocalCloud) -> Glue:
    return Glue(cloud)


def code(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_job_of_pythonshell_runs_with_its_arguments_its_modules_and_its_role(glue: Glue) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("helper.py", "ANSWER = 42")
    library = glue.put("lib/helper.zip", packed.getvalue())
    usual = {"--extra-py-files": library, "--table": "clicks", "--more": "no", "--TempDir": "s3://b/tmp"}
    name = glue.make(ARGUMENTS, DefaultArguments=usual, NonOverridableArguments={"--more": "fixed"})
    run = glue.start(name, Arguments={"--table": "sales", "--more": "tried"})
    found = glue.wait(name, run)
    assert found["JobRunState"] == "SUCCEEDED", glue.log(run, "error")
    role = glue.role.rpartition("/")[2]
    assert glue.log(run) == ["args sales fixed s3://b/tmp 42", f"as {role}/GlueJobRunnerSession"]
    said = glue.log(run, "error")
    assert "beside" in said
    assert any("0.0625 DPUs" in line and "USD on AWS" in line for line in said)
    assert (found["Attempt"], found["MaxCapacity"], found["LogGroupName"]) == (0, 0.0625, "/aws-glue/jobs")
    assert found["StartedOn"] <= found["CompletedOn"]
    assert [one["Id"] for one in glue.api.get_job_runs(JobName=name)["JobRuns"]] == [run]


def test_a_script_that_fails_is_tried_again_and_says_why(glue: Glue) -> None:
    name = glue.make("raise ValueError('no such thing')", MaxRetries=1)
    run = glue.start(name)
    assert glue.wait(name, run)["ErrorMessage"] == "ValueError: no such thing"
    again = glue.wait(name, f"{run}_attempt_1")
    assert (again["JobRunState"], again["PreviousRunId"], again["Attempt"]) == ("FAILED", run, 1)
    until(lambda: len(glue.api.get_job_runs(JobName=name)["JobRuns"]), lambda count: count == 2)


def test_a_bookmark_stands_once_it_is_committed_and_goes_with_its_job(glue: Glue) -> None:
    name = glue.make(COMMIT)
    run = glue.start(name)
    assert glue.wait(name, run)["ErrorMessage"] == "after the commit"
    entry = glue.api.get_job_bookmark(JobName=name)["JobBookmarkEntry"]
    assert (entry["RunId"], "s3://b/in/1.csv" in entry["JobBookmark"]) == (run, True)
    assert glue.api.reset_job_bookmark(JobName=name)["JobBookmarkEntry"]["JobBookmark"] == "{}"
    glue.api.delete_job(JobName=name)
    with pytest.raises(ClientError) as refused:
        glue.api.get_job_bookmark(JobName=name)
    assert code(refused)[0] == "EntityNotFoundException"


def test_a_run_is_stopped_and_a_job_has_no_more_runs_at_a_time_than_it_may(glue: Glue) -> None:
    name = glue.make("import time; print('here', flush=True); time.sleep(1000)")
    run = glue.start(name)
    glue.wait(name, run, "RUNNING")
    with pytest.raises(ClientError) as refused:
        glue.start(name)
    assert code(refused) == ("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}")
    told = glue.api.batch_stop_job_run(JobName=name, JobRunIds=[run, "jr_none"])
    assert [one["JobRunId"] for one in told["SuccessfulSubmissions"]] == [run]
    (error,) = told["Errors"]
    assert error["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    assert glue.wait(name, run)["JobRunState"] == "STOPPED"
    (error,) = glue.api.batch_stop_job_run(JobName=name, JobRunIds=[run])["Errors"]
    assert error["ErrorDetail"]["ErrorCode"] == "JobRunInvalidStateTransitionException"


def test_a_job_is_changed_listed_and_gone(glue: Glue) -> None:
    asked = glue.asked("print(1)", Tags={"team": glue.bucket}, Description="first")
    name = glue.api.create_job(**asked)["Name"]
    for changed, error in (
        ({}, "AlreadyExistsException"),
        ({"Timeout": 5}, "IdempotentParameterMismatchException"),
    ):
        with pytest.raises(ClientError) as refused:
            glue.api.create_job(**asked | changed)
        assert code(refused)[0] == error
    assert glue.api.list_jobs(Tags={"team": glue.bucket})["JobNames"] == [name]
    update = {"Role": glue.role, "Command": asked["Command"], "Timeout": 7}
    glue.api.update_job(JobName=name, JobUpdate=update)
    job = glue.api.get_job(JobName=name)["Job"]
    assert (job["Timeout"], job.get("Description"), job["MaxRetries"]) == (7, None, 0)
    found = glue.api.batch_get_jobs(JobNames=[name, "none"])
    assert ([one["Name"] for one in found["Jobs"]], found["JobsNotFound"]) == ([name], ["none"])
    assert name in [one["Name"] for one in glue.api.get_jobs()["Jobs"]]
    for _ in range(2):
        assert glue.api.delete_job(JobName=name)["JobName"] == name
    for call in ("get_job", "start_job_run"):
        with pytest.raises(ClientError) as refused:
            getattr(glue.api, call)(JobName=name)
        assert code(refused)[0] == "EntityNotFoundException"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a command": ({"Command": {"Name": "glueray"}}, "A job of glueray"),
    "Python 2": ({"Command": {"PythonVersion": "2"}}, "Python 2 is not supported"),
    "a script elsewhere": ({"Command": {"ScriptLocation": "/tmp/a.py"}}, "a Python script in S3"),
    "a shell's workers": ({"WorkerType": "G.1X", "NumberOfWorkers": 2}, "not supported for jobs of pythonshell"),
    "a shell's capacity": ({"MaxCapacity": 2.0}, "0.0625 or 1"),
    "both": (
        {"Command": {"Name": "glueetl"}, "MaxCapacity": 2.0, "WorkerType": "G.1X"},
        "do not set Max Capacity",
    ),
    "one worker": (
        {"Command": {"Name": "glueetl"}, "WorkerType": "G.1X", "NumberOfWorkers": 1},
        "minimum allowed value of Number of Workers is 2",
    ),
    "a version": ({"Command": {"Name": "glueetl"}, "GlueVersion": "1.0"}, "Glue version 1.0 is not supported"),
    "a connection": ({"Connections": {"Connections": ["a"]}}, "A connection of a job"),
    "a table format": ({"DefaultArguments": {"--datalake-formats": "delta"}}, "no Delta"),
    "a week": ({"Timeout": 20_000}, "maximum of 10080 minutes"),
    "much": ({"DefaultArguments": {"--a": "x" * 300_000}}, "Request size limit exceeded"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_words(glue: Glue, case: str) -> None:
    changes, words = REFUSED[case]
    with pytest.raises(ClientError) as refused:
        glue.make(**changes)
    assert code(refused)[0] == "InvalidInputException"
    assert words in code(refused)[1]


def test_who_makes_a_job_must_be_allowed_to_pass_its_role_and_glue_to_take_it_on(
    glue: Glue, cloud: LocalCloud
) -> None:
    iam, name = cloud.client("iam"), f"maker-{glue.bucket}"
    iam.create_user(UserName=name)
    allow = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"glue:*","Resource":"*"}]}'
    iam.put_user_policy(UserName=name, PolicyName="glue", PolicyDocument=allow)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    mine = cloud.client("glue", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    mine.get_jobs()
    with pytest.raises(ClientError) as refused:
        mine.create_job(**glue.asked("print(1)"))
    assert code(refused)[0] == "AccessDeniedException"
    assert "iam:PassRole" in code(refused)[1]
    with pytest.raises(ClientError, match="should be given assume role permissions for Glue Service"):
        glue.make("print(1)", Role="nobody")


def test_a_run_that_takes_too_long_and_one_that_a_kill_cuts_off(home: Home) -> None:
    clock.set_speed(home, 60)
    fast = Glue(clouds.start(home))
    name = fast.make("import time; time.sleep(1000)", Timeout=1, ExecutionProperty={"MaxConcurrentRuns": 2})
    assert fast.run(name)["JobRunState"] == "TIMEOUT"
    daily, late = (
        fast.make("print('daily')", ExecutionProperty={"MaxConcurrentRuns": 3}),
        fast.make("print('late')"),
    )
    fast.api.create_trigger(
        Name="daily",
        Type="SCHEDULED",
        Schedule="cron(* * * * ? *)",
        Actions=[{"JobName": daily}],
        StartOnCreation=True,
    )
    until(lambda: fast.api.get_job_runs(JobName=daily)["JobRuns"], lambda runs: len(runs) > 0)
    fast.api.stop_trigger(Name="daily")
    fast.api.create_trigger(Name="hand", Type="ON_DEMAND", Actions=[{"JobName": name, "Timeout": 9999}])
    condition = {"LogicalOperator": "EQUALS", "JobName": name, "State": "FAILED"}
    more: dict[str, Any] = {"Predicate": {"Conditions": [condition]}, "StartOnCreation": True}
    fast.api.create_trigger(Name="late", Type="CONDITIONAL", Actions=[{"JobName": late}], **more)
    fast.api.start_trigger(Name="hand")
    run = until(lambda: fast.api.get_job_runs(JobName=name)["JobRuns"], lambda runs: len(runs) == 2)[0]["Id"]
    fast.wait(name, run, "RUNNING")
    kill(home)
    fast.api = clouds.start(home).client("glue")
    found = fast.get(name, run)
    assert (found["JobRunState"], found["ErrorMessage"]) == (
        "FAILED",
        "The local cloud ended while the job was running.",
    )
    (again,) = until(lambda: fast.api.get_job_runs(JobName=late)["JobRuns"], lambda runs: len(runs) > 0)
    assert again["TriggerName"] == "late"


GREET = """
from importlib.metadata import version
import glue_greeting, glue_other
print(version("glue-greeting"), glue_greeting.WORD, glue_other.WORD)
"""


@pytest.mark.long
def test_modules_come_from_the_index_that_the_user_has_and_from_s3(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "simple/glue-greeting", "glue-greeting", version, f"WORD = 'hello {version}'")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as index:
        threading.Thread(target=index.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{index.server_port}/simple")
        glue = Glue(clouds.start(home))
        other = make_wheel(tmp_path, "glue-other", "1.0", "WORD = 'of S3'")
        place = glue.put(f"lib/{other.name}", other.read_bytes())
        name = glue.make(GREET, DefaultArguments={"--additional-python-modules": f"glue-greeting==1.0,{place}"})
        run = glue.start(name)
        found = glue.wait(name, run)
        assert found["JobRunState"] == "SUCCEEDED", glue.log(run, "error")
        assert glue.log(run) == ["1.0 hello 1.0 of S3"]
        failed = glue.run(name, Arguments={"--additional-python-modules": "glue-greeting==3.0"})
        assert "Python Module Installer exited with code 1" in failed["ErrorMessage"]
        index.shutdown()
