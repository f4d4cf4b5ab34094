"""BlazingText as a built-in algorithm: `python3 -m sagelab.algorithms.blazingtext` trains; fastText does the work.

Hyperparameters, channels, artifacts and requests are those of
https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext.html, on whose word its models are fastText's.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sagelab.algorithms import hyperparameters
from sagelab.algorithms.answers import JSON, JSON_LINES, Answer, Unanswered
from sagelab.algorithms.hyperparameters import boolean, optional, required
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import choice, integer, number
from sagelab.algorithms.program import line, main, warn
from sagelab.algorithms.text import corpora, word_pairs
from sagelab.algorithms.text.corpora import Corpus

SUPERVISED, BATCH_SKIPGRAM = "supervised", "batch_skipgram"
MODEL, VECTORS, VECTORS_TEXT, EVALUATION = "model.bin", "vectors.bin", "vectors.txt", "eval.json"
LARGE = 200_000_000  # bytes of a model that a hint is worth
POSITIVE = integer(1, 2**31 - 1)  # as fastText has them

PARAMETERS = {
    "mode": required(choice(BATCH_SKIPGRAM, "skipgram", "cbow", SUPERVISED)),
    "batch_size": optional(POSITIVE, 11),
    "buckets": optional(POSITIVE, 2_000_000),
    "early_stopping": optional(boolean(), False),
    "epochs": optional(POSITIVE, 5),
    "evaluation": optional(boolean(), True),
    "learning_rate": optional(number(0, inside="(]"), 0.05),
    "max_char": optional(POSITIVE, 6),
    "min_char": optional(POSITIVE, 3),
    "min_count": optional(integer(0, 2**31 - 1), 5),
    "min_epochs": optional(POSITIVE, 5),
    "negative_samples": optional(POSITIVE, 5),
    "patience": optional(POSITIVE, 4),
    "sampling_threshold": optional(number(0, inside="(]"), 0.0001),
    "subwords": optional(boolean(), False),
    "vector_dim": optional(POSITIVE, 100),
    "window_size": optional(POSITIVE, 5),
    "word_ngrams": optional(POSITIVE, 2),
}


def train(job: Job) -> None:
    """Leave the model. UserError: the job's input is at fault."""
    settings = hyperparameters.read(job.config("hyperparameters"), PARAMETERS)
    mode = settings["mode"]
    _check(settings)
    line(f"Running single machine CPU BlazingText training using {mode} mode.")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        corpus = corpora.read(job, "train", Path(scratch), labels=mode == SUPERVISED)
        if corpus is None:
            raise UserError("Missing required channel: train")
        line(f"Processing {corpus.file} . File size: {corpus.file.stat().st_size >> 20} MB")
        learn = _classify if mode == SUPERVISED else _embed
        learn(job, settings, corpus, Path(scratch))
    line(f"Total training time in seconds: {time.monotonic() - began:.2f}")


def _check(settings: dict[str, Any]) -> None:
    mode = settings["mode"]
    if mode == BATCH_SKIPGRAM and settings["subwords"]:
        raise UserError(f"Subword embedding learning is not supported in {BATCH_SKIPGRAM} mode.")
    if settings["min_char"] > settings["max_char"]:
        raise UserError(f"min_char {settings['min_char']} is greater than max_char {settings['max_char']}.")
    if mode == BATCH_SKIPGRAM:
        warn(f"fastText has no {BATCH_SKIPGRAM}: skipgram stands for it, and batch_size has no meaning")


def _hint(buckets: int, dimensions: int) -> None:
    size = buckets * dimensions * 4
    if size > LARGE:
        warn(
            f"buckets {buckets} x vector_dim {dimensions} make a model of {size // 1_000_000} MB, nearly all of it"
            " random numbers: a small corpus does as well with buckets=20000"
        )


