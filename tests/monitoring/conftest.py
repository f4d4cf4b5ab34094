from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitoring.container import Container


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    return Container(tmp_path, monkeypatch)
