"""What a notebook can be exported as: found in a process of its own, kept while the same exporters are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagelab.desk import formats
from tests.loops import complete


def test_found_once_and_kept(tmp_path: Path) -> None:
    kept = tmp_path / "formats.json"
    kept.write_text('{"offered": ')  # cut off
    found = complete(formats.formats(kept))
    assert found["html"] == {"output_mimetype": "text/html"}
    assert found["python"] == {"output_mimetype": "text/x-python"}
    held = json.loads(kept.read_text())
    assert held["formats"] == found
    held["formats"] = {"of the file": {"output_mimetype": "text/plain"}}
    kept.write_text(json.dumps(held))
    assert complete(formats.formats(kept)) == held["formats"]


def test_other_packages_are_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> formats.Formats:
        return {"new": {"output_mimetype": "text/plain"}}

    monkeypatch.setattr(formats, "_ask", ask)
    kept = tmp_path / "formats.json"
    kept.write_text(json.dumps({"offered": [["html", "of.another:Version", "1"]], "formats": {}}))
    assert complete(formats.formats(kept)) == {"new": {"output_mimetype": "text/plain"}}
