"""docs/operations.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from sagelab.cloud.gateway import owners
from sagelab.cloud.gateway.moto.front import services
from sagelab.cloud.gateway.wire.planes import Planes

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"


def test_document_is_current() -> None:
    assert DOCUMENT.read_text() == owners.write(), "run: python -m sagelab.cloud.gateway.owners"


def test_every_sagemaker_operation_has_one_owner() -> None:
    assert {owners.owner(name) for name in ("CreateAutoMLJob", "NoSuchOperation")} == {"refused"}
    known = {name for names in Planes().names().values() for name in names}
    assert owners.ours() <= known


def test_sagemaker_never_reaches_moto() -> None:
    assert not [name for name in services() if "sagemaker" in name]
