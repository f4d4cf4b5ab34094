"""What strangers may put where rows, labels and text are expected: it is the user's error, and never a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from sagelab.algorithms import answers, blazingtext, image_classification, recordio, tables
from sagelab.algorithms.answers import Unanswered
from sagelab.algorithms.job import UserError
from sagelab.algorithms.text import corpora
from sagelab.algorithms.vision.image_channels import Example
from tests.algorithms import scenes
from tests.algorithms.containers import container
from tests.algorithms.scenes import framed

RECORDIO = "application/x-recordio-protobuf"
NUMBER = b"\x08\x05"  # field 1 of a message: the number 5, where bytes are expected
NAMED = b"\x0a\x01v"  # field 1: the name "v"


def nested(*path: int, end: bytes) -> bytes:
    """A message inside of messages, each the field of such a number."""
    for number in reversed(path):
        end = bytes([number << 3 | 2, len(end)]) + end
    return end


# Numbers in place of the entry, of its Value, of the tensor, and of the name.
NUMBERS = {
    "entry": NUMBER,
    "value": nested(1, end=b"\x10\x05"),
    "tensor": nested(1, 2, end=b"\x10\x05"),
    "whole tensor": nested(1, 2, end=b"\x38\x05"),
}


@pytest.mark.parametrize("record", NUMBERS.values(), ids=NUMBERS)
def test_number_where_a_record_has_a_tensor_is_the_users_error(record: bytes) -> None:
    with pytest.raises(UserError, match="a number stands where a record has a tensor"):
        recordio.read(framed(record))
    with pytest.raises(UserError, match="recordio-protobuf"):
        list(recordio.read_integers(framed(record)))
    with pytest.raises(Unanswered, match="unable to evaluate payload"):
        answers.read(framed(record), RECORDIO, (RECORDIO,))


def test_number_where_a_record_has_a_name_is_the_users_error() -> None:
    with pytest.raises(UserError, match="or a name"):
        list(recordio.read_integers(framed(nested(1, end=NUMBER))))
    with pytest.raises(UserError, match="or a name"):
        recordio.read_labels(framed(nested(2, end=NUMBER)))


def test_records_of_an_odd_length_are_the_users_error() -> None:
    whole = framed(nested(1, end=NAMED))
    for data in (whole + b"\0\1\2", whole[:-4], whole[:5], b"\x0a\x23\xd7\xce\xff\xff\xff\xff"):
        with pytest.raises(UserError, match="ends inside a record"):
            list(recordio.records(data))


ENDLESS = b"1,2," + b"x" * 200_000


def test_csv_with_a_cell_without_an_end_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(ENDLESS)
    with pytest.raises(UserError, match=f"rows of channel {tmp_path.name} is not csv: field larger"):
        tables.read_files(tmp_path, tables.CSV)
    with pytest.raises(UserError, match="Loading csv data failed"):
        tables.read_request(ENDLESS, tables.CSV)


def test_lines_end_as_any_system_ends_them() -> None:
    for end in (b"\n", b"\r\n", b"\r"):
        assert tables.read_request(end.join((b"1,2", b"3,4")), tables.CSV).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("cell", [[1, 2], {"x": 1}, "word"])
def test_parquet_of_other_than_numbers_is_the_users_error(tmp_path: Path, cell: Any) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"label": [1], "cell": [cell]}), tmp_path / "rows")
    with pytest.raises(UserError, match="is not parquet"):
        tables.read_files(tmp_path, tables.PARQUET)


def test_index_without_a_bound_is_the_users_error(tmp_path: Path) -> None:
    for row in (b"1 99999999999999999999:1", b"1 -1:1", b"1 " + b"9" * 5000 + b":1", b"1 1.5:1", b"1 :1", b"1 1:"):
        (tmp_path / "rows").write_bytes(row)
        with pytest.raises(UserError, match="is not libsvm"):
            tables.read_files(tmp_path, tables.LIBSVM)


@pytest.mark.parametrize(
    "features",
    [
        '{"keys": [0], "shape": [], "values": [1]}',
        '{"keys": [0], "shape": [NaN], "values": [1]}',
        '{"keys": [0], "shape": [Infinity], "values": [1]}',
        '{"keys": [99999999999999999999], "shape": [5], "values": [1]}',
        '{"keys": [0], "shape": [999999999999], "values": [1]}',
        f'{{"values": [{"9" * 500}]}}',
        "[" * 100_000,
    ],
    ids=["no shape", "NaN", "infinite", "large key", "wide", "large number", "deep"],
)
def test_instance_that_is_no_row_is_a_400(features: str) -> None:
    instance = f'{{"data": {{"features": {features}}}}}'
    for kind, body in ((answers.JSON, f'{{"instances": [{instance}]}}'), (answers.JSON_LINES, instance)):
        with pytest.raises(Unanswered) as refused:
            answers.read(body.encode(), kind, (kind,))
        assert refused.value.status == 400


@pytest.mark.parametrize(
    "label", ["9" * 400, "[" + "9" * 400 + "]", "NaN", "1e999", "null", "[[1]]", "[" * 99_999]
)
def test_label_of_a_manifest_that_is_no_class_is_the_users_error(label: str) -> None:
    picture = scenes.encoded(np.zeros((8, 8, 3), "u1"))
    for several in ("0", "1"):
        known = image_classification.check(
            {"num_classes": "2", "num_training_samples": "1", "multi_label": several}
        )
        with pytest.raises(UserError):
            image_classification.label_of(Example("a", picture, label.encode()), known, "class-id")


def test_text_that_utf8_cannot_say_is_read_and_asked_for(tmp_path: Path) -> None:
    row = json.dumps({"source": "a \ud800 b", "label": "\ud800"})
    job = container(tmp_path / "job", {}, {"train": row.encode()})
    found = corpora.read(job, "train", tmp_path, labels=True)
    assert found
    assert found.file.read_bytes() == b"__label__? a ? b\n"
    asked = json.dumps({"instances": ["a \ud800"]}).encode()
    assert list(blazingtext._read(asked, answers.JSON)) == [("a ?", 1)]


def test_text_of_one_word_is_refused_as_fasttext_would_never_end(tmp_path: Path) -> None:
    for text, said in (
        (b"a a a a", True),
        (b"a b a c", True),
        (b"__label__x a a a", True),
        (b"a a\na a\n", False),
    ):
        (tmp_path / "text").write_bytes(text)
        assert corpora.has_two_words(tmp_path / "text", 2) is not said
    job = container(tmp_path / "job", {"mode": "skipgram", "min_count": 2}, {"train": b"a a a a"}, "text/plain")
    with pytest.raises(UserError, match=r"has not two words that occur min_count, 2, times"):
        blazingtext.train(job)


def test_numbers_beyond_fasttexts_and_models_beyond_the_memory_are_refused(tmp_path: Path) -> None:
    for name in ("epochs", "buckets", "min_count", "vector_dim", "word_ngrams", "window_size", "max_char"):
        job = container(tmp_path / name, {"mode": "supervised", name: 2**31}, {"train": b"__label__a b"})
        with pytest.raises(UserError, match=f"not valid for the '{name}' hyperparameter"):
            blazingtext.train(job)

    def learn() -> NoReturn:
        raise MemoryError("std::bad_alloc")

    with pytest.raises(UserError, match="buckets x vector_dim make a model that"):
        blazingtext._asked(learn)
