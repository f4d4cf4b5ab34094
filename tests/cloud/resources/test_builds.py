"""CodeBuild: builds that run, and what becomes of those that do not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.builds import ENVIRONMENT, NOTHING, Builds, context, make_role, states
from tests.cloud.repositories import Clone
from tests.conftest import LocalCloud
from tests.waiting import until

WHOLE = """\
version: 0.2
env:
  variables: {COLOUR: blue, SHAPE: round}
  exported-variables: [MADE]
phases:
  install:
    runtime-versions: {python: 3.11}
  pre_build:
    commands:
      - LOCAL=kept
      - cd /tmp
  build:
    commands:
      - echo "$COLOUR $SHAPE $LOCAL $PWD $CODEBUILD_BUILD_NUMBER"
      - aws --version || python3 -c "import boto3; print('arn', boto3.client('sts').get_caller_identity()['Arn'])"
      - export MADE=$LOCAL-it
      - mkdir -p $CODEBUILD_SRC_DIR/out/deep && echo result > $CODEBUILD_SRC_DIR/out/deep/file.txt
    finally:
      - echo finally
  post_build:
    commands:
      - |
        echo "succeeding $CODEBUILD_BUILD_SUCCEEDING"
        echo two lines
artifacts:
  base-directory: out
  files: ['**/*']
"""


@pytest.fixture(scope="module")
def builds(cloud: LocalCloud) -> Builds:
    return Builds(cloud)


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    found = error.value.response["Error"]
    return str(found["Code"]), str(found["Message"])


def test_a_build_runs_its_phases_in_one_shell_and_keeps_its_artifact(builds: Builds) -> None:
    artifacts = {"type": "S3", "location": builds.bucket, "path": "made", "name": "it.zip", "packaging": "ZIP"}
    variables = [{"name": "SHAPE", "value": "square"}]
    environment = ENVIRONMENT | {"environmentVariables": variables}
    build = builds.run(WHOLE, artifacts=artifacts, environment=environment)
    log = builds.log(build)
    assert build["buildStatus"] == "SUCCEEDED", log
    assert list(states(build)) == [
        *("SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD"),
        *("UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED"),
    ]
    assert "blue square kept /tmp 1" in log
    assert any(f":assumed-role/{builds.role.rpartition('/')[2]}/" in line for line in log)
    assert {"finally", "succeeding 1", "two lines"} <= set(log)
    assert build["exportedEnvironmentVariables"] == [{"name": "MADE", "value": "kept-it"}]
    assert build["artifacts"]["location"] == f"arn:aws:s3:::{builds.bucket}/made/it.zip"
    body = builds.s3.get_object(Bucket=builds.bucket, Key="made/it.zip")["Body"].read()
    assert zipfile.ZipFile(io.BytesIO(body)).read("deep/file.txt") == b"result\n"


def test_what_is_committed_is_what_is_built(builds: Builds, tmp_path: Path) -> None:
    clone = Clone(builds.cloud, tmp_path)
    spec = "version: 0.2\nphases: {build: {commands: ['cat file', 'git log --oneline | wc -l']}}\n"
    first = clone.commit(file="one\n", **{"buildspec.yml": spec})
    second = clone.commit(file="two\n")
    clone.push()
    name = builds.project(source={"type": "CODECOMMIT", "location": clone.url})
    started = [
        builds.start(name),
        builds.start(name, sourceVersion=first),
        builds.start(name, sourceVersion="nope"),
    ]
    newest, older, missing = map(builds.wait, started)
    assert newest["resolvedSourceVersion"] == second
    assert "two" in builds.log(newest)
    assert older["resolvedSourceVersion"] == first
    assert "one" in builds.log(older)
    assert context(missing, "DOWNLOAD_SOURCE") == (
        "CLIENT_ERROR",
        "reference not found for primary source and source version nope",
    )
    assert builds.api.list_builds_for_project(projectName=name)["ids"] == started[::-1]
    assert [newest["buildNumber"], older["buildNumber"]] == [1, 2]


def test_a_source_in_s3_is_unpacked(builds: Builds) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("spec/build.yml", "version: 0.2\nphases: {build: {commands: [sh run.sh]}}\n")
        archive.writestr("run.sh", "echo it ran\n")
    builds.s3.put_object(Bucket=builds.bucket, Key="source.zip", Body=packed.getvalue())
    source = {"type": "S3", "location": f"{builds.bucket}/source.zip", "buildspec": "spec/build.yml"}
    build = builds.wait(builds.start(builds.project(source=source)))
    assert "it ran" in builds.log(build)
    assert build["buildStatus"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("version: 0.2\nphases: {build: {commands: [a}}\n", "did not find expected|expected"),
        ("version: 3\nphases: {}\n", "invalid buildspec version"),
        ("version: 0.2\nphases: {bild: {commands: [a]}}\n", "unknown phase bild"),
        ("version: 0.2\nphases: {build: {commands: [{a: b}]}}\n", "Expected Commands.0. to be of string type"),
        ("version: 0.2\na: &a [1]\nphases: {build: {commands: *a}}\n", "aliases"),
        ("version: 0.2\nphases: {install: {runtime-versions: {nodejs: 18}}}\n", "Unknown runtime named 'nodejs'"),
    ],
)
def test_a_buildspec_that_is_none_fails_where_it_is_read(spec: str, message: str) -> None:
    from sagelab.builder.buildspec import BadBuildspec, read

    with pytest.raises(BadBuildspec, match=message):
        read(spec)


def test_a_broken_buildspec_fails_the_build_in_its_first_phase(builds: Builds) -> None:
    build = builds.run("version: 0.2\nphases:\n  build:\n    commands: [a\n")
    assert build["buildStatus"] == "FAILED"
    assert states(build)["DOWNLOAD_SOURCE"] == "FAILED"
    assert "BUILD" not in states(build)
    assert context(build, "DOWNLOAD_SOURCE")[0] == "YAML_FILE_ERROR"


def test_a_command_that_fails_fails_its_phase_and_post_build_hears_of_it(builds: Builds) -> None:
    spec = """\
