"""K-Means, PCA, KNN, Random Cut Forest and Factorization Machines against scikit-learn or a known answer."""

from __future__ import annotations

import itertools
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import PolynomialFeatures

from sagelab.algorithms import factorization_machines, kmeans, knn, pca, randomcutforest, recordio
from sagelab.algorithms.job import UserError
from sagelab.algorithms.tabular import ndarrays
from sagelab.algorithms.tabular.random_cut_trees import Tree
from tests.algorithms.containers import ask, container, csv, metric, records, trained

ROWS, CSV, JSON = "text/csv;label_size=0", "text/csv", "application/json"
RECORDS = "application/x-recordio-protobuf"


def labelled(load: Any) -> tuple[Any, Any, bytes]:
    features, labels = load(return_X_y=True)
    return features, labels, csv(np.column_stack([labels, features]))


def test_centres_are_as_near_as_lloyds(tmp_path: Path) -> None:
    features = labelled(load_digits)[0][:300]
    asked = {"feature_dim": 64, "k": 5, "mini_batch_size": 100, "epochs": 3, "eval_metrics": '["msd", "ssd"]'}
    job = container(tmp_path, asked, {"train": csv(features), "test": csv(features[:100])}, ROWS)
    log = trained(kmeans, job)
    best = KMeans(5, n_init=5, random_state=0).fit(features).inertia_ / len(features)
    assert metric(log, "train msd <loss>") < best * 1.03  # one pass, where Lloyd's has many
    assert metric(log, "test ssd <loss>") == pytest.approx(100 * metric(log, "test msd <loss>"), rel=1e-6)
    (centers,) = ndarrays.read((job.model / "model_algo-1").read_bytes()).values()
    found = ask(kmeans, job, csv(features[:3]))["predictions"]
    away = np.linalg.norm(features[:3, None] - centers, axis=2)
    assert [one["closest_cluster"] for one in found] == away.argmin(axis=1).tolist()
    assert [one["distance_to_cluster"] for one in found] == pytest.approx(away.min(axis=1).tolist(), rel=1e-4)
    answered = recordio.read_labels(ask(kmeans, job, csv(features[:3]), CSV, RECORDS))
    assert [row["closest_cluster"][0] for row in answered] == away.argmin(axis=1).tolist()


def test_all_rows_and_all_epochs_give_lloyds_centres(tmp_path: Path) -> None:
    features, _, _ = labelled(load_iris)
    asked = {"feature_dim": 4, "k": 3, "extra_center_factor": 50, "init_method": "kmeans++"}
    job = container(tmp_path, asked, {"train": csv(features)}, ROWS)
    best = KMeans(3, n_init=5, random_state=0).fit(features).inertia_ / len(features)
    assert metric(trained(kmeans, job), "train msd <loss>") == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_components_are_scikit_learns(tmp_path: Path, mode: str) -> None:
    features, _, _ = labelled(load_wine)
    asked = {"feature_dim": 13, "num_components": 3, "mini_batch_size": 50, "algorithm_mode": mode}
    job = container(tmp_path, asked, {"train": csv(features)}, ROWS)
    trained(pca, job)
    library = PCA(3).fit(features)
    arrays = ndarrays.read((job.model / "model_algo-1").read_bytes())
    assert arrays["s"].tolist() == pytest.approx(library.singular_values_[::-1].tolist(), rel=0.01)
    found = np.array([one["projection"] for one in ask(pca, job, csv(features))["projections"]])
    expected = library.transform(features)[:, ::-1]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=0.01 * np.abs(expected).max())
    lines = ask(pca, job, csv(features[:1]), CSV, "application/jsonlines")
    assert json.loads(lines)["projection"] == pytest.approx(found[0].tolist(), rel=1e-5)


def test_neighbours_vote_as_scikit_learns_do(tmp_path: Path) -> None:
    features, _, rows = labelled(load_digits)
    labels = load_digits().target
    asked = {"feature_dim": 64, "k": 5, "predictor_type": "classifier", "sample_size": 2000}
    half = rows.splitlines(keepends=True)
    job = container(tmp_path, asked, {"train": b"".join(half[::2]), "test": b"".join(half[1::2])})
    log = trained(knn, job)
    library = KNeighborsClassifier(5).fit(features[::2], labels[::2])
    assert metric(log, "test accuracy") == pytest.approx(library.score(features[1::2], labels[1::2]), rel=0.01)
    found = ask(knn, job, csv(features[1:4]))["predictions"]
    assert [one["predicted_label"] for one in found] == labels[1:4].tolist()
    answer, kind = knn.load(job.model)(csv(features[1:2]), CSV, "application/json; verbose=true")
    (told,) = json.loads(answer)["predictions"]
    away, places = library.kneighbors(features[1:2])
    assert kind == JSON
    assert told["distances"] == pytest.approx((away[0] ** 2).tolist())
    assert told["labels"] == labels[::2][places[0]].tolist()


