"""What is in CodeCommit's repositories: commits, folders and files, read and made without a checkout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.repositories import objects
from sagelab.cloud.engine.repositories.git import GitFailed, Repository
from sagelab.cloud.engine.repositories.objects import MODES, Author, Change, Entry
from sagelab.cloud.resources.call import Beside, Call, Family, Handler, Params, operation
from sagelab.cloud.resources.repositories import NOTHING, Repositories, telling
from sagelab.cloud.store import Document

FILE_LIMIT = 6 << 20  # bytes: https://docs.aws.amazon.com/codecommit/latest/userguide/limits.html
MOST_FILES = 1000  # of one commit
_OF_NAMES = {name: mode for mode, name in MODES.items()}


class RepositoryFiles(Family):
    """The family of what is in CodeCommit's repositories."""

    service = "codecommit"
    needs = (Repositories,)

    def __init__(self, cloud: Cloud, repositories: Repositories) -> None:
        super().__init__(cloud)
        self.repositories = repositories

    def operations(self) -> Mapping[str, Handler]:
        return telling(super().operations())

    @operation("GetCommit")
    def commit(self, call: Call) -> Params:
        try:
            found = objects.read_commit(self._repository(call), call.params["commitId"])
        except objects.NotThere as error:
            raise Beside("CommitIdDoesNotExistException", f"Commit {error} does not exist.") from None
        members = ("name", "email", "date")
        people = {name: dict(zip(members, getattr(found, name), strict=True)) for name in ("author", "committer")}
        facts = {"commitId": found.id, "treeId": found.tree, "parents": list(found.parents)}
        return {"commit": facts | people | {"message": found.message, "additionalData": ""}}

    @operation("GetFile")
    def file(self, call: Call) -> Params:
        repository = self._repository(call)
        commit, path = self._commit(call, repository), _clean(call.params["filePath"])
        try:
            found = objects.entry(repository, commit, path) if path else None
        except objects.NotThere:
            found = None
        if found is None or found.kind != "blob":
            raise Beside("FileDoesNotExistException", f"The file {path} does not exist in {commit}.")
        return {
            "commitId": commit,
            "blobId": found.id,
            "filePath": path,
            "fileMode": MODES.get(found.mode, "NORMAL"),
            "fileSize": found.size,
            "fileContent": _content(repository, found.id),
        }

    @operation("GetBlob")
    def blob(self, call: Call) -> Params:
        try:
            return {"content": _content(self._repository(call), call.params["blobId"])}
        except objects.NotThere as error:
            raise Beside("BlobIdDoesNotExistException", f"Blob {error} does not exist.") from None

    @operation("GetFolder")
    def folder(self, call: Call) -> Params:
        repository = self._repository(call)
        commit, path = self._commit(call, repository), _clean(call.params["folderPath"])
        try:
            tree, found = objects.folder(repository, commit, path)
        except objects.NotThere:
            raise Beside("FolderDoesNotExistException", f"The folder {path} does not exist in {commit}.") from None
        rows: dict[str, list[Params]] = {"subFolders": [], "files": [], "symbolicLinks": [], "subModules": []}
        for each in found:
            group, row = _row(each)
            names = {"absolutePath": f"{path}/{each.path}".lstrip("/"), "relativePath": each.path}
            rows[group].append(row | names)
        return {"commitId": commit, "folderPath": path, "treeId": tree, **rows}

    @operation("PutFile")
    def put(self, call: Call) -> Params:
        params = call.params
        path, mode = _clean(params["filePath"]), _OF_NAMES[params.get("fileMode", "NORMAL")]
        change = Change(path, mode, _bounded(params["fileContent"]))
        made = self._make(call, [change], Author(params.get("name", ""), params.get("email", "")))
        return {name: made[name] for name in ("commitId", "treeId")} | {"blobId": made["blobs"][path]}

    @operation("DeleteFile")
    def delete(self, call: Call) -> Params:
        params = call.params
        path = _clean(params["filePath"])
        made = self._make(call, [Change(path)], Author(params.get("name", ""), params.get("email", "")))
        return {name: made[name] for name in ("commitId", "treeId")} | {
            "blobId": made["gone"][path],
            "filePath": path,
        }

    @operation("CreateCommit")
    def create(self, call: Call) -> Params:
        params = call.params
        changes = [_put(each) for each in params.get("putFiles", [])]
        changes += [Change(_clean(each["filePath"])) for each in params.get("deleteFiles", [])]
        if params.get("setFileModes"):
            raise Beside("InvalidFileModeException", "setFileModes is not something the local cloud can do.")
        if not changes:
            raise Beside("FileEntryRequiredException", "At least one file must be put or deleted.")
        if len(changes) > MOST_FILES:
            raise Beside("MaximumFileEntriesExceededException", f"A commit has {MOST_FILES} files at the most.")
        made = self._make(call, changes, Author(params.get("authorName", ""), params.get("email", "")))
        return {name: value for name, value in made.items() if name not in ("blobs", "gone")}

    def _make(self, call: Call, changes: list[Change], author: Author) -> dict[str, Any]:
        """Make a commit on a branch. Beside: it is refused."""
        if len({change.path for change in changes}) < len(changes):
            raise Beside("FilePathConflictsWithSubmodulePathException", "A file is there twice.")
        name, document = call.params["branchName"], self.repositories.find(call)
        with self.repositories.changing(document, call.caller) as repository:
            if not objects.is_branch(repository, name):
                raise Beside("InvalidBranchNameException", f"{name!r} is not a valid branch name.")
            parent = _parent(call, repository, name)
            before = {change.path: _entry(repository, parent, change.path) for change in changes}
            _check_there(changes, before)
            tree = objects.write_tree(repository, parent, changes)
            if parent and tree == objects.read_commit(repository, parent).tree:
                raise Beside("NoChangeException", "The commit would change nothing.")
            author = Author(author.name or call.caller.rpartition("/")[2], author.email)
            message = call.params.get("commitMessage", "")
            commit = objects.write_commit(repository, tree, parent, author, message)
            try:
                objects.set_branch(repository, name, commit, parent or NOTHING)
            except GitFailed:
                raise Beside("ConcurrentReferenceUpdateException", f"Branch {name} has moved on.") from None
            return _told(repository, commit, tree, changes, before)

    def _repository(self, call: Call) -> Repository:
        return self.repositories.of(self.repositories.find(call))

    def _commit(self, call: Call, repository: Repository) -> str:
        """The commit that a call asks about, by default the tip of the default branch. Beside: there is none."""
        specifier = call.params.get("commitSpecifier") or repository.head
        try:
            return objects.resolve(repository, specifier)
        except objects.NotThere:
            raise Beside("CommitDoesNotExistException", f"Commit {specifier} does not exist.") from None


