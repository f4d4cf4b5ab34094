from __future__ import annotations

import time

import pytest

from sagelab.workbench import tokens
from sagelab.workbench.identity import Guest, Presigned


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Presigned:
    monkeypatch.setenv(tokens.KEY, "key")
    return Presigned()


def test_cookie_is_good_until_its_session_ends(provider: Presigned) -> None:
    user = Guest("ec2-user", until=time.time() + 1800)
    assert provider.user_from_cookie(provider.user_to_cookie(user)) == Guest(
        "ec2-user", "ec2-user", "ec2-user", "ec", until=user.until
    )


def test_cookie_of_a_session_that_ended_is_nobodys(provider: Presigned) -> None:
    user = Guest("ec2-user", until=time.time() - 1)
    assert provider.user_from_cookie(provider.user_to_cookie(user)) is None
