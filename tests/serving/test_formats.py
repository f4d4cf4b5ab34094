from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from sagelab.serving import formats
from sagelab.serving.errors import BadRequest
from sagelab.serving.model import Arrays, Model, Signature, Spec

pytestmark = pytest.mark.slow

FLOAT, INT, TEXT = np.dtype(np.float32), np.dtype(np.int32), np.dtype(object)


def echo(arrays: Arrays) -> Arrays:
    """A model that answers what it was asked."""
    return arrays


def model(**inputs: Spec) -> Model:
    return Model("echo", "1", {"serving_default": Signature(inputs, inputs, echo)})


ROWS = model(x=Spec(FLOAT, (None, 2)))
PAIR = model(a=Spec(FLOAT, (None, 2)), b=Spec(INT, (None,)))
PICTURES = model(image=Spec(FLOAT, (None, 2, 2, 1)))
NUMBERS = model(x=Spec(FLOAT, (None,)))
WORDS = model(word=Spec(TEXT, (None,)))


def answer(model: Model, body: Any, kind: str = formats.JSON) -> Any:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return json.loads(formats.answer(model, sent, kind))


def refusal(model: Model, body: Any, kind: str = formats.JSON) -> str:
    with pytest.raises(BadRequest) as caught:
        answer(model, body, kind)
    assert caught.value.status == 400
    return str(caught.value)


def test_instances_are_answered_by_predictions() -> None:
    assert answer(ROWS, {"instances": [[1, 2], [3, 4.5]]}) == {"predictions": [[1.0, 2.0], [3.0, 4.5]]}


def test_inputs_are_answered_by_outputs() -> None:
    assert answer(ROWS, {"inputs": [[1, 2]]}) == {"outputs": [[1.0, 2.0]]}
    assert answer(ROWS, {"inputs": {"x": [[1, 2]]}}) == {"outputs": [[1.0, 2.0]]}


def test_several_inputs_are_named_in_rows_and_in_columns() -> None:
    rows = [{"a": [1, 2], "b": 3}, {"a": [4, 5], "b": 6}]
    assert answer(PAIR, {"instances": rows}) == {"predictions": rows}
    columns = {"a": [[1, 2], [4, 5]], "b": [3, 6]}
    assert answer(PAIR, {"inputs": columns}) == {"outputs": columns}


@pytest.mark.parametrize("body", [b"[[1, 2], [3, 4]]", b'{"instances": [[1, 2], [3, 4]]}', b"[1, 2]\n[3, 4]\n"])
@pytest.mark.parametrize("kind", [formats.JSON, formats.JSON_LINES])
def test_lists_and_lines_are_rows(body: bytes, kind: str) -> None:
    assert answer(ROWS, body, kind) == {"predictions": [[1, 2], [3, 4]]}


def test_a_flat_list_is_one_example() -> None:
    assert answer(ROWS, b"[1, 2]") == {"predictions": [[1, 2]]}


def test_an_object_with_the_inputs_names_is_one_example() -> None:
    assert answer(PAIR, {"a": [1, 2], "b": 3}) == {"predictions": [{"a": [1, 2], "b": 3}]}


def test_csv_has_an_example_a_line() -> None:
    assert answer(ROWS, b"1,2\r\n3.5,-5e-1\n", formats.CSV) == {"predictions": [[1, 2], [3.5, -0.5]]}
    assert answer(NUMBERS, b"1\n2\n", formats.CSV) == {"predictions": [1, 2]}
    assert answer(WORDS, b'"a, b"\nc\n', formats.CSV) == {"predictions": ["a, b", "c"]}


def test_text_and_bytes_go_both_ways() -> None:
    assert answer(WORDS, {"instances": ["sieben", {"b64": "YWNodA=="}]}) == {"predictions": ["sieben", "acht"]}
    raw = model(png_bytes=Spec(TEXT, (None,)))
    assert answer(raw, {"instances": [{"b64": "/9j/"}]}) == {"predictions": [{"b64": "/9j/"}]}


def test_numbers_have_the_digits_of_their_type() -> None:
    body = formats.answer(NUMBERS, b'{"instances": [0.1, 1, 1e-7]}', formats.JSON)
    assert body == b'{"predictions": [0.100000001, 1.0, 1.00000001e-07]}'


