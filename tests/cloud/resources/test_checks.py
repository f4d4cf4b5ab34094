"""What is asked for and not done is refused; what is empty asks for nothing."""

from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import checks

FEATURES = {"Storage": "storage of its own", "Deep": "anything deep"}


@pytest.mark.parametrize("empty", [{}, [], ""])
def test_empty_member_is_taken_out(empty: Any) -> None:
    given = {"Name": "n", "Storage": empty, "Other": empty}
    checks.refused(given, FEATURES)
    assert given == {"Name": "n", "Other": empty}


def test_member_that_says_no_stays() -> None:
    given = {"Storage": False, "Deep": None}
    checks.refused(given, FEATURES)
    assert given == {"Storage": False, "Deep": None}


@pytest.mark.parametrize("value", [True, {"a": {}}, [{}], "x"])
def test_member_that_asks_is_refused(value: Any) -> None:
    with pytest.raises(ValidationException, match=r"Where\.Deep: the local cloud does not do anything deep"):
        checks.refused({"Deep": value}, FEATURES, "Where.")
