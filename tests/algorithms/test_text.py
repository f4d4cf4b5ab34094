"""BlazingText, Sequence-to-Sequence and Object2Vec without the libraries that train: what they read and refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from sagelab.algorithms import (
    blazingtext,
    corpora,
    hyperparameters,
    object2vec,
    recordio,
    seq2seq,
    sequences,
    translations,
    word_pairs,
)
from sagelab.algorithms.answers import Unanswered
from sagelab.algorithms.job import Job, UserError
from tests.algorithms.containers import container

SPECIAL = {"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3}
VOCABULARY = SPECIAL | {"a": 4, "b": 5}
OBJECTS = {"enc0_max_seq_len": 3, "enc0_vocab_size": 10, "num_classes": 2}


def text(tmp_path: Path, content: bytes, *, labels: bool = True) -> tuple[corpora.Corpus, str]:
    """What is read of a channel with this file, and the text that fastText would see."""
    job = container(tmp_path / "job", {}, {"train": content})
    found = corpora.read(job, "train", tmp_path, labels=labels)
    assert found
    return found, found.file.read_text()


def test_plain_text_is_read_where_it_lies(tmp_path: Path) -> None:
    found, _ = text(tmp_path, b"__label__1 good film\n\nno label here\n")
    assert (found.sentences, found.labelled) == (2, 1)
    assert found.file == tmp_path / "job/input/data/train/rows"


def test_manifest_becomes_text_with_labels(tmp_path: Path) -> None:
    rows = [{"source": "linux  ready\nfor", "label": 1}, {"source": "{ bowled", "label": [2, "__label__4"]}]
    _, written = text(tmp_path, "\n".join(map(json.dumps, rows)).encode())
    assert written == "__label__1 linux ready for\n__label__2 __label__4 { bowled\n"


def test_manifest_in_pipe_mode_is_records_by_turns(tmp_path: Path) -> None:
    def framed(content: bytes) -> bytes:
        size = len(content).to_bytes(4, "little")
        return recordio.MAGIC.to_bytes(4, "little") + size + content + bytes(-len(content) % 4)

    _, written = text(tmp_path, framed(b"linux ready") + framed(b"[1, 3]") + framed(b"bowled") + framed(b"2"))
    assert written == "__label__1 __label__3 linux ready\n__label__2 bowled\n"


def test_files_of_a_channel_are_read_together(tmp_path: Path) -> None:
    job = container(tmp_path / "job", {}, {"train": b"one two"})
    (job.root / "input/data/train/more").write_bytes(b"three\n")
    found = corpora.read(job, "train", tmp_path, labels=False)
    assert found
    assert found.file.read_text().split() == ["three", "one", "two"]
    assert found.sentences == 2


def test_parts_of_a_text_have_each_sentence_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, lines = tmp_path / "text", [b"word " * (number % 7) + b"end" for number in range(100)]
    text.write_bytes(b"\n".join(lines))
    assert corpora.parts(text, 4, tmp_path) == [text]  # it is short
    monkeypatch.setattr(corpora, "SHORT", 10)
    assert corpora.parts(text, 1, tmp_path) == [text]
    found = [part.read_bytes() for part in corpora.parts(text, 4, tmp_path)]
    assert b"".join(found) == text.read_bytes()
    assert [part.endswith(b"end\n") for part in found] == [True, True, True, False]
    assert all(len(part) > 200 for part in found)


class Labeller:
    """Scores a text as fastText does: (sentences with a label, of the predictions those that are right, ...)."""

    def test(self, file: str) -> tuple[int, float, float]:
        labels = [line.split()[0] for line in Path(file).read_text().splitlines() if "__label__" in line]
        right = labels.count("__label__a")
        return len(labels), right / len(labels) if labels else float("nan"), 0.0


@pytest.mark.parametrize("processes", [1, 3])
def test_text_is_scored_by_several_processes_as_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(corpora, "SHORT", 10)
    (tmp_path / "text").write_text("__label__a one two\n__label__b three\nno label\n" * 33 + "__label__a\n" * 2)
    assert blazingtext.tested(Labeller(), tmp_path / "text", processes) == (68, 35)


def test_text_that_a_process_cannot_score_fails_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "SHORT", 10)
    (tmp_path / "text").write_text("__label__a one\n" * 9 + "\n" * 300)

    class Dies(Labeller):
        def test(self, file: str) -> tuple[int, float, float]:
            found = super().test(file)
            return found if found[0] else os._exit(3)

    with pytest.raises(EOFError):
        blazingtext.tested(Dies(), tmp_path / "text", 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "No text in the train channel"),
        (b"good film\n", "No labels found in the train channel"),
        (b'{"source": "a", "label": 1}\n{"source": "b"}\n', "Line 2 of the augmented manifest in train"),
        (b'{"source": "a", "label": "two words"}\n', "has no good label: two words"),
        (b'{"source": "a", "label": 1}\n{"source": ', "Line 2 of the augmented manifest in train"),
        (recordio.MAGIC.to_bytes(4, "little") + b"\x09\0\0\0abc", "ends inside a record"),
    ],
)
def test_text_that_is_none_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        text(tmp_path, content)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "No value.* were specified for 'mode'"),
        ({"mode": "glove"}, "'glove' is not valid for the 'mode'"),
        ({"mode": "supervised", "epochs": 0}, "'0' is not valid for the 'epochs' hyperparameter"),
        ({"mode": "supervised", "dim": 3}, r"Additional hyperparameters are not allowed \('dim' was unexpected\)"),
        ({"mode": "batch_skipgram", "subwords": True}, "Subword embedding learning is not supported"),
        ({"mode": "cbow", "min_char": 7}, "min_char 7 is greater than max_char 6"),
        ({"mode": "cbow"}, "Missing required channel: train"),
    ],
)
def test_blazingtext_refuses_in_words(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        blazingtext.train(container(tmp_path / "job", changes, {}))


def test_ranks_agree_with_scipy_and_unknown_words_are_counted() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, 40).tolist(), rng.normal(size=40).tolist()
    assert word_pairs.spearman(first, second) == pytest.approx(spearmanr(first, second)[0])
    pairs = word_pairs.read("# comment\nKing\tqueen\t9.0\nking\tcar\t1.0\nking\tsword\t4\nking\tzzz\t5.0\n")
    vectors = {"king": [1, 0], "queen": [1, 0.1], "car": [-1, 0.2], "sword": [1, 1]}
    found = word_pairs.evaluate(vectors.__getitem__, vectors, pairs)
    assert found["mean_rho"] == pytest.approx(1)
    assert found["EN-WS-353-ALL.txt"] == {"not_found": 1, "spearmans_rho": found["mean_rho"], "total_pairs": 4}


def translation(tmp_path: Path, vocabulary: Any = VOCABULARY, **changes: bytes) -> Job:
    """A container of seq2seq. changes: of its channels' content."""
    rows = recordio.write_integers([{"source": [4, 5], "target": [5, 4]}])
    job = container(tmp_path / "job", {}, {"train": rows, "validation": rows, "vocab": b""} | changes)
    for name in seq2seq.VOCABULARIES:
        (job.root / f"input/data/vocab/{name}").write_text(json.dumps(vocabulary))
    return job


