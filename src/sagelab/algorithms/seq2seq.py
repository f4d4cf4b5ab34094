"""Sequence-to-Sequence as a built-in algorithm: `python3 -m sagelab.algorithms.seq2seq` trains.

Channels, hyperparameters, metrics and requests are those of
https://docs.aws.amazon.com/sagemaker/latest/dg/seq-2-seq.html; the log speaks as Sockeye's, which it is made of.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms import hyperparameters, recordio
from sagelab.algorithms.answers import JSON, JSON_LINES, Answer, Unanswered
from sagelab.algorithms.hyperparameters import boolean, optional
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import choice, integer, number
from sagelab.algorithms.program import line, main, warn
from sagelab.algorithms.tabular import channels
from sagelab.algorithms.text import sequences
from sagelab.algorithms.text.sequences import Batches, Vocabulary
from sagelab.algorithms.text.translations import bleu, logarithms

VOCABULARIES = ("vocab.src.json", "vocab.trg.json")
CONFIG, WEIGHTS = "config.json", "params.best"
RECORDIO = "application/x-recordio-protobuf"
SHOWN = 50  # batches between two lines of the log
POSITIVE, SHARE = integer(1), number(0, 1)

PARAMETERS = {
    "batch_size": optional(POSITIVE, 64),
    "beam_size": optional(POSITIVE, 5),
    "bleu_sample_size": optional(integer(-1), 0),
    "bucket_width": optional(POSITIVE, 10),
    "bucketing_enabled": optional(boolean(), True),
    "checkpoint_frequency_num_batches": optional(POSITIVE, 1000),
    "checkpoint_threshold": optional(POSITIVE, 3),
    "clip_gradient": optional(number(), 1.0),
    "cnn_activation_type": optional(choice("glu", "relu", "softrelu", "sigmoid", "tanh"), "glu"),
    "cnn_hidden_dropout": optional(SHARE, 0.0),
    "cnn_kernel_width_decoder": optional(POSITIVE, 5),
    "cnn_kernel_width_encoder": optional(POSITIVE, 3),
    "cnn_num_hidden": optional(POSITIVE, 512),
    "decoder_type": optional(choice("rnn", "cnn"), "rnn"),
    "embed_dropout_source": optional(SHARE, 0.0),
    "embed_dropout_target": optional(SHARE, 0.0),
    "encoder_type": optional(choice("rnn", "cnn"), "rnn"),
    "fixed_rate_lr_half_life": optional(POSITIVE, 10),
    "learning_rate": optional(number(0, inside="(]"), 0.0003),
    "loss_type": optional(choice("cross-entropy"), "cross-entropy"),
    "lr_scheduler_type": optional(
        choice("plateau_reduce", "fixed_rate_inv_t", "fixed_rate_inv_sqrt_t"), "plateau_reduce"
    ),
    "max_num_batches": optional(integer(-1), -1),
    "max_num_epochs": optional(POSITIVE),
    "max_seq_len_source": optional(POSITIVE, 100),
    "max_seq_len_target": optional(POSITIVE, 100),
    "min_num_epochs": optional(integer(0), 0),
    "momentum": optional(number(0)),
    "num_embed_source": optional(POSITIVE, 512),
    "num_embed_target": optional(POSITIVE, 512),
    "num_layers_decoder": optional(POSITIVE, 1),
    "num_layers_encoder": optional(POSITIVE, 1),
    "optimized_metric": optional(choice("perplexity", "accuracy", "bleu"), "perplexity"),
    "optimizer_type": optional(choice("adam", "sgd", "rmsprop"), "adam"),
    "plateau_reduce_lr_factor": optional(number(0, 1, inside="()"), 0.5),
    "plateau_reduce_lr_threshold": optional(POSITIVE, 3),
    "rnn_attention_in_upper_layers": optional(boolean(), True),
    "rnn_attention_num_hidden": optional(POSITIVE),
    "rnn_attention_type": optional(choice("dot", "fixed", "mlp", "bilinear"), "mlp"),
    "rnn_cell_type": optional(choice("lstm", "gru"), "lstm"),
    "rnn_decoder_hidden_dropout": optional(SHARE, 0.0),
    "rnn_decoder_state_init": optional(choice("last", "avg", "zero"), "last"),
    "rnn_first_residual_layer": optional(POSITIVE, 2),
    "rnn_num_hidden": optional(POSITIVE, 1024),
    "rnn_residual_connections": optional(boolean(), False),
    "training_metric": optional(choice("perplexity", "accuracy"), "perplexity"),
    "weight_decay": optional(number(0), 0.0),
    "weight_init_scale": optional(number(), 2.34),
    "weight_init_type": optional(choice("uniform", "xavier"), "xavier"),
    "xavier_factor_type": optional(choice("in", "out", "avg"), "in"),
}


def train(job: Job) -> None:
    """Leave the model that was best on the validation channel. UserError: the job's input is at fault."""
    settings = hyperparameters.read(job.config("hyperparameters"), PARAMETERS)
    channels.require(job, "train", "validation", "vocab")
    folder = job.channel("vocab") or Path()
    vocabularies = tuple(sequences.read_vocabulary(folder / name) for name in VOCABULARIES)
    source, target = vocabularies
    line(f"Source vocabulary size: {source.size}. Target vocabulary size: {target.size}.")
    data = {
        name: _closed(sequences.read_pairs(job, name, (source.size, target.size)), target)
        for name in ("train", "validation")
    }
    weights = Training(settings, (source, target), data).run()
    _save(job.model, settings, folder, weights)


