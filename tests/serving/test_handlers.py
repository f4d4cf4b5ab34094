"""A script's functions around a model, and the framework's own where one is absent."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sagelab.serving import codecs
from sagelab.serving.codecs import Answer
from sagelab.serving.errors import BadModel, BadRequest
from sagelab.serving.handlers import Defaults, around

LIKE_PYTORCH = Defaults(
    codecs.decode,
    lambda data, model: (data * model).tolist(),
    load=lambda folder: len(folder.name),
    text=(codecs.JSON, codecs.CSV),
    refused=lambda error: ValueError(str(error)) if isinstance(error, BadRequest) else error,
    context=True,
)


def answering(folder: Path, script: str | None, defaults: Defaults = LIKE_PYTORCH) -> Answer:
    module = ModuleType("inference")
    exec(script or "", module.__dict__)
    return around(module if script is not None else None, folder, defaults)


def test_without_a_script_the_framework_does_it_all(tmp_path: Path) -> None:
    folder = tmp_path / "abc"
    body, kind = answering(folder, None)(b"[1, 2]", codecs.JSON, "")
    assert (json.loads(body), kind) == ([3, 6], codecs.JSON)


def test_body_without_a_type_is_json(tmp_path: Path) -> None:
    script = "def transform_fn(model, body, kind, accept): return kind"
    assert answering(tmp_path / "abc", script)(b"[1, 2]", "", "")[0] == b"application/json"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("def model_fn(folder): return 10", [10, 20]),
        ("def model_fn(folder, context): return len(context.system_properties['model_dir']) * 0 + 5", [5, 10]),
        ("def predict_fn(data, model): return [model, *data.tolist()]", [3, 1, 2]),
        ("def predict_fn(data, model, context): return context.system_properties['batch_size']", 1),
        ("def input_fn(body, kind): import json, numpy; return numpy.array(json.loads(body)) + 1", [6, 9]),
        ("def output_fn(found, accept): return accept, 'text/plain'", None),
    ],
)
def test_each_function_of_a_script_comes_first(tmp_path: Path, script: str, expected: Any) -> None:
    body, kind = answering(tmp_path / "abc", script)(b"[1, 2]", codecs.JSON, "")
    found = json.loads(body) if kind == codecs.JSON else None
    assert found == expected
    assert kind == codecs.JSON or body == b"application/json"


def test_only_text_types_of_the_framework_come_as_text(tmp_path: Path) -> None:
    script = "def transform_fn(model, body, kind, accept): return type(body).__name__"
    answer = answering(tmp_path / "abc", script)
    kinds = ("application/json", "text/csv; charset=utf-8", "application/jsonlines", "image/png")
    assert [answer(b"x", kind, "text/plain")[0] for kind in kinds] == [b"str", b"str", b"bytes", b"bytes"]


def test_what_the_framework_refuses_is_its_servers_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not supported by this framework"):
        answering(tmp_path / "abc", None)(b"x", "image/png", "")


@pytest.mark.parametrize(
    ("script", "defaults", "why"),
    [
        ("", Defaults(codecs.decode, lambda data, _: data), "provide a model_fn"),
        ("def transform_fn(): ...\ndef input_fn(): ...", LIKE_PYTORCH, "Cannot use transform_fn"),
    ],
)
def test_functions_that_do_not_go_together_are_no_model(
    tmp_path: Path, script: str, defaults: Defaults, why: str
) -> None:
    with pytest.raises(BadModel, match=why):
        answering(tmp_path, script, defaults)
