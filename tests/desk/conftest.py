from __future__ import annotations

from tests.cloud.conftest import chromium

__all__ = ["chromium"]
