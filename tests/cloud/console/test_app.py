from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from sagelab.cloud.home import ROLE_NAME
from tests.cloud.console.conftest import Page, token_of
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

CALLS = [
    ("GET", "/api/about"),
    ("GET", "/api/overview"),
    ("GET", "/api/local"),
    ("GET", "/api/events"),
    ("POST", "/api/call"),
    ("POST", "/api/command"),
    ("POST", "/api/sent"),
    ("POST", "/api/download"),
    ("POST", "/api/logout"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_nothing_is_answered_before_the_login(stranger: Page, method: str, path: str) -> None:
    answer = stranger.request(method, path, {} if method == "POST" else None)
    assert (answer.status, answer.json["error"]["code"]) == (401, "NotLoggedIn")


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_the_cookie_alone_is_not_enough(page: Page, method: str, path: str) -> None:
    answer = page.request(method, path, {} if method == "POST" else None, X_Sagelab_Key=None)
    assert answer.status == 401


def test_a_token_logs_in_once(cloud: LocalCloud, stranger: Page) -> None:
    token = token_of(cloud)
    assert stranger.log_in(token).status == 200
    again = Page(stranger.url).log_in(token)
    assert (again.status, again.json["error"]["code"]) == (401, "LoginRefused")


def test_the_cookie_is_the_browsers_alone(cloud: LocalCloud, stranger: Page) -> None:
    cookie = stranger.log_in(token_of(cloud)).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert cookie.startswith(f"sagelab-console-{urlsplit(stranger.url).port}=")


def test_a_logout_ends_the_session(cloud: LocalCloud, stranger: Page) -> None:
    stranger.log_in(token_of(cloud))
    assert stranger.request("POST", "/api/logout", {}).status == 200
    assert stranger.request("GET", "/api/about").status == 401


def test_about_says_where_this_is_and_what_aws_charges(cloud: LocalCloud, page: Page) -> None:
    about = page.request("GET", "/api/about").json
    assert (about["url"], about["account"]) == (cloud.url, cloud.home.account)
    assert about["prices"]["training"]["ml.m5.xlarge"] > 0


def test_what_the_local_cloud_alone_has_is_told(page: Page) -> None:
    found = page.request("GET", "/api/local").json
    assert found["clock"]["speed"] >= 1
    assert all(zone["up"] in (True, False) and zone["servers"] >= 0 for zone in found["zones"])


def test_a_call_is_the_apis_answer_and_the_cli_command(page: Page, jobs: Jobs) -> None:
    request = jobs.shell("true")
    name = request["TrainingJobName"]
    jobs.run(request)
    answer = page.call("sagemaker", "DescribeTrainingJob", TrainingJobName=name).json
    assert answer["command"] == f"aws sagemaker describe-training-job --training-job-name {name}"
    assert answer["result"]["TrainingJobStatus"] == "Completed"
    assert answer["result"]["CreationTime"].endswith("+00:00")
    sent = page.request(
        "POST", "/api/sent", {"operation": "CreateTrainingJob", "described": answer["result"]}
    ).json
    assert sent["params"]["RoleArn"] == request["RoleArn"]
    assert "TrainingJobStatus" not in sent["params"]
    assert sent["command"].startswith("aws sagemaker create-training-job --cli-input-json '{")


def test_an_action_is_an_api_call_too(page: Page, jobs: Jobs) -> None:
    request = jobs.shell("sleep 600")
    jobs.sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    jobs.wait(name, "Training")
    assert page.call("sagemaker", "StopTrainingJob", TrainingJobName=name).status == 200
    assert jobs.wait(name)["TrainingJobStatus"] == "Stopped"


def test_the_apis_refusal_is_handed_on_in_its_words(page: Page) -> None:
    answer = page.call("sagemaker", "DescribeTrainingJob", TrainingJobName="nobody-made-it")
    assert answer.status == 400
    error = answer.json["error"]
    assert (error["code"], error["message"]) == ("ValidationException", "Requested resource not found.")


def test_parameters_that_the_api_does_not_have_are_refused(page: Page) -> None:
    answer = page.call("sagemaker", "ListTrainingJobs", NoSuchThing=1)
    assert (answer.status, answer.json["error"]["code"]) == (400, "ParamValidationError")


@pytest.mark.parametrize(
    ("service", "operation"),
    [("sagemaker", "CreateTrainingJob"), ("iam", "CreateAccessKey"), ("sts", "AssumeRole"), ("s3", "PutObject")],
)
@pytest.mark.parametrize("path", ["/api/call", "/api/command"])
def test_what_the_page_does_not_need_is_not_called(page: Page, path: str, service: str, operation: str) -> None:
    answer = page.request("POST", path, {"service": service, "operation": operation, "params": {}})
    assert (answer.status, answer.json["error"]["code"]) == (403, "NotAllowed")


def test_what_is_no_call_is_refused(page: Page) -> None:
    bodies: list[Any] = [[], {}, {"service": 1, "operation": "ListBuckets", "params": {}}, "text"]
    for body in bodies:
        assert page.request("POST", "/api/call", body).status == 403


def test_an_objects_first_mebibyte_is_shown_and_all_of_it_is_downloaded(page: Page, jobs: Jobs) -> None:
    jobs.put("large.txt", b"x" * (1 << 21))
    body = page.call("s3", "GetObject", Bucket=jobs.bucket, Key="large.txt").json["result"]["Body"]
    assert len(body["base64"]) * 3 // 4 <= (1 << 20) + 2
    url = page.request("POST", "/api/download", {"bucket": jobs.bucket, "key": "large.txt"}).json["url"]
    assert page.request("POST", "/api/download", {"bucket": "no bucket", "key": ""}).status == 400
    assert url.startswith(jobs.cloud.url)  # another origin than the console's
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.headers["Content-Disposition"] == 'attachment; filename="large.txt"'
        assert len(answer.read()) == 1 << 21


def test_roles_come_with_their_policies(page: Page) -> None:
    names = page.call("iam", "ListRolePolicies", RoleName=ROLE_NAME).json["result"]["PolicyNames"]
    policy = page.call("iam", "GetRolePolicy", RoleName=ROLE_NAME, PolicyName=names[0]).json["result"]
    assert policy["PolicyDocument"]["Statement"]


@contextmanager
def open_events(page: Page) -> Iterator[Callable[[Callable[[dict[str, str]], bool]], dict[str, str]]]:
    """The stream of events; calling it waits for one that fits."""
    connection = http.client.HTTPConnection(urlsplit(page.url).netloc, timeout=30)
    connection.request("GET", "/api/events", headers=page.headers(Origin=None))
    stream = connection.getresponse()
    assert stream.getheader("Content-Type") == "text/event-stream; charset=utf-8"

    def wait(fits: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        while line := stream.readline():
            if line.startswith(b"data: ") and fits(event := json.loads(line[6:])):
                return dict(event)
        raise AssertionError("the stream has ended")

    try:
        assert wait(bool) == {"type": "hello"}
        yield wait
    finally:
        connection.close()


def test_a_job_is_told_of_from_its_creation_to_its_end(page: Page, jobs: Jobs) -> None:
    definition = {"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]}
    request = jobs.shell("echo loss=0.5", algorithm=definition)
    name = request["TrainingJobName"]
    with open_events(page) as wait:
        jobs.sagemaker.create_training_job(**request)
        first = wait(lambda event: event.get("name") == name)
        assert (first["type"], first["kind"], first["status"]) == ("resource", "training-job", "InProgress")
        wait(lambda event: event["type"] == "log" and event["stream"].startswith(f"{name}/algo-1"))
        assert wait(lambda event: event["type"] == "metric")["name"] == name
        wait(lambda event: event.get("name") == name and event.get("status") == "Completed")


def test_a_deletion_is_told_of(page: Page, jobs: Jobs) -> None:
    request = jobs.shell("true")
    jobs.run(request)
    with open_events(page) as wait:
        jobs.sagemaker.delete_training_job(TrainingJobName=request["TrainingJobName"])
        gone = wait(lambda event: event.get("name") == request["TrainingJobName"])
        assert gone["status"] is None
