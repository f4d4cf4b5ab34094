"""Folders of files as tables: which belong to one, and what the folders below it are partitions of.

https://docs.aws.amazon.com/glue/latest/dg/crawler-s3-folder-table-partition.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce

from sagelab.lake.classify import UNKNOWN, Found
from sagelab.lake.objects import Object


@dataclass
class Folder:
    """objects: of this folder alone. found: what those are, once they were looked at."""

    path: str  # in the bucket, ends in "/" or is empty
    objects: list[Object] = field(default_factory=list)
    folders: dict[str, Folder] = field(default_factory=dict)
    found: Found | None = None

    def walk(self) -> Iterator[Folder]:
        yield self
        for one in self.folders.values():
            yield from one.walk()

    @property
    def name(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]


@dataclass
class Layout:
    """A table that is to be. partitions: its values -> the folder. keys: their names."""

    root: Folder
    found: Found
    keys: list[str] = field(default_factory=list)
    partitions: dict[tuple[str, ...], Folder] = field(default_factory=dict)

    @property
    def objects(self) -> list[Object]:
        folders = self.partitions.values() if self.keys else [self.root]
        return [one for folder in folders for one in folder.objects]


def tree(objects: list[Object], root: str) -> Folder:
    """The folders below a place in a bucket."""
    top = Folder(root)
    for one in objects:
        at = top
        for part in one.key[len(root) :].split("/")[:-1]:
            at = at.folders.setdefault(part, Folder(f"{at.path}{part}/"))
        at.objects.append(one)
    return top


def tables(folder: Folder, combine: bool, level: int | None = None) -> Iterator[Layout]:
    """The tables of a folder. combine: a format in common is enough. level: of the tables, from the bucket on."""
    depth = folder.path.count("/") + 1
    if level is not None and depth < level:
        for one in folder.folders.values():
            yield from tables(one, combine, level)
        return
    found = [one for one in folder.walk() if one.found and one.found.classification != UNKNOWN]
    if not found:
        return
    whole = _whole(folder, found, combine or level is not None)
    if whole:
        yield whole
        return
    if folder.found and folder.found.classification != UNKNOWN:
        yield Layout(Folder(folder.path, folder.objects), folder.found)
    for one in folder.folders.values():
        yield from tables(one, combine, None)


def _whole(folder: Folder, found: list[Folder], combine: bool) -> Layout | None:
    """All of a folder as one table; None: it is several."""
    depths = {one.path[len(folder.path) :].count("/") for one in found}
    first = found[0].found
    if len(depths) > 1 or first is None:
        return None
    for one in found[1:]:
        assert one.found
        same = one.found.classification == first.classification
        if not (same if combine else first.is_like(one.found)):
            return None
    merged = reduce(Found.merged, [one.found for one in found if one.found])
    depth = depths.pop()
    if depth == 0:
        return Layout(folder, merged)
    paths = {tuple(one.path[len(folder.path) :].rstrip("/").split("/")): one for one in found}
    keys = [_key(at, {path[at] for path in paths}) for at in range(depth)]
    values = {
        tuple(_value(part, key) for part, key in zip(path, keys, strict=True)): one for path, one in paths.items()
    }
    if len(set(keys) | set(merged.columns)) < len(keys) + len(merged.columns):
        merged.columns = {name: kind for name, kind in merged.columns.items() if name not in keys}
    return Layout(folder, merged, keys, values)


def _key(level: int, names: set[str]) -> str:
    """The name of the key of a level of folders: k of all k=v, or one by number."""
    said = {one.partition("=")[0].lower() if "=" in one else "" for one in names}
    found = said.pop() if len(said) == 1 else ""
    return found or f"partition_{level}"


def _value(part: str, key: str) -> str:
    name, equal, value = part.partition("=")
    return value if equal and name.lower() == key else part


def excluded(relative: str, patterns: list[str]) -> bool:
    """Whether a name below a target is left out. https://docs.aws.amazon.com/glue/latest/dg/define-crawler.html"""
    return any(re.fullmatch(_regex(pattern), relative) for pattern in patterns)


def _regex(pattern: str) -> str:
    found, at, depth = "", 0, 0
    while at < len(pattern):
        mark = pattern[at]
        if pattern.startswith("**", at):
            found, at = f"{found}.*", at + 1
        elif mark in "*?":
            found += "[^/]*" if mark == "*" else "[^/]"
        elif mark == "[" and (close := pattern.find("]", at)) > at:
            inner = pattern[at + 1 : close].replace("\\", "\\\\").replace("[", "\\[")
            found, at = f"{found}[{'^' + inner[1:] if inner.startswith('!') else inner}]", close
        elif mark in "{}" and (mark == "{" or depth):
            found, depth = found + ("(?:" if mark == "{" else ")"), depth + (1 if mark == "{" else -1)
        elif mark == "," and depth:
            found += "|"
        elif mark == "\\" and at + 1 < len(pattern):
            found, at = found + re.escape(pattern[at + 1]), at + 1
        else:
            found += re.escape(mark)
        at += 1
    return found + ")" * depth
