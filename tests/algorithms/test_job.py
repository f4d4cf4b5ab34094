"""What a container's folder says to an algorithm."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sagelab.algorithms import program
from sagelab.algorithms.job import Job, UserError
from tests.algorithms.containers import container


def packed(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_model_that_training_goes_on_from_is_unpacked(tmp_path: Path) -> None:
    earlier = container(tmp_path, {}, {"model": packed("model_algo-1", b"weights")}).earlier()
    assert earlier
    assert (earlier / "model_algo-1").read_bytes() == b"weights"
    assert container(tmp_path / "none", {}, {}).earlier() is None


@pytest.mark.parametrize(
    "content", [b"no archive", packed("../out", b"of its folder"), packed("model", b"x")[:40]]
)
def test_channel_without_a_model_is_the_users_fault(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=r"must hold one model\.tar\.gz"):
        container(tmp_path, {}, {"model": content}).earlier()
    assert not (tmp_path.parent / "out").exists()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("the rows are none"), 2, "the rows are none"),
        (RuntimeError("a fault"), 1, "RuntimeError: a fault"),
    ],
)
def test_an_end_tells_whose_fault_it_is(tmp_path: Path, error: Exception, code: int, said: str) -> None:
    def train(_: Job) -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        program.main(train, container(tmp_path, {}, {}))
    assert ended.value.code == code
    assert (tmp_path / "output/failure").read_text() == said
