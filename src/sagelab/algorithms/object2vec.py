"""Object2Vec as a built-in algorithm: `python3 -m sagelab.algorithms.object2vec` trains.

Channels, hyperparameters, metrics and requests are those of
https://docs.aws.amazon.com/sagemaker/latest/dg/object2vec.html.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms import channels, hyperparameters
from sagelab.algorithms.answers import JSON, JSON_LINES, Answer, Unanswered
from sagelab.algorithms.hyperparameters import Hyperparameter, auto, boolean, optional, required
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import Parameter, choice, integer, number, words
from sagelab.algorithms.program import line, main, progress, quality, throughput
from sagelab.algorithms.sequences import check, pad

CONFIG, WEIGHTS = "config.json", "weights.npz"
NETWORKS = ("hcnn", "bilstm", "pooled_embedding")
ENC0 = "enc0"  # enc1_network: as the other encoder
COMPARATORS = ("hadamard", "concat", "abs_diff")
LONGEST = 5000  # tokens of an object
LARGEST_LABEL = 3e38  # as float32 has them

_FILE = Parameter(str, lambda name: bool(re.fullmatch(r"[A-Za-z0-9._-]*", name)), "[A-Za-z0-9\\._]")
_ENC1 = ("max_seq_len", "vocab_size", "cnn_filter_width", "layers", "token_embedding_dim")
# By which enc1 is as enc0 where nothing is said of it.
_ALSO = (*_ENC1, "freeze_pretrained_embedding", "pretrained_embedding_file", "vocab_file")


def _encoder(name: str, networks: tuple[str, ...], network: str) -> dict[str, Hyperparameter]:
    return {
        f"{name}_network": optional(choice(*networks), network),
        f"{name}_cnn_filter_width": optional(integer(1, 9), 3),
        f"{name}_freeze_pretrained_embedding": optional(boolean(), True),
        f"{name}_layers": auto(integer(1, 4)),
        f"{name}_pretrained_embedding_file": optional(_FILE, ""),
        f"{name}_token_embedding_dim": optional(integer(2, 1000), 300),
        f"{name}_vocab_file": optional(_FILE, ""),
    }


PARAMETERS = {
    "enc0_max_seq_len": required(integer(1, LONGEST)),
    "enc0_vocab_size": required(integer(2, 3_000_000)),
    "enc1_max_seq_len": optional(integer(1, LONGEST)),
    "enc1_vocab_size": optional(integer(2, 3_000_000)),
    **_encoder("enc0", NETWORKS, "hcnn"),
    **_encoder("enc1", (ENC0, *NETWORKS), ENC0),
    "bucket_width": optional(integer(0, 100), 0),
    "comparator_list": optional(words(*COMPARATORS), list(COMPARATORS)),
    "dropout": optional(number(0, 1), 0.0),
    "early_stopping_patience": optional(integer(1, 5), 3),
    "early_stopping_tolerance": optional(number(0.000001, 0.1), 0.01),
    "enc_dim": optional(integer(4, 10000), 4096),
    "epochs": optional(integer(1, 100), 30),
    "learning_rate": optional(number(1e-6, 1), 0.0004),
    "mini_batch_size": optional(integer(1, 10000), 32),
    "mlp_activation": optional(choice("tanh", "relu", "linear"), "linear"),
    "mlp_dim": optional(integer(2, 10000), 512),
    "mlp_layers": optional(integer(0, 10), 2),
    "negative_sampling_rate": optional(integer(0), 0),
    "num_classes": optional(integer(2, 30), 2),
    "optimizer": optional(choice("adadelta", "adagrad", "adam", "sgd", "rmsprop"), "adam"),
    "output_layer": optional(choice("softmax", "mean_squared_error"), "softmax"),
    "tied_token_embedding_weight": optional(boolean(), False),
    "token_embedding_storage_type": optional(choice("dense", "row_sparse"), "dense"),
    "weight_decay": optional(number(0, 10000), 0.0),
}


@dataclass(frozen=True)
class Pairs:
    """first, second: a list of tokens each, which count from 1. labels: (rows,)."""

    first: list[Any]
    second: list[Any]
    labels: Any


def train(job: Job) -> None:
    """Leave the model of the best epoch. UserError: the job's input is at fault."""
    sent = job.config("hyperparameters")
    settings = complete(hyperparameters.read(sent, PARAMETERS), sent)
    channels.require(job, "train")
    data = {name: read(job, name, settings) for name in ("train", "validation", "test") if job.channel(name)}
    vectors = [pretrained(job, settings, side) for side in range(2)]
    from sagelab.algorithms.object2vec_network import Network

    import_seed()
    network = Network(settings)
    for side, found in enumerate(vectors):
        if found:
            network.preset(side, found, settings[f"enc{side}_freeze_pretrained_embedding"])
            line(f"{len(found)} tokens of enc{side} have pretrained embeddings")
    weights = _fit(job.hosts[0], settings, network, data)
    (job.model / CONFIG).write_text(json.dumps(settings))
    with (job.model / WEIGHTS).open("wb") as file:
        np.savez(file, **{f"{place:04}": weight for place, weight in enumerate(weights)})


