"""Linear Learner against scikit-learn on the same rows, and what it answers and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from sagelab.algorithms import linear_learner, recordio
from sagelab.algorithms.answers import Unanswered
from sagelab.algorithms.job import UserError
from sagelab.algorithms.tabular import ndarrays
from tests.algorithms.containers import ask, container, csv, metric, trained

LONG = {"mini_batch_size": 100, "epochs": 200, "early_stopping_patience": 200, "l1": 0, "num_models": 4}


def table(load: Any) -> tuple[Any, Any]:
    features, labels = load(return_X_y=True)
    return features, labels


def test_a_regression_is_as_good_as_the_closed_form(tmp_path: Path) -> None:
    features, labels = table(load_diabetes)
    job = container(
        tmp_path,
        LONG | {"predictor_type": "regressor", "wd": 0},
        {"train": csv(np.column_stack([labels, features]))},
    )
    log = trained(linear_learner, job)
    best = np.mean((LinearRegression().fit(features, labels).predict(features) - labels) ** 2)
    assert metric(log, "train mse <loss>") == pytest.approx(best, rel=0.01)
    answers = ask(linear_learner, job, csv(features))["predictions"]
    found = np.array([answer["score"] for answer in answers])
    assert np.mean((found - labels) ** 2) == pytest.approx(metric(log, "train mse <loss>"), rel=1e-3)
    assert metric(log, "train mse_objective <loss>") == metric(log, "train mse <loss>")


def test_two_classes_are_told_as_by_a_logistic_regression(tmp_path: Path) -> None:
    features, labels = table(load_breast_cancer)
    rows = csv(np.column_stack([labels, features]))
    asked = LONG | {"predictor_type": "binary_classifier", "wd": 0.01}
    job = container(tmp_path, asked, {"train": rows, "validation": rows, "test": rows})
    log = trained(linear_learner, job)
    scaled = StandardScaler().fit_transform(features)
    # scikit-learn sums the rows' losses, the algorithm takes their mean: C is 1 / (wd * rows).
    model = LogisticRegression(C=1 / (0.01 * len(labels)), max_iter=1000).fit(scaled, labels)
    loss = log_loss(labels, model.predict_proba(scaled))
    # The best epoch is kept, which may be before that of the least weights.
    assert metric(log, "validation binary_classification_cross_entropy_objective <loss>") <= loss * 1.01
    assert metric(log, "test binary_classification_accuracy <score>") >= model.score(scaled, labels) - 0.002
    answers = ask(linear_learner, job, csv(features))["predictions"]
    agreed = np.mean([answer["predicted_label"] == label for answer, label in zip(answers, labels, strict=True)])
    assert agreed == pytest.approx(metric(log, "test binary_classification_accuracy <score>"), abs=0.002)
    assert metric(log, "test roc_auc_score <score>") > 0.99


def test_several_classes_are_told_as_by_a_logistic_regression(tmp_path: Path) -> None:
    features, labels = table(load_iris)
    asked = LONG | {"predictor_type": "multiclass_classifier", "num_classes": 3, "wd": 0.01, "mini_batch_size": 50}
    job = container(tmp_path, asked, {"train": csv(np.column_stack([labels, features]))})
    log = trained(linear_learner, job)
    scaled = StandardScaler().fit_transform(features)
    model = LogisticRegression(C=1 / (0.01 * len(labels)), max_iter=1000).fit(scaled, labels)
    loss = log_loss(labels, model.predict_proba(scaled))
    assert metric(log, "train multiclass_cross_entropy_objective <loss>") == pytest.approx(loss, rel=0.01)
    (answer,) = ask(linear_learner, job, csv(features[:1]))["predictions"]
    assert answer["predicted_label"] == 0
    assert len(answer["score"]) == 3
    assert sum(answer["score"]) == pytest.approx(1)


def test_a_quantile_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    features, labels = table(load_diabetes)
    asked = LONG | {"predictor_type": "regressor", "loss": "quantile_loss", "quantile": 0.9, "wd": 0}
    job = container(tmp_path, asked, {"train": csv(np.column_stack([labels, features]))})
    loss = metric(trained(linear_learner, job), "train quantile_loss_objective <loss>")
    away = labels - QuantileRegressor(quantile=0.9, alpha=0).fit(features, labels).predict(features)
    assert loss == pytest.approx(np.mean(np.maximum(0.9 * away, -0.1 * away)), rel=0.01)


def test_threshold_follows_the_criterion(tmp_path: Path) -> None:
    features, labels = table(load_breast_cancer)
    asked = {
        "predictor_type": "binary_classifier",
        "mini_batch_size": 100,
        "num_models": 2,
        "target_recall": 0.999,
    }
    asked["binary_classifier_model_selection_criteria"] = "precision_at_target_recall"
    job = container(tmp_path, asked, {"train": csv(np.column_stack([labels, features]))})
    assert metric(trained(linear_learner, job), "train recall <score>") == 1.0


def test_model_is_a_file_of_mxnets_and_answers_in_each_format(tmp_path: Path) -> None:
    features, labels = table(load_iris)
    asked = {"predictor_type": "regressor", "mini_batch_size": 50, "num_models": 1}
    job = container(tmp_path, asked, {"train": csv(np.column_stack([labels, features]))})
    trained(linear_learner, job)
    model = linear_learner.read_model(job.model / "model_algo-1")
    expected = (features[:2] @ model.weights + model.bias)[:, 0]
    lines = "\n".join(json.dumps({"features": row.tolist()}) for row in features[:2]).encode()
    sparse = {"data": {"features": {"keys": [0, 1, 2, 3], "shape": [4], "values": features[1].tolist()}}}
    instances = json.dumps({"instances": [{"features": features[0].tolist()}, sparse]}).encode()
    for body, kind in (
        (csv(features[:2]), "text/csv"),
        (lines, "application/jsonlines"),
        (instances, "application/json"),
    ):
        found = ask(linear_learner, job, body, kind)["predictions"]
        assert [one["score"] for one in found] == pytest.approx(expected.tolist(), rel=1e-5)
    told = ask(linear_learner, job, lines, "application/jsonlines", "application/jsonlines").splitlines()
    assert [json.loads(one)["score"] for one in told] == pytest.approx(expected.tolist(), rel=1e-5)
    records = ask(
        linear_learner, job, lines, "application/jsonlines", recordio_type := "application/x-recordio-protobuf"
    )
    assert recordio_type
    assert recordio.read_labels(records)[0]["score"] == pytest.approx([expected[0]], rel=1e-5)
    with pytest.raises(ValueError, match="no file of MXNet"):
        ndarrays.read(b"model" * 20)


GOOD = {"predictor_type": "binary_classifier", "mini_batch_size": 2}
ROWS = b"0,1\n1,2\n0,3\n1,4\n"


@pytest.mark.parametrize(
    ("asked", "rows", "kind", "said"),
    [
        (
            {"mini_batch_size": 2},
            ROWS,
            "text/csv",
            "No value(s) were specified for 'predictor_type' which are required",
        ),
        (
            GOOD | {"epocs": 2},
            ROWS,
            "text/csv",
            "Additional hyperparameters are not allowed ('epocs' was unexpected)",
        ),
        (
            GOOD | {"epochs": 0},
            ROWS,
            "text/csv",
            "The value '0' is not valid for the 'epochs' hyperparameter which expects",
        ),
        (
            GOOD | {"optimizer": "adadelta"},
            ROWS,
            "text/csv",
            "accepts one of the following: 'sgd', 'adam', 'rmsprop'",
        ),
        (
            GOOD | {"loss": "huber_loss"},
            ROWS,
            "text/csv",
            "'loss' hyperparameter with predictor_type 'binary_classifier'",
        ),
        (GOOD | {"optimizer": "sgd", "learning_rate": 1e200, "wd": 1e200}, ROWS, "text/csv", "The loss of every"),
        (GOOD | {"wd": "nan"}, ROWS, "text/csv", "The value 'nan' is not valid for the 'wd' hyperparameter"),
        (GOOD | {"feature_dim": 3}, ROWS, "text/csv", "has 1 features, and feature_dim is 3"),
        (GOOD | {"predictor_type": "multiclass_classifier"}, ROWS, "text/csv", "num_classes is a required"),
        (GOOD, b"label,size\n0,1\n1,2\n", "text/csv", "could not convert string 'label' to float32 at row 0"),
        (
            GOOD,
            b"0,1\n2,2\n",
            "text/csv",
            "The label 2 of channel 'train' is out of range: labels of a binary_classifier",
        ),
        (
            GOOD,
            b"0,1\n1,\n",
            "text/csv",
            "Unable to read data channel 'train'. Requested content-type is 'text/csv'",
        ),
        (GOOD, b"0,1\n1,2,3\n", "text/csv", "Unable to read data channel 'train'"),
        (GOOD | {"mini_batch_size": 9}, ROWS, "text/csv", "No training data processed."),
        (GOOD, ROWS, "csv", "No iterator has been registered for ContentType ('csv', '1.0')"),
        (GOOD, ROWS, None, "Requested content-type is 'application/x-recordio-protobuf'"),
        (GOOD, ROWS, "text/csv;label_size=0", "the records have no labels"),
    ],
)
def test_what_the_user_does_wrong_is_said(
    tmp_path: Path, asked: dict[str, Any], rows: bytes, kind: str | None, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        trained(linear_learner, container(tmp_path, asked, {"train": rows}, kind))
    assert said in str(caught.value)


def test_a_channel_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'train' is a required property"):
        trained(linear_learner, container(tmp_path, GOOD, {"test": ROWS}))


@pytest.mark.parametrize(
    ("body", "kind", "accept", "status"),
    [
        (b"1,2", "text/csv", "application/json", 400),
        (b"x", "text/csv", "application/json", 400),
        (b"nan", "text/csv", "application/json", 400),
        (b'{"features": [1' + b"0" * 400 + b"]}", "application/jsonlines", "", 400),
        (b"{}", "application/json", "application/json", 400),
        (
            b'{"instances": [{"data": {"features": {"keys": [99], "shape": [9], "values": [1]}}}]}',
            "application/json",
            "",
            400,
        ),
        (b"\x0a\x23\xd7\xce\xff\xff\xff\xff", "application/x-recordio-protobuf", "", 400),
        (b"1", "text/libsvm", "application/json", 415),
        (b"1", "text/csv", "image/png", 406),
    ],
)
def test_a_request_that_is_no_good_is_refused(
    tmp_path: Path, body: bytes, kind: str, accept: str, status: int
) -> None:
    job = container(tmp_path, GOOD | {"num_models": 1}, {"train": ROWS})
    trained(linear_learner, job)
    with pytest.raises(Unanswered) as caught:
        linear_learner.load(job.model)(body, kind, accept)
    assert caught.value.status == status