def _classify(job: Job, settings: dict[str, Any], corpus: Corpus, scratch: Path) -> None:
    """Leave model.bin."""
    import fasttext

    held = corpora.read(job, "validation", scratch, labels=True)
    if settings["early_stopping"] and held is None:
        raise UserError("Early stopping needs a validation channel.")
    if corpus.labelled < corpus.sentences:
        warn(f"{corpus.sentences - corpus.labelled} of {corpus.sentences} lines have no label, and are left out")
    buckets = settings["buckets"] if settings["word_ngrams"] > 1 else 0
    _hint(buckets, settings["vector_dim"])

    def fit(epochs: int) -> Any:
        return _asked(
            fasttext.train_supervised,
            input=str(corpus.file),
            lr=settings["learning_rate"],
            dim=settings["vector_dim"],
            epoch=epochs,
            minCount=settings["min_count"],
            wordNgrams=settings["word_ngrams"],
            bucket=buckets,
            thread=_threads(),
            verbose=0,
        )

    stops = settings["early_stopping"] and held is not None
    model = _improve(settings, held, fit) if stops and held else fit(settings["epochs"])
    line("Training finished.")
    _score(model, "train", corpus)
    if held:
        _score(model, "validation", held)
    model.save_model(str(job.model / MODEL))


def _improve(settings: dict[str, Any], held: Corpus, fit: Callable[[int], Any]) -> Any:
    """The best of models of ever more epochs, until so many in turn were no better.

    fastText's learning rate falls to zero over its epochs and it cannot go on, so each is a training of its own.
    """
    best, waited, model = -1.0, 0, None
    for epochs in range(min(settings["min_epochs"], settings["epochs"]), settings["epochs"] + 1):
        found = fit(epochs)
        line(f"-------------- End of epoch: {epochs}")
        accuracy = found.test(str(held.file))[1]
        line(f"Validation accuracy: {accuracy:g}")
        if accuracy > best:
            line("Validation accuracy improved! Storing best weights...")
            best, waited, model = accuracy, 0, found
            continue
        waited += 1
        line(f"Validation accuracy has not improved for last {waited} epochs.")
        if waited >= settings["patience"]:
            line("Reached patience. Terminating training.")
            break
    return model


def _score(model: Any, channel: str, corpus: Corpus) -> None:
    rows, right = tested(model, corpus.file, _threads())
    line(f"#{channel}_accuracy: {right / max(rows, 1):.4f}")
    line(f"Number of {channel} examples: {rows}")


def tested(model: Any, text: Path, processes: int) -> tuple[int, int]:
    """(sentences of a text, how many of them get a label that they have), by several processes.

    fastText scores with one, which of a long text takes an eighth as long as the training.
    """
    fork, told = multiprocessing.get_context("fork"), []
    with tempfile.TemporaryDirectory() as scratch:
        first, *others = corpora.parts(text, processes, Path(scratch))
        for part in others:
            reader, writer = fork.Pipe(duplex=False)
            fork.Process(target=lambda part, tell: tell.send(_test(model, part)), args=(part, writer)).start()
            writer.close()
            told.append(reader)
        found = [_test(model, first), *(reader.recv() for reader in told)]
    return sum(rows for rows, _ in found), sum(right for _, right in found)


def _test(model: Any, text: Path) -> tuple[int, int]:
    rows, accuracy, _ = model.test(str(text))
    return rows, round(rows * accuracy) if rows else 0  # of no rows the accuracy is no number


def _embed(job: Job, settings: dict[str, Any], corpus: Corpus, _: Path) -> None:
    """Leave vectors.txt, vectors.bin and, where it is asked for, eval.json."""
    if not corpora.has_two_words(corpus.file, settings["min_count"]):
        raise UserError(
            f"The train channel has not two words that occur min_count, {settings['min_count']}, times."
        )
    import fasttext

    if job.channel("validation"):
        warn(f"The validation channel is not used in {settings['mode']} mode")
    buckets = settings["buckets"] if settings["subwords"] else 0
    _hint(buckets, settings["vector_dim"])
    model = _asked(
        fasttext.train_unsupervised,
        input=str(corpus.file),
        model="cbow" if settings["mode"] == "cbow" else "skipgram",
        lr=settings["learning_rate"],
        dim=settings["vector_dim"],
        ws=settings["window_size"],
        epoch=settings["epochs"],
        minCount=settings["min_count"],
        minn=settings["min_char"] if settings["subwords"] else 0,
        maxn=settings["max_char"] if settings["subwords"] else 0,
        neg=settings["negative_samples"],
        t=settings["sampling_threshold"],
        bucket=buckets,
        thread=_threads(),
        verbose=0,
    )
    words = model.get_words(on_unicode_error="replace")
    line(f"Training finished. Vocab size: {len(words)}")
    with (job.model / VECTORS_TEXT).open("w") as text:
        text.write(f"{len(words)} {model.get_dimension()}\n")
        text.writelines(f"{word} {' '.join(f'{value:.5g}' for value in model[word])}\n" for word in words)
    model.save_model(str(job.model / VECTORS))
    if settings["evaluation"]:
        _evaluate(model, set(words), job.model / EVALUATION)


