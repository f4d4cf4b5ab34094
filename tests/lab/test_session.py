from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from sagelab.cloud.home import Home
from sagelab.lab import session
from sagelab.lab.session import ConnectError, Lab

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}

WHAT_A_LAB_NEEDS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iam:GetRole", "s3:*"], "Resource": "*"}],
}


def become_a_user(lab: Lab, name: str, environment: pytest.MonkeyPatch) -> None:
    """From here on this process is an IAM user who may start a lab, as on a laptop with an access key."""
    iam = lab.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="labs", PolicyDocument=json.dumps(WHAT_A_LAB_NEEDS))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    environment.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    environment.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


def test_connect_finds_role_region_account_and_makes_the_bucket(lab: Lab, cloud: Any) -> None:
    assert (lab.target, lab.url, lab.region) == ("local", cloud.url, "us-east-1")
    assert lab.role == cloud.home.role_arn
    assert lab.bucket == f"sagemaker-us-east-1-{cloud.home.account}"
    lab.client("s3").head_bucket(Bucket=lab.bucket)


def test_connecting_again_keeps_what_is_in_the_bucket(lab: Lab) -> None:
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/kept", Body=b"1")
    again = session.connect(lab.name)
    assert again.client("s3").get_object(Bucket=again.bucket, Key=f"{lab.prefix}/kept")["Body"].read() == b"1"


def test_connecting_by_tls_and_back_again(lab: Lab, cloud: Any) -> None:
    secured = session.connect(lab.name, tls=True)
    assert secured.url == cloud.url.replace("http:", "https:")
    assert secured.client("s3").meta.endpoint_url == secured.url
    secured.client("s3").head_bucket(Bucket=lab.bucket)
    assert session.connect(lab.name).url == secured.url  # as the environment has it from now on
    assert session.connect(lab.name, tls=False).url == cloud.url


def test_connecting_says_what_another_run_has_left(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert capsys.readouterr().out == ""
    model = {"ModelName": f"{lab.name}-left", "ExecutionRoleArn": lab.role, "Tags": lab.tags}
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/model.tar.gz", Body=b"1")
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19-cpu"
    container = {"Image": image, "ModelDataUrl": lab.uri("model.tar.gz")}
    lab.client("sagemaker").create_model(PrimaryContainer=container, **model)
    again = session.connect(lab.name)
    said = capsys.readouterr().out
    assert f"has left model {lab.name}-left" in said
    from sagelab.lab import cleanup  # as the sentence has it

    assert "cleanup.clean(lab)" in said
    cleanup.clean(again)
    session.connect(lab.name)
    session.connect("another-lab")
    assert capsys.readouterr().out == ""


def test_plain_boto3_and_child_processes_reach_the_same_cloud(lab: Lab) -> None:
    mine = boto3.client("sts").get_caller_identity()["Arn"]
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    theirs = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert theirs.stdout.strip() == mine
    assert f"role/{lab.role.rsplit('/', 1)[-1]}/" in mine


def test_the_users_own_profile_leads_nowhere_else(
    lab: Lab, surroundings: pytest.MonkeyPatch, unique: Callable[[str], str]
) -> None:
    surroundings.setenv("AWS_PROFILE", "production")
    surroundings.setenv("AWS_SESSION_TOKEN", "stale")
    assert session.connect(unique("lab")).account == lab.account
    assert "AWS_PROFILE" not in os.environ


def test_tags_and_uris_carry_the_name(lab: Lab) -> None:
    assert lab.tags == [{"Key": "sagelab:lab", "Value": lab.name}]
    assert lab.uri("output", "x") == f"s3://{lab.bucket}/{lab.name}/output/x"


def test_a_notebook_shows_where_it_is_in_a_table(lab: Lab) -> None:
    assert f"<td>{lab.role}</td>" in lab._repr_html_()
    assert "the local cloud on this machine" in repr(lab)


def test_clients_are_made_once(lab: Lab) -> None:
    assert lab.client("s3") is lab.client("s3")


def test_connect_starts_the_local_cloud_when_none_runs(home: Home) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGELAB_"))}
    program = "import sagelab; print(sagelab.connect('first').url)"
    said = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | {"SAGELAB_HOME": str(home.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    running = home.server()
    assert running is not None
    assert said.stdout.strip() == running["url"]


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "-a", "a--b", "a" * 41, "../x"])
def test_a_name_that_is_no_key_prefix_is_refused(name: str) -> None:
    with pytest.raises(ConnectError, match="lower-case letters, digits and hyphens"):
        session.connect(name)


def test_an_unknown_target_is_refused(surroundings: pytest.MonkeyPatch) -> None:
    surroundings.setenv("SAGELAB_TARGET", "azure")
    with pytest.raises(ConnectError, match="should be local or aws"):
        session.connect("x")


def test_target_aws_never_reaches_the_local_cloud_by_accident(lab: Lab, surroundings: pytest.MonkeyPatch) -> None:
    surroundings.setenv("SAGELAB_TARGET", "aws")
    with pytest.raises(ConnectError, match=f"still points at {lab.url}"):
        session.connect("x")


def test_a_user_without_a_role_is_told_to_name_one(
    lab: Lab, surroundings: pytest.MonkeyPatch, unique: Callable[[str], str]
) -> None:
    become_a_user(lab, unique("user"), surroundings)
    with pytest.raises(ConnectError, match="set SAGELAB_ROLE"):
        session.find("x", "aws", None)


def test_sagelab_role_names_the_execution_role_of_a_user(
    lab: Lab, surroundings: pytest.MonkeyPatch, unique: Callable[[str], str]
) -> None:
    role = unique("role")
    made = lab.client("iam").create_role(
        RoleName=role, Path="/service-role/", AssumeRolePolicyDocument=json.dumps(TRUST)
    )
    become_a_user(lab, unique("user"), surroundings)
    for named in (role, made["Role"]["Arn"]):
        surroundings.setenv("SAGELAB_ROLE", named)
        assert session.find("x", "aws", None).role == made["Role"]["Arn"]


@pytest.mark.usefixtures("lab")
def test_a_role_that_nobody_made_is_named(surroundings: pytest.MonkeyPatch, unique: Callable[[str], str]) -> None:
    role = unique("none")
    surroundings.setenv("SAGELAB_ROLE", role)
    with pytest.raises(ConnectError, match=f"The role {role} cannot be read"):
        session.find("x", "aws", None)
