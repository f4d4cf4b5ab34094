"""`git clone` and `git push` against the local cloud, and who may."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sagelab import credential_helper
from sagelab.cloud.engine.repositories.git import memory
from sagelab.cloud.engine.repositories.transport import MOST_REFS, PUSH, Exchange, asks_too_much
from tests.cloud.repositories import Clone, git
from tests.conftest import LocalCloud


@pytest.fixture
def clone(cloud: LocalCloud, tmp_path: Path) -> Clone:
    return Clone(cloud, tmp_path)


def ask(url: str, user: str = "", password: str = "", **headers: str) -> int:
    """The status of a GET."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if user:
        named["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=named), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def credentials(clone: Clone, now: datetime, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    for name, value in clone.cloud.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    place = clone.url.partition("//")[2]
    host, _, path = place.partition("/")
    return credential_helper.sign({"host": host, "path": path}, now)


def test_what_is_pushed_is_there_for_the_api_and_for_a_clone(clone: Clone, tmp_path: Path) -> None:
    commit = clone.commit(file="hello")
    assert clone.push().returncode == 0
    branch = clone.api.get_branch(repositoryName=clone.name, branchName="main")["branch"]
    assert branch == {"branchName": "main", "commitId": commit}
    assert clone.api.get_repository(repositoryName=clone.name)["repositoryMetadata"]["defaultBranch"] == "main"
    done = git("clone", "-q", clone.url, "again", folder=tmp_path, env=clone.cloud.env)
    assert (tmp_path / "again" / "file").read_text() == "hello", done.stderr


def test_who_pushed_and_pulled_is_recorded(clone: Clone) -> None:
    clone.commit(file="hello")
    assert clone.push().returncode == 0
    asked = [{"AttributeKey": "ResourceName", "AttributeValue": clone.name}]
    found = clone.cloud.client("cloudtrail").lookup_events(LookupAttributes=asked)["Events"]
    records = [json.loads(one["CloudTrailEvent"]) for one in found if one["EventName"] == "GitPush"]
    assert {one["userIdentity"]["type"] for one in records} == {"AssumedRole"}
    assert records[0]["additionalEventData"] == {
        "protocol": "HTTP",
        "dataTransferred": True,
        "repositoryName": clone.name,
    }


def test_a_large_push_in_chunks_arrives(clone: Clone) -> None:
    noise = "".join(uuid.uuid4().hex for _ in range(80_000))  # 2.5 MB; git sends from 1 MB on in chunks
    clone.commit(noise=noise)
    done = clone.push()
    assert done.returncode == 0, done.stderr
    entry = clone.api.get_file(repositoryName=clone.name, filePath="noise")
    assert entry["fileSize"] == len(noise)


def test_without_a_password_git_is_asked_for_one(clone: Clone) -> None:
    assert ask(f"{clone.url}/info/refs?service=git-upload-pack") == 401


def test_a_signature_is_good_for_its_repository_and_its_time_alone(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.fromtimestamp(time.time(), UTC)
    tail = "/info/refs?service=git-upload-pack"
    good = credentials(clone, now, monkeypatch)
    assert ask(clone.url + tail, *good) == 200
    assert ask(clone.url + "x" + tail, *good) == 403
    assert ask(clone.url + tail, *credentials(clone, now - timedelta(minutes=20), monkeypatch)) == 403
    assert ask(clone.url + tail, good[0], good[1][:-1] + "!") == 403
    assert ask(clone.url + tail, *good, Origin="http://example.com") == 403


@pytest.mark.parametrize("path", ["/HEAD", "/config", "/objects/info/packs", "/info/refs", "/../x/info/refs"])
def test_nothing_of_a_repository_is_served_as_a_file(clone: Clone, path: str) -> None:
    assert ask(clone.url + path) >= 400


def test_a_user_needs_leave_to_pull_and_to_push(clone: Clone) -> None:
    iam, name = clone.cloud.client("iam"), f"user-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    own = {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}
    clone.commit(file="hello")
    denied = clone.git("push", "-q", "origin", "main", **own)
    assert "403" in denied.stderr
    allow = {"Effect": "Allow", "Action": "codecommit:GitPush", "Resource": clone.made["Arn"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=name, PolicyName="push", PolicyDocument=policy)
    assert clone.git("push", "-q", "origin", "main", **own).returncode == 0
    assert "403" in clone.git("fetch", "origin", **own).stderr


def test_a_session_signs_in_with_its_token(clone: Clone) -> None:
    keys = clone.cloud.client("sts").get_session_token()["Credentials"]
    own = {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    clone.commit(file="hello")
    assert clone.git("push", "-q", "origin", "main", **own).returncode == 0


def test_a_push_tells_an_event_of_each_branch(clone: Clone) -> None:
    sqs, events = clone.cloud.client("sqs"), clone.cloud.client("events")
    queue = sqs.create_queue(QueueName=clone.name)["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{clone.made['accountId']}:{clone.name}"
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow | {"Resource": arn}]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    pattern = json.dumps({"source": ["aws.codecommit"], "resources": [clone.made["Arn"]]})
    events.put_rule(Name=clone.name, EventPattern=pattern)
    events.put_targets(Rule=clone.name, Targets=[{"Id": "queue", "Arn": arn}])
    commit = clone.commit(file="hello")
    clone.push("main", "main:refs/tags/v1")
    found = list[Any]()
    while len(found) < 2:  # a long poll each, which ends where nothing comes
        found += sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20)["Messages"]
    details = [json.loads(one["Body"])["detail"] for one in found]
    told = {(one["event"], one["referenceType"], one["referenceName"], one["commitId"]) for one in details}
    assert told == {("referenceCreated", "branch", "main", commit), ("referenceCreated", "tag", "v1", commit)}


def test_a_hook_or_a_setting_that_stands_in_a_repository_does_nothing(clone: Clone) -> None:
    folder = clone.cloud.home.repositories / f"{clone.made['repositoryId']}.git"
    witness = clone.folder / "witness"
    (folder / "hooks").mkdir()
    for name in ("pre-receive", "update", "post-receive", "reference-transaction"):
        hook = folder / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {witness}\n")
        hook.chmod(0o755)
    clone.commit(file="hello")
    assert clone.push().returncode == 0
    assert not witness.exists()


def test_an_object_that_is_damaged_or_dangerous_is_not_taken(clone: Clone) -> None:
    clone.commit(file="hello")
    blob = clone.git("rev-parse", "HEAD:file").stdout.strip()
    listing = f"100644 blob {blob}\t.git\n"
    made = git_input(clone, listing, "mktree", "--missing")
    commit = clone.git("commit-tree", made, "-m", "evil").stdout.strip()
    clone.git("update-ref", "refs/heads/evil", commit)
    done = clone.push("evil")
    assert done.returncode != 0
    assert "hasDotgit" in done.stderr


def test_more_than_can_be_told_is_said_and_is_not_read(clone: Clone) -> None:
    """A folder of 60,000 names of one file, which a small push brings and no list holds."""
    blob = clone.git("rev-parse", f"{clone.commit(file='hello')}:file").stdout.strip()
    names = "".join(f"100644 blob {blob}\t{number:0240}\n" for number in range(60_000))
    tree = git_input(clone, names, "mktree", "--missing")
    clone.git("update-ref", "refs/heads/main", clone.git("commit-tree", tree, "-m", "all").stdout.strip())
    assert clone.push().returncode == 0
    with pytest.raises(clone.api.exceptions.ClientError, match="more to say of this than 16 MB"):
        clone.api.get_folder(repositoryName=clone.name, folderPath="/")
    name = f"{7:0240}"
    assert clone.api.get_file(repositoryName=clone.name, filePath=name)["fileContent"] == b"hello"


def git_input(clone: Clone, given: str, *arguments: str) -> str:
    file = clone.folder.parent / f"{clone.name}.txt"
    file.write_text(given)
    command = f'git {" ".join(arguments)} < "{file}"'
    return clone.git("-c", f"alias.given=!{command}", "given").stdout.strip()


@pytest.mark.long
def test_a_push_has_so_many_refs(clone: Clone) -> None:
    commit = clone.commit(file="hello")
    refs = "".join(f"create refs/tags/{each} {commit}\n" for each in range(MOST_REFS))
    git_input(clone, refs, "update-ref", "--stdin")
    assert clone.push("main", "refs/tags/*:refs/tags/*").returncode != 0
    assert clone.git("ls-remote", "origin").stdout == ""


@pytest.mark.parametrize(
    ("lines", "zipped", "too_much"),
    [(1, False, False), (MOST_REFS, False, False), (MOST_REFS + 1, False, True), (1, True, True)],
)
def test_refs_of_a_push_are_counted(lines: int, zipped: bool, too_much: bool) -> None:
    with memory(b"0009 line" * lines + b"0000PACK") as body:
        asked = Exchange(PUSH, PUSH, body, 0, zipped=zipped)
        assert asks_too_much(asked) == too_much


@pytest.mark.parametrize("ref", ["refs/heads/a b", "refs/heads/../../config", "refs/heads/-x.lock", "HEAD.lock"])
def test_a_ref_of_an_odd_name_is_not_made(clone: Clone, ref: str) -> None:
    clone.commit(file="hello")
    assert clone.push(f"main:{ref}").returncode != 0
    assert clone.api.list_branches(repositoryName=clone.name)["branches"] == []