def import_seed() -> None:
    import keras

    keras.utils.set_random_seed(0)


def complete(settings: dict[str, Any], sent: dict[str, str]) -> dict[str, Any]:
    """With all of enc1 said. UserError: the encoders cannot be compared, or one is not told enough."""
    found = dict(settings)
    as_first = found["enc1_network"] == ENC0
    if as_first:
        found["enc1_network"] = found["enc0_network"]
    for name in _ALSO if as_first else ():
        if f"enc1_{name}" not in sent:
            found[f"enc1_{name}"] = found[f"enc0_{name}"]
    missing = [name for name in ("enc1_max_seq_len", "enc1_vocab_size") if found[name] is None]
    if missing:
        raise UserError(
            f"No value(s) were specified for {missing} which are required where enc1_network is not enc0"
        )
    if found["tied_token_embedding_weight"]:
        differing = [name for name in ("vocab_size", "token_embedding_dim") if _differs(found, name)]
        if differing:
            raise UserError(f"tied_token_embedding_weight needs the same {differing[0]} for enc0 and enc1.")
    sizes = [_size(found, side) for side in range(2)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"The encodings of enc0 and enc1 must have the same dimension, not {sizes[0]} and {sizes[1]}."
        )
    return found


def _differs(settings: dict[str, Any], name: str) -> bool:
    return bool(settings[f"enc0_{name}"] != settings[f"enc1_{name}"])


def _size(settings: dict[str, Any], side: int) -> int:
    pooled = settings[f"enc{side}_network"] == "pooled_embedding"
    return int(settings[f"enc{side}_token_embedding_dim"] if pooled else settings["enc_dim"])


def read(job: Job, channel: str, settings: dict[str, Any]) -> Pairs:
    """The pairs of a channel. UserError: a line is none, a token or a label is out of range, or there is none."""
    kind = (job.config("inputdataconfig")[channel].get("ContentType") or JSON_LINES).partition(";")[0].strip()
    if kind.lower() != JSON_LINES:
        raise UserError(
            f"Content type '{kind[:80]}' of channel {channel} is not supported: it must be {JSON_LINES}."
        )
    folder = job.channel(channel) or Path()
    rows: list[tuple[Any, Any, float]] = []
    for file in sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")):
        with file.open("rb") as lines:
            rows += [
                _pair(text, f"Line {count} of {file.name} in channel {channel}", settings)
                for count, text in enumerate(lines, start=1)
                if text.strip()
            ]
    if not rows:
        raise UserError(f"No data in the {channel} channel.")
    first, second, labels = zip(*rows, strict=True)
    whole = settings["output_layer"] == "softmax"
    return Pairs(list(first), list(second), np.array(labels, np.int32 if whole else np.float32))


