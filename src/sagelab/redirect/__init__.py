"""Points any Python at the local cloud; the folder that `sagelab env` puts first on PYTHONPATH."""

from __future__ import annotations

from pathlib import Path

from sagelab.redirect.sitecustomize import install

FOLDER = Path(__file__).parent

__all__ = ["FOLDER", "install"]
