"""Channels in FastFile mode: all names at once, each content when its file is opened."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.data import encrypted, fastfiles
from sagelab.cloud.engine.data.fastfiles import FastFolder
from tests.cloud.jobs import LIGHT, Jobs
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = pytest.mark.skipif(fastfiles.unavailable() is not None, reason=str(fastfiles.unavailable()))


class Lake:
    """Objects of a bucket, and a folder of them."""

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self.jobs, self.said = Jobs(cloud, image=LIGHT), list[str]()
        self.folder, self.made = folder, list[FastFolder]()

    def put(self, name: str, content: bytes) -> None:
        self.jobs.put(f"data/{name}", content)

    def open(self) -> FastFolder:
        channel = self.jobs.channel("train", f"s3://{self.jobs.bucket}/data")
        files = fastfiles.list_files(self.jobs.s3, channel, 0, 1)
        self.made.append(FastFolder(self.jobs.s3, files, self.folder / str(len(self.made)), self.said.append))
        return self.made[-1]


@pytest.fixture
def lake(cloud: LocalCloud, tmp_path: Path) -> Iterator[Lake]:
    made = Lake(cloud, tmp_path / "fast")
    yield made
    for folder in made.made:
        folder.close()
    assert encrypted.mounts(tmp_path) == []


def test_a_file_is_fetched_when_it_is_opened_and_once(lake: Lake) -> None:
    content = os.urandom(3 << 20)
    for name, said in (("a", b"a"), ("sub/b", content), ("sub/deep/c", b"")):
        lake.put(name, said)
    folder = lake.open()
    found = sorted(str(path.relative_to(folder.seen)) for path in folder.seen.rglob("*") if path.is_file())
    assert found == ["a", "sub/b", "sub/deep/c"]
    assert [(folder.seen / name).stat().st_size for name in found] == [1, len(content), 0]
    assert folder.opened == 0
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: (folder.seen / "sub/b").read_bytes(), range(8))) == {content}
    assert (folder.opened, folder.size) == (1, len(content))
    assert folder.described == "1 of 3 files were opened, 3.1 MB fetched"
    with pytest.raises(FileNotFoundError):
        (folder.seen / "nothing").read_bytes()


def test_it_is_read_only(lake: Lake) -> None:
    lake.put("a", b"a")
    folder = lake.open()
    for act in (
        lambda: (folder.seen / "a").write_bytes(b"x"),
        lambda: (folder.seen / "new").touch(),
        lambda: (folder.seen / "a").unlink(),
        lambda: (folder.seen / "sub").mkdir(),
    ):
        with pytest.raises(OSError, match="Read-only"):
            act()


def test_an_object_that_is_gone_is_an_error_of_its_file_alone(lake: Lake) -> None:
    lake.put("a", b"a")
    lake.put("b", b"b")
    folder = lake.open()
    lake.jobs.s3.delete_object(Bucket=lake.jobs.bucket, Key="data/a")
    for _ in range(2):
        with pytest.raises(OSError, match="No such file"):
            (folder.seen / "a").read_bytes()
    assert (folder.seen / "b").read_bytes() == b"b"
    assert len(lake.said) == 1
    assert "data/a cannot be read" in lake.said[0]
    lake.put("a", b"again")  # as long as the folder says: one byte of it
    assert (folder.seen / "a").read_bytes() == b"a"


def test_its_process_that_dies_is_an_error_and_leaves_nothing(lake: Lake) -> None:
    lake.put("a", b"a")
    folder = lake.open()
    os.kill(folder._process.pid, signal.SIGKILL)
    with pytest.raises(OSError, match=r"not connected|connection abort"):
        until(lambda: (folder.seen / "a").read_bytes(), lambda _: False)
    folder.close()
    assert encrypted.mounts(lake.folder) == []


def test_it_goes_with_the_local_cloud(lake: Lake) -> None:
    lake.put("a", b"a")
    folder = lake.open()
    assert folder._process.stdin
    folder._process.stdin.close()  # as the kernel does for one that is killed
    assert folder._process.wait(30) == 0
    assert encrypted.mounts(lake.folder) == []


def test_a_disk_that_is_full(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.put("a", b"a")
    folder = lake.open()
    monkeypatch.setattr(fastfiles, "ROOM", 1 << 62)
    with pytest.raises(OSError, match="No space left"):
        (folder.seen / "a").read_bytes()


def test_a_job_opens_what_it_wants_and_its_log_says_how_much(cloud: LocalCloud) -> None:
    jobs = Jobs(cloud, image=LIGHT)
    for number in range(20):
        jobs.put(f"many/{number}", b"x" * 1000)
    channel = jobs.channel("train", f"s3://{jobs.bucket}/many/")
    request = jobs.shell(
        "cd /opt/ml/input/data/train && ls | wc -l && cat 3 7 | wc -c && ! touch new",
        InputDataConfig=[channel],
        algorithm={"TrainingInputMode": "FastFile"},
    )
    ended = jobs.run(request)
    assert ended["TrainingJobStatus"] == "Completed", ended
    log = jobs.full_log(request["TrainingJobName"])
    assert "20" in log.split()
    assert "2000" in log.split()
    assert "FastFile: train on algo-1: 2 of 20 files were opened, 0.0 MB fetched" in log
    folders: list[Any] = list(cloud.home.jobs.glob(f"{request['TrainingJobName']}-*"))
    assert until(lambda: [one for one in folders if one.exists()], lambda left: not left) == []