def _pair(text: bytes, where: str, settings: dict[str, Any]) -> tuple[Any, Any, float]:
    try:
        found = json.loads(text)
        label, objects = found["label"], [found["in0"], found["in1"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f'{where} is not {{"label": ..., "in0": [...], "in1": [...]}}.') from None
    if type(label) not in (int, float) or not abs(label) <= LARGEST_LABEL:
        raise UserError(f"{where} has a label that is no number.")
    classes = settings["num_classes"]
    if settings["output_layer"] == "softmax" and (label != int(label) or not 0 <= label < classes):
        raise UserError(
            f"{where} has the label {label}: with num_classes {classes} it must be from 0 to {classes - 1}."
        )
    first, second = (tokens_of(each, side, settings, where) for side, each in enumerate(objects))
    return first, second, label


def tokens_of(found: Any, side: int, settings: dict[str, Any], where: str, longest: int | None = None) -> Any:
    """(tokens,), which count from 1. UserError: they are no tokens of the encoder's."""
    if not isinstance(found, list) or not found or not all(type(token) is int for token in found):
        raise UserError(f"{where} needs a list of one or more whole numbers as in{side}.")
    kept = found[: longest or settings[f"enc{side}_max_seq_len"]]
    if not all(abs(token) < 2**31 for token in kept):
        raise UserError(f"{where} has a token in in{side} that is in no vocabulary.")
    return check(np.array(kept, np.int64), settings[f"enc{side}_vocab_size"], f"in{side}: {where}") + 1


def pretrained(job: Job, settings: dict[str, Any], side: int) -> dict[int, Any]:
    """(dimensions,) of each token that the auxiliary channel knows. UserError: its files are missing or broken."""
    name, vocabulary = (settings[f"enc{side}_{which}"] for which in ("pretrained_embedding_file", "vocab_file"))
    if not name:
        return {}
    folder = job.channel("auxiliary")
    files = [folder / each if folder and each else None for each in (name, vocabulary)]
    if not all(file and file.is_file() for file in files):
        raise UserError(f"{name} and {vocabulary or f'enc{side}_vocab_file'} must be in the auxiliary channel.")
    table, words_file = (file for file in files if file)
    try:
        numbers = {word: int(token) for word, token in json.loads(words_file.read_bytes()).items()}
        with table.open(encoding="utf-8") as lines:
            rows = [text.split() for text in lines]
        found = {numbers[row[0]]: np.array(row[1:], np.float32) for row in rows if row and row[0] in numbers}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UserError(f"{name} or {vocabulary} of the auxiliary channel cannot be read: {error}") from None
    size, width = (settings[f"enc{side}_{which}"] for which in ("vocab_size", "token_embedding_dim"))
    if not all(0 <= token < size and len(vector) == width for token, vector in found.items()):
        raise UserError(f"{name} must have {width} numbers a word, and {vocabulary} tokens from 0 to {size - 1}.")
    return found


def batches(
    pairs: Pairs, settings: dict[str, Any], rng: np.random.Generator | None
) -> Iterator[tuple[Any, Any, Any]]:
    """(first, second, labels) of each batch. rng: the order is by chance; None: as it is.

    With a bucket width those of about one length are together, else each batch is as long as its longest.
    """
    count, size, width = len(pairs.labels), settings["mini_batch_size"], settings["bucket_width"]
    order = rng.permutation(count) if rng else np.arange(count)
    if width and rng:
        lengths = np.array([max(len(pairs.first[row]), len(pairs.second[row])) for row in order])
        order = order[np.argsort(lengths // width, kind="stable")]
    starts = list(range(0, count, size))
    for start in rng.permutation(starts) if rng else starts:
        rows = order[start : start + size]
        first, second = (fill([side[row] for row in rows]) for side in (pairs.first, pairs.second))
        yield first, second, pairs.labels[rows]


def fill(objects: Sequence[Any]) -> Any:
    """(objects, tokens), as wide as the next multiple of eight, so that shapes are few."""
    return pad(objects, -(-max(map(len, objects)) // 8) * 8)


def with_negatives(pairs: Pairs, rate: int, rng: np.random.Generator) -> Pairs:
    """With so many pairs beside each that go together by chance, whose label is 0; those that are given have 1."""
    count = len(pairs.labels)
    order = np.concatenate([rng.permutation(count) for _ in range(rate)]) if rate else np.arange(0)
    given = np.ones_like(pairs.labels) if rate else pairs.labels
    return Pairs(
        pairs.first * (1 + rate),
        [*pairs.second, *(pairs.second[row] for row in order)],
        np.concatenate([given, np.zeros(len(order), pairs.labels.dtype)]),
    )


def _fit(host: str, settings: dict[str, Any], network: Any, data: dict[str, Pairs]) -> list[Any]:
    """The weights of the epoch with the lowest loss."""
    rng, best, before, stale = np.random.default_rng(0), math.inf, math.inf, 0
    weights = network.whole.get_weights()
    for epoch in range(settings["epochs"]):
        began = time.monotonic()
        pairs = with_negatives(data["train"], settings["negative_sampling_rate"], rng)
        losses = [network.learn(*batch) for batch in batches(pairs, settings, rng)]
        loss = float(np.mean(losses))
        if not math.isfinite(loss):
            raise UserError("Training diverged: the loss is no finite number. A smaller learning_rate may help.")
        line(f"Completed Epoch: {epoch}, time taken: {time.monotonic() - began:.2f} s")
        quality(
            host,
            f"train {'cross_entropy' if _classes(settings) else 'mean_squared_error'}",
            loss,
            loss=True,
            epoch=epoch,
        )
        if "validation" in data:
            loss = _report(host, "validation", settings, network, data["validation"], epoch)
        throughput(host, len(pairs.labels), began)
        progress(host, epoch + 1, settings["epochs"])
        if loss < best:
            best, weights = loss, network.whole.get_weights()
        stale = 0 if before - loss > settings["early_stopping_tolerance"] else stale + 1
        before = min(before, loss)
        if stale >= settings["early_stopping_patience"]:
            line(f"Early stopping after epoch {epoch}: the loss has not decreased for {stale} epochs.")
            break
    network.whole.set_weights(weights)
    if "test" in data:
        _report(host, "test", settings, network, data["test"], None)
    return list(weights)


def _classes(settings: dict[str, Any]) -> bool:
    return bool(settings["output_layer"] == "softmax")


def _report(
    host: str, channel: str, settings: dict[str, Any], network: Any, pairs: Pairs, epoch: int | None
) -> float:
    """The lines of a channel's metrics; its loss."""
    parts = [(network.score(first, second), labels) for first, second, labels in batches(pairs, settings, None)]
    scores, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
    if not _classes(settings):
        error = float(np.mean((scores[:, 0] - labels) ** 2))
        quality(host, f"{channel} mean_squared_error", error, loss=True, epoch=epoch)
        return error
    chances = scores[np.arange(len(labels)), labels]
    loss = float(-np.mean(np.log(np.maximum(chances, 1e-12))))
    quality(host, f"{channel} cross_entropy", loss, loss=True, epoch=epoch)
    quality(host, f"{channel} accuracy", float(np.mean(scores.argmax(axis=1) == labels)), epoch=epoch)
    return loss


def load(folder: Path) -> Answer:
    """What answers for a model. UserError: the folder has none."""
    from sagelab.algorithms.object2vec_network import Network

    try:
        settings = json.loads((folder / CONFIG).read_text())
        network = Network(settings)
        with np.load(folder / WEIGHTS, allow_pickle=False) as found:
            network.whole.set_weights([found[f"{place:04}"] for place in range(len(network.whole.weights))])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"The model archive has no model of Object2Vec: {error}") from None

    def answer(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        plain, lengths = content_type(kind)
        found = _answers(network, settings, _instances(body, plain), lengths)
        wanted = accept.partition(";")[0].strip().lower()
        given = wanted if wanted in (JSON, JSON_LINES) else plain
        if given == JSON:
            return json.dumps({"predictions": found}).encode(), given
        return "".join(f"{json.dumps(one)}\n" for one in found).encode(), given

    return answer


def content_type(kind: str) -> tuple[str, tuple[int | None, int | None]]:
    """(JSON or JSON lines, how long sequences of each side may be, if that is said). Unanswered: it is neither."""
    plain, *options = [part.strip() for part in kind.split(";")]
    if plain.lower() not in (JSON, JSON_LINES):
        raise Unanswered(f"Content type {plain[:80]} is not supported: it must be {JSON} or {JSON_LINES}.", 415)
    said = dict(option.partition("=")[::2] for option in options).get("infer_max_seqlens")
    if said is None:
        return plain.lower(), (None, None)
    lengths = [int(part) if re.fullmatch(r"\d{1,4}", part) else 0 for part in said.split(",")]
    if len(lengths) != 2 or not all(1 <= length <= LONGEST for length in lengths):
        raise Unanswered(
            f"infer_max_seqlens must be two whole numbers from 1 to {LONGEST}, with a comma between them."
        )
    return plain.lower(), (lengths[0], lengths[1])


def _instances(body: bytes, kind: str) -> list[dict[str, Any]]:
    try:
        if kind == JSON:
            found = json.loads(body)["instances"]
        else:
            found = [json.loads(text) for text in body.splitlines() if text.strip()]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        wanted = '{"instances": [{"in0": [...], "in1": [...]}]}' if kind == JSON else '{"in0": [...]} a line'
        raise Unanswered(f"The request is not {wanted}.")
    return found


def _answers(
    network: Any, settings: dict[str, Any], instances: list[dict[str, Any]], lengths: tuple[int | None, int | None]
) -> list[dict[str, Any]]:
    """Scores of pairs, or embeddings where there is only one side of each."""
    if not instances:
        return []
    sides = [side for side in range(2) if f"in{side}" in instances[0]]
    if not sides or any({f"in{side}" for side in sides} != one.keys() & {"in0", "in1"} for one in instances):
        raise Unanswered("Each instance must have in0, or in1, or both, as the first has.")
    try:
        filled = [
            fill([tokens_of(one[f"in{side}"], side, settings, "An instance", lengths[side]) for one in instances])
            for side in sides
        ]
    except UserError as error:
        raise Unanswered(str(error)) from None
    if len(sides) == 2:
        return [{"scores": row.tolist()} for row in network.score(*filled)]
    found = np.asarray(network.encoders[sides[0]].predict_on_batch(filled[0]))
    return [{"embeddings": row.tolist()} for row in found]


if __name__ == "__main__":
    main(train)
