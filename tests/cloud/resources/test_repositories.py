"""CodeCommit's API on real repositories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.repositories import Clone
from tests.conftest import LocalCloud


@pytest.fixture
def clone(cloud: LocalCloud, tmp_path: Path) -> Clone:
    return Clone(cloud, tmp_path)


def refused(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


def put(clone: Clone, path: str, content: bytes, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = clone.api.put_file(
        repositoryName=clone.name, branchName="main", filePath=path, fileContent=content, **more
    )
    return found


@pytest.mark.parametrize("name", ["..", "a/b", "a.git", "x" * 101, "a b"])
def test_a_name_that_is_none_is_refused(cloud: LocalCloud, name: str) -> None:
    create = cloud.client("codecommit").create_repository
    code = refused(create, repositoryName=name)
    assert code in ("InvalidRepositoryNameException", "ValidationException")


def test_a_name_is_taken_once_and_free_again_when_it_is_deleted(clone: Clone) -> None:
    api, name = clone.api, {"repositoryName": clone.name}
    assert refused(api.create_repository, **name) == "RepositoryNameExistsException"
    folder = clone.cloud.home.repositories / f"{clone.made['repositoryId']}.git"
    assert folder.is_dir()
    assert api.delete_repository(**name)["repositoryId"] == clone.made["repositoryId"]
    assert "repositoryId" not in api.delete_repository(**name)
    assert not folder.exists()
    assert refused(api.get_repository, **name) == "RepositoryDoesNotExistException"
    assert api.create_repository(**name)["repositoryMetadata"]["repositoryId"] != clone.made["repositoryId"]


def test_a_file_that_is_put_is_a_commit(clone: Clone) -> None:
    made = put(clone, "src/train.py", b"print(1)\n", commitMessage="first", name="Ada", email="ada@example.com")
    commit = clone.api.get_commit(repositoryName=clone.name, commitId=made["commitId"])["commit"]
    assert (commit["message"].strip(), commit["author"]["name"], commit["parents"]) == ("first", "Ada", [])
    found = clone.api.get_file(repositoryName=clone.name, filePath="/src/train.py")
    assert (found["fileContent"], found["fileMode"]) == (b"print(1)\n", "NORMAL")
    assert refused(put_again := clone.api.put_file, **_file(clone, "src/train.py", b"2")) == (
        "ParentCommitIdRequiredException"
    )
    outdated = _file(clone, "src/train.py", b"2") | {"parentCommitId": "0" * 40}
    assert refused(put_again, **outdated) == "ParentCommitIdOutdatedException"
    same = _file(clone, "src/train.py", b"print(1)\n") | {"parentCommitId": made["commitId"]}
    assert refused(put_again, **same) == "NoChangeException"


def _file(clone: Clone, path: str, content: bytes) -> dict[str, Any]:
    return {"repositoryName": clone.name, "branchName": "main", "filePath": path, "fileContent": content}


def test_a_commit_puts_and_deletes_several(clone: Clone) -> None:
    first = put(clone, "old", b"old")
    made = clone.api.create_commit(
        repositoryName=clone.name,
        branchName="main",
        parentCommitId=first["commitId"],
        putFiles=[{"filePath": "a/b", "fileContent": b"x", "fileMode": "EXECUTABLE"}],
        deleteFiles=[{"filePath": "old"}],
    )
    assert [each["absolutePath"] for each in made["filesAdded"]] == ["a/b"]
    assert [each["absolutePath"] for each in made["filesDeleted"]] == ["old"]
    folder = clone.api.get_folder(repositoryName=clone.name, folderPath="/")
    assert [each["absolutePath"] for each in folder["subFolders"]] == ["a"]
    assert folder["files"] == []
    inner = clone.api.get_folder(repositoryName=clone.name, folderPath="a")["files"][0]
    assert (inner["absolutePath"], inner["relativePath"], inner["fileMode"]) == ("a/b", "b", "EXECUTABLE")


def test_a_link_is_its_text_and_is_not_followed(clone: Clone) -> None:
    (clone.folder / "link").symlink_to("/etc/passwd")
    (clone.folder / "away").symlink_to("/etc")
    clone.commit(file="x")
    clone.push()
    found = clone.api.get_file(repositoryName=clone.name, filePath="link")
    assert (found["fileContent"], found["fileMode"]) == (b"/etc/passwd", "SYMLINK")
    name = {"repositoryName": clone.name}
    assert refused(clone.api.get_file, **name, filePath="away/passwd") == "FileDoesNotExistException"
    assert refused(clone.api.get_folder, **name, folderPath="away") == "FolderDoesNotExistException"


@pytest.mark.parametrize("path", ["../x", "a/../../x", ".git/config", "a/.GIT/config"])
def test_a_path_that_leads_out_is_refused(clone: Clone, path: str) -> None:
    assert refused(clone.api.put_file, **_file(clone, path, b"x")) == "InvalidPathException"


@pytest.mark.parametrize("specifier", ["-x", "a..b", "HEAD@{1}", "main:file", "$(id)", "nope"])
def test_what_names_no_commit_is_refused(clone: Clone, specifier: str) -> None:
    put(clone, "file", b"x")
    call = {"repositoryName": clone.name, "commitSpecifier": specifier, "filePath": "file"}
    assert refused(clone.api.get_file, **call) == "CommitDoesNotExistException"


def test_branches_are_made_and_deleted(clone: Clone) -> None:
    commit, name = put(clone, "file", b"x")["commitId"], {"repositoryName": clone.name}
    clone.api.create_branch(**name, branchName="work", commitId=commit)
    assert clone.api.list_branches(**name)["branches"] == ["main", "work"]
    twice = {**name, "branchName": "work", "commitId": commit}
    assert refused(clone.api.create_branch, **twice) == "BranchNameExistsException"
    assert refused(clone.api.create_branch, **(twice | {"branchName": "a b"})) == "InvalidBranchNameException"
    deleted = clone.api.delete_branch(**name, branchName="work")["deletedBranch"]
    assert deleted == {"branchName": "work", "commitId": commit}
    assert refused(clone.api.delete_branch, **name, branchName="main") == "DefaultBranchCannotBeDeletedException"


def test_what_is_not_done_is_refused(clone: Clone) -> None:
    call = {"title": "t", "targets": [{"repositoryName": clone.name, "sourceReference": "x"}]}
    assert refused(clone.api.create_pull_request, **call) == "UnknownOperationException"