def _closed(pairs: tuple[list[Any], list[Any]], target: Vocabulary) -> tuple[list[Any], list[Any]]:
    """Each target with an end."""
    return pairs[0], [np.append(one, target.end) for one in pairs[1]]


def _save(model: Path, settings: dict[str, Any], vocabularies: Path, weights: list[Any]) -> None:
    from sagelab.algorithms.text.seq2seq_network import write_weights

    for name in VOCABULARIES:
        shutil.copyfile(vocabularies / name, model / name)
    (model / CONFIG).write_text(json.dumps(settings))
    write_weights(weights, model / WEIGHTS)


@dataclass
class Best:
    """What the validation channel said so far. metric: which is optimized. stale: checkpoints since the best."""

    metric: str
    weights: list[Any] = field(default_factory=list)
    value: float = math.nan
    stale: int = 0

    def see(self, metrics: dict[str, float], weights: list[Any]) -> bool:
        """Whether it is the best by now."""
        value = metrics[self.metric]
        better = value < self.value if self.metric == "perplexity" else value > self.value
        if better or not self.weights:
            self.weights, self.value, self.stale = weights, value, 0
            return True
        self.stale += 1
        return False


class Training:
    """Batches until nothing gets better, with a checkpoint each so many."""

    def __init__(
        self, settings: dict[str, Any], vocabularies: tuple[Vocabulary, Vocabulary], data: dict[str, Any]
    ) -> None:
        import keras

        from sagelab.algorithms.text import seq2seq_network

        keras.utils.set_random_seed(0)
        self._settings, self._data, self._target = settings, data, vocabularies[1]
        self._network = seq2seq_network.build(settings, *(each.size for each in vocabularies))
        seq2seq_network.compile_for(settings, self._network.whole)
        self._translator = seq2seq_network.Translator(settings, vocabularies, self._network)
        width = settings["bucket_width"] if settings["bucketing_enabled"] else None
        longest = (settings["max_seq_len_source"], settings["max_seq_len_target"])
        self._batches = Batches(settings["batch_size"], longest, width)
        self._best = Best(settings["optimized_metric"])
        self._checkpoints = 0
        if settings["rnn_attention_in_upper_layers"] and settings["num_layers_decoder"] > 1:
            warn("rnn_attention_in_upper_layers: attention is computed after the last layer alone")

    def run(self) -> list[Any]:
        """The weights of the best checkpoint."""
        line("Training started.")
        done = 0
        for done, epoch in self._steps():
            if done % self._settings["checkpoint_frequency_num_batches"] == 0 and self._ends(epoch):
                line(f"{self._best.metric} has not improved for {self._best.stale} checkpoints. Stopping.")
                return self._best.weights
            if done == self._settings["max_num_batches"]:
                line(f"Maximum number of batches ({done}) reached.")
                break
        if done % self._settings["checkpoint_frequency_num_batches"]:
            self._checkpoint()
        line("Training finished.")
        return self._best.weights

    def _steps(self) -> Iterator[tuple[int, int]]:
        """(batches, epoch) after each batch."""
        rng, done, epoch = np.random.default_rng(0), 0, 0
        began, loss = time.monotonic(), 0.0
        while self._settings["max_num_epochs"] is None or epoch < self._settings["max_num_epochs"]:
            for sources, targets in self._batches.draw(self._data["train"], rng):
                loss += self._learn(sources, targets)
                done += 1
                if done % SHOWN == 0:
                    rate = SHOWN * self._settings["batch_size"] / max(time.monotonic() - began, 1e-9)
                    perplexity = _power(loss / SHOWN)
                    line(
                        f"Epoch[{epoch}] Batch [{done}]\tSpeed: {rate:.2f} samples/sec\tperplexity={perplexity:f}"
                    )
                    began, loss = time.monotonic(), 0.0
                yield done, epoch
            epoch += 1

    def _learn(self, sources: Any, targets: Any) -> float:
        before = np.insert(targets[:, :-1], 0, self._target.begin, axis=1)
        weights = (targets != 0).astype(np.float32)
        weights *= weights.size / weights.sum()  # Keras divides by all places, also by those without a token
        self._network.whole.reset_metrics()
        loss = self._network.whole.train_on_batch([sources, before], targets, sample_weight=weights)
        if not math.isfinite(float(loss)):
            raise UserError("Training diverged: the loss is no finite number. A smaller learning_rate may help.")
        return float(loss)

    def _ends(self, epoch: int) -> bool:
        """Whether a checkpoint is the last."""
        self._checkpoint()
        settings = self._settings
        early = settings["max_num_epochs"] is None and epoch >= settings["min_num_epochs"]
        return bool(early and self._best.stale >= settings["checkpoint_threshold"])

    def _checkpoint(self) -> None:
        self._checkpoints += 1
        metrics = self._validate()
        for name, value in metrics.items():
            line(f"Checkpoint [{self._checkpoints}]\tValidation-{name}={value:f}")
        better = self._best.see(metrics, self._network.whole.get_weights())
        line(f"Checkpoint [{self._checkpoints}]\t{'improved' if better else 'not improved'}: {self._best.metric}")
        self._schedule()

    def _schedule(self) -> None:
        settings, rate = self._settings, self._network.whole.optimizer.learning_rate
        kind, half = settings["lr_scheduler_type"], settings["fixed_rate_lr_half_life"]
        if kind == "plateau_reduce":
            if self._best.stale and self._best.stale % settings["plateau_reduce_lr_threshold"] == 0:
                rate.assign(rate * settings["plateau_reduce_lr_factor"])
                line(f"Learning rate lowered to {float(rate.numpy()):g}")
            return
        lives = self._checkpoints / half
        slower = 1 + lives if kind == "fixed_rate_inv_t" else math.sqrt(1 + 3 * lives)
        rate.assign(settings["learning_rate"] / slower)

    def _validate(self) -> dict[str, float]:
        """perplexity, accuracy, and bleu where it is asked for."""
        loss = hits = tokens = 0.0
        for sources, targets in self._batches.draw(self._data["validation"], None):
            before = np.insert(targets[:, :-1], 0, self._target.begin, axis=1)
            chances = logarithms(self._network.whole.predict_on_batch([sources, before]))
            there = targets != 0
            loss -= np.take_along_axis(chances, targets[..., None], -1)[..., 0][there].sum()
            hits += (chances.argmax(axis=-1) == targets)[there].sum()
            tokens += there.sum()
        found = {"perplexity": _power(loss / tokens), "accuracy": float(hits / tokens)}
        sample = self._settings["bleu_sample_size"]
        if sample or self._settings["optimized_metric"] == "bleu":
            found["bleu"] = self._bleu(sample)
        return found

    def _bleu(self, sample: int) -> float:
        """sample: pairs that are drawn; 0 and -1 for all."""
        sources, targets = self._data["validation"]
        count = min(sample, len(sources)) if sample > 0 else len(sources)
        rows = np.random.default_rng(0).permutation(len(sources))[:count]
        found = [self._translator.translate(sources[row].tolist()).tokens for row in rows]
        return bleu(found, [targets[row][:-1].tolist() for row in rows])


