"""Ways out of a job's sandbox, each tried by a real job; and what a host may use."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.cloud.jobs import Jobs

SECRET = "a secret of the user's"


def tried(jobs: Jobs, command: str, **changes: object) -> str:
    """What a job prints that tries something, and completes."""
    job = jobs.run(jobs.shell(f"{{ {command}; }} 2>&1; true", **changes))
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    return jobs.log(job["TrainingJobName"])


@pytest.fixture(scope="module")
def credentials() -> Iterator[Path]:
    """A file in a folder beside the user's own."""
    folder = Path.home() / f".sagelab-test-{os.getpid()}"
    folder.mkdir()
    (folder / "credentials").write_text(SECRET)
    yield folder / "credentials"
    (folder / "credentials").unlink()
    folder.rmdir()


def test_files_of_the_user_are_not_there(jobs: Jobs, credentials: Path) -> None:
    folder = f"/proc/{os.getpid()}/root{credentials}"
    said = tried(
        jobs, f"cat {credentials} {folder} /proc/1/root{credentials} /old{credentials} ../..{credentials}"
    )
    assert SECRET not in said
    assert said.count("No such file") == 4
    assert f"/proc/1/root{credentials}: Permission denied" in said


def test_store_and_secret_of_the_local_cloud_are_not_there(jobs: Jobs) -> None:
    home = jobs.cloud.home.path
    said = tried(jobs, f"h={home}; cat $h/credentials.json $h/sagelab.db $h/services.db; ls $h $h/..")
    assert jobs.cloud.home.credentials().secret_access_key not in said
    assert said.count("No such file") == 5


def test_environment_is_the_jobs_own(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING_SECRET", SECRET)
    said = tried(jobs, "env; cat /proc/*/environ | tr '\\0' '\\n'")
    assert SECRET not in said
    assert jobs.cloud.home.credentials().secret_access_key not in said
    assert "SAGELAB_HOME" not in said


def test_folders_of_other_jobs_are_not_there(jobs: Jobs) -> None:
    other = jobs.shell(
        "echo mine > /opt/ml/sagelab-mark; echo ready; until [ -e /opt/ml/end ]; do sleep 0.1; done"
    )
    jobs.sagemaker.create_training_job(**other)
    jobs.wait_log(other["TrainingJobName"], "ready")
    (folder,) = jobs.cloud.home.jobs.glob(f"{other['TrainingJobName']}-*")
    said = tried(
        jobs, f"ls {folder} {folder.parent}; find / -name sagelab-mark -not -path '/proc/*' -not -path '/sys/*'"
    )
    (folder / "algo-1" / "ml" / "end").touch()
    jobs.wait(other["TrainingJobName"])
    assert said.count("No such file") == 2
    assert "/sagelab-mark" not in said


def test_other_processes_cannot_be_signalled(jobs: Jobs) -> None:
    said = tried(jobs, f"kill -9 {os.getpid()}; kill -0 {os.getppid()}; echo survived")
    assert said.count("No such process") == 2
    assert jobs.cloud.home.server() is not None


@pytest.mark.parametrize(
    "command",
    [
        "mount -t tmpfs none /mnt",
        "mount --bind / /tmp",
        "umount /proc",
        "unshare --mount --map-root-user mount -t proc none /proc/1",
        "mknod /tmp/disk b 8 0",
        "chroot / true",
        "hostname other",
        "echo $(cat /proc/sys/vm/swappiness) > /proc/sys/vm/swappiness",
        "echo $(cat /proc/sys/kernel/core_pattern) > /proc/sys/kernel/core_pattern",
        "[ -w /proc/sysrq-trigger ]",
        "touch /usr/bin/x /etc/x /bin/x /x /opt/sagelab/bin/x",
        "chown 1 /tmp",
        "nsenter --target 1 --mount true && exit 1; false",
    ],
    ids=lambda command: command.replace("/", " ")[:40],
)
def test_what_takes_a_privilege_is_refused(jobs: Jobs, command: str) -> None:
    assert "worked" not in tried(jobs, f"{command} && echo worked")


def test_interpreter_is_read_only_and_what_a_job_does_to_packages_stays_in_the_job(jobs: Jobs) -> None:
    for name, there in (("argparse", "Read-only file system"), ("boto3", "done")):
        code = f"import pathlib, {name}; pathlib.Path({name}.__file__).write_text(''); print('done')"
        assert there in tried(jobs, f'python3 -c "{code}"')
    assert Path(boto3.__file__).stat().st_size


@pytest.mark.parametrize("isolated", [True, False])
def test_no_network_reaches_anything_of_this_machine(jobs: Jobs, isolated: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = f"(echo > /dev/tcp/127.0.0.1/{port}) && echo reached; cat /proc/net/dev"
        said = tried(jobs, command, EnableNetworkIsolation=isolated)
        assert "reached" not in said
        assert [line.split(":")[0].strip() for line in said.splitlines() if ":" in line and "|" not in line][
            -1:
        ] == ["lo"]


def test_host_with_too_many_processes_is_ended_with_the_reason(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("for n in {1..1200}; do sleep 100 & done; wait"))
    assert job["FailureReason"] == "ClientError: The host was ended: it has more than 1,024 processes."


def test_host_that_fills_its_volume_is_ended_with_the_reason(jobs: Jobs) -> None:
    request = jobs.shell("fallocate -l 1200M /opt/ml/model/large; sleep 100")
    request["ResourceConfig"]["VolumeSizeInGB"] = 1
    words = "it uses more disk than VolumeSizeInGB allows (1 GB)"
    assert jobs.run(request)["FailureReason"] == f"ClientError: The host was ended: {words}."


def test_process_with_too_many_open_files_hears_it(jobs: Jobs) -> None:
    job = jobs.run(jobs.script("files = []\nwhile True:\n    files.append(open('/dev/null'))"))
    assert "Too many open files" in job["FailureReason"]
