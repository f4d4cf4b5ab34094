"""What the platform knows of built-in algorithms fits what their programs take and print, and AWS recommends."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from sagelab.algorithms.definition import Range
from sagelab.algorithms.definitions import KNOWN, definitions
from sagelab.algorithms.hyperparameters import Hyperparameter, read
from sagelab.cloud.engine.images.registry import IMAGES
from sagelab.cloud.resources.algorithm_rules import check_ranges

Ends = dict[str, tuple[float, float] | tuple[str, ...]]
WIDE = (1e-8, 512.0)
_PICTURES: Ends = {
    "learning_rate": (1e-6, 0.5),
    "momentum": (0.0, 0.999),
    "weight_decay": (0.0, 0.999),
}
_ENCODERS: Ends = {
    f"{encoder}_{name}": ends
    for encoder in ("enc0", "enc1")
    for name, ends in {"cnn_filter_width": (1, 5), "layers": (1, 4), "token_embedding_dim": (5, 300)}.items()
}
_WIDTHS = ("128", "256", "512", "1024", "2048")
# The ranges that AWS's pages on tuning recommend: lists of whole numbers are IntegerParameterRanges.
# https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext-tuning.html and its neighbours
RECOMMENDED: dict[str, Ends] = {
    "blazingtext": {
        "batch_size": (8, 32),
        "buckets": (1_000_000, 10_000_000),
        "epochs": (5, 15),
        "learning_rate": (0.005, 0.01),
        "min_count": (0, 100),
        "mode": ("batch_skipgram", "skipgram", "cbow", "supervised"),
        "negative_samples": (5, 25),
        "sampling_threshold": (0.0001, 0.001),
        "vector_dim": (32, 300),
        "window_size": (1, 10),
        "word_ngrams": (1, 3),
    },
    "seq2seq": {
        **{f"num_layers_{side}": (1, 10) for side in ("encoder", "decoder")},
        "batch_size": ("16", "32", "64", "128", "256", "512", "1024", "2048"),
        "optimizer_type": ("adam", "sgd", "rmsprop"),
        "weight_init_type": ("xavier", "uniform"),
        "weight_init_scale": (-1.0, 3.0),
        "learning_rate": (0.00005, 0.2),
        "weight_decay": (0.0, 0.1),
        "momentum": (0.5, 0.9),
        "clip_gradient": (1.0, 5.0),
        **dict.fromkeys(("rnn_num_hidden", "cnn_num_hidden"), _WIDTHS),
        **dict.fromkeys(("num_embed_source", "num_embed_target"), (256, 512)),
        **dict.fromkeys(("embed_dropout_source", "embed_dropout_target"), (0.0, 0.5)),
        **dict.fromkeys(("rnn_decoder_hidden_dropout", "cnn_hidden_dropout"), (0.0, 0.5)),
        "lr_scheduler_type": ("plateau_reduce", "fixed_rate_inv_t", "fixed_rate_inv_sqrt_t"),
        "plateau_reduce_lr_factor": (0.1, 0.5),
        "plateau_reduce_lr_threshold": (1, 5),
        "fixed_rate_lr_half_life": (10, 30),
    },
    "object2vec": _ENCODERS
    | {
        "dropout": (0.0, 1.0),
        "early_stopping_patience": (1, 5),
        "early_stopping_tolerance": (0.001, 0.1),
        "enc_dim": (4, 4096),
        "epochs": (4, 20),
        "learning_rate": (1e-6, 1.0),
        "mini_batch_size": (1, 8192),
        "mlp_activation": ("tanh", "relu", "linear"),
        "mlp_dim": (16, 1024),
        "mlp_layers": (1, 4),
        "optimizer": ("adagrad", "adam", "rmsprop", "sgd", "adadelta"),
        "weight_decay": (0.0, 1.0),
    },
    "image_classification": _PICTURES
    | {
        **dict.fromkeys(("beta_1", "beta_2"), (1e-6, 0.999)),
        "eps": (1e-8, 1.0),
        "gamma": (1e-8, 0.999),
        "mini_batch_size": (8, 512),
        "optimizer": ("sgd", "adam", "rmsprop", "nag"),
    },
    "object_detection": _PICTURES
    | {"mini_batch_size": (8, 64), "optimizer": ("sgd", "adam", "rmsprop", "adadelta")},
    "semantic_segmentation": {
        "learning_rate": (1e-4, 1e-1),
        "mini_batch_size": (1, 128),
        "momentum": (0.9, 0.999),
        "optimizer": ("sgd", "adam", "adadelta"),
        "weight_decay": (1e-5, 1e-3),
    },
    "linear_learner": {
        **dict.fromkeys(("wd", "l1"), (1e-7, 1.0)),
        "learning_rate": (1e-5, 1.0),
        "mini_batch_size": (100, 5000),
        "use_bias": ("True", "False"),
        "positive_example_weight_mult": (1e-5, 1e5),
    },
    "kmeans": {
        "epochs": (1, 10),
        "extra_center_factor": (4, 10),
        "init_method": ("kmeans++", "random"),
        "mini_batch_size": (3000, 15000),
    },
    "knn": {"k": (1, 1024), "sample_size": (256, 20_000_000)},
    "randomcutforest": {"num_samples_per_tree": (1, 2048), "num_trees": (50, 1000)},
    "factorization_machines": {
        **{
            f"{part}_{what}": WIDE
            for part in ("bias", "factors", "linear")
            for what in ("init_scale", "init_sigma", "init_value", "lr", "wd")
        },
        "epochs": (1, 1000),
        "mini_batch_size": (100, 10_000),
    },
}


def taken(module: str) -> dict[str, Hyperparameter]:
    """The hyperparameters of an algorithm's program."""
    found = importlib.import_module(module)
    known: dict[str, Hyperparameter] = getattr(found, "HYPERPARAMETERS", None) or found.PARAMETERS
    return known