def test_neighbours_are_averaged_after_a_projection(tmp_path: Path) -> None:
    features, labels, rows = labelled(load_wine)
    asked = {"feature_dim": 13, "k": 3, "predictor_type": "regressor", "sample_size": 1000}
    projected = {"dimension_reduction_type": "sign", "dimension_reduction_target": 12}
    plain = trained(knn, container(tmp_path / "plain", asked, {"train": rows, "test": rows}))
    fewer = trained(knn, container(tmp_path / "fewer", asked | projected, {"train": rows, "test": rows}))
    library = np.mean((KNeighborsRegressor(3).fit(features, labels).predict(features) - labels) ** 2)
    assert metric(plain, "test mse") == pytest.approx(library, rel=0.01)
    assert metric(fewer, "test mse") < 2.5 * library


def test_what_is_apart_is_odd(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    usual = rng.normal(size=(2000, 2))
    odd = rng.uniform(6, 9, size=(20, 2)) * rng.choice([-1, 1], size=(20, 2))
    test = np.vstack([np.column_stack([np.zeros(200), usual[:200]]), np.column_stack([np.ones(20), odd])])
    asked = {"feature_dim": 2, "num_trees": 50, "num_samples_per_tree": 64}
    job = container(tmp_path, asked, {"train": csv(usual), "test": csv(test)}, ROWS)
    config = job.root / "input/config/inputdataconfig.json"
    config.write_text(
        json.dumps({"train": {"ContentType": ROWS}, "test": {"ContentType": "text/csv;label_size=1"}})
    )
    log = trained(randomcutforest, job)
    assert metric(log, "test accuracy <score>") > 0.95
    assert metric(log, "test f1 <score>") > 0.85
    scores = [one["score"] for one in ask(randomcutforest, job, csv(np.vstack([usual[:20], odd])))["scores"]]
    assert max(scores[:20]) < min(scores[20:])


def test_scores_of_one_point_alone_are_known() -> None:
    """Of points on a line that a first cut must part, the score follows from the library's formulas by hand."""
    tree = Tree.grow(np.array([[0.0], [0.0], [0.0], [1.0]]), np.random.default_rng(1))
    whole = np.log2(5)
    beyond = 1 / 2  # of a box of 0 to 1 that a point at 2 makes twice as long
    assert tree.score(np.array([[0.0]]))[0] == pytest.approx(whole * (1 - 3 / 8) / (1 + np.log2(4)))
    assert tree.score(np.array([[2.0]]))[0] == pytest.approx(whole * (beyond + (1 - beyond) / 2))


def expected(points: list[float], asked: float, depth: int, whole: int) -> float:
    """What the paper's trees of points on a line say of one in the mean, by every cut that there may be.

    points: in order; a cut lies between two of them as often as they are apart. It is before the factor of log2.
    """
    low, high = points[0], points[-1]
    beyond = max(low - asked, asked - high, 0.0)
    if low == high:
        same = (1 - len(points) / (2 * whole)) / (depth + np.log2(len(points) + 1))
        return 1 / (depth + 1) if beyond else float(same)
    parted = beyond / (high - low + beyond)
    found = 0.0
    for place, (left, right) in enumerate(itertools.pairwise(points), 1):
        middle = min(max(asked, left), right)
        above, below = (
            expected(part, asked, depth + 1, whole) if share else 0.0
            for part, share in ((points[place:], middle - left), (points[:place], right - middle))
        )
        found += (middle - left) * above + (right - middle) * below
    return parted / (depth + 1) + (1 - parted) * found / (high - low)


def test_scores_are_in_the_mean_what_the_paper_says() -> None:
    points, asked = [0.0, 0.1, 0.3, 0.35, 0.7, 1.0], [0.0, 0.25, 0.5, 3.0, 9.0]
    rows, rng = np.array([points]).T, np.random.default_rng(0)
    found = np.mean([Tree.grow(rows, rng).score(np.array([asked]).T) for _ in range(1000)], axis=0)
    means = [expected(points, each, 0, len(points)) * np.log2(len(points) + 1) for each in asked]
    assert found == pytest.approx(means, rel=0.01)


def test_pairs_are_found_as_by_least_squares_of_all_products(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1000, 4))
    labels = 1 + features @ [1, -1, 0.5, 0] + 2 * features[:, 0] * features[:, 1] - features[:, 2] * features[:, 3]
    labels += rng.normal(size=1000)
    rates = {"bias_lr": 0.05, "linear_lr": 0.05, "factors_lr": 0.05, "factors_init_sigma": 0.3}
    decays = {"bias_wd": 0, "linear_wd": 0, "factors_wd": 0}
    asked = {
        "feature_dim": 4,
        "num_factors": 4,
        "predictor_type": "regressor",
        "epochs": 60,
        "mini_batch_size": 200,
    }
    rows = records(features, labels)
    job = container(tmp_path, asked | rates | decays, {"train": rows, "test": rows}, None)
    log = trained(factorization_machines, job)
    products = PolynomialFeatures(2, interaction_only=True).fit_transform(features)
    best = np.mean((LinearRegression().fit(products, labels).predict(products) - labels) ** 2)
    assert metric(log, "test rmse <loss>") ** 2 == pytest.approx(best, rel=0.01)
    told = ask(factorization_machines, job, records(features), RECORDS)["predictions"]
    found = np.array([one["score"] for one in told])
    assert np.mean((found - labels) ** 2) == pytest.approx(best, rel=0.01)


