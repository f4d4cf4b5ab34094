"""lab.trainer, lab.train, lab.model, lab.deploy: what they show is what they do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagelab.lab import calls, watch
from sagelab.lab.session import Lab

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # imports the SDK, which warns of itself

SCRIPT = "print('epoch 1/1 - loss: 0.5 - acc: 0.9 - val_loss: 0.4 - val_acc: 0.91')"


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "train.py").write_text(SCRIPT)
    return f"{tmp_path}/train.py"


@pytest.fixture
def archive(lab: Lab) -> str:
    """The URI of a model's archive, of which only SageMaker's look at its being there matters."""
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/model.tar.gz", Body=b"1")
    return lab.uri("model.tar.gz")


def run_again(lab: Lab, text: str) -> Any:
    """What the shown Python makes when it is run once more."""
    from sagemaker.core import resources, shapes
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.training import configs
    from sagemaker.train import ModelTrainer

    names = {
        **vars(shapes),
        **vars(configs),
        "Session": Session,
        "ModelTrainer": ModelTrainer,
        "Model": resources.Model,
    }
    return eval(text, {**names, "lab": lab})


def test_the_trainer_that_is_shown_is_the_one_that_is_made(
    lab: Lab, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = lab.trainer(script, {"epochs": 1}, "ml.m5.xlarge", {"loss": r"- loss: (\S+)"})
    shown = run_again(lab, capsys.readouterr().out)
    for field in set(type(made).model_fields) - {"sagemaker_session"}:
        assert getattr(shown, field) == getattr(made, field), field
    assert shown._metric_definitions == made._metric_definitions


def test_a_cell_that_makes_a_call_again_shows_what_is_other(
    lab: Lab, script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = SimpleNamespace(execution_count=7)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: cell))

    def shown(*given: Any, **more: Any) -> str:
        lab.trainer(script, *given, **more)
        return capsys.readouterr().out

    first = shown({"epochs": 1}, "ml.m5.xlarge")
    assert shown({"epochs": 2}, "ml.m5.xlarge") == (
        'ModelTrainer(hyperparameters={"epochs": 2})  # the rest as above\n'
    )
    assert shown({"epochs": 2}, "ml.m5.xlarge") == "ModelTrainer()  # as above\n"
    by_patience = {"patience": r"patience (\S+)"}
    assert shown({"epochs": 2}, "ml.m5.xlarge", by_patience) == (
        'ModelTrainer().with_metric_definitions([MetricDefinition(name="patience", regex=r"patience (\\S+)")])'
        "  # the rest as above\n"
    )
    named = shown({"epochs": 1}, "ml.m5.xlarge", environment={"A": "1"})
    assert named.startswith('ModelTrainer(hyperparameters={"epochs": 1}, environment={"A": "1"}).with_metric')
    assert shown({"epochs": 1}, "ml.m5.xlarge") == first  # what is not given any more cannot be seen in less
    cell.execution_count = 8
    assert shown({"epochs": 1}, "ml.m5.xlarge") == first


def test_two_jobs_one_after_the_other_have_names_of_their_own(lab: Lab, script: str) -> None:
    trainers = [lab.trainer(script, {"epochs": 1}, "ml.m5.xlarge") for _ in range(3)]
    names = [lab.train(trainer, {}) for trainer in trainers]
    assert len(set(names)) == 3
    for name in names:
        watch.wait(lab, "training job", name)


def test_a_trainer_trains_and_its_metrics_are_found(lab: Lab, script: str) -> None:
    trainer = lab.trainer(script, {"epochs": 1}, "ml.m5.xlarge")
    digits = lab.uri("training")
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/training/one", Body=b"1")
    name = lab.train(trainer, {"training": digits})
    assert watch.follow(lab, "training job", name)["TrainingJobStatus"] == "Completed"
    assert sorted(watch.metrics(lab, name)["metric"]) == ["acc", "loss", "val_acc", "val_loss"]


def test_a_model_can_be_registered_twice_and_what_is_shown_is_python(
    lab: Lab, archive: str, capsys: pytest.CaptureFixture[str], unique: Callable[[str], str]
) -> None:
    first, second = lab.model(archive), lab.model(archive)
    assert first.model_name != second.model_name
    third = unique("model")
    shown = capsys.readouterr().out.split("Model.create")[1].replace(first.model_name, third)
    made = run_again(lab, f"Model.create{shown}")
    about = lab.client("sagemaker").describe_model
    left, right = (about(ModelName=name) for name in (made.model_name, first.model_name))
    assert left["PrimaryContainer"] == right["PrimaryContainer"]


def test_variants_are_of_one_model_of_several_or_as_they_are(lab: Lab, archive: str) -> None:
    model = lab.model(archive)
    (alone,) = calls.variants(model, "ml.c5.large", 2)
    assert (alone.variant_name, alone.model_name, alone.initial_instance_count) == (
        "AllTraffic",
        model.model_name,
        2,
    )
    both = calls.variants({"Old": model, "New": model}, "ml.c5.large", 1)
    assert [each.variant_name for each in both] == ["Old", "New"]
    assert calls.variants(both, "ml.m5.large", 7) == both


def test_a_fresh_name_fits_and_is_never_given_twice(lab: Lab) -> None:
    names = [lab.fresh_name("endpoint") for _ in range(20)]
    assert len(set(names)) == 20
    assert all(len(name) <= 63 and name.startswith("lab-") for name in names)