def _power(loss: float) -> float:
    return math.exp(min(loss, 700.0))


def load(folder: Path) -> Answer:
    """What answers for a model. UserError: the folder has none."""
    from sagelab.algorithms.text import seq2seq_network

    try:
        settings = {name: known.default for name, known in PARAMETERS.items()}
        settings |= json.loads((folder / CONFIG).read_text())
        source, target = (sequences.read_vocabulary(folder / name) for name in VOCABULARIES)
        network = seq2seq_network.build(settings, source.size, target.size)
        seq2seq_network.read_weights(network, folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"The model archive has no model of seq2seq: {error}") from None
    translator = seq2seq_network.Translator(settings, (source, target), network)

    def answer(body: bytes, kind: str, _: str) -> tuple[bytes, str]:
        plain = kind.partition(";")[0].strip().lower()
        handle = _HANDLERS.get(plain)
        if handle is None:
            raise Unanswered(
                f"Content type {kind[:80]} is not supported: it must be one of {', '.join(_HANDLERS)}.", 415
            )
        return handle(translator, body), plain

    return answer


def _answer_json(translator: Any, body: bytes) -> bytes:
    try:
        instances = [(one["data"], one.get("configuration") or {}) for one in json.loads(body)["instances"]]
        drawn = [str(how.get("attention_matrix", "false")).lower() == "true" for _, how in instances]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unanswered('The request is not {"instances": [{"data": "..."}]}.') from None
    found = [_translate(translator, text, matrix) for (text, _), matrix in zip(instances, drawn, strict=True)]
    return json.dumps({"predictions": found}).encode()


