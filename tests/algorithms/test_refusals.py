"""What every algorithm of Amazon's own refuses in the same words: hyperparameters and channels that are wrong."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sagelab.algorithms import (
    blazingtext,
    factorization_machines,
    hyperparameters,
    image_classification,
    kmeans,
    knn,
    linear_learner,
    object2vec,
    object_detection,
    pca,
    randomcutforest,
    semantic_segmentation,
    seq2seq,
)
from sagelab.algorithms.job import UserError
from tests.algorithms.containers import container, trained

PICTURES = {"num_classes": 2, "num_training_samples": 4}
# The hyperparameters that each cannot do without.
REQUIRED: dict[ModuleType, dict[str, Any]] = {
    blazingtext: {"mode": "supervised"},
    factorization_machines: {"feature_dim": 2, "num_factors": 2, "predictor_type": "regressor"},
    image_classification: PICTURES,
    kmeans: {"feature_dim": 2, "k": 2},
    knn: {"feature_dim": 2, "k": 1, "predictor_type": "regressor", "sample_size": 9},
    linear_learner: {"predictor_type": "regressor"},
    object2vec: {"enc0_max_seq_len": 3, "enc0_vocab_size": 9},
    object_detection: PICTURES,
    pca: {"feature_dim": 2, "mini_batch_size": 1, "num_components": 1},
    randomcutforest: {"feature_dim": 2},
    semantic_segmentation: PICTURES,
    seq2seq: {},
}


def known(module: ModuleType) -> dict[str, hyperparameters.Hyperparameter]:
    """Every hyperparameter of an algorithm."""
    found: dict[str, hyperparameters.Hyperparameter] = (
        getattr(module, "HYPERPARAMETERS", None) or module.PARAMETERS
    )
    return found


def refusal(module: ModuleType, root: Path, asked: dict[str, Any]) -> str:
    """What a job without channels is refused with."""
    with pytest.raises(UserError) as refused:
        trained(module, container(root, asked, {}))
    return str(refused.value)


@pytest.mark.parametrize("module", REQUIRED)
def test_missing_hyperparameters_are_named(module: ModuleType, tmp_path: Path) -> None:
    assert {name for name, each in known(module).items() if each.required} == REQUIRED[module].keys()
    if REQUIRED[module]:
        missing = ", ".join(f"'{name}'" for name in known(module) if name in REQUIRED[module])
        said = (
            f"No value(s) were specified for {missing} which are required hyperparameter(s) {hyperparameters.WHY}"
        )
        assert refusal(module, tmp_path, {}) == said


@pytest.mark.parametrize("module", REQUIRED)
def test_unknown_hyperparameters_are_named(module: ModuleType, tmp_path: Path) -> None:
    told = refusal(module, tmp_path, REQUIRED[module] | {"colour": "red"})
    assert told == f"Additional hyperparameters are not allowed ('colour' was unexpected) {hyperparameters.WHY}"


@pytest.mark.parametrize("module", REQUIRED)
def test_values_that_are_no_numbers_or_out_of_range_are_named(
    module: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = 0
    for name, each in known(module).items():
        values = ["many"] if each.parameter.read in (int, float) else []
        values += [str(low) for low in (-(10**30),) if values and not each.parameter.fits(low)]
        for value in values:
            with pytest.raises(UserError) as refused:
                hyperparameters.read({name: value}, {name: each})
            assert str(refused.value).startswith(
                f"The value '{value}' is not valid for the '{name}' hyperparameter"
            )
            tried += 1
    assert tried > 2
    capsys.readouterr()


@pytest.mark.parametrize("module", REQUIRED)
def test_a_channel_that_is_missing_is_named(module: ModuleType, tmp_path: Path) -> None:
    told = refusal(module, tmp_path, REQUIRED[module])
    if module is blazingtext:
        assert told == "Missing required channel: train"
    else:
        assert told.endswith("Caused by: 'train' is a required property")