@pytest.mark.parametrize(
    ("vocabulary", "rows", "said"),
    [
        (
            VOCABULARY,
            recordio.write_integers([{"source": [4, 6], "target": [4]}]),
            "The token 6 in source of channel",
        ),
        (VOCABULARY, recordio.write_integers([{"source": [4], "target": [4, 300]}]), "The token 300 in target of"),
        (VOCABULARY, recordio.write_integers([{"source": [4]}]), "has no source or no target"),
        (VOCABULARY, recordio.write_integers([{"source": [4], "target": [4]}])[:-6], "ends inside a record"),
        (VOCABULARY, b"", "No data in the train channel"),
        ({"a": 4}, b"", "needs <pad> with the number 0"),
        (SPECIAL | {"a": -1}, b"", "words and their numbers from 0"),
        ([1], b"", "words and their numbers from 0"),
    ],
)
def test_translations_that_are_none_are_refused(tmp_path: Path, vocabulary: Any, rows: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        seq2seq.train(translation(tmp_path, vocabulary, train=rows))


def test_translations_need_each_channel_and_both_vocabularies(tmp_path: Path) -> None:
    job = translation(tmp_path)
    (job.root / "input/data/vocab/vocab.trg.json").unlink()
    with pytest.raises(UserError, match=r"has no vocab\.trg\.json"):
        seq2seq.train(job)
    with pytest.raises(UserError, match="'vocab' is a required property"):
        seq2seq.train(container(tmp_path / "other", {}, {"train": b"", "validation": b""}))


def test_whole_numbers_survive_their_records() -> None:
    rows = [{"source": [0, 127, 128, 300000], "target": []}, {"source": [5], "target": [7, 8]}]
    found = list(recordio.read_integers(recordio.write_integers(rows)))
    assert [{name: values.tolist() for name, values in row.items()} for row in found] == rows


def test_batches_have_every_pair_once_and_are_of_about_one_length() -> None:
    rng = np.random.default_rng(0)
    pairs = [[np.arange(1, rng.integers(2, 30)) for _ in range(50)] for _ in range(2)]
    found = list(sequences.Batches(8, (20, 100), 10).draw((pairs[0], pairs[1]), rng))
    assert {batch.shape[1] for batch, _ in found} == {10, 20}
    assert {batch.shape[1] for _, batch in found} == {10, 20, 30}
    lengths = sorted(int(np.count_nonzero(row)) for batch, _ in found for row in batch)
    assert lengths == sorted(min(len(one), 20) for one in pairs[0])
    whole = sequences.Batches(8, (20, 100), None).draw((pairs[0], pairs[1]), None)
    assert {batch.shape[1] for batch, _ in whole} == {20}


def test_beam_search_finds_what_one_step_at_a_time_does_not() -> None:
    """Of the tokens 2 and 3 the first looks better, and the second goes on better; 1 ends."""
    chances = {(): [0, 0, 0.6, 0.4], (2,): [0, 0.3, 0.35, 0.35], (3,): [0, 1, 0, 0]}

    def step(beams: Any) -> tuple[Any, Any]:
        with np.errstate(divide="ignore"):
            rows = np.array([chances.get(tuple(beam[1:].tolist()), [0, 0.4, 0.3, 0.3]) for beam in beams])
            rows = np.log(rows.astype(float))
        return rows, np.ones((len(beams), 2)) / 2

    assert translations.search(step, 0, 1, 1, 5).tokens[:1] == [2]
    found = translations.search(step, 0, 1, 3, 5)
    assert found.tokens == [3]
    assert found.attention.shape == (1, 2)
    assert found.score == pytest.approx(np.log(0.4) / 2)


def test_bleu_is_as_the_paper_counts_it() -> None:
    wanted = [[1, 2, 3, 4, 5, 6]]
    assert translations.bleu(wanted, wanted) == pytest.approx(1)
    assert translations.bleu([[1, 2, 3, 4]], wanted) == pytest.approx(np.exp(1 - 6 / 4))
    assert translations.bleu([[6, 5, 4, 3, 2, 1]], wanted) == 0
    found = translations.bleu([[1, 2, 3, 4, 5, 9]], wanted)
    assert found == pytest.approx((5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)
    assert translations.bleu([[1, 2]], [[1, 2]]) == pytest.approx(1)


def objects(tmp_path: Path, rows: str, **changes: Any) -> object2vec.Pairs:
    job = container(tmp_path / "job", OBJECTS | changes, {"train": rows.encode()}, "application/jsonlines")
    return object2vec.read(job, "train", settings(**changes))


def settings(**changes: Any) -> dict[str, Any]:
    sent = {name: str(value) for name, value in (OBJECTS | changes).items()}
    return object2vec.complete(hyperparameters.read(sent, object2vec.PARAMETERS), sent)


def test_pairs_are_cut_and_their_tokens_moved(tmp_path: Path) -> None:
    found = objects(
        tmp_path, '{"label": 1, "in0": [0, 9, 2, 3], "in1": [5]}\n\n{"label": 0, "in0": [1], "in1": [2]}'
    )
    assert [one.tolist() for one in found.first] == [[1, 10, 3], [2]]
    assert found.labels.tolist() == [1, 0]
    (batch,) = object2vec.batches(found, settings(), None)
    assert batch[0].shape == (2, 8)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("", "No data in the train channel"),
        ('{"label": 1, "in0": [1]}', "Line 1 of rows in channel train is not"),
        ("[1, 2]", "Line 1 of rows in channel train is not"),
        ('{"label": 2, "in0": [1], "in1": [2]}', "has the label 2"),
        ('{"label": 0.5, "in0": [1], "in1": [2]}', "has the label 0.5"),
        ('{"label": "x", "in0": [1], "in1": [2]}', "a label that is no number"),
        ('{"label": NaN, "in0": [1], "in1": [2]}', "a label that is no number"),
        (f'{{"label": {"9" * 400}, "in0": [1], "in1": [2]}}', "a label that is no number"),
        ('{"label": 1, "in0": [], "in1": [2]}', "one or more whole numbers as in0"),
        ('{"label": 1, "in0": [1], "in1": [10]}', "The token 10 in in1: Line 1"),
        ('{"label": 1, "in0": [1], "in1": [-1]}', "The token -1 in in1: Line 1"),
        ('{"label": 1, "in0": [1], "in1": [123456789012345678901]}', "a token in in1 that is in no vocabulary"),
    ],
)
def test_pairs_that_are_none_are_refused(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        objects(tmp_path, row)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"enc0_vocab_size": 1}, "'1' is not valid for the 'enc0_vocab_size'"),
        ({"enc0_layers": 5}, "or 'auto'"),
        ({"comparator_list": "hadamard, sum"}, "'hadamard, sum' is not valid for the 'comparator_list'"),
        ({"enc1_network": "bilstm"}, "enc1_max_seq_len"),
        ({"enc0_network": "pooled_embedding", "enc1_network": "hcnn", "enc1_max_seq_len": 2, "enc1_vocab_size": 5},
         "the same dimension, not 300 and 4096"),
        ({"tied_token_embedding_weight": True, "enc1_vocab_size": 7}, "needs the same vocab_size"),
    ],
)  # fmt: skip
def test_object2vec_refuses_in_words(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        settings(**changes)


def test_second_encoder_is_as_the_first_unless_it_is_told() -> None:
    found = settings(enc0_cnn_filter_width=5, enc1_vocab_size=7)
    assert (found["enc1_network"], found["enc1_cnn_filter_width"], found["enc1_vocab_size"]) == ("hcnn", 5, 7)


def test_negatives_are_drawn_beside_what_is_given(tmp_path: Path) -> None:
    given = objects(tmp_path, '{"label": 1, "in0": [1], "in1": [2]}\n{"label": 1, "in0": [3], "in1": [4]}')
    found = object2vec.with_negatives(given, 2, np.random.default_rng(0))
    assert found.labels.tolist() == [1, 1, 0, 0, 0, 0]
    assert len(found.first) == len(found.second) == 6


def test_pretrained_embeddings_are_read_by_the_vocabulary(tmp_path: Path) -> None:
    changes = {"enc0_pretrained_embedding_file": "glove.txt", "enc0_vocab_file": "vocab.json"}
    changes |= {"enc0_token_embedding_dim": "2"}
    job = container(tmp_path / "job", {}, {"train": b"", "auxiliary": b""})
    with pytest.raises(UserError, match="must be in the auxiliary channel"):
        object2vec.pretrained(job, settings(**changes), 0)
    (job.root / "input/data/auxiliary/glove.txt").write_text("cat 1 2\ndog 3 4\n")
    (job.root / "input/data/auxiliary/vocab.json").write_text('{"dog": 3}')
    (found,) = object2vec.pretrained(job, settings(**changes), 0).items()
    assert (found[0], found[1].tolist()) == (3, [3, 4])
    (job.root / "input/data/auxiliary/glove.txt").write_text("dog 3\n")
    with pytest.raises(UserError, match="must have 2 numbers a word"):
        object2vec.pretrained(job, settings(**changes), 0)


def test_lengths_of_requests_are_within_bounds() -> None:
    assert object2vec.content_type("application/json; infer_max_seqlens=7,8") == ("application/json", (7, 8))
    assert object2vec.content_type("application/jsonlines") == ("application/jsonlines", (None, None))
    for kind in ("text/csv", "application/json;infer_max_seqlens=7", "application/json;infer_max_seqlens=0,9"):
        with pytest.raises(Unanswered):
            object2vec.content_type(kind)
