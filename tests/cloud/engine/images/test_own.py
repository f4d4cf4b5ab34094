"""Folders that stand for images: kept as copies, found by name and tag."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagelab.cloud.engine.images.own import BadImage, OwnImages, tagged
from sagelab.cloud.home import Home
from tests.conftest import Sagelab


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with a `serve`."""
    return command(tmp_path / "program", "serve")


def command(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return folder


def test_image_is_a_copy_found_by_its_name(tmp_path: Path, program: Path) -> None:
    images = OwnImages(tmp_path / "images")
    assert images.add("registry.example/mine", program) == "registry.example/mine:latest"
    (program / "serve").unlink()
    found = images.find("registry.example/mine:latest", "serve")
    assert found is not None
    assert (found / "serve").read_text() == "#!/bin/sh\n"
    assert images.find("registry.example/mine", "train") is None
    assert images.find("registry.example/mine:2") is None
    assert images.names() == {"registry.example/mine:latest": ["serve"]}


def test_image_added_again_replaces_the_old_one(tmp_path: Path, program: Path) -> None:
    images = OwnImages(tmp_path / "images")
    images.add("mine:1", program)
    (program / "serve").unlink()
    images.add("mine:1", command(program, "train"))
    assert images.names() == {"mine:1": ["train"]}
    assert images.remove("mine:1") == "mine:1"
    assert images.names() == {}
    assert list((tmp_path / "images").iterdir()) == []


@pytest.mark.parametrize(("name", "words"), [("with space", "no name of an image"), ("mine", "neither")])
def test_what_is_no_image_is_refused_in_words(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "serve").write_text("#!/bin/sh\n")  # not executable
    with pytest.raises(BadImage, match=words):
        OwnImages(tmp_path / "images").add(name, tmp_path)


def test_image_that_is_not_there_cannot_be_removed(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="no image mine:latest"):
        OwnImages(tmp_path / "images").remove("mine")


def test_port_of_a_registry_is_no_tag() -> None:
    assert tagged("localhost:5000/mine") == "localhost:5000/mine:latest"
    assert tagged("localhost:5000/mine:3") == "localhost:5000/mine:3"


def test_command_line_adds_lists_and_removes(tmp_path: Path, program: Path, sagelab: Sagelab) -> None:
    home = Home(tmp_path / "home").path
    assert sagelab("image", "add", "mine:1", str(program), home=home).stdout == "mine:1 is an image now\n"
    assert sagelab("image", "list", home=home).stdout.split() == ["mine:1", "serve"]
    environment, *_, own = sagelab("image", "ls", home=home).stdout.splitlines()
    assert environment.split()[:3] == ["tensorflow", "always", "there"]
    assert own.split() == ["mine:1", "serve"]
    assert sagelab("image", "remove", "mine:1", home=home).stdout == "mine:1 is gone\n"
    again = sagelab("image", "remove", "mine:1", home=home)
    assert again.returncode == 1
    assert "There is no image mine:1" in again.stderr


def test_an_environment_that_nobody_knows_cannot_be_pulled(tmp_path: Path, sagelab: Sagelab) -> None:
    refused = sagelab("image", "pull", "cobol", home=tmp_path / "home")
    assert refused.returncode == 1
    assert "There is no environment 'cobol'; there are tensorflow" in refused.stderr
    assert sagelab("image", "pull", "tensorflow", home=tmp_path / "home").stdout == "tensorflow is here\n"


@pytest.mark.parametrize("way", [".", "link", "home/.."])
def test_folder_that_holds_the_home_is_refused(tmp_path: Path, way: str) -> None:
    """A copy of it would hold itself."""
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    command(tmp_path, "serve")
    images = OwnImages(tmp_path / "home/images")
    with pytest.raises(BadImage, match="holds the local cloud's own folder"):
        images.add("mine", tmp_path / way)
    assert not (tmp_path / "home/images").exists()
