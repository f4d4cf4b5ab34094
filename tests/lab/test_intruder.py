from __future__ import annotations

import io
import json
import runpy
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.lab import intruder, watch
from sagelab.lab.intruder import Attempt, Matrix
from sagelab.lab.session import Lab

LAB = Path(__file__).parents[2] / "labs" / "06-lock-it-down"
REFUSED = (
    "AccessDenied: An error occurred (AccessDenied) when calling the GetObject operation: User: u is not "
    "authorized to perform: s3:GetObject on resource: r because no identity-based policy allows the "
    "s3:GetObject action"
)


def test_the_reason_of_a_refusal_is_short() -> None:
    assert intruder.brief(REFUSED) == "no identity-based policy allows s3:GetObject"
    denied = "not authorized to perform: s3:GetObject with an explicit deny in a resource-based policy"
    assert intruder.brief(denied) == "an explicit deny in a resource-based policy"
    assert intruder.brief("URLError: <urlopen error timed out>") == "URLError: <timed out>"
    long = intruder.brief("x" * 200)
    assert len(long) == intruder.SAID
    assert long.endswith("...")


def test_a_matrix_says_in_words_what_is_open() -> None:
    matrix = Matrix()
    before = {"take_keys": Attempt(True, "keys"), "carry_out": Attempt(True, "a file")}
    assert matrix.add("nothing", before) == {"take_keys", "carry_out"}
    assert matrix.add("a policy", before | {"carry_out": Attempt(False, REFUSED)}) == {"take_keys"}
    assert matrix.show().alt == (
        "Measures against attempts. nothing: open: take the role's keys, copy to a stranger's bucket; "
        "a policy: open: take the role's keys"
    )
    table = matrix.reasons("a policy")
    assert list(table["way"]) == ["open", "closed"]
    assert table["what it met"].iloc[1] == "no identity-based policy allows s3:GetObject"


def test_what_was_closed_before_any_measure_tells_nothing_of_measures() -> None:
    matrix = Matrix()
    matrix.add("nothing", {"reach_internet": Attempt(False, "offline"), "take_keys": Attempt(True, "keys")})
    matrix.add("a network", {"reach_internet": Attempt(False, "offline"), "take_keys": Attempt(True, "keys")})
    assert matrix.blind() == {"reach_internet"}
    drawn = [text.get_text() for text in matrix.show().axes[0].texts]
    assert drawn.count("not here") == 2


def test_a_way_from_outside_is_open_or_refused() -> None:
    def refuse() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    found = intruder.outside({"read_stored": refuse, "stolen": dict})
    assert not found["read_stored"].open
    assert "AccessDenied" in found["read_stored"].said
    assert found["stolen"] == Attempt(True, "answered")


def test_attempts_are_read_in_the_jobs_log(monkeypatch: pytest.MonkeyPatch) -> None:
    lab: Any = SimpleNamespace()
    line = json.dumps({"take_keys": {"open": True, "said": "keys that begin with ASIA"}})
    said = [SimpleNamespace(message="[sagelab] an image"), SimpleNamespace(message=line)]
    monkeypatch.setattr(watch, "events", lambda *_: said)
    assert intruder.attempts(lab, "job") == {"take_keys": Attempt(True, "keys that begin with ASIA")}
    monkeypatch.setattr(watch, "events", lambda *_: said[:1])
    monkeypatch.setattr(watch, "tail", lambda *_: "an image")
    with pytest.raises(RuntimeError, match="does not say what was tried: an image"):
        intruder.attempts(lab, "job")


def test_the_script_tries_what_the_picture_names() -> None:
    script = runpy.run_path(str(LAB / "probe.py"))
    tried = [way.__name__ for way in script["ATTEMPTS"]]
    assert tried == list(intruder.ATTEMPTS)[: len(tried)]
    shut = script["attempt"](lambda _: int("no"), {})
    assert shut == {"open": False, "said": "ValueError: invalid literal for int() with base 10: 'no'"}


def test_what_a_notebook_reaches_is_said_in_a_line(lab: Lab) -> None:
    script = runpy.run_path(str(LAB / "reach.py"))
    with redirect_stdout(io.StringIO()) as said:
        script["reach"](lab.region, lab.bucket, "http://127.0.0.1:9/")
    assert json.loads(said.getvalue()) == {"the internet": "no", "S3": "yes", "SageMaker": "yes"}