def _parent(call: Call, repository: Repository, branch: str) -> str | None:
    """The commit that one is made after; None: it is the branch's first. Beside: it is another than was said."""
    tip, said = repository.refs().get(f"refs/heads/{branch}"), call.params.get("parentCommitId")
    if tip is None:
        if repository.refs():
            raise Beside("BranchDoesNotExistException", f"Branch {branch} does not exist")
        return None
    if said is None:
        raise Beside("ParentCommitIdRequiredException", f"Branch {branch} has commits: name the last one.")
    if said != tip:
        raise Beside("ParentCommitIdOutdatedException", f"The last commit of {branch} is {tip}.")
    return tip


def _entry(repository: Repository, commit: str | None, path: str) -> Entry | None:
    try:
        return objects.entry(repository, commit, path) if commit and path else None
    except objects.NotThere:
        return None


def _check_there(changes: list[Change], before: dict[str, Entry | None]) -> None:
    for change in changes:
        found = before[change.path]
        if not change.path:
            raise Beside("PathRequiredException", "A file needs a path.")
        if change.content is None and (found is None or found.kind != "blob"):
            raise Beside("FileDoesNotExistException", f"The file {change.path} does not exist.")
        if change.content is not None and found is not None and found.kind == "tree":
            raise Beside("FileNameConflictsWithDirectoryNameException", f"{change.path} is a folder.")


def _told(
    repository: Repository, commit: str, tree: str, changes: list[Change], before: dict[str, Entry | None]
) -> dict[str, Any]:
    found: dict[str, Any] = {"filesAdded": [], "filesUpdated": [], "filesDeleted": []}
    blobs: dict[str, str] = {}
    gone: dict[str, str] = {}
    for change in changes:
        old, new = before[change.path], _entry(repository, commit, change.path)
        group = "filesUpdated" if old and new else "filesAdded" if new else "filesDeleted"
        shown = new or old
        assert shown is not None
        found[group].append(
            {"absolutePath": change.path, "blobId": shown.id, "fileMode": MODES.get(shown.mode, "NORMAL")}
        )
        (blobs if new else gone)[change.path] = shown.id
    return found | {"commitId": commit, "treeId": tree, "blobs": blobs, "gone": gone}


def _put(each: Document) -> Change:
    if "sourceFile" in each:
        raise Beside("SourceFileOrContentRequiredException", "sourceFile is not something the local cloud can do.")
    mode = _OF_NAMES[each.get("fileMode", "NORMAL")]
    return Change(_clean(each["filePath"]), mode, _bounded(each.get("fileContent", b"")))


def _row(each: Entry) -> tuple[str, Params]:
    if each.kind == "tree":
        return "subFolders", {"treeId": each.id}
    if each.kind == "commit":
        return "subModules", {"commitId": each.id}
    group = "symbolicLinks" if MODES.get(each.mode) == "SYMLINK" else "files"
    return group, {"blobId": each.id, "fileMode": MODES.get(each.mode, "NORMAL")}


def _clean(path: str) -> str:
    try:
        return objects.clean(path)
    except ValueError as error:
        raise Beside("InvalidPathException", f"{error}.") from None


def _bounded(content: bytes) -> bytes:
    if len(content) > FILE_LIMIT:
        raise Beside("FileContentSizeLimitExceededException", f"A file has {FILE_LIMIT >> 20} MB at the most.")
    return content


def _content(repository: Repository, blob: str) -> bytes:
    try:
        return objects.blob(repository, blob, FILE_LIMIT)
    except ValueError:
        raise Beside("FileTooLargeException", f"The file has more than {FILE_LIMIT >> 20} MB.") from None
