"""A read-only and an exhausted machine, a clock that jumps: a refusal in words, and on it goes when mended."""

from __future__ import annotations

import ctypes
import multiprocessing
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
import pytest
from botocore.config import Config

from sagelab.cloud import control
from sagelab.cloud.home import Home
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud, run_sagelab

pytestmark = pytest.mark.slow

CLONE_NEWNS = 0x00020000
ONCE = Config(retries={"total_max_attempts": 1})
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

/* The seconds that the clock is off stand in a file: it jumps while the program runs. */
static long off(void) {
    long seconds = 0;
    FILE *file = fopen(getenv("CLOCK_OFF"), "r");
    if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    return seconds;
}
int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(which, now);
    if (which == CLOCK_REALTIME) now->tv_sec += off();
    return code;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec fine;
    int code = clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec; now->tv_usec = fine.tv_nsec / 1000;
    return code;
}
time_t time(time_t *at) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    if (at) *at = fine.tv_sec;
    return fine.tv_sec;
}
"""


@pytest.fixture
def own(home: Home) -> Iterator[LocalCloud]:
    """A local cloud that a test may do anything to."""
    yield LocalCloud(home, control.up(home))
    control.down(home)


# File descriptors


@contextmanager
def few_descriptors(pid: int, left: int) -> Iterator[None]:
    used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + left, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_without_a_descriptor_left_a_connection_is_refused_in_words_and_later_ones_are_not(
    own: LocalCloud,
) -> None:
    running = own.home.server()
    assert running is not None
    s3 = own.client("s3", config=ONCE)
    s3.create_bucket(Bucket="descriptors")
    s3.put_object(Bucket="descriptors", Key="before", Body=b"1")
    url = urlsplit(own.url)
    address = (url.hostname, url.port)
    with few_descriptors(running["pid"], 10), ExitStack() as open_ones:
        said = b""
        for _ in range(100):
            connection = open_ones.enter_context(socket.create_connection(address))
            connection.settimeout(0.5)
            try:
                said = connection.recv(1000)
            except TimeoutError:
                continue
            break
        assert said.startswith(b"HTTP/1.1 503")
        assert b"no file descriptor left" in said
        with pytest.raises(botocore.exceptions.ClientError, match="no file descriptor left"):
            own.client("s3", config=ONCE).put_object(Bucket="descriptors", Key="during", Body=b"2")
    again = own.client("s3", config=ONCE)
    again.put_object(Bucket="descriptors", Key="after", Body=b"3")
    assert [one["Key"] for one in again.list_objects_v2(Bucket="descriptors")["Contents"]] == ["after", "before"]


# A file system that takes nothing


class Disk:
    """A small file system of this process's own at a folder, which can be full and can be read-only."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS):
            raise PermissionError(ctypes.get_errno(), "mounts of one's own are forbidden here")
        self._folder, self._filling = folder, folder / "filling"
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", folder], check=True)

    def fill(self) -> None:
        with self._filling.open("wb", buffering=0) as file, suppress(OSError):
            for size in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        self._filling.unlink()

    def close(self) -> None:
        """Read-only from now on."""
        subprocess.run(["mount", "-o", "remount,ro", self._folder], check=True)


