from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.jobs import batches
from sagelab.cloud.engine.jobs.batches import CSV, JSON, LINES, BadData, Processing, Shape
from sagelab.cloud.engine.jobs.jsonpath import Expression
from sagelab.cloud.engine.jobs.transform import Item, Room, Work

LINE = Shape(lines=True, single=False, limit=0, assemble_lines=True)


def how(source: str, answer: str, *, input: str = "$", output: str = "$", join: bool = True) -> Processing:
    return Processing(source, answer, Expression(input), Expression(output), join)


def test_whole_object_is_one_payload() -> None:
    shape = Shape(lines=False, single=True, limit=10, assemble_lines=False)
    assert batches.cut(b"a\nb\n", shape) == [[b"a\nb\n"]]


def test_each_line_is_a_payload_of_its_own() -> None:
    shape = Shape(lines=True, single=True, limit=10, assemble_lines=True)
    assert batches.cut(b"a\nb\n\nc", shape) == [[b"a"], [b"b"], [b"c"]]


def test_payload_takes_as_many_lines_as_fit() -> None:
    shape = Shape(lines=True, single=False, limit=4, assemble_lines=True)
    assert batches.cut(b"a\nb\nc\ndd\ne", shape) == [[b"a", b"b"], [b"c"], [b"dd"], [b"e"]]


def test_no_limit_is_one_payload() -> None:
    assert batches.cut(b"a\nb\nc\n" * 100, LINE) == [[b"a", b"b", b"c"] * 100]


def test_record_over_the_limit_is_bad_data() -> None:
    for lines in (True, False):
        with pytest.raises(BadData, match="MaxPayloadInMB"):
            batches.cut(b"12345", Shape(lines, single=True, limit=4, assemble_lines=True))


def tf_record(data: bytes) -> bytes:
    return struct.pack("<QI", len(data), 0) + data + struct.pack("<I", 0)


def record_io(data: bytes, part: int = 0) -> bytes:
    return struct.pack("<II", 0xCED7230A, part << 29 | len(data)) + data + bytes(-len(data) % 4)


@pytest.mark.parametrize(("kind", "frame"), [("TFRecord", tf_record), ("RecordIO", record_io)])
def test_records_in_frames_go_alone_or_with_their_frames(kind: str, frame: Callable[[bytes], bytes]) -> None:
    body = frame(b"first") + frame(b"") + frame(b"third one")
    single, several = (Shape(False, one, limit, True, kind) for one, limit in ((True, 9), (False, 40)))
    assert batches.cut(body, single) == [[b"first"], [b""], [b"third one"]]
    whole = [frame(b"first") + frame(b""), frame(b"third one")]
    assert batches.cut(body, several) == [[one] for one in whole]
    assert batches.cut(b"", several) == []
    for wrong in (body[:-5], body + b"x", b"no records at all, but text"):
        with pytest.raises(BadData, match=f"the object is not {kind}"):
            batches.cut(wrong, several)
    with pytest.raises(BadData, match="MaxPayloadInMB"):
        batches.cut(body, Shape(False, single=True, limit=8, assemble_lines=True, frames=kind))


def test_record_in_several_parts_is_one() -> None:
    body = record_io(b"aa", 1) + record_io(b"bb", 2) + record_io(b"c", 3) + record_io(b"next")
    magic = struct.pack("<I", 0xCED7230A)
    assert batches.cut(body, Shape(False, True, 0, True, "RecordIO")) == [
        [magic.join((b"aa", b"bb", b"c"))],
        [b"next"],
    ]


def test_answers_are_put_together_as_lines_or_as_they_are() -> None:
    assert batches.assemble([b"1", b"2\n"], LINE) == b"1\n2\n"
    assert batches.assemble([b"1", b"2"], Shape(True, True, 0, assemble_lines=False)) == b"12"


def test_input_filter_leaves_the_id_of_a_row_out() -> None:
    assert batches.filter_input([b"7,1,2", b"8,3,4"], how(CSV, CSV, input="$[1:]")) == b"1,2\n3,4"


def test_input_filter_takes_a_member_of_each_line() -> None:
    records = [b'{"id": 1, "features": [1, 2]}', b'{"id": 2, "features": [3, 4]}']
    assert batches.filter_input(records, how(LINES, LINES, input="$.features")) == b"[1, 2]\n[3, 4]"


def test_rows_are_joined_with_their_answers() -> None:
    joined = batches.finish([b"7,a", b"8,b"], b"0.5\n0.25\n", how(CSV, CSV, output="$[0,-1]"))
    assert joined == b"7,0.5\n8,0.25"


def test_object_gets_its_answer_as_sagemaker_output() -> None:
    joined = batches.finish([b'{"id": 1}'], b'{"score": 0.5}', how(JSON, JSON))
    assert json.loads(joined) == {"id": 1, "SageMakerOutput": {"score": 0.5}}


def test_what_is_no_object_is_put_into_one() -> None:
    joined = batches.finish([b"[1, 2]"], b"3", how(LINES, LINES))
    assert json.loads(joined) == {"SageMakerInput": [1, 2], "SageMakerOutput": 3}


def test_output_filter_works_without_a_join() -> None:
    answer = b'{"predictions": [[0.5]], "model": "x"}'
    assert batches.finish([b"{}"], answer, how(JSON, JSON, output="$.predictions", join=False)) == b"[[0.5]]"


def test_answers_of_another_count_cannot_be_joined() -> None:
    with pytest.raises(BadData, match="1 values to 2 records"):
        batches.finish([b"1", b"2"], b'{"predictions": [1, 2]}', how(CSV, JSON))


@pytest.mark.parametrize("kind", [JSON, LINES])
def test_data_of_another_kind_is_bad(kind: str) -> None:
    for content in (b"{", b"[" * 100_000):
        with pytest.raises(BadData, match=f"it is not {kind}"):
            batches.filter_input([content], how(kind, kind, input="$.a"))


def test_part_that_a_record_lacks_is_bad_data() -> None:
    with pytest.raises(BadData, match="not in the record"):
        batches.finish([b"1,2"], b"3", how(CSV, CSV, output="$[9]"))


class Bucket:
    """An object of S3, as boto3 answers with it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def get_object(self, **_: str) -> dict[str, Any]:
        return {"ContentLength": len(self.content), "Body": io.BytesIO(self.content)}


@pytest.mark.parametrize("content", [bytes(2 << 20), gzip.compress(bytes(2 << 20))], ids=["large", "bomb"])
def test_object_that_would_fill_the_memory_is_bad_data(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "WHOLE", 1 << 20)
    unused: Any = None
    run: Any = SimpleNamespace(job={"TransformInput": {"CompressionType": "Gzip"}}, s3=Bucket(content))
    work = Work(run, unused, unused, unused)
    with pytest.raises(BadData, match="larger than 1 MB"):
        work._read(Item(channels.Location("b", "k"), "k"))


def test_answers_that_would_fill_the_memory_are_bad_data() -> None:
    room = Room(10)
    room.take(b"12345")
    room.take(b"12345")
    with pytest.raises(BadData, match="larger than 0 MB in all"):
        room.take(b"1")
