from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sagelab.lab import local, zones


def test_zones_are_read_with_their_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "command", lambda *_: "us-east-1a       up    0\nus-east-1b       down  2")
    assert zones.servers() == {"us-east-1a": 0, "us-east-1b": 2}


def test_on_aws_nobody_takes_a_zone_away(capsys: pytest.CaptureFixture[str]) -> None:
    there: Any = SimpleNamespace(local=False)
    requests, _ = zones.lose(there, "e", b"{}")
    assert requests == []
    assert "nobody can take a zone away but AWS" in capsys.readouterr().out
