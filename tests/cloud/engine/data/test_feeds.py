"""Channels in Pipe mode: what a container reads from its named pipes, epoch after epoch, and may do to them."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelab.algorithms.recordio import records
from sagelab.cloud.engine.data.feeds import Feed
from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.errors import ClientError
from tests.cloud.jobs import LIGHT, Jobs
from tests.conftest import LocalCloud
from tests.waiting import until

DATA = "/opt/ml/input/data"


class Piped:
    """A feed and its folder."""

    def __init__(self, folder: Path, *parts: bytes) -> None:
        self.folder, self.parts, self.told = folder, parts, threading.Event()
        folder.mkdir(parents=True)
        self.feed = Feed(Tree(folder.parent, folder.name), "train", self.say, self.told.set)

    def say(self, epoch: int) -> Iterator[bytes]:
        for part in self.parts:
            yield b"%d:%b;" % (epoch, part)

    def read(self, epoch: int) -> bytes:
        return (self.folder / f"train_{epoch}").read_bytes()


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[Piped]:
    made = Piped(tmp_path / "ml/data", b"a", b"b" * 200_000)
    yield made
    made.feed.end()
    assert not made.feed.is_alive()


def test_each_epoch_is_read_from_a_pipe_of_its_own(piped: Piped) -> None:
    piped.feed.start()
    for epoch in range(3):
        said = piped.read(epoch)
        assert said == b"%d:a;%d:%b;" % (epoch, epoch, b"b" * 200_000)
    assert piped.feed.trouble is None


def test_an_epoch_that_is_not_read_to_its_end_is_followed_by_the_next(piped: Piped) -> None:
    piped.feed.start()
    with (piped.folder / "train_0").open("rb") as pipe:
        assert pipe.read(4) == b"0:a;"
    assert piped.read(1).startswith(b"1:a;")


@pytest.mark.parametrize("when", ["before", "waiting", "reading", "between"])
def test_it_ends_with_the_job_whatever_it_does_then(piped: Piped, when: str) -> None:
    if when != "before":
        piped.feed.start()
    if when == "reading":
        with (piped.folder / "train_0").open("rb") as pipe:
            pipe.read(1)
    if when == "between":
        piped.read(0)
    piped.feed.end()
    assert not piped.feed.is_alive()


def test_a_pipe_that_is_replaced_leads_nowhere(piped: Piped, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept")
    (piped.folder / "train_0").unlink()
    (piped.folder / "train_0").symlink_to(secret)
    (piped.folder / "train_1").symlink_to(secret)
    piped.feed.start()
    piped.feed.end()  # the pipe that it made is the one it holds
    assert secret.read_text() == "kept"


def test_what_stands_in_the_place_of_the_next_pipe_is_not_written_to(piped: Piped, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept")
    (piped.folder / "train_1").symlink_to(secret)
    piped.feed.start()
    with (piped.folder / "train_0").open("rb"):
        assert piped.told.wait(30)
    assert piped.feed.trouble is not None
    assert "The pipe of channel train is gone" in str(piped.feed.trouble)
    assert secret.read_text() == "kept"


def test_data_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    piped = Piped(tmp_path / "ml/data")

    def fail(_epoch: int) -> Iterator[bytes]:
        yield b"some"
        raise ClientError("Data download failed: it is gone")

    piped.feed._parts = fail
    piped.feed.start()
    assert piped.read(0) == b"some"
    assert piped.told.wait(30)
    piped.feed.end()
    assert "it is gone" in str(piped.feed.trouble)


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    return Jobs(cloud, image=LIGHT)


def run(jobs: Jobs, command: str, channel: dict[str, Any], **changes: Any) -> tuple[dict[str, Any], str]:
    algorithm = {"TrainingInputMode": "Pipe"}
    request = jobs.shell(f"cd {DATA} && {command}", InputDataConfig=[channel], algorithm=algorithm, **changes)
    return jobs.run(request), jobs.log(request["TrainingJobName"])


def test_a_job_reads_its_objects_epoch_by_epoch(jobs: Jobs) -> None:
    for name in ("a", "b", "c"):
        jobs.put(f"pipe/{name}", f"{name}\n".encode())
    channel = jobs.channel("train", f"s3://{jobs.bucket}/pipe/")
    ended, log = run(jobs, "ls; cat train_0 train_1; cat ../config/inputdataconfig.json", channel)
    assert ended["TrainingJobStatus"] == "Completed", ended
    lines = log.split("\n")
    assert lines[:7] == ["train_0", "a", "b", "c", "a", "b", "c"]
    assert '"TrainingInputMode": "Pipe"' in log
    shuffled = channel | {"ShuffleConfig": {"Seed": 7}}
    command = "for epoch in 0 1 2 3 4 5; do cat train_$epoch | tr -d '\\n'; echo; done"
    first, second = (run(jobs, command, shuffled)[1].split() for _ in range(2))
    assert first == second
    assert len(set(first)) > 1
    assert all(sorted(order) == ["a", "b", "c"] for order in first)


def test_two_hosts_share_the_objects(jobs: Jobs) -> None:
    for number in range(4):
        jobs.put(f"shards/{number}", f"{number}\n".encode())
    channel = jobs.channel("train", f"s3://{jobs.bucket}/shards/", S3DataDistributionType="ShardedByS3Key")
    request = jobs.shell(f"cat {DATA}/train_0", InputDataConfig=[channel], algorithm={"TrainingInputMode": "Pipe"})
    request["ResourceConfig"]["InstanceCount"] = 2
    assert jobs.run(request)["TrainingJobStatus"] == "Completed"
    said = [jobs.log(request["TrainingJobName"], host).split() for host in ("algo-1", "algo-2")]
    assert said == [["0", "2"], ["1", "3"]]


def test_records_gzip_and_augmented_manifests(jobs: Jobs) -> None:
    uri = jobs.put("packed/a.gz", gzip.compress(b"packed"))
    channel = jobs.channel("train", uri) | {"CompressionType": "Gzip", "RecordWrapperType": "RecordIO"}
    out = "cat train_0 > /opt/ml/model/said"
    ended, _ = run(jobs, out, channel)
    said = jobs.unpack(ended["ModelArtifacts"]["S3ModelArtifacts"])["said"]
    assert list(records(said)) == [b"packed"]
    image = jobs.put("pictures/1", b"picture")
    lines = [json.dumps({"source-ref": image, "label": number}) for number in range(3)]
    manifest = jobs.put("manifest", "\n".join(lines).encode())
    channel = jobs.channel("train", manifest, S3DataType="AugmentedManifestFile")
    channel["DataSource"]["S3DataSource"]["AttributeNames"] = ["source-ref", "label"]
    _, log = run(jobs, "cat train_0", channel)
    assert log.split() == ["picture", "0", "picture", "1", "picture", "2"]


@pytest.mark.parametrize("gone", [True, False])
def test_data_that_is_gone_or_damaged_fails_the_job(jobs: Jobs, gone: bool) -> None:
    uri = jobs.put(f"lost-{gone}/a.gz", b"no gzip")
    channel = jobs.channel("train", uri) | {"CompressionType": "Gzip"}
    command = "while [ ! -e /opt/ml/go ]; do sleep 0.05; done; cat data/train_0; sleep 600"
    algorithm = {"TrainingInputMode": "Pipe"}
    request = jobs.shell(f"cd /opt/ml/input; {command}", InputDataConfig=[channel], algorithm=algorithm)
    jobs.sagemaker.create_training_job(**request)
    jobs.wait(request["TrainingJobName"], "Training")
    if gone:
        jobs.s3.delete_object(Bucket=jobs.bucket, Key=f"lost-{gone}/a.gz")
    until(lambda: _let(jobs, request["TrainingJobName"]), bool)
    ended = jobs.wait(request["TrainingJobName"])
    assert ended["TrainingJobStatus"] == "Failed"
    assert ended["FailureReason"].startswith("ClientError: Data download failed:")
    assert ("no S3 objects found" if gone else "is no gzip file") in ended["FailureReason"]


def _let(jobs: Jobs, name: str) -> bool:
    """Whether the job's folder is there: it may read on."""
    found = list(jobs.cloud.home.jobs.glob(f"{name}-*/*/ml"))
    for folder in found:
        os.close(os.open(folder / "go", os.O_CREAT | os.O_WRONLY))
    return bool(found)
