"""What an archive of samples may be: it is a stranger's."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sagelab.cloud.engine.recommender import samples
from sagelab.cloud.errors import ClientError
from tests.cloud.jobs import Jobs, pack


def linked(name: str, target: str, **files: str) -> bytes:
    """An archive with a link in it."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as out:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, target
        out.addfile(member)
        for file, text in files.items():
            member = tarfile.TarInfo(file)
            member.size = len(text)
            out.addfile(member, io.BytesIO(text.encode()))
    return archive.getvalue()


def fetch(jobs: Jobs, archive: bytes, folder: Path) -> list[str]:
    return samples.fetch(jobs.s3, jobs.put("samples.tar.gz", archive), folder / "payload")


def test_every_file_is_a_sample_but_what_is_hidden(jobs: Jobs, tmp_path: Path) -> None:
    found = fetch(jobs, pack({"a.csv": "1", "more/b.csv": "2", "._a.csv": "x", ".git/c": "x"}), tmp_path)
    assert found == ["a.csv", "more/b.csv"]
    assert (tmp_path / "payload/more/b.csv").read_text() == "2"
    assert not (tmp_path / "payload.tar.gz").exists()


def test_a_link_is_no_sample(jobs: Jobs, tmp_path: Path) -> None:
    assert fetch(jobs, linked("b", "a", a="1"), tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (b"no archive", "it is not a readable tar.gz file"),
        (linked("b", "/etc/passwd"), "leads outside its folder"),
        (pack({"../b": "1"}), "would be written outside its folder"),
        (pack({}), "PayloadError: .* holds no file"),
        (pack({"a": ""}), "PayloadError: a of .* has 0 bytes"),
        (pack({f"{n}": "1" for n in range(samples.MOST + 1)}), "PayloadError: .* more than 100 samples"),
    ],
    ids=["text", "link", "climbs", "empty", "nothing", "many"],
)
def test_a_hostile_or_empty_archive_is_refused(jobs: Jobs, tmp_path: Path, archive: bytes, reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        fetch(jobs, archive, tmp_path)


@pytest.mark.parametrize(("name", "size"), [("PACKED", 10), ("UNPACKED", 100), ("LARGEST", 100)])
def test_samples_are_small(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int
) -> None:
    monkeypatch.setattr(samples, name, size)
    with pytest.raises(ClientError):
        fetch(jobs, pack({"a": "1" * 200}), tmp_path)


def test_an_archive_that_is_not_there_is_a_payload_error(jobs: Jobs, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"PayloadError: .*cannot be read"):
        samples.fetch(jobs.s3, f"s3://{jobs.bucket}/nowhere.tar.gz", tmp_path / "payload")
