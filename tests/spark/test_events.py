"""The event log: copied under its final name, all of it at the end."""

from __future__ import annotations

from pathlib import Path

from sagelab.spark.events import Publisher, properties


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
