"""What a file system has from S3: known, loaded, given back; and what hostile files and keys cannot do there."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.data import trees
from sagelab.cloud.engine.data.channels import Location
from sagelab.cloud.engine.filesystems import repositories, shares
from sagelab.cloud.engine.filesystems.repositories import ALL, Repository, export, load, release, take_over
from sagelab.cloud.engine.filesystems.shares import Shares
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

NAME = "fs-0123456789abcdef0"


class Lake:
    """A repository in a bucket of the local cloud, and a file system that is linked to it."""

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self.jobs, self.stock = Jobs(cloud), Shares(folder)
        self.s3: Any = self.jobs.s3
        self.repository = Repository(Location(self.jobs.bucket, "data"))

    def put(self, name: str, text: str) -> None:
        self.jobs.put(f"data/{name}", text.encode())

    def take_over(self, *events: str) -> int:
        return take_over(self.stock, NAME, self.s3, self.repository, events or ALL).count

    def load(self, below: str = "", **more: Any) -> tuple[int, dict[str, str]]:
        moved = load(self.stock, NAME, self.s3, below, lambda: None, **more)
        return moved.count, moved.failed

    @property
    def files(self) -> Path:
        return self.stock.tree(NAME).path

    def names(self) -> list[str]:
        return [entry.name for entry in self.stock.tree(NAME).walk() if not entry.is_folder]


@pytest.fixture
def lake(cloud: LocalCloud, tmp_path: Path) -> Lake:
    return Lake(cloud, tmp_path / "filesystems")


def test_what_is_below_a_directory_is_loaded_once(lake: Lake) -> None:
    for name in ("train/a", "train/b", "test/c"):
        lake.put(name, name)
    assert (lake.take_over(), lake.names()) == (3, [])
    assert lake.load("train") == (2, {})
    assert lake.names() == ["train/a", "train/b"]
    assert lake.load("train") == (0, {})
    assert lake.load() == (1, {})
    (lake.files / "train/a").unlink()
    assert lake.load() == (0, {})  # a job has deleted it, as it may


def test_what_changes_in_s3_comes_by_an_import_or_a_policy(lake: Lake) -> None:
    lake.put("a", "old")
    assert (lake.take_over(), lake.load()) == (1, (1, {}))
    lake.put("a", "newer")
    lake.put("b", "new")
    assert (lake.take_over("NEW"), lake.load()) == (1, (1, {}))
    assert (lake.files / "a").read_text() == "old"
    assert (lake.take_over("NEW", "CHANGED"), lake.load()) == (1, (1, {}))
    assert (lake.files / "a").read_text() == "newer"
    lake.s3.delete_object(Bucket=lake.jobs.bucket, Key="data/a")
    assert lake.take_over("NEW", "CHANGED") == 0
    assert lake.take_over("NEW", "CHANGED", "DELETED") == 1
    assert lake.names() == ["b"]


def test_what_jobs_have_written_is_given_back_and_released(lake: Lake) -> None:
    lake.put("a", "old")
    lake.take_over()
    lake.load()
    (lake.files / "a").write_text("changed")
    (lake.files / "out").mkdir()
    (lake.files / "out/model").write_text("model")
    target = Repository(Location(lake.jobs.bucket, "export"))
    moved = export(lake.stock, NAME, lake.s3, target)
    assert (moved.count, moved.failed) == (2, {})
    found = lake.s3.get_object(Bucket=lake.jobs.bucket, Key="export/out/model")["Body"].read()
    assert found == b"model"
    assert export(lake.stock, NAME, lake.s3, target).count == 0
    assert release(lake.stock, NAME, "out").count == 1
    assert lake.names() == ["a"]
    assert lake.load() == (1, {})
    assert (lake.files / "out/model").read_text() == "model"


def test_a_job_cannot_have_files_of_the_host_loaded_over_or_exported(lake: Lake, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    for name in ("sub/a", "sub/b", "plain"):
        lake.put(name, "from S3")
    lake.take_over()
    (lake.files / "sub").symlink_to(outside)
    (lake.files / "plain").symlink_to(outside / "secret")
    (lake.files / "leak").symlink_to(outside / "secret")
    os.mkfifo(lake.files / "pipe")
    count, failed = lake.load()
    assert count == 1  # the link is replaced, not written through
    assert set(failed) == {"sub/a", "sub/b"}
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]
    assert (outside / "secret").read_text() == "secret"
    assert (lake.files / "plain").read_text() == "from S3"
    moved = export(lake.stock, NAME, lake.s3, Repository(Location(lake.jobs.bucket, "export")))
    assert moved.count == 0
    assert {"leak", "pipe", "sub"} <= set(moved.failed)


def test_keys_that_are_no_file_names_are_left_out(lake: Lake) -> None:
    for key in ("data/../../escape", "data//absolute", "data/good", f"data/{'x' * 300}"):
        lake.s3.put_object(Bucket=lake.jobs.bucket, Key=key, Body=b"x")
    moved = take_over(lake.stock, NAME, lake.s3, lake.repository, ALL)
    assert "data/../../escape" in moved.failed
    assert f"data/{'x' * 300}"[:200] in moved.failed
    lake.load()
    assert all(".." not in name for name in lake.names())
    assert "good" in lake.names()
    assert not (lake.files.parents[2] / "escape").exists()


def test_a_file_and_a_folder_of_one_name(lake: Lake) -> None:
    lake.put("a", "file")
    lake.put("a/b", "below it")
    lake.take_over()
    count, failed = lake.load()
    assert (count, set(failed)) == (1, {"a/b"})


def test_more_than_its_capacity_or_the_disk_is_not_loaded(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.put("a", "x" * 600)
    lake.put("b", "x" * 600)
    lake.take_over()
    with pytest.raises(shares.NoRoom, match="StorageCapacity"):
        lake.load(capacity=1000)
    assert lake.names() == ["a"]  # and what was loaded is not loaded again
    monkeypatch.setattr(shares, "ROOM", 1 << 62)
    with pytest.raises(shares.NoRoom, match="of this machine's disk"):
        lake.load()
    monkeypatch.undo()
    assert lake.load() == (1, {})


def test_a_bucket_that_is_gone(lake: Lake) -> None:
    with pytest.raises(repositories.Failed, match="NoSuchBucket"):
        take_over(lake.stock, NAME, lake.s3, Repository(Location("no-such-bucket-here", "")), ALL)


@pytest.mark.parametrize("name", ["../fs-01234567", "fs-zz", "", "fs-0123456789abcdef0/.."])
def test_only_a_file_system_has_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no file system"):
        Shares(tmp_path).tree(name)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    tree = Shares(tmp_path).tree(NAME)
    shares.write(tree, "a", io.BytesIO(b"first"))

    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        shares.write(tree, "a", Broken())
    assert [entry.name for entry in tree.walk()] == ["a"]
    assert tree.read("a", 10) == b"first"
    with pytest.raises(trees.Refused):
        shares.write(tree, "a/b", io.BytesIO(b"x"))
