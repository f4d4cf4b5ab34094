"""What is in a repository, read and written as objects of git: nothing is ever checked out.

A link in a tree is the text of where it leads, and is not followed; a path is compared with names in trees.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sagelab.cloud.engine.repositories.git import GitFailed, Repository

MODES = {"100644": "NORMAL", "100755": "EXECUTABLE", "120000": "SYMLINK"}
_SPECIFIER = re.compile(r"[0-9A-Za-z_][\w./-]{0,255}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{40}")
_PERSON = re.compile(rb"(.*) <(.*)> (\d+ [+-]\d{4})", re.DOTALL)


class NotThere(Exception):
    """The repository has no such thing."""


@dataclass(frozen=True)
class Entry:
    """One name in a tree. mode: as git has it, "100644". kind: blob, tree or commit. size: bytes of a blob."""

    mode: str
    kind: str
    id: str
    size: int
    path: str


@dataclass(frozen=True)
class Commit:
    """A commit. author, committer: (name, email, "SECONDS +ZONE")."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: tuple[str, str, str]
    committer: tuple[str, str, str]
    message: str


@dataclass(frozen=True)
class Change:
    """What a commit does to one path. content: None where it is deleted, or keeps `kept`, a blob's id."""

    path: str
    mode: str = "100644"
    content: bytes | None = None
    kept: str = ""


@dataclass(frozen=True)
class Author:
    """Who makes a commit."""

    name: str
    email: str


def resolve(repository: Repository, specifier: str) -> str:
    """The id of the commit that a branch, a tag, HEAD or an id names. NotThere: it names none."""
    if not _SPECIFIER.fullmatch(specifier) or ".." in specifier:
        raise NotThere(specifier)
    for prefix in ("refs/heads/", "refs/tags/", ""):
        try:
            return repository.text("rev-parse", "--verify", "--quiet", f"{prefix}{specifier}^{{commit}}")
        except GitFailed:
            continue
    raise NotThere(specifier)


def read_commit(repository: Repository, commit: str) -> Commit:
    """A commit by its whole id. NotThere: the repository has none of that id."""
    if not _ID.fullmatch(commit):
        raise NotThere(commit)
    try:
        found = repository.run("cat-file", "commit", commit)
    except GitFailed:
        raise NotThere(commit) from None
    head, _, message = found.partition(b"\n\n")
    lines = [line.split(b" ", 1) for line in head.split(b"\n") if b" " in line]
    facts = {line[0]: line[1] for line in reversed(lines)}
    parents = tuple(value.decode("ascii", "replace") for name, value in lines if name == b"parent")
    author, committer = (_person(facts.get(name, b"")) for name in (b"author", b"committer"))
    tree = facts.get(b"tree", b"").decode("ascii", "replace")
    return Commit(commit, tree, parents, author, committer, message.decode("utf-8", "replace"))


def _person(line: bytes) -> tuple[str, str, str]:
    found = _PERSON.fullmatch(line)
    name, email, when = (part.decode("utf-8", "replace") for part in (found.groups() if found else (b"",) * 3))
    return name, email, when


def clean(path: str) -> str:
    """A path in a tree. ValueError: it leads out of it, or git would not take it."""
    parts = [part for part in path.split("/") if part]
    if "\0" in path or any(part in (".", "..") or part.lower() == ".git" for part in parts):
        raise ValueError(f"{path!r} is no path in a repository")
    return "/".join(parts)


def entry(repository: Repository, commit: str, path: str) -> Entry:
    """What stands at a path. NotThere: nothing does."""
    found = next(_entries(repository, commit, path), None)
    if found is None:
        raise NotThere(path)
    return found


def folder(repository: Repository, commit: str, path: str) -> tuple[str, list[Entry]]:
    """(id of the tree, what is in it) of a folder; "" is the whole tree. NotThere: there is no such folder."""
    if path and entry(repository, commit, path).kind != "tree":
        raise NotThere(path)
    tree = repository.text("rev-parse", "--verify", f"{commit}:{path}")
    return tree, list(_entries(repository, tree))


def _entries(repository: Repository, tree: str, *paths: str) -> Iterator[Entry]:
    for line in repository.run("ls-tree", "-z", "--long", tree, "--", *paths).split(b"\0"):
        if line:
            facts, _, path = line.partition(b"\t")
            mode, kind, found, size = facts.decode("ascii").split()
            yield Entry(mode, kind, found, int(size) if size.isdecimal() else 0, path.decode("utf-8", "replace"))


def blob(repository: Repository, found: str, limit: int) -> bytes:
    """The content of a blob. NotThere: there is none of that id. ValueError: it has more bytes than `limit`."""
    try:
        if not _ID.fullmatch(found) or repository.text("cat-file", "-t", found) != "blob":
            raise NotThere(found)
    except GitFailed:
        raise NotThere(found) from None
    if int(repository.text("cat-file", "-s", found)) > limit:
        raise ValueError(found)
    return repository.run("cat-file", "blob", found)


def is_branch(repository: Repository, name: str) -> bool:
    """Whether git takes a name for a branch's."""
    try:
        repository.run("check-ref-format", f"refs/heads/{name}")
    except (GitFailed, ValueError):
        return False
    return not name.startswith("-")


def set_branch(repository: Repository, name: str, new: str, old: str) -> None:
    """Let a branch name a commit. old: which it must name now, "0" * 40 for none. GitFailed: it does not."""
    repository.run("update-ref", f"refs/heads/{name}", new, old)


def delete_branch(repository: Repository, name: str) -> None:
    repository.run("update-ref", "-d", f"refs/heads/{name}")


def write(repository: Repository, content: bytes) -> str:
    """Keep content as a blob; its id."""
    return repository.text("hash-object", "-w", "--stdin", given=content)


def write_tree(repository: Repository, parent: str | None, changes: Sequence[Change]) -> str:
    """The id of the tree that a commit's becomes by changes. GitFailed: they do not fit."""
    with tempfile.TemporaryDirectory(dir=repository.folder.parent, prefix="index-") as kept:
        index = {"GIT_INDEX_FILE": str(Path(kept, "index"))}
        if parent:
            repository.run("read-tree", parent, variables=index)
        lines = [_line(repository, change) for change in changes]
        repository.run("update-index", "-z", "--index-info", given=b"".join(lines), variables=index)
        return repository.text("write-tree", variables=index)


def _line(repository: Repository, change: Change) -> bytes:
    if change.content is None and not change.kept:
        return b"0 %b\t%b\0" % (b"0" * 40, change.path.encode())
    found = change.kept or write(repository, change.content or b"")
    return f"{change.mode} {found}\t{change.path}\0".encode()


def write_commit(repository: Repository, tree: str, parent: str | None, author: Author, message: str) -> str:
    """Keep a commit; its id."""
    people = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", author.name), ("EMAIL", author.email))
    }
    after = ["-p", parent] if parent else []
    return repository.text("commit-tree", tree, *after, given=message.encode(), variables=people)