def listed(name: str, ends: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    """A range as a request has it, and the list that it stands in."""
    if isinstance(ends[0], str):
        return "CategoricalParameterRanges", {"Name": name, "Values": list(ends)}
    kind = "Integer" if isinstance(ends[0], int) else "Continuous"
    return f"{kind}ParameterRanges", {"Name": name, "MinValue": str(ends[0]), "MaxValue": str(ends[1])}


def test_every_algorithm_that_can_be_tuned_has_its_ranges() -> None:
    assert {module.rpartition(".")[2] for module, found in KNOWN.items() if found.tunable} == RECOMMENDED.keys()


@pytest.mark.parametrize("algorithm", RECOMMENDED)
def test_ranges_that_aws_recommends_may_be_searched(algorithm: str) -> None:
    module = f"sagelab.algorithms.{algorithm}"
    (image,) = [image for image in IMAGES if image.algorithm == module]
    for name, ends in RECOMMENDED[algorithm].items():
        place, item = listed(name, ends)
        check_ranges(image, {place: [item]})
        for value in ends:
            inside = 1e-9 if isinstance(value, float) and not value else value  # an end may be outside itself
            assert read({name: str(inside)}, {name: taken(module)[name]})[name] is not None


@pytest.mark.parametrize("module", KNOWN)
def test_what_may_be_searched_is_a_hyperparameter(module: str) -> None:
    assert KNOWN[module].tunable.keys() <= taken(module).keys()


@pytest.mark.parametrize("module", KNOWN)
def test_objectives_are_metrics_that_a_line_can_have(module: str) -> None:
    found = {each["Name"]: re.compile(each["Regex"]) for each in definitions(module)}
    assert set(KNOWN[module].objectives) <= set(found)
    assert all(expression.groups == 1 for expression in found.values())
    assert not any(isinstance(each, Range) and each.low > each.high for each in KNOWN[module].tunable.values())