version: 0.2
phases:
  build:
    commands: ["exit 3", "echo never"]
    finally: ["echo finally"]
  post_build:
    commands: ["echo succeeding $CODEBUILD_BUILD_SUCCEEDING"]
"""
    build = builds.run(spec)
    assert build["buildStatus"] == "FAILED"
    assert (states(build)["BUILD"], states(build)["POST_BUILD"]) == ("FAILED", "SUCCEEDED")
    assert context(build, "BUILD") == (
        "COMMAND_EXECUTION_ERROR",
        "Error while executing command: exit 3. Reason: exit status 3",
    )
    log = builds.log(build)
    assert {"finally", "succeeding 0"} <= set(log)
    assert "never" not in log


def test_a_phase_before_the_build_ends_it_unless_it_is_to_go_on(builds: Builds) -> None:
    spec = "version: 0.2\nphases: {pre_build: {%scommands: ['false']}, build: {commands: ['true']}}\n"
    ended, gone_on = builds.project(spec % ""), builds.project(spec % "on-failure: CONTINUE, ")
    first, second = builds.start(ended), builds.start(gone_on)
    assert "BUILD" not in states(builds.wait(first))
    assert states(builds.wait(second))["BUILD"] == "SUCCEEDED"


def test_a_build_that_never_ends_is_stopped(builds: Builds) -> None:
    name = builds.project("version: 0.2\nphases: {build: {commands: ['sleep 10000']}}\n")
    build = builds.start(name)
    until(lambda: builds.look(build), lambda found: found["currentPhase"] == "BUILD")
    assert states(builds.look(build))["INSTALL"] == "SUCCEEDED"
    builds.api.stop_build(id=build)
    ended = builds.wait(build)
    assert (ended["buildStatus"], states(ended)["BUILD"]) == ("STOPPED", "STOPPED")


def test_a_value_of_the_parameter_store_is_read_with_the_rights_of_the_role(builds: Builds) -> None:
    ssm, name = builds.cloud.client("ssm"), f"/builds/{builds.bucket}"
    ssm.put_parameter(Name=name, Value="found", Type="String")
    spec = "version: 0.2\nenv: {parameter-store: {IT: %s}}\nphases: {build: {commands: ['echo it is $IT']}}\n"
    weaker = make_role(builds.cloud, "codebuild", actions=("logs:*",))
    allowed, denied = builds.project(spec % name), builds.project(spec % name, serviceRole=weaker)
    first, second = builds.start(allowed), builds.start(denied)
    assert "it is found" in builds.log(builds.wait(first))
    build = builds.wait(second)
    assert build["buildStatus"] == "FAILED"
    assert "ssm:GetParameter" in context(build, "DOWNLOAD_SOURCE")[1]


def test_what_cannot_be_built_is_refused(builds: Builds) -> None:
    spec = "version: 0.2\nphases: {build: {commands: [a]}}\n"
    asked = {"name": "project", "artifacts": NOTHING, "environment": ENVIRONMENT, "serviceRole": builds.role}
    source = {"type": "NO_SOURCE", "buildspec": spec}
    create = builds.api.create_project
    github = {"type": "GITHUB", "location": "https://github.com/a/b"}
    assert "GitHub" in refused(create, **asked, source=github)[1]
    docker = asked | {"environment": ENVIRONMENT | {"privilegedMode": True}}
    assert "Docker" in refused(create, **docker, source=source)[1]
    own = asked | {"environment": ENVIRONMENT | {"image": "python:3.12"}}
    assert "python:3.12" in refused(create, **own, source=source)[1]
    foreign = asked | {"serviceRole": make_role(builds.cloud, "sagemaker")}
    assert "sts:AssumeRole" in refused(create, **foreign, source=source)[1]
    assert refused(builds.api.start_build, projectName="nope")[0] == "ResourceNotFoundException"
    pipeline: dict[str, Any] = {"source": {"type": "CODEPIPELINE"}, "artifacts": {"type": "CODEPIPELINE"}}
    name = builds.project(**pipeline)
    assert "pipeline" in refused(builds.api.start_build, projectName=name)[1]
