"""The toolkit hears of the region and of commands that are not there as it would by itself."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagelab.frameworks.toolkit import LOOKS, hasten


class Environment(SimpleNamespace):
    """What the toolkit's module has, and how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        for name in LOOKS:
            setattr(self, name, lambda name=name: self.asked.append(name))
        self.boto3 = SimpleNamespace(session=SimpleNamespace(Session=self._session))

    def _session(self) -> Any:
        self.asked.append("settings")
        return SimpleNamespace(region_name="of the settings")


@pytest.mark.parametrize(
    ("region", "found", "asked"), [("eu-west-1", "eu-west-1", []), (None, "of the settings", ["settings"])]
)
def test_toolkit_looks_once(
    monkeypatch: pytest.MonkeyPatch, region: str | None, found: str, asked: list[str]
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    if region is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    environment = Environment()
    hasten(environment)
    for _ in range(3):
        assert environment.boto3.session.Session().region_name == found
        for name in LOOKS:
            getattr(environment, name)()
    assert sorted(environment.asked) == sorted([*asked, *LOOKS])


def test_toolkit_has_what_is_hastened() -> None:
    spec = find_spec("sagemaker_training")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    text = Path(spec.submodule_search_locations[0], "environment.py").read_text()
    assert all(f"def {name}()" in text for name in LOOKS)
    assert text.count("boto3.") == text.count("boto3.session.Session().region_name") == 1
