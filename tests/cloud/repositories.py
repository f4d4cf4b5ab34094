"""Repositories of CodeCommit as tests use them: by real git and by boto3."""

from __future__ import annotations

import os
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import LocalCloud

AUTHOR = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))
}


def git(*arguments: str, folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`git ARGUMENTS` in a folder, without this user's settings."""
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=own | AUTHOR | (env or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@dataclass
class Clone:
    """A new repository of a local cloud, and a clone of it in `folder`."""

    cloud: LocalCloud
    folder: Path
    name: str = field(default_factory=lambda: f"repository-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.api: Any = self.cloud.client("codecommit")
        self.made = self.api.create_repository(repositoryName=self.name)["repositoryMetadata"]
        self.url: str = self.made["cloneUrlHttp"]
        assert self.git("init", "-q", "-b", "main").returncode == 0
        self.git("remote", "add", "origin", self.url)

    def git(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return git(*arguments, folder=self.folder, env=self.cloud.env | env)

    def commit(self, **files: str) -> str:
        """Commit files; the commit's id."""
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.git("add", ".")
        done = self.git("commit", "-q", "-m", "a commit")
        assert done.returncode == 0, done.stderr
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.git("push", "-q", "origin", *(arguments or ("main",)))