def _answer_lines(translator: Any, body: bytes) -> bytes:
    try:
        texts = [json.loads(one)["source"] for one in body.splitlines() if one.strip()]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unanswered('The request is not {"source": "..."} a line.') from None
    return "".join(f"{json.dumps(_translate(translator, text, False))}\n" for text in texts).encode()


def _answer_records(translator: Any, body: bytes) -> bytes:
    """Numbers of tokens in, numbers of tokens out."""
    try:
        asked = [
            sequences.check(record[sequences.SOURCE], translator.source.size, "a request").tolist()
            for record in recordio.read_integers(body)
        ]
    except (UserError, KeyError) as error:
        raise Unanswered(f"The request is no recordio-protobuf with a feature source: {error}") from None
    found = [translator.translate(tokens).tokens if tokens else [] for tokens in asked]
    return recordio.write_integers({sequences.TARGET: tokens} for tokens in found)


def _translate(translator: Any, text: Any, matrix: bool) -> dict[str, Any]:
    if not isinstance(text, str) or not text.split():
        raise Unanswered("Each instance must be a string of tokens with spaces between them.")
    found = translator.translate(translator.source.encode(text))
    drawn = {"matrix": found.attention.tolist()} if matrix else {}
    return {"target": translator.target.decode(found.tokens)} | drawn


_HANDLERS = {JSON: _answer_json, JSON_LINES: _answer_lines, RECORDIO: _answer_records}


if __name__ == "__main__":
    main(train)
