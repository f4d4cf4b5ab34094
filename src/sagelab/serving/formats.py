"""TensorFlow Serving's REST bodies: what a request says becomes arrays, and arrays an answer.

Rows ("instances", answered by "predictions") and columns ("inputs", answered by "outputs") as
https://www.tensorflow.org/tfx/serving/api_rest has them; CSV, JSON lines and bare lists as the container
turns them into rows (github.com/aws/sagemaker-tensorflow-serving-container).
"""

from __future__ import annotations

import base64
import binascii
import codecs
import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson

from sagelab.serving.errors import BadRequest
from sagelab.serving.model import Array, Arrays, Model, Signature, Spec

JSON, JSON_LINES, CSV = "application/json", "application/jsonlines", "text/csv"
KEYS = "instances", "inputs"
NO_NUMBER = re.compile(rb"\bNaN\b|-?\bInfinity\b")
DIGITS = {np.dtype(np.float64): "%.17g"}  # as many as tell two numbers of the type apart; nine for a float32


@dataclass(frozen=True)
class Question:
    """A request, understood: the arrays to call a signature with, in rows or in columns."""

    signature: Signature
    arrays: Arrays
    rows: bool


def answer(model: Model, body: bytes, content_type: str) -> bytes:
    """The answer's JSON to a request's body. BadRequest: why there is none."""
    question = read(model, body, content_type)
    return write(question, question.signature.predict(question.arrays))


# From a request to arrays


def read(model: Model, body: bytes, content_type: str) -> Question:
    """BadRequest: what is wrong with the body."""
    payload = _payload(body.removeprefix(codecs.BOM_UTF8), content_type)
    signature = model.signature(payload.get("signature_name"))
    if "instances" in payload:
        return Question(signature, _from_rows(payload["instances"], signature), rows=True)
    return Question(signature, _from_columns(payload["inputs"], signature), rows=False)


def _payload(body: bytes, content_type: str) -> dict[str, Any]:
    """The body as TensorFlow Serving's own JSON."""
    if not body.strip():
        raise BadRequest('The body is empty. Send {"instances": [...]}, one entry for each example.')
    if content_type == CSV:
        return {"instances": _csv_rows(body)}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return {"instances": _json_lines(body, error)}
    if isinstance(found, dict):
        if any(key in found for key in KEYS):
            return _checked(found)
        if "examples" in found:
            raise BadRequest('"examples" is for classify and regress, which are not served here; use "instances".')
        return {"instances": [found]}
    nested = isinstance(found, list) and bool(found) and isinstance(found[0], list)
    return {"instances": found if nested else [found]}


def _checked(payload: dict[str, Any]) -> dict[str, Any]:
    if all(key in payload for key in KEYS):
        raise BadRequest('The body has both "instances" (rows) and "inputs" (columns); send one of them.')
    unknown = set(payload) - {*KEYS, "signature_name"}
    if unknown:
        raise BadRequest(f"The body has a key that is not served: {', '.join(sorted(unknown))}.")
    if not isinstance(payload.get("signature_name", ""), str):
        raise BadRequest('"signature_name" must be a string.')
    return payload


def _json_lines(body: bytes, error: orjson.JSONDecodeError) -> list[Any]:
    """One instance a line; `error` is what a reader of the whole body as one value stumbled over."""
    lines = [line for line in body.splitlines() if line.strip()]
    try:
        found = [orjson.loads(line) for line in lines]
    except orjson.JSONDecodeError:
        if constant := NO_NUMBER.search(body):
            word = constant[0].decode()
            raise BadRequest(f"The body has {word}, which is no number that a model can work with.") from None
        raise BadRequest(f"The body is not JSON: {error}.") from None
    return found


def _csv_rows(body: bytes) -> list[Any]:
    """One instance a line: a list of its cells, or the cell itself where there is one column."""
    try:
        rows = [row for row in csv.reader(io.StringIO(body.decode())) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"The body is not CSV: {error}.") from None
    cells = [[_cell(cell) for cell in row] for row in rows]
    return [row[0] if len(row) == 1 else row for row in cells]


