"""A machine that forbids namespaces: jobs are plain processes, and say so."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sagelab.cloud import control
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud import commands
from tests.cloud.jobs import LIGHT, Jobs
from tests.conftest import LocalCloud


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    home = Home(tmp_path_factory.mktemp("plain"))
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("SAGELAB_SANDBOX", "plain")
        url = clouds.start(home).url
    yield Jobs(LocalCloud(home, url), image=LIGHT)
    control.down(home)


@pytest.mark.slow
def test_script_mode_has_the_same_layout_and_the_log_says_what_is_weaker(plain: Jobs) -> None:
    data = plain.put("data/x.txt", b"here")
    source = "import os\nprint(open(os.environ['SM_CHANNEL_TRAINING'] + '/x.txt').read())\n"
    job = plain.run(plain.script(source, InputDataConfig=[plain.channel("training", data)]))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert "here" in plain.log(job["TrainingJobName"])
    assert "without namespaces of its own" in plain.full_log(job["TrainingJobName"])


def test_entry_point_with_fixed_paths_finds_its_files(plain: Jobs) -> None:
    job = plain.run(plain.shell("echo m > /opt/ml/model/m.txt"))
    assert plain.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"m.txt": b"m\n"}


def test_stopped_job_leaves_no_process(plain: Jobs) -> None:
    mark = f"76543{os.getpid()}"
    request = plain.shell(f"echo started; (sleep {mark} &); sleep {mark}")
    plain.sagemaker.create_training_job(**request)
    plain.wait_log(request["TrainingJobName"], "started")
    plain.sagemaker.stop_training_job(TrainingJobName=request["TrainingJobName"])
    assert plain.wait(request["TrainingJobName"])["TrainingJobStatus"] == "Stopped"
    assert not commands.running(mark)
