"""smspark-submit's options: folders become their files, and what cannot be understood says so as AWS's does."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagelab.spark.errors import ApplicationError, InputError
from sagelab.spark.options import parse

APP = "/opt/ml/processing/input/code/job.py"


def test_options_end_where_the_application_begins() -> None:
    found = parse(["--class", "a.B", "-v", "s3://bucket/app.jar", "--jars", "theirs", "-v"])
    assert found.command("local[2]") == [
        *("spark-submit", "--master", "local[2]", "--deploy-mode", "client", "--class", "a.B", "--verbose"),
        *("s3://bucket/app.jar", "--jars", "theirs", "-v"),
    ]


def test_a_folder_stands_for_the_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    for name in ("b.jar", "a.jar", "deeper/c.jar"):
        (tmp_path / name).touch()
    found = parse(
        [
            "--jars",
            f"s3a://bucket/one.jar,{tmp_path},file://{tmp_path}/deeper/c.jar",
            "--py-files",
            "s3://b/x.zip",
            APP,
        ]
    )
    jars = ["s3a://bucket/one.jar", *(f"{tmp_path}/{name}" for name in ("a.jar", "b.jar", "deeper/c.jar"))]
    assert found.lists == {"jars": jars, "py-files": ["s3://b/x.zip"]}
    assert found.application == (APP,)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "(caused by MissingParameter): Couldn't parse input.: Missing parameter: app"),
        (["--conf", "a=b", APP], "(caused by NoSuchOption): Couldn't parse input.: No such option"),
        (["--jars"], "(caused by BadOptionUsage): error running Spark job: Option '--jars' requires an argument."),
    ],
)
def test_what_cannot_be_understood_is_told(arguments: list[str], said: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        parse(arguments)
    assert str(caught.value).startswith(f"Algorithm Error: {said}")
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("here.jar", "file path here.jar must be an absolute path to a file or directory"),
        ("/nowhere/x.jar", "file path /nowhere/x.jar does not exist"),
        (
            "hdfs://namenode/x.jar",
            "hdfs://namenode/x.jar: a file of this host or an s3:// or s3a:// URI is needed",
        ),
        ("{empty}", "Found zero files in {empty}"),
    ],
)
def test_a_file_that_is_not_there_is_told(tmp_path: Path, place: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(["--files", place.format(empty=tmp_path), APP])
    words = said.format(empty=tmp_path)
    assert (
        str(caught.value) == f"Algorithm Error: (caused by ValueError): error preparing for spark submit: {words}"
    )


def test_where_the_event_log_goes() -> None:
    found = parse(["--local-spark-event-logs-dir", "/opt/ml/processing/spark-events/", APP])
    assert (found.event_logs_folder, found.event_logs_uri) == ("/opt/ml/processing/spark-events/", None)
    assert parse(["--spark-event-logs-s3-uri", "s3://b/log", APP]).event_logs_uri == "s3://b/log"