def _cell(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _from_rows(instances: Any, signature: Signature) -> Arrays:
    if not isinstance(instances, list):
        raise BadRequest('"instances" must be a list, one entry for each example.')
    if not instances:
        raise BadRequest('"instances" is empty.')
    if not _is_named(instances[0]):
        return {name: _array(name, instances, spec) for name, spec in _only(signature)}
    columns: dict[str, list[Any]] = {}
    for number, instance in enumerate(instances):
        if not _is_named(instance):
            raise BadRequest(f'Entry {number} of "instances" is not an object as entry 0 is.')
        for name, value in instance.items():
            columns.setdefault(name, []).append(value)
    if any(len(column) != len(instances) for column in columns.values()):
        raise BadRequest('The entries of "instances" do not all have the same keys.')
    return _named(columns, signature)


def _from_columns(inputs: Any, signature: Signature) -> Arrays:
    if _is_named(inputs):
        return _named(inputs, signature)
    return {name: _array(name, inputs, spec) for name, spec in _only(signature)}


def _is_named(value: Any) -> bool:
    """{"b64": ...} is not an object with names: it is how JSON writes bytes."""
    return isinstance(value, dict) and set(value) != {"b64"}


def _only(signature: Signature) -> list[tuple[str, Spec]]:
    if len(signature.inputs) != 1:
        names = ", ".join(f'"{name}"' for name in signature.inputs)
        raise BadRequest(f"The model has several inputs: name each value, as in {{{names}: ...}}.")
    return list(signature.inputs.items())


def _named(columns: Mapping[str, Any], signature: Signature) -> Arrays:
    if set(columns) != set(signature.inputs):
        wanted, got = (", ".join(sorted(names)) for names in (signature.inputs, columns))
        hint = "" if set(columns) & set(signature.inputs) else ' Is the key "instances" missing?'
        raise BadRequest(f"The model's inputs are: {wanted}. The body names: {got}.{hint}")
    return {name: _array(name, columns[name], spec) for name, spec in signature.inputs.items()}


def _array(name: str, value: Any, spec: Spec) -> Array:
    """The value as the model's input wants it: shape, type, and nothing but finite numbers."""
    array = _strings(name, value) if spec.dtype == object else _numbers(name, value, spec)
    if not spec.takes(array.shape):
        raise BadRequest(f'The model\'s input "{name}" has shape {spec}; got {array.shape}.{_hint(array, spec)}')
    return array


def _hint(array: Array, spec: Spec) -> str:
    if spec.shape and Spec(spec.dtype, spec.shape[1:]).takes(array.shape):
        return ' This is one example: "instances" is a list of examples, so put it into one more list.'
    if spec.shape and Spec(spec.dtype, spec.shape[:-1]).takes(array.shape) and spec.shape[-1] == 1:
        return " Its last axis is missing: put each number into a list of its own."
    return ""


def _numbers(name: str, value: Any, spec: Spec) -> Array:
    try:
        found = _dense(value, len(spec.shape or ()))
    except ValueError:
        raise BadRequest(f'The lists for the model\'s input "{name}" are not all of the same length.') from None
    wanted = spec.dtype
    kinds = {"f": "fiu", "i": "iu", "u": "iu", "b": "b", "c": "fiu"}.get(wanted.kind, "fiu")
    if found.size and found.dtype.kind not in kinds:
        raise BadRequest(f'The model\'s input "{name}" takes {wanted}; got {_kind(found)}.')
    with np.errstate(over="ignore"):
        array = found.astype(wanted, copy=False)
    exact = np.isfinite(array).all() if wanted.kind in "fc" else np.array_equal(array, found)
    if not exact:
        raise BadRequest(f'A number for the model\'s input "{name}" is not finite or too large for {wanted}.')
    return array


def _dense(value: Any, depth: int) -> Array:
    """np.asarray, in a third of its time for lists that nest as deep as expected. ValueError: they are ragged."""
    level, shape = [value], []
    try:
        for _ in range(depth):
            (size,) = set(map(len, level))
            shape.append(size)
            level = list(chain.from_iterable(level))
        array = np.asarray(level)
        return array.reshape(shape) if array.ndim == 1 else np.asarray(value)
    except (TypeError, ValueError):
        return np.asarray(value)


def _kind(array: Array) -> str:
    names = {"U": "text", "S": "text", "b": "true or false", "f": "numbers with a fraction", "O": "a mixture"}
    return names.get(array.dtype.kind, str(array.dtype))


def _strings(name: str, value: Any) -> Array:
    if isinstance(value, list):
        parts = [_strings(name, part) for part in value]
        if len({part.shape for part in parts}) > 1:
            raise BadRequest(f'The lists for the model\'s input "{name}" are not all of the same length.')
        array = np.empty((len(parts), *(parts[0].shape if parts else ())), object)
        for index, part in enumerate(parts):
            array[index] = part if part.shape else part.item()
        return array
    return np.array(_bytes(name, value), object)


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and isinstance(value.get("b64"), str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except binascii.Error:
            raise BadRequest(f'The "b64" of the model\'s input "{name}" is not base64.') from None
    raise BadRequest(f'The model\'s input "{name}" takes text, or bytes as {{"b64": "..."}}.')


# From arrays to an answer


def write(question: Question, outputs: Arrays) -> bytes:
    """The answer's JSON; NaN and Infinity stand in it as TensorFlow Serving writes them, bare words."""
    columns = {name: _plain(name, array) for name, array in outputs.items()}
    if not question.rows:
        return _encode("outputs", next(iter(columns.values())) if len(columns) == 1 else columns)
    count = next(iter(question.arrays.values())).shape[0]
    for name, array in outputs.items():
        if array.ndim == 0 or array.shape[0] != count:
            raise BadRequest(
                f'The model\'s output "{name}" has shape {array.shape}, not one row for each of the {count}'
                ' instances. Ask in columns: {"inputs": ...}.'
            )
    if len(columns) == 1:
        return _encode("predictions", next(iter(columns.values())))
    names = list(columns)
    return _encode(
        "predictions", [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    )


def _encode(key: str, value: Any) -> bytes:
    return json.dumps({key: value}, separators=(", ", ": "), ensure_ascii=False).encode()


def _plain(name: str, array: Array) -> Any:
    """Lists of numbers as TensorFlow Serving prints them: no more digits than the type has."""
    if array.dtype.kind == "f":
        digits = DIGITS.get(array.dtype, "%.9g")
        short = [float(digits % number) for number in array.ravel().tolist()]
        return np.array(short).reshape(array.shape).tolist()
    if array.dtype == object:
        return _text_out(name, array.tolist())
    return array.tolist()


def _text_out(name: str, value: Any) -> Any:
    """Bytes as text, and as {"b64": ...} where the output's name says so by ending in "_bytes"."""
    if isinstance(value, list):
        return [_text_out(name, part) for part in value]
    if name.endswith("_bytes"):
        return {"b64": base64.b64encode(value).decode()}
    return value.decode(errors="replace") if isinstance(value, bytes) else value