def refused(call: Callable[..., Any], **params: Any) -> str:
    """The code of a refusal; "" where there was none."""
    try:
        call(**params)
    except botocore.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def live_on_full_disk(folder: Path, said: Any) -> None:
    """What a local cloud says while its disk is full, and after; for a process of its own."""
    try:
        disk = Disk(folder)
    except PermissionError as error:
        said.put({"skipped": str(error)})
        return
    home = Home(folder)
    cloud = LocalCloud(home, control.up(home))
    jobs = Jobs(cloud)
    s3, sagemaker = cloud.client("s3", config=ONCE), cloud.client("sagemaker", config=ONCE)
    jobs.put("before", b"1")
    request = jobs.shell("head -c 1000000 /dev/urandom > /opt/ml/model/weights; sleep 2")
    name = request["TrainingJobName"]
    arn = sagemaker.create_training_job(**request)["TrainingJobArn"]
    jobs.wait(name, "Training")
    disk.fill()
    tags = [{"Key": f"key-{number}", "Value": "x" * 256} for number in range(20)]
    facts: dict[str, Any] = {
        "put": refused(s3.put_object, Bucket=jobs.bucket, Key="during", Body=b"2" * 1_000_000),
        "create": refused(sagemaker.create_training_job, **jobs.shell("true")),
        "tag": refused(sagemaker.add_tags, ResourceArn=arn, Tags=tags),
        "read": s3.get_object(Bucket=jobs.bucket, Key="before")["Body"].read(),
    }
    facts["tags"] = len(sagemaker.list_tags(ResourceArn=arn)["Tags"])
    time.sleep(4)  # the job ends meanwhile, and its model finds no room
    disk.free()
    ended = jobs.wait(name)
    jobs.put("later", b"3")
    facts |= {
        "ended": (ended["TrainingJobStatus"], ended.get("FailureReason", "")),
        "keys": [one["Key"] for one in s3.list_objects_v2(Bucket=jobs.bucket, Delimiter="/")["Contents"]],
        "next": jobs.run(jobs.shell("true"))["TrainingJobStatus"],
    }
    control.down(home)
    facts["full"] = start_on_full_disk(disk, folder)
    control.up(home)
    facts["again"] = jobs.describe(name)["TrainingJobStatus"]
    facts["kept"] = s3.get_object(Bucket=jobs.bucket, Key="later")["Body"].read()
    control.down(home)
    disk.close()
    up = run_sagelab("up", "--detach", home=folder)
    said.put(facts | {"up": (up.returncode, up.stderr)})


def start_on_full_disk(disk: Disk, folder: Path) -> tuple[int, str]:
    """What a start says that finds no room; nothing of it is left running."""
    disk.fill()
    up = run_sagelab("up", "--detach", home=folder)
    assert control.status(Home(folder)) is None
    disk.free()
    return up.returncode, up.stderr


def test_a_full_disk_refuses_changes_and_a_read_only_home_a_start_and_all_goes_on_with_room(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    context = multiprocessing.get_context("fork")
    said = context.SimpleQueue()
    process = context.Process(target=live_on_full_disk, args=(folder, said))
    process.start()
    process.join(240)
    assert process.exitcode == 0
    facts = said.get()
    if "skipped" in facts:
        pytest.skip(facts["skipped"])
    assert facts["put"] == "ServiceUnavailable"
    assert facts["create"] in ("", "ServiceUnavailable")  # a small change may find a page that was used before
    assert (facts["tag"], facts["tags"]) in (("", 20), ("ServiceUnavailable", 0))
    assert facts["read"] == b"1"
    status, reason = facts["ended"]
    assert status == "Completed" or "No space left on device" in reason  # its upload is tried again for a while
    assert facts["keys"] == ["before", "later"]
    assert facts["next"] == "Completed"
    assert (facts["again"], facts["kept"]) == (status, b"3")
    for fact, why in (("full", "No space left on device"), ("up", "Read-only file system")):
        code, words = facts[fact]
        assert code == 1
        assert words.startswith("Error: sagelab cannot write to ")
        assert words.endswith(f"{why}. SAGELAB_HOME names another folder.\n")
        assert words.count("\n") == 1


# The clock


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says by how many seconds the clock of programs started from now on is off."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler, so no clock of one's own")
    source, library, file = tmp_path / "clock.c", tmp_path / "clock.so", tmp_path / "off"
    source.write_text(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    file.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CLOCK_OFF", str(file))
    return file


def test_a_clock_that_jumps_ends_no_job_and_loses_nothing(clock: Path, home: Home) -> None:
    jobs = Jobs(LocalCloud(home, control.up(home)), "jumping")
    for seconds in (-7200, 7200):
        run_while_it_jumps(jobs, clock, seconds)
    control.down(home)


def run_while_it_jumps(jobs: Jobs, clock: Path, seconds: int) -> None:
    request = jobs.shell("sleep 3; echo late", StoppingCondition={"MaxRuntimeInSeconds": 60})
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait(name, "Training")
    clock.write_text(str(seconds))
    with pytest.raises(botocore.exceptions.ClientError, match="RequestTimeTooSkewed"):
        jobs.s3.list_objects_v2(Bucket=jobs.bucket)  # this process's own clock has not jumped
    wait_until_no_job_runs(jobs.cloud.home)
    clock.write_text("0")
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TrainingTimeInSeconds"] >= 0
    assert "late" in jobs.log(name)


def wait_until_no_job_runs(home: Home) -> None:
    while any(home.jobs.iterdir()):
        time.sleep(0.1)