def _evaluate(model: Any, words: set[str], file: Path) -> None:
    pairs = word_pairs.find()
    if not pairs:
        warn("There is no WordSim-353 here, so train:mean_rho is not computed")
        return
    line("Evaluating word embeddings....")
    found = word_pairs.evaluate(model.get_word_vector, words, pairs)
    file.write_text(json.dumps(found, indent=4))
    line(f"Evaluation result: {json.dumps(found)}")
    line(f"#mean_rho: {found['mean_rho']:.4f}")


def _asked(learn: Callable[..., Any], **how: Any) -> Any:
    """What fastText says of its input is for the user."""
    try:
        return learn(**how)
    except MemoryError:
        raise UserError(
            "fastText: buckets x vector_dim make a model that this instance's memory has no room for"
        ) from None
    except (ValueError, RuntimeError) as error:
        told = str(error).replace("-minCount", "min_count").replace("-lr", "learning_rate")
        raise UserError(f"fastText: {told}") from None


def _threads() -> int:
    return len(os.sched_getaffinity(0))


def load(folder: Path) -> Answer:
    """What answers for a model of BlazingText's or of fastText's own. UserError: there is none in the folder."""
    import fasttext

    files = sorted(folder.glob("*.bin"), key=lambda file: file.name not in (MODEL, VECTORS))
    if not files:
        raise UserError(f"The model archive has neither {MODEL} nor {VECTORS}.")
    try:
        model = fasttext.load_model(str(files[0]))
    except ValueError as error:
        raise UserError(f"{files[0].name} is no model of fastText's: {error}") from None
    classifies = model.f.getArgs().model.name == "supervised"
    find = _labels if classifies else _vector

    def answer(body: bytes, kind: str, _: str) -> tuple[bytes, str]:
        plain = kind.partition(";")[0].strip().lower()
        found = [find(model, text, count) for text, count in _read(body, plain)]
        if plain == JSON:
            return json.dumps(found).encode(), plain
        return "".join(f"{json.dumps(one)}\n" for one in found).encode(), plain

    return answer


def _read(body: bytes, kind: str) -> Iterator[tuple[str, int]]:
    """(text, how many predictions are asked for). The Accept is the content type, whatever a request says."""
    if kind not in (JSON, JSON_LINES):
        raise Unanswered(f"Content type {kind[:80]} is not supported: it must be {JSON} or {JSON_LINES}.", 415)
    try:
        if kind == JSON_LINES:
            found = list(corpora.sources(body.splitlines()))
        else:
            request = json.loads(body)
            count = (request.get("configuration") or {}).get("k")
            found = [(text, count) for text in request["instances"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        wanted = '{"instances": ["..."]}' if kind == JSON else '{"source": "..."} a line'
        raise Unanswered(f"The request is not {wanted}.") from None
    for text, count in found:
        if not isinstance(text, str) or not (count is None or (type(count) is int and count >= 1)):
            raise Unanswered("Each instance must be a string of tokens, and k a positive integer.")
        yield text.encode("utf-8", "replace").decode(), count or 1


def _labels(model: Any, text: str, count: int) -> dict[str, Any]:
    labels, chances = model.predict(" ".join(text.split()), min(count, 2**31 - 1), on_unicode_error="replace")
    return {"label": list(labels), "prob": [float(chance) for chance in chances]}


def _vector(model: Any, word: str, _: int) -> dict[str, Any]:
    """Zeros for a word that is not known and of whose parts nothing is."""
    return {"vector": [float(value) for value in model.get_word_vector(word)], "word": word}


if __name__ == "__main__":
    main(train)
