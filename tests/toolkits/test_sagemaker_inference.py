"""AWS's toolkit for inference by its own name, as scripts that serve import it."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sagelab.cloud.engine.images.environments import HUGGING_FACE, PYTORCH, SKLEARN, TOOLKITS, XGBOOST
from sagelab.serving.connections import Request
from sagelab.serving.handlers import Defaults, around, by_the_server
from sagelab.serving.scripts import Routes

PLAIN = Defaults(lambda body, _kind: body, lambda data, _model: data)
LIKE_PYTORCH = replace(PLAIN, refused=by_the_server)


@pytest.fixture(autouse=True)
def toolkits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLKITS))


def parts(*names: str) -> list[ModuleType]:
    return [importlib.import_module(f"sagemaker_inference.{name}") for name in names]


def test_images_that_run_scripts_have_it() -> None:
    assert {each.toolkits for each in (SKLEARN, XGBOOST, PYTORCH, HUGGING_FACE)} == {TOOLKITS}


def test_arrays_are_written_and_read_again() -> None:
    content_types, decoder, encoder = parts("content_types", "decoder", "encoder")
    rows = np.array([[1, 2], [3, 4]])
    said = {kind: encoder.encode(rows, kind) for kind in (*content_types.UTF8_TYPES, content_types.NPY)}
    assert said[content_types.JSON] == "[[1, 2], [3, 4]]"
    assert said[content_types.CSV] == "1,2\n3,4\n"
    for kind, body in said.items():
        np.testing.assert_array_equal(decoder.decode(body, kind), rows)
    assert decoder.decode("1.5,2\n3,4", content_types.CSV).tolist() == [(1.5, 2), (3, 4)]  # a column a type


def test_other_types_are_its_own_error() -> None:
    decoder, encoder, errors, handler = parts("decoder", "encoder", "errors", "default_inference_handler")
    own = handler.DefaultInferenceHandler()
    for function, given in ((encoder.encode, [1]), (decoder.decode, b"[1]"), (own.default_output_fn, [1])):
        with pytest.raises(errors.UnsupportedFormatError, match="not supported by this framework"):
            function(given, "image/png")
    assert own.default_output_fn([1], "image/png, */*;q=0.5") == ("[1]", "application/json")
    assert own.default_input_fn("[1]", "application/json").tolist() == [1]


@pytest.mark.parametrize("defaults", [PLAIN, LIKE_PYTORCH])
@pytest.mark.parametrize(
    ("raised", "status", "body"),
    [
        ("errors.GenericInferenceToolkitError(422, 'no such customer')", 422, b"no such customer"),
        ("errors.BadRequestInferenceToolkitError('no rows')", 400, b"Bad Request"),
        ("errors.UnsupportedFormatError('image/png')", 500, b"UnsupportedFormatError: Content type image/png"),
    ],
)
def test_an_error_of_a_script_is_answered_with_its_status(
    tmp_path: Path, defaults: Defaults, raised: str, status: int, body: bytes
) -> None:
    module = ModuleType("inference")
    source = "from sagemaker_inference import errors\ndef model_fn(folder): return 1\n"
    exec(f"{source}def transform_fn(model, body, kind, accept):\n    raise {raised}\n", module.__dict__)
    answer = Routes(around(module, tmp_path, defaults)).answer
    found = answer(Request("POST", "/invocations", "HTTP/1.1", {}, b"[1]"))
    assert isinstance(found.body, bytes)
    assert (found.status, found.body[: len(body)]) == (status, body)
