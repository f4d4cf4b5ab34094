from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from sagelab.k8s.sagemaker import fields
from sagelab.lab import guide, kubernetes, watch
from sagelab.lab.session import Lab


def test_a_manifest_asks_for_what_a_job_was_asked_for(lab: Lab, train: Callable[..., str]) -> None:
    job = train("print('- val_acc: 0.9')")
    watch.wait(lab, "training job", job)
    found: dict[str, Any] = yaml.safe_load(kubernetes.training_job(lab, job, "again"))
    assert (found["kind"], found["metadata"]) == ("TrainingJob", {"name": "again"})
    spec = found["spec"]
    assert spec["trainingJobName"] == "again"
    assert spec["roleARN"] == lab.role
    assert spec["hyperParameters"]["sagemaker_program"] == "script.py"
    assert spec["tags"] == [{"key": "sagelab:lab", "value": lab.name}]
    assert "trainingJobStatus" not in spec


def test_fields_are_called_as_the_controller_has_them(lab: Lab) -> None:
    model = lab.client("sagemaker").meta.service_model.operation_model("CreateTrainingJob").input_shape
    names = {name for member in kubernetes.ASKED for name in _members(model.members[member])} | set(
        kubernetes.ASKED
    )
    assert {name: kubernetes._name(name) for name in names} == {name: fields.field(name) for name in names}


def _members(shape: Any) -> set[str]:
    """The names of a shape's members, and of theirs."""
    if shape.type_name == "list":
        return _members(shape.member)
    if shape.type_name != "structure":
        return set()
    return set(shape.members).union(*map(_members, shape.members.values()))


def test_without_kubectl_a_step_is_left_out_with_a_sentence(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    assert not kubernetes.connect(lab)
    assert capsys.readouterr().out.startswith("kubectl is not on this machine")


def test_what_kubectl_says_of_a_failure_is_the_error(lab: Lab) -> None:
    with pytest.raises(kubernetes.CommandFailed, match="failed: ls: cannot access") as failed:
        kubernetes._run("ls", f"/{lab.name}")
    assert guide.explain(failed.value) == str(failed.value)
