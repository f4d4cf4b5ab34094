"""docs/operations.md says what the code does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from sagelab import catalog
from sagelab.cloud import resources
from sagelab.cloud.gateway.moto.front import services
from sagelab.cloud.gateway.wire.planes import Planes
from sagelab.cloud.resources.lineage import Lineage

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "operations.md"
SPEC = importlib.util.spec_from_file_location("operations", ROOT / "tools" / "operations.py")
assert SPEC is not None
assert SPEC.loader is not None
operations = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(operations)


def test_document_is_current() -> None:
    assert DOCUMENT.read_text() == operations.write(), "run: python tools/operations.py"


def test_every_sagemaker_operation_has_one_owner() -> None:
    ours = resources.operations()
    assert not {"CreateAutoMLJob", "NoSuchOperation"} & ours
    known = {name for names in Planes().names().values() for name in names}
    assert ours <= known
    assert "| CreateAutoMLJob | refused | |" in DOCUMENT.read_text()


def test_what_the_catalog_has_is_what_the_families_answer() -> None:
    declared = {name for kind in catalog.KINDS for name in kind.operations}
    of_no_kind = {"AddTags", "ListTags", "DeleteTags", "Search", "ListMonitoringExecutions"}
    of_no_kind |= {f"{verb}SagemakerServicecatalogPortfolio" for verb in ("Enable", "Disable")}
    of_no_kind.add("GetSagemakerServicecatalogPortfolioStatus")
    of_no_kind |= Lineage.declared().keys()  # what is read from other resources
    assert declared ^ resources.operations() == of_no_kind


def test_sagemaker_never_reaches_moto() -> None:
    assert not [name for name in services() if "sagemaker" in name]
