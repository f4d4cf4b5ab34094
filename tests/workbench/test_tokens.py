from __future__ import annotations

import pytest

from sagelab.workbench import tokens


def test_token_opens_a_session_for_five_minutes() -> None:
    token = tokens.sign("key", 1000.0, 1800)
    assert tokens.read("key", token, 1000.0) == 1800
    assert tokens.read("key", token, 1299.0) == 1800
    assert tokens.read("key", token, 1300.0) is None


@pytest.mark.parametrize("token", ["", ".", "..", "1.2.3", "x", "9999999999.1800.", "é.1.2"])
def test_what_is_not_signed_opens_nothing(token: str) -> None:
    assert tokens.read("key", token, 0.0) is None


def test_another_key_opens_nothing() -> None:
    assert tokens.read("other", tokens.sign("key", 0.0, 1800), 0.0) is None
