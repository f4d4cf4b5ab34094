from __future__ import annotations

from collections.abc import Callable

import pytest

from sagelab.lab import cleanup, session
from sagelab.lab.session import Lab

WAITS = "import signal\nsignal.pause()\n"


def put(lab: Lab, *keys: str) -> None:
    for key in keys:
        lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/{key}", Body=b"x")


def test_a_lab_that_made_nothing_is_clean(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert cleanup.clean(lab) == []
    cleanup.assert_clean(lab)
    assert capsys.readouterr().out == f"Nothing is left of {lab.name}: nothing runs, no file is stored.\n"


def test_a_file_left_behind_is_named(lab: Lab) -> None:
    put(lab, "training/training.npz")
    left = cleanup.leftovers(lab)
    assert left.to_dict("records") == [
        {"kind": "file", "name": lab.uri("training", "training.npz"), "status": "stored"}
    ]
    with pytest.raises(AssertionError, match="1 things are left"):
        cleanup.assert_clean(lab)


def test_clean_deletes_the_files_of_this_lab_alone(lab: Lab) -> None:
    other = session.connect(f"{lab.name}-b")
    put(lab, "a", "b/c")
    put(other, "kept")
    assert cleanup.clean(lab) == [f"deleted 2 files under {lab.uri()}/"]
    cleanup.assert_clean(lab)
    assert len(cleanup.leftovers(other)) == 1


@pytest.mark.slow
def test_clean_stops_a_running_job_and_waits_for_its_end(lab: Lab, train: Callable[..., str]) -> None:
    job = train(WAITS)
    assert (cleanup.leftovers(lab)["kind"] == "training job").any()
    assert f"stopped training job {job}" in cleanup.clean(lab)
    found = lab.client("sagemaker").describe_training_job(TrainingJobName=job)
    assert found["TrainingJobStatus"] == "Stopped"
    cleanup.assert_clean(lab)


@pytest.mark.slow
def test_clean_lets_another_labs_job_run(lab: Lab, train: Callable[..., str]) -> None:
    job = train(WAITS, Tags=[{"Key": "sagelab:lab", "Value": f"{lab.name}-b"}])
    cleanup.clean(lab)
    sagemaker = lab.client("sagemaker")
    assert sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "InProgress"
    sagemaker.stop_training_job(TrainingJobName=job)
