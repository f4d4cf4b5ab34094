"""What Hugging Face's server does around a pipeline, without transformers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagelab.serving import transformers_models as models
from sagelab.serving.errors import BadModel, BadRequest
from sagelab.serving.handlers import Defaults, around


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("BertForSequenceClassification", "text-classification"),
        ("TapasForQuestionAnswering", "table-question-answering"),
        ("RobertaForMaskedLM", "fill-mask"),
        ("GPT2LMHeadModel", "text-generation"),
    ],
)
def test_an_architecture_says_its_task(tmp_path: Path, architecture: str, task: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    assert models.task_of(tmp_path) == task


@pytest.mark.parametrize("config", [None, {}, {"architectures": ["ViTModel"]}])
def test_without_a_task_there_is_no_model(tmp_path: Path, config: dict[str, Any] | None) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadModel, match="HF_TASK"):
        models.task_of(tmp_path)


def test_bodies_are_what_a_pipeline_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TASK", raising=False)
    assert models.read(b'{"inputs": "x", "parameters": {"k": 1}}', "application/json")["parameters"] == {"k": 1}
    assert models.read(b"inputs\na\nb\n", "text/csv") == {"inputs": ["a", "b"]}
    assert models.read(b"question,context\nq,c\n", "text/csv") == {"inputs": [{"question": "q", "context": "c"}]}
    assert models.read(b"RIFF", "audio/wave") == {"inputs": b"RIFF"}
    array = io.BytesIO()
    np.save(array, np.arange(3))
    assert models.read(array.getvalue(), "application/x-npy").tolist() == [0, 1, 2]


@pytest.mark.parametrize(("body", "kind"), [(b"x", "application/pdf"), (b"a,b\n1,2\n", "text/csv")])
def test_bodies_of_another_form_are_refused(body: bytes, kind: str) -> None:
    with pytest.raises(BadRequest):
        models.read(body, kind)


def test_parameters_are_the_pipelines_arguments() -> None:
    def pipeline(inputs: Any, top_k: int = 5) -> Any:
        return [inputs, top_k]

    assert models.predict({"inputs": "x", "parameters": {"top_k": 1}}, pipeline) == ["x", 1]
    assert models.predict({"question": "q"}, pipeline) == [{"question": "q"}, 5]


def test_answers_are_written_as_the_toolkit_does() -> None:
    found = [{"label": "ä", "score": np.float32(0.5)}]
    assert models.write(found, "application/json")[0].decode() == '[{"label":"ä","score":0.5}]'
    assert models.write(found, "text/csv")[0] == "label,score\r\nä,0.5\r\n".encode()
    with pytest.raises(BadRequest):
        models.write(found, "application/pdf")
    with pytest.raises(ValueError, match="JSON compliant"):
        models.write([float("nan")], "application/json")


def test_any_error_is_a_400_in_the_servers_words(tmp_path: Path) -> None:
    defaults = Defaults(
        models.read, models.predict, models.write, lambda _: print, refused=models.DEFAULTS.refused
    )
    with pytest.raises(BadRequest) as caught:
        around(None, tmp_path, defaults)(b"{", "application/json", "")
    assert caught.value.status == 400
    assert json.loads(str(caught.value))["type"] == "InternalServerException"
