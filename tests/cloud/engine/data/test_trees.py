"""Folders of strangers' code: nothing outside of them is read, written or deleted, whatever lies in them."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sagelab.cloud.engine.data import trees
from sagelab.cloud.engine.data.trees import Refused, Tree, read_version

NOBODY = 65534
PR_SET_DUMPABLE = 4


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "host" / "data"
    folder.mkdir(parents=True)
    (folder / "secret").write_text("secret")
    return folder / "secret"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "ml/output/data").mkdir(parents=True)
    (tmp_path / "ml/output/data/mine").write_text("mine")
    return Tree(tmp_path / "ml", "output/data")


def names(tree: Tree) -> list[str]:
    return [entry.name for entry in tree.walk()]


def test_walk_names_a_folder_before_what_it_holds(tree: Tree) -> None:
    (tree.root / tree.name / "a/b").mkdir(parents=True)
    (tree.root / tree.name / "a/b/file").touch()
    assert names(tree) == ["a", "mine", "a/b", "a/b/file"]
    assert tree.read("mine", 2) == b"mi"


def test_link_above_the_folder_is_not_followed(tree: Tree, secret: Path) -> None:
    (tree.root / "output").rename(tree.root / "away")
    (tree.root / "output").symlink_to(secret.parents[1])
    with pytest.raises(Refused, match="is a link, not a folder"):
        names(tree)
    assert Tree(tree.root).read("output/data/secret", 10) == b""


def test_links_are_seen_and_not_followed(tree: Tree, secret: Path) -> None:
    (tree.root / tree.name / "folder").symlink_to(secret.parent)
    (tree.root / tree.name / "file").symlink_to(secret)
    assert {entry.name: entry.target for entry in tree.walk() if entry.target} == {
        "folder": str(secret.parent),
        "file": str(secret),
    }
    for name in ("file", "folder/secret", "../../../host/data/secret", str(secret)):
        with pytest.raises(Refused):
            tree.open(name)


def test_pipe_is_no_file_and_does_not_block(tree: Tree) -> None:
    os.mkfifo(tree.root / tree.name / "pipe")
    with pytest.raises(Refused):
        tree.open("pipe")
    assert [entry.name for entry in tree.walk() if entry.is_file] == ["mine"]


def test_folders_that_change_places_with_links_lead_nowhere(tree: Tree, secret: Path) -> None:
    """A thread swaps a folder and a link to the host's as fast as it can: no look finds what is there."""
    folder, link, ended = tree.root / "output", tree.root / "link", threading.Event()
    link.symlink_to(secret.parents[1])

    def swap() -> None:
        spare = tree.root / "spare"
        while not ended.is_set():
            folder.rename(spare)
            link.rename(folder)
            folder.rename(link)
            spare.rename(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    found: set[str] = set()
    try:
        for _ in range(2000):
            try:
                found |= set(names(tree))
            except Refused:
                continue
            assert tree.read("secret", 10) == b""
    finally:
        ended.set()
        thread.join()
    assert "secret" not in found


def test_copy_is_of_one_version_alone(tree: Tree, tmp_path: Path) -> None:
    file = tree.root / tree.name / "mine"
    version = read_version(file.stat())
    with (tmp_path / "copy").open("w+b") as out:
        assert tree.copy("mine", version, out)
        assert out.read() == b"mine"
        file.write_text("something longer")
        assert not tree.copy("mine", version, out)
        assert not tree.copy("gone", version, out)


def test_file_is_written_in_the_place_of_a_link_not_through_it(tree: Tree, secret: Path) -> None:
    (tree.root / tree.name / "keys").symlink_to(secret)
    (tree.root / tree.name / "keys.new").symlink_to(secret)
    tree.replace("keys", b"new")
    assert secret.read_text() == "secret"
    assert tree.read("keys", 10) == b"new"


def test_folder_is_moved_in_by_no_link(tree: Tree, secret: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    tree.take_in("models/a/model", tmp_path / "one")
    assert (tree.root / "output/data/models/a/model/file").read_text() == "one"
    (tree.root / "output/data/others").symlink_to(secret.parent)
    with pytest.raises(Refused):
        tree.take_in("others/b", tmp_path / "two")
    assert [one.name for one in secret.parent.iterdir()] == ["secret"]


def test_folders_without_end_are_refused_and_deleted(tree: Tree) -> None:
    descriptor = os.open(tree.root / tree.name, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    with pytest.raises(Refused, match="deep"):
        names(tree)
    trees.remove(tree.root)
    assert not tree.root.exists()


def test_links_in_a_folder_that_is_deleted_lead_to_nothing_that_is(tree: Tree, secret: Path) -> None:
    (tree.root / "link").symlink_to(secret.parent)
    trees.remove(tree.root)
    assert not tree.root.exists()
    assert secret.exists()


def test_folder_that_a_job_closed_is_read_and_deleted_by_an_ordinary_user(tmp_path: Path) -> None:
    (tmp_path / "ml/closed/inner").mkdir(parents=True)
    (tmp_path / "ml/closed/inner/file").write_text("content")
    for path in ("ml/closed/inner/file", "ml/closed/inner", "ml/closed", "ml", "."):
        if os.geteuid() == 0:
            os.chown(tmp_path / path, NOBODY, NOBODY)
    for path in ("ml/closed/inner/file", "ml/closed/inner", "ml/closed"):
        (tmp_path / path).chmod(0)

    def look() -> bool:
        os.chdir(tmp_path)
        if os.geteuid() == 0:
            os.setresuid(NOBODY, NOBODY, NOBODY)
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)  # or /proc/self is root's
        content = Tree(Path("ml"), "closed").read("inner/file", 10)
        trees.remove(Path("ml"))
        return content == b"content" and not Path("ml").exists()

    assert in_a_process(look)


def in_a_process(look: Callable[[], bool]) -> bool:
    """What `look` says in a process of its own."""
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if look() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_discarded_is_whatever_stands_there_and_the_root_is_the_users_again(tmp_path: Path, secret: Path) -> None:
    root = tmp_path / "ml/run"
    for name in ("a", "b", "other"):
        (root / name / "below").mkdir(parents=True)
        (root / name / "link").symlink_to(secret.parent)
        (root / name / "below").chmod(0)
    (root / "c").symlink_to(secret)
    root.chmod(0)
    trees.discard(root, ("a", "b", "c", "never"))
    assert [path.name for path in root.iterdir()] == ["other"]
    assert secret.read_text() == "secret"


def test_measure_goes_through_no_link_and_opens_nothing_that_is_closed(tmp_path: Path, secret: Path) -> None:
    secret.write_bytes(b"x" * 1_000_000)
    root = tmp_path / "home"
    (root / "jobs/closed").mkdir(parents=True)
    (root / "jobs/file").write_bytes(b"x" * 50_000)
    (root / "jobs/link").symlink_to(secret.parent)
    os.mkfifo(root / "pipe")
    (root / "jobs/closed").chmod(0)
    deep = os.open(root, os.O_RDONLY)
    for _ in range(3000):  # more than a path, a stack or the descriptors of a process allow
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    assert 50_000 <= trees.measure(root) < 200_000
    assert (root / "jobs/closed").stat().st_mode & 0o777 == 0
    assert trees.measure(root / "jobs/link") == trees.measure(tmp_path / "never") == 0
    trees.remove(root)
    assert not root.exists()
