"""CodeCommit's repositories and their branches: a record in the store, and a git repository in the home.

https://docs.aws.amazon.com/codecommit/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.repositories import objects, transport
from sagelab.cloud.engine.repositories.git import (
    PUSH_LIMIT,
    REPOSITORY_LIMIT,
    GitFailed,
    NoGit,
    Repository,
    TooMuch,
)
from sagelab.cloud.engine.repositories.transport import Exchange, Spoken
from sagelab.cloud.resources.call import Beside, Call, Family, Handler, Params, operation
from sagelab.cloud.store import Document, Exists, Missing, Resource

__all__ = ["PUSH_LIMIT", "Exchange", "Repositories"]

KIND = "codecommit-repository"
NOTHING = "0" * 40
_NAME = re.compile(r"(?!\.+$)[\w.-]{1,100}(?<!\.git)", re.ASCII)

log = logging.getLogger("sagelab")


class Repositories(Family):
    """The family of CodeCommit's repositories."""

    service = "codecommit"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.listeners: list[Callable[[str, str, str], None]] = []  # told of region, repository, branch
        self._turns: dict[str, threading.RLock] = defaultdict(threading.RLock)

    def operations(self) -> Mapping[str, Handler]:
        return telling(super().operations())

    @operation("CreateRepository")
    def create(self, call: Call) -> Params:
        name, now = call.params["repositoryName"], datetime.now(UTC)
        if not _NAME.fullmatch(name):
            raise Beside(
                "InvalidRepositoryNameException",
                "Repository names must be 1 to 100 letters, digits, periods, underscores and dashes, and cannot"
                f" end in .git; got {name!r}.",
            )
        if "kmsKeyId" in call.params:
            raise Beside("EncryptionKeyInvalidIdException", "A repository lies unencrypted in the home here.")
        arn = self.arn(call, name)
        document = {
            "accountId": call.account,
            "repositoryId": str(uuid.uuid4()),
            "repositoryName": name,
            "creationDate": now,
            "lastModifiedDate": now,
            "Arn": arn,
            **{key: call.params[key] for key in ("repositoryDescription",) if key in call.params},
        }
        self.of(document).make()
        try:
            self.store.add(Resource(arn, KIND, call.region, name, "", document), call.params.get("tags", {}))
        except Exists:
            self.of(document).remove()
            raise Beside(
                "RepositoryNameExistsException", f"Repository named {name} already exists in the account."
            ) from None
        return {"repositoryMetadata": self.told(document)}

    @operation("GetRepository")
    def get(self, call: Call) -> Params:
        return {"repositoryMetadata": self.told(self.find(call))}

    @operation("BatchGetRepositories")
    def get_many(self, call: Call) -> Params:
        found, missing = [], []
        for name in call.params["repositoryNames"]:
            document = self.lookup(call.region, call.account, name)
            found += [self.told(document)] if document else []
            missing += [] if document else [name]
        return {"repositories": found, "repositoriesNotFound": missing}

    @operation("ListRepositories")
    def page(self, call: Call) -> Params:
        by = call.params.get("sortBy", "repositoryName")
        found = sorted(
            self.store.documents(KIND, call.region),
            key=lambda each: each[by],
            reverse=call.params.get("order") == "descending",
        )
        members = ("repositoryName", "repositoryId")
        return {"repositories": [{name: each[name] for name in members} for each in found]}

    @operation("DeleteRepository")
    def delete(self, call: Call) -> Params:
        document = self.lookup(call.region, call.account, call.params["repositoryName"])
        if document is None:
            return {}
        with self.turn(document):
            self.store.remove(document["Arn"])
            self.of(document).remove()
        return {"repositoryId": document["repositoryId"]}

    # Branches

    @operation("ListBranches")
    def branches(self, call: Call) -> Params:
        refs = self.of(self.find(call)).refs()
        start = "refs/heads/"
        return {"branches": [name.removeprefix(start) for name in refs if name.startswith(start)]}

    @operation("GetBranch")
    def branch(self, call: Call) -> Params:
        repository, name = self.of(self.find(call)), call.params.get("branchName", "")
        return {"branch": {"branchName": name, "commitId": self.tip(repository, name)}}

    @operation("CreateBranch")
    def create_branch(self, call: Call) -> Params:
        document, name = self.find(call), call.params["branchName"]
        with self.changing(document, call.caller) as repository:
            if not objects.is_branch(repository, name):
                raise Beside("InvalidBranchNameException", f"{name!r} is not a valid branch name.")
            try:
                commit = objects.read_commit(repository, call.params["commitId"]).id
            except objects.NotThere as error:
                raise Beside("CommitDoesNotExistException", f"Commit {error} does not exist.") from None
            try:
                objects.set_branch(repository, name, commit, NOTHING)
            except GitFailed:
                raise Beside("BranchNameExistsException", f"Branch {name} already exists.") from None
        return {}

    @operation("DeleteBranch")
    def delete_branch(self, call: Call) -> Params:
        document, name = self.find(call), call.params["branchName"]
        with self.changing(document, call.caller) as repository:
            commit = repository.refs().get(f"refs/heads/{name}")
            if name == repository.head:
                raise Beside(
                    "DefaultBranchCannotBeDeletedException", f"The default branch {name} cannot be deleted."
                )
            if commit is None:
                return {}
            objects.delete_branch(repository, name)
        return {"deletedBranch": {"branchName": name, "commitId": commit}}

    # For those who work with repositories

    def arn(self, call: Call, name: str) -> str:
        return f"arn:aws:codecommit:{call.region}:{call.account}:{name}"

    def lookup(self, region: str, account: str, name: str) -> Document | None:
        """The record of a repository; None where there is none of that name."""
        try:
            return self.store.get(f"arn:aws:codecommit:{region}:{account}:{name}")
        except Missing:
            return None

    def everywhere(self, name: str) -> list[Document]:
        """The records of the repositories of a name, at most one a region."""
        return [document for _, document in self.store.with_status(KIND, "") if document["repositoryName"] == name]

    def find(self, call: Call) -> Document:
        """The record of the repository that a call names. Beside: there is none."""
        name = call.params.get("repositoryName", "")
        document = self.lookup(call.region, call.account, name)
        if document is None:
            raise Beside("RepositoryDoesNotExistException", f"{name} does not exist")
        return document

    def of(self, document: Document) -> Repository:
        """The git repository of a record: no name of anybody's is in its path."""
        return Repository(self.cloud.home.repositories / f"{document['repositoryId']}.git")

    def told(self, document: Document) -> Params:
        """A record as the API tells it."""
        repository = self.of(document)
        head = repository.head
        is_there = f"refs/heads/{head}" in repository.refs()
        clone = f"{self.cloud.url}/v1/repos/{document['repositoryName']}"
        return document | {"cloneUrlHttp": clone} | ({"defaultBranch": head} if is_there else {})

    def tip(self, repository: Repository, name: str) -> str:
        """The commit of a branch. Beside: there is no such branch."""
        commit = repository.refs().get(f"refs/heads/{name}")
        if commit is None:
            raise Beside("BranchDoesNotExistException", f"Branch {name} does not exist")
        return commit

    def speak(self, document: Document, exchange: Exchange, caller: str) -> Spoken:
        """git's answer to a request of one of its clients. Beside: there is no git, or no room.

        A push is over, and its events are told, when this returns.
        """
        with _told():
            if exchange.action != transport.PUSH:
                return transport.speak(self.of(document), exchange)
            if self.of(document).size > REPOSITORY_LIMIT:
                most = f"A repository has {REPOSITORY_LIMIT >> 30} GB at the most here."
                raise Beside("RepositoryLimitExceededException", most)
            if transport.asks_too_much(exchange):
                most = f"A push has {transport.MOST_REFS:,} branches and tags at the most."
                raise Beside("ReferenceLimitExceededException", most)
            with self.changing(document, caller) as repository:
                spoken = transport.speak(repository, exchange)
                parts = list(spoken.parts or ())
        return Spoken(spoken.status, spoken.headers, (part for part in parts))

    def turn(self, document: Document) -> threading.RLock:
        """Changes of one repository take turns."""
        return self._turns[document["repositoryId"]]

    @contextmanager
    def changing(self, document: Document, caller: str) -> Iterator[Repository]:
        """For the block, the repository is one's own; then its events tell of what has become of its refs."""
        with self.turn(document):
            repository = self.of(document)
            before = repository.refs()
            yield repository
            after = repository.refs()
            self._choose_head(repository, before, after)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        if changed:
            self._note(document["Arn"])
        for name in changed:
            self._tell(document, caller, name, before.get(name), after.get(name))

    def _choose_head(self, repository: Repository, before: Any, after: Any) -> None:
        """The first branch of a repository is its default branch; of several at once, `main` or `master`."""
        start = "refs/heads/"
        branches = [name.removeprefix(start) for name in after if name.startswith(start)]
        if branches and not any(name.startswith(start) for name in before):
            chosen = next((name for name in ("main", "master") if name in branches), branches[0])
            repository.run("symbolic-ref", "HEAD", f"{start}{chosen}")

    def _note(self, arn: str) -> None:
        def edit(document: Document) -> None:
            document["lastModifiedDate"] = datetime.now(UTC)

        try:
            self.store.change(arn, edit)
        except Missing:
            log.warning("%s is gone", arn)

    def _tell(self, document: Document, caller: str, name: str, old: str | None, new: str | None) -> None:
        """https://docs.aws.amazon.com/codecommit/latest/userguide/monitoring-events.html"""
        region = document["Arn"].split(":")[3]
        kind = "branch" if name.startswith("refs/heads/") else "tag"
        what = "referenceUpdated" if old and new else "referenceCreated" if new else "referenceDeleted"
        detail = {
            "callerUserArn": caller,
            "commitId": new or old,
            "event": what,
            "referenceFullName": name,
            "referenceName": name.split("/", 2)[2],
            "referenceType": kind,
            "repositoryId": document["repositoryId"],
            "repositoryName": document["repositoryName"],
            **({"oldCommitId": old} if old and new else {}),
        }
        event = {
            "source": "aws.codecommit",
            "detail-type": "CodeCommit Repository State Change",
            "account": document["Arn"].split(":")[4],
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "region": region,
            "resources": [document["Arn"]],
            "detail": detail,
        }
        try:
            self.cloud.put_event(event, region)
        except Exception:
            log.exception("the event of %s was not sent", name)
        for listener in self.listeners if new and kind == "branch" else ():
            listener(region, document["repositoryName"], detail["referenceName"])


def telling(operations: Mapping[str, Handler]) -> dict[str, Handler]:
    """The same operations, whose trouble with git is told."""
    return {name: _told()(handler) for name, handler in operations.items()}


@contextmanager
def _told() -> Iterator[None]:
    """Beside: there is no git on this machine, or it has found more than can be told."""
    try:
        yield
    except NoGit as error:
        raise Beside("NotImplemented", str(error)) from None
    except TooMuch as error:
        raise Beside("RepositoryLimitExceededException", f"{error}.") from None