def test_what_is_no_number_in_an_answer_is_written_as_tensorflow_serving_writes_it() -> None:
    spec = Spec(FLOAT, (None,))
    odd = Signature({"x": spec}, {"x": spec}, lambda _: {"x": np.array([np.nan, np.inf], np.float32)})
    body = formats.answer(Model("odd", "1", {"serving_default": odd}), b'{"instances": [1, 2]}', formats.JSON)
    assert body == b'{"predictions": [NaN, Infinity]}'


def test_a_wrong_shape_names_what_is_expected_and_what_came() -> None:
    said = refusal(PICTURES, {"instances": [[1, 2, 3, 4]]})
    assert said == 'The model\'s input "image" has shape (batch, 2, 2, 1); got (1, 4).'


def test_one_example_without_its_list_gets_a_hint() -> None:
    assert "one more list" in refusal(PICTURES, {"instances": [[[1], [2]], [[3], [4]]]})
    assert "last axis" in refusal(PICTURES, {"instances": [[[1, 2], [3, 4]]]})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b'{"instances": [[1, 2]', "not JSON"),
        (b'{"instances": [[1, 2],]}', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"instances": [[1, NaN]]}', "NaN"),
        (b'{"instances": [[1, -Infinity]]}', "-Infinity"),
        (b'{"instances": [[1, 1e999]]}', "not JSON"),
        (b'{"instances": [[1, 1e39]]}', "not finite or too large for float32"),
        (b'{"instances": [[1, 2], [3]]}', "not all of the same length"),
        (b'{"instances": [[1, "2"]]}', "takes float32; got text"),
        (b'{"instances": [[true, false]]}', "got true or false"),
        (b'{"instances": [[1, null]]}', "got a mixture"),
        (b'{"instances": [[1, {"x": 2}]]}', "takes float32"),
        (b'{"instances": []}', "is empty"),
        (b'{"instances": 5}', "must be a list"),
        (b'{"instances": {"x": [1, 2]}}', "must be a list"),
        (b'{"data": [[1, 2]]}', 'Is the key "instances" missing?'),
        (b'{"instances": [[1, 2]], "inputs": [[1, 2]]}', "both"),
        (b'{"instances": [[1, 2]], "shape": [2]}', "a key that is not served: shape"),
        (b'{"instances": [[1, 2]], "signature_name": "other"}', "This model has: serving_default"),
        (b'{"instances": [[1, 2]], "signature_name": 3}', "must be a string"),
        (b'{"examples": [{"x": 1}]}', "classify and regress"),
        (b"7", "got (1,)"),
        (b"null", "got a mixture"),
        (b'"seven"', "got text"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(body: bytes, words: str) -> None:
    assert words in refusal(ROWS, body)


def test_rows_that_name_other_inputs_are_refused() -> None:
    assert "names: a." in refusal(PAIR, {"instances": [{"a": [1, 2]}]})
    assert "same keys" in refusal(PAIR, {"instances": [{"a": [1, 2], "b": 1}, {"a": [1, 2]}]})
    assert "not an object" in refusal(PAIR, {"instances": [{"a": [1, 2], "b": 1}, [1]]})
    assert "several inputs" in refusal(PAIR, {"instances": [[1, 2]]})


def test_fractions_are_not_cut_for_whole_numbers() -> None:
    assert "takes int32" in refusal(PAIR, {"instances": [{"a": [1, 2], "b": 1.5}]})
    assert "too large for int32" in refusal(PAIR, {"instances": [{"a": [1, 2], "b": 2**40}]})


def test_bad_csv_is_refused() -> None:
    assert "got text" in refusal(ROWS, b"1,two\n", formats.CSV)
    assert "not all of the same length" in refusal(ROWS, b"1,2\n3\n", formats.CSV)
    assert "not finite" in refusal(ROWS, b"1,nan\n", formats.CSV)
    assert "empty" in refusal(ROWS, b"\n", formats.CSV)
    assert "not CSV" in refusal(ROWS, b"\xff\n", formats.CSV)


def test_bad_base64_is_refused() -> None:
    assert "not base64" in refusal(WORDS, {"instances": [{"b64": "?"}]})
    assert "takes text" in refusal(WORDS, {"instances": [7]})


def test_an_output_without_a_batch_is_asked_for_in_columns() -> None:
    spec = Spec(FLOAT, (None,))
    mean = Signature({"x": spec}, {"m": Spec(FLOAT, ())}, lambda arrays: {"m": np.asarray(arrays["x"].mean())})
    served = Model("mean", "1", {"serving_default": mean})
    assert "Ask in columns" in refusal(served, {"instances": [1, 2]})
    assert answer(served, {"inputs": [1, 2]}) == {"outputs": 1.5}
