from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sagelab.lab import automation
from sagelab.lab.session import Lab

HANDLER = "def handler(event, context):\n    return {'got': event['detail']['number']}\n"


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "answer.py"
    path.write_text(HANDLER)
    return str(path)


def test_a_function_does_what_its_script_says(lab: Lab, script: str, capsys: pytest.CaptureFixture[str]) -> None:
    arn = automation.make_function(lab, script, [], {"KEY": "value"})
    answer: Any = lab.client("lambda").invoke(FunctionName=arn, Payload=json.dumps({"detail": {"number": 7}}))
    assert json.load(answer["Payload"]) == {"got": 7}
    told = capsys.readouterr().out
    assert 'lab.client("lambda").create_function(' in told
    assert 'json.dumps({\n        "Version": "2012-10-17"' in told
    automation.remove(lab)


def test_what_was_made_is_found_and_removed(lab: Lab, script: str) -> None:
    function = automation.make_function(lab, script, [], {})
    automation.make_rule(lab, "asked", {"source": ["mine"]}, function)
    again = automation.make_function(lab, script, [], {})
    assert again == function
    named = f"{lab.name}-answer"
    assert automation.left(lab) == [f"{lab.name}-asked", named, named]
    assert automation.remove(lab) == [
        f"deleted rule {lab.name}-asked",
        f"deleted function {named}",
        f"deleted role {named}",
    ]
    assert automation.left(lab) == []
