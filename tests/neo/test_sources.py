from __future__ import annotations

from pathlib import Path

import pytest

from sagelab.neo import sources
from sagelab.neo.errors import InputConfiguration


def make(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return folder


def test_the_one_model_is_found_wherever_it_lies(tmp_path: Path) -> None:
    make(tmp_path, "a/b/net.keras", "README.md")
    assert sources.find(tmp_path, "KERAS").file == tmp_path / "a/b/net.keras"


def test_the_checksum_is_of_all_files_of_the_model_and_no_others(tmp_path: Path) -> None:
    make(tmp_path, "1/saved_model.pb", "1/variables/variables.index")
    before = sources.find(tmp_path, "TENSORFLOW").checksum()
    make(tmp_path, "notes.txt")
    assert sources.find(tmp_path, "TENSORFLOW").checksum() == before
    (tmp_path / "1/variables/variables.index").write_bytes(b"other")
    assert sources.find(tmp_path, "TENSORFLOW").checksum() != before


def test_no_model_names_what_is_there_and_the_framework_it_looks_like(tmp_path: Path) -> None:
    make(tmp_path, "1/saved_model.pb")
    with pytest.raises(InputConfiguration, match=r"No model found.*1/saved_model.pb. It looks like TENSORFLOW"):
        sources.find(tmp_path, "KERAS")


def test_an_empty_archive_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(InputConfiguration, match="The archive is empty"):
        sources.find(tmp_path, "ONNX")


def test_two_models_are_one_too_many(tmp_path: Path) -> None:
    make(tmp_path, "a.keras", "b.h5")
    with pytest.raises(InputConfiguration, match=r"Exactly one model is allowed .*: a.keras, b.h5"):
        sources.find(tmp_path, "KERAS")