def test_two_classes_that_no_line_parts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.choice([-1.0, 1.0], size=(500, 2))
    rows = records(features, features[:, 0] == features[:, 1])
    asked = {"feature_dim": 2, "num_factors": 2, "predictor_type": "binary_classifier", "mini_batch_size": 100}
    asked |= {"epochs": 40, "factors_lr": 0.1, "factors_init_sigma": 0.5}
    job = container(tmp_path, asked, {"train": rows, "test": rows}, None)
    assert metric(trained(factorization_machines, job), "test binary_classification_accuracy <score>") == 1
    sparse = {"data": {"features": {"keys": [0, 1], "shape": [2], "values": [1, -1]}}}
    (told,) = ask(factorization_machines, job, json.dumps({"instances": [sparse]}).encode(), JSON)["predictions"]
    assert told["predicted_label"] == 0.0


@pytest.mark.parametrize(
    ("module", "asked", "rows", "kind", "said"),
    [
        (kmeans, {}, b"1,2\n", ROWS, "No value(s) were specified for 'feature_dim', 'k' which are required"),
        (kmeans, {"feature_dim": 2, "k": 3}, b"1,2\n2,3\n", ROWS, "The number of rows, 2, is less than k, 3"),
        (kmeans, {"feature_dim": 2, "k": 2, "eval_metrics": "[msd]"}, b"1,2\n2,3\n", ROWS, "'[msd]' is not valid"),
        (pca, {"feature_dim": 2, "num_components": 1}, b"1,2\n", ROWS, "specified for 'mini_batch_size'"),
        (pca, {"feature_dim": 2, "num_components": 3, "mini_batch_size": 1}, b"1,2\n", ROWS, "num_components, 3"),
        (
            knn,
            {"feature_dim": 1, "k": 1, "sample_size": 9, "predictor_type": "classifier"},
            b"0.5,2\n",
            CSV,
            "The label 0.5 of channel 'train' is out of range",
        ),
        (
            knn,
            {"feature_dim": 1, "k": 9, "sample_size": 9, "predictor_type": "classifier"},
            b"1,2\n",
            CSV,
            "The sample has 1 rows, less than k, 9",
        ),
        (
            knn,
            {
                "feature_dim": 2,
                "k": 1,
                "sample_size": 9,
                "predictor_type": "classifier",
                "dimension_reduction_target": 1,
            },
            b"1,2,3\n",
            CSV,
            "must be specified together",
        ),
        (randomcutforest, {"feature_dim": 2, "num_trees": 10}, b"1,2\n", ROWS, "expects an integer in [50, 1000]"),
        (
            factorization_machines,
            {"feature_dim": 1, "num_factors": 2, "predictor_type": "binary_classifier", "mini_batch_size": 1},
            records([[2]], [2]),
            None,
            "The label 2 of channel 'train' is out of range",
        ),
        (
            factorization_machines,
            {"feature_dim": 1, "num_factors": 2, "predictor_type": "regressor"},
            records([[2]], [2]),
            None,
            "No training data processed.",
        ),
        (
            factorization_machines,
            {"feature_dim": 1, "num_factors": 2, "predictor_type": "regressor"},
            b"2,2",
            CSV,
            "No iterator has been registered for ContentType ('text/csv', '1.0')",
        ),
    ],
)
def test_what_the_user_does_wrong_is_said(
    tmp_path: Path, module: Any, asked: dict[str, Any], rows: bytes, kind: str | None, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        trained(module, container(tmp_path, asked, {"train": rows}, kind))
    assert said in str(caught.value)


@pytest.mark.parametrize("module", [kmeans, pca, knn, randomcutforest, factorization_machines])
def test_an_artifact_of_another_kind_is_not_loaded(tmp_path: Path, module: Any) -> None:
    (tmp_path / "model_algo-1").write_bytes(ndarrays.write({"other": np.zeros(3, np.float32)}))
    with pytest.raises((ValueError, KeyError, zipfile.BadZipFile)):
        module.load(tmp_path)
