from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sagelab.serving.errors import BadModel
from sagelab.serving.model import Spec, find

pytestmark = pytest.mark.slow


def add(folder: Path, *versions: str) -> None:
    for version in versions:
        (folder / version).mkdir(parents=True)
        (folder / version / "saved_model.pb").write_bytes(b"")


def test_the_newest_version_is_found_at_any_depth(tmp_path: Path) -> None:
    add(tmp_path, "export/Servo/2", "export/Servo/10", "export/Servo/latest")
    assert find(tmp_path) == tmp_path / "export/Servo/10"


def test_a_model_is_found_by_name(tmp_path: Path) -> None:
    add(tmp_path, "cats/1", "dogs/2")
    assert find(tmp_path, "cats") == tmp_path / "cats/1"
    with pytest.raises(BadModel, match="It has: cats, dogs"):
        find(tmp_path, "birds")


def test_an_archive_without_a_savedmodel_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="is empty"):
        find(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"")
    with pytest.raises(BadModel, match=r"has model\.keras\. .*1/saved_model\.pb"):
        find(tmp_path)
    add(tmp_path, "model")
    with pytest.raises(BadModel, match="its folder is not a number"):
        find(tmp_path)


def test_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="There is no folder"):
        find(tmp_path / "gone")


def test_a_spec_says_and_checks_its_shape() -> None:
    spec = Spec(np.dtype(np.float32), (None, 28, None, 1))
    assert str(spec) == "(batch, 28, any, 1)"
    assert spec.takes((5, 28, 3, 1))
    assert not spec.takes((5, 28, 3, 2))
    assert not spec.takes((28, 3, 1))
    assert Spec(np.dtype(np.float32), None).takes((1, 2))
