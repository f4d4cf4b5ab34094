"""The event log: copied under its final name, all of it at the end."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud import control
from sagelab.spark.emr import logs
from sagelab.spark.events import Publisher, Uploader, properties
from tests.conftest import LocalCloud
from tests.waiting import until


@pytest.fixture
def bucket(cloud: LocalCloud, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket, which this process reaches as one in a host does."""
    for name, value in control.surroundings(cloud.home).items():
        monkeypatch.setenv(name, value)
    name = unique("events")
    cloud.client("s3").create_bucket(Bucket=name)
    return name


def read(s3: Any, bucket: str) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


def test_the_last_copy_is_of_all_of_it(tmp_path: Path) -> None:
    target = tmp_path / "deep/events"
    with Publisher(target) as publisher:
        log = publisher.source / "local-1.inprogress"
        log.write_text("one\n")
        publisher.copy()
        assert (target / "local-1").read_text() == "one\n"
        log.write_text("one\ntwo\n")
        log.rename(publisher.source / "local-1")
    assert [file.name for file in target.iterdir()] == ["local-1"]
    assert (target / "local-1").read_text() == "one\ntwo\n"


def test_a_log_in_s3_goes_by_the_file_system() -> None:
    assert properties("s3://bucket/log")["spark.eventLog.dir"] == "s3a://bucket/log"


def test_a_log_of_glues_comes_to_s3_as_it_grows(cloud: LocalCloud, bucket: str) -> None:
    s3 = cloud.client("s3")
    with Uploader(f"s3://{bucket}/deep/events/") as uploader:
        log = uploader.source / "app-1.inprogress"
        log.write_text("one\n")
        uploader.copy()
        assert read(s3, bucket) == {"deep/events/app-1": b"one\n"}
        log.write_text("one\ntwo\n")
    assert read(s3, bucket) == {"deep/events/app-1": b"one\ntwo\n"}


def test_a_log_that_may_not_be_put_anywhere_fails_nothing(bucket: str, caplog: pytest.LogCaptureFixture) -> None:
    with Uploader(f"s3://not-{bucket}/events") as uploader:
        (uploader.source / "app-1").write_text("one\n")
    assert "the event log is not kept" in caplog.text


def test_a_log_of_a_driver_is_put_beside_its_others(
    cloud: LocalCloud, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "EVERY", 0.05)
    s3, key = cloud.client("s3"), "logs/j-1/containers/c/events/app-1.gz"
    (tmp_path / "events").mkdir()
    (tmp_path / "events/.hidden").write_text("no")
    log = tmp_path / "events/app-1.inprogress"
    log.write_text("one\n")
    with logs.following(f"s3://{bucket}/logs/j-1", "containers/c", tmp_path):
        until(lambda: list(read(s3, bucket)), lambda found: found == [key])
        log.write_text("one\ntwo\n")
    assert gzip.decompress(read(s3, bucket)[key]) == b"one\ntwo\n"
