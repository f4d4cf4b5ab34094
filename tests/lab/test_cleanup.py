from __future__ import annotations

from collections.abc import Callable

import pytest

from sagelab import catalog
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


def test_all_pages_are_looked_at_where_boto3_has_no_paginator(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it has none for ListProjects in Studio's image."""
    sagemaker = lab.client("sagemaker")
    names = [f"{lab.name}-{number:03}" for number in range(6)]
    for name in names:
        sagemaker.create_model_package_group(ModelPackageGroupName=name, Tags=lab.tags)
    listing = sagemaker.list_model_package_groups
    monkeypatch.setattr(sagemaker, "get_paginator", lambda name: pytest.fail(name))
    monkeypatch.setattr(sagemaker, "list_model_package_groups", lambda **asked: listing(**asked, MaxResults=2))
    made = cleanup._summaries(lab, catalog.of_stem("ModelPackageGroup"), ())
    assert set(names) <= {one["ModelPackageGroupName"] for one in made}
    for name in names:
        sagemaker.delete_model_package_group(ModelPackageGroupName=name)


@pytest.mark.slow
def test_clean_lets_another_labs_job_run(lab: Lab, train: Callable[..., str]) -> None:
    job = train(WAITS, Tags=[{"Key": "sagelab:lab", "Value": f"{lab.name}-b"}])
    cleanup.clean(lab)
    sagemaker = lab.client("sagemaker")
    assert sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "InProgress"
    sagemaker.stop_training_job(TrainingJobName=job)


def test_what_changes_by_itself_is_asked_for_before_what_rests(lab: Lab) -> None:
    asked: list[str] = []
    listed = "provide-client-params.sagemaker.ListNotebookInstances"
    events = lab.client("sagemaker").meta.events
    events.register(listed, lambda params, **_: asked.append(params["StatusEquals"]), unique_id="asked")
    cleanup.clean(lab)
    events.unregister(listed, unique_id="asked")
    assert asked[0] == "InService"  # what is to be stopped
    assert asked.index("Stopping") < asked.index("Stopped")


def test_what_somebody_deletes_meanwhile_is_not_the_labs(lab: Lab) -> None:
    assert cleanup._tags(lab, "arn:aws:sagemaker:us-east-1:123456789012:endpoint/gone") == []
