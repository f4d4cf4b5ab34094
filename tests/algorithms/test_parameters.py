"""Hyperparameters are texts: what they mean, and in which words they are refused."""

from __future__ import annotations

import pytest

from sagelab.algorithms.job import UserError
from sagelab.algorithms.parameters import choice, integer, literal, number, read, words

KNOWN = {
    "rounds": integer(1, required=True),
    "eta": number(0, 1),
    "share": number(0, 1, inside="(]"),
    "power": number(1, 2, inside="()"),
    "kind": choice("tree", "line"),
    "metrics": words("auc", "rmse"),
    "signs": literal(tuple),
}


def value(**sent: str) -> dict[str, object]:
    return read({"rounds": "3"} | sent, KNOWN, {"rate": "eta"})


@pytest.mark.parametrize(
    ("sent", "name", "expected"),
    [
        ({}, "rounds", 3),
        ({"eta": " 0.5 "}, "eta", 0.5),
        ({"rate": "1"}, "eta", 1.0),
        ({"metrics": "auc, rmse"}, "metrics", ["auc", "rmse"]),
        ({"metrics": "['auc']"}, "metrics", ["auc"]),
        ({"signs": "(1, -1)"}, "signs", (1, -1)),
        ({"sagemaker_region": "us-east-1"}, "rounds", 3),
    ],
)
def test_texts_become_values(sent: dict[str, str], name: str, expected: object) -> None:
    assert value(**sent)[name] == expected


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"rounds": "0"}, "Hyperparameter rounds: 0 is not in [1, inf]"),
        ({"rounds": "many"}, "Hyperparameter rounds: could not parse value"),
        ({"rounds": "1.5"}, "Hyperparameter rounds: could not parse value"),
        ({"eta": "1.1"}, "Hyperparameter eta: 1.1 is not in [0, 1]"),
        ({"eta": "nan"}, "Hyperparameter eta: nan is not in [0, 1]"),
        ({"share": "0"}, "Hyperparameter share: 0 is not in (0, 1]"),
        ({"power": "2"}, "Hyperparameter power: 2 is not in (1, 2)"),
        ({"kind": "bush"}, "Hyperparameter kind: bush is not in ['tree', 'line']"),
        ({"metrics": "auc,luck"}, "Hyperparameter metrics: auc,luck is not in ['auc', 'rmse']"),
        ({"metrics": ""}, "Hyperparameter metrics:  is not in ['auc', 'rmse']"),
        ({"signs": "__import__('os')"}, "Hyperparameter signs: could not parse value"),
        ({"signs": "[1]"}, "Hyperparameter signs: could not parse value"),
        ({"depth": "1"}, "Extraneous hyperparameter found: depth"),
    ],
)
def test_what_is_no_good_is_named(sent: dict[str, str], words: str) -> None:
    with pytest.raises(UserError) as refused:
        value(**sent)
    assert str(refused.value) == words


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UserError, match="Missing required hyperparameter: rounds"):
        read({}, KNOWN, {})
