from __future__ import annotations

import os
from collections.abc import Callable

import nbformat
import pytest
from nbclient import NotebookClient

from sagelab.lab import watch
from sagelab.lab.session import Lab

Train = Callable[..., str]

EPOCHS = """
for epoch in (1, 2, 3):
    print(f"epoch {epoch}/3 - loss: {1 / epoch:.4f} - val_acc: 0.9{epoch}")
"""


def test_a_job_is_followed_to_its_end_on_one_line(
    lab: Lab, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    job = watch.follow(lab, "training job", train(EPOCHS))
    assert job["TrainingJobStatus"] == "Completed"
    assert capsys.readouterr().out.startswith("Completed · ")


def test_the_last_metric_stands_in_the_line(lab: Lab, train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    name = train(EPOCHS)
    watch.follow(lab, "training job", name)
    watch.follow(lab, "training job", name, metric="loss")
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("val_acc 0.9300")
    assert second.endswith("loss 0.3333")


def test_a_failed_job_raises_with_its_reason(lab: Lab, train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    name = train("raise ValueError('the digits are upside down')")
    with pytest.raises(watch.JobFailed, match="the digits are upside down") as failed:
        watch.follow(lab, "training job", name)
    assert failed.value.job["TrainingJobName"] == name
    assert capsys.readouterr().out.startswith("Failed · ")


def test_a_stopped_job_is_told_as_stopped(lab: Lab, train: Train) -> None:
    name = train("import signal\nsignal.pause()")
    lab.client("sagemaker").stop_training_job(TrainingJobName=name)
    assert watch.follow(lab, "training job", name)["TrainingJobStatus"] == "Stopped"


def test_metrics_have_every_epoch_where_the_description_has_the_last(lab: Lab, train: Train) -> None:
    name = train(EPOCHS)
    watch.follow(lab, "training job", name)
    table = watch.metrics(lab, name)
    assert list(table.columns) == ["metric", "step", "value", "timestamp"]
    accuracy = table[table["metric"] == "val_acc"]
    assert accuracy["step"].tolist() == [1, 2, 3]
    assert accuracy["value"].tolist() == [0.91, 0.92, 0.93]
    assert accuracy["timestamp"].is_monotonic_increasing


def test_what_is_no_number_is_no_metric(lab: Lab, train: Train) -> None:
    name = train("print('- loss: none')\nprint('- loss: 0.5')")
    watch.follow(lab, "training job", name)
    assert watch.metrics(lab, name)["value"].tolist() == [0.5]


@pytest.mark.slow
def test_the_log_has_every_line_of_every_page_in_order(lab: Lab, train: Train) -> None:
    name = train("for number in range(12_000): print('line', number)")
    watch.follow(lab, "training job", name)
    numbers = [line.split()[1] for line in watch.log(lab, name).splitlines() if line.startswith("line ")]
    assert numbers == [str(number) for number in range(12_000)]
    assert "line 11999" in watch.tail(lab, name, 20)
    assert len(watch.tail(lab, name, 20).splitlines()) == 20


def test_with_several_hosts_each_line_says_whose_it_is(lab: Lab, train: Train) -> None:
    name = train("import os\nprint('I am', os.environ['SM_CURRENT_HOST'])", hosts=2)
    watch.follow(lab, "training job", name)
    lines = watch.log(lab, name).splitlines()
    assert "algo-1 | I am algo-1" in lines
    assert "algo-2 | I am algo-2" in lines


def test_a_job_nobody_started_has_no_log(lab: Lab) -> None:
    assert watch.log(lab, f"{lab.name}-none") == ""


def test_transitions_tell_each_stage_and_its_seconds(lab: Lab, train: Train) -> None:
    name = train("")
    watch.follow(lab, "training job", name)
    table = watch.transitions(lab, name)
    assert table["status"].tolist() == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert list(table.columns) == ["status", "start", "end", "seconds", "message"]
    assert (table["seconds"].dropna() >= 0).all()
    assert table["start"].is_monotonic_increasing


@pytest.mark.slow
def test_a_notebook_keeps_one_line_of_a_watched_job(lab: Lab, train: Train) -> None:
    name = train(EPOCHS)
    cells = [
        f"import sagelab\nfrom sagelab.lab import watch\nlab = sagelab.connect({lab.name!r})",
        f"job = watch.follow(lab, 'training job', {name!r})",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3", coalesce_streams=True).execute(
        env=dict(os.environ)
    )
    (output,) = notebook.cells[1].outputs
    assert output.output_type == "stream"
    assert output.text.splitlines()[-1].startswith("Completed · ")
