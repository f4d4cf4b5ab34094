"""Secrets that moto makes cannot be worked out from what it shows."""

from __future__ import annotations

import string
from typing import Any

from moto.iam.utils import random_access_key, random_alphanumeric
from moto.moto_api._internal import mock_random

from sagelab.cloud.gateway.moto import randomness


def drawn() -> list[Any]:
    return [random_access_key(), random_alphanumeric(40), mock_random.uuid4(), mock_random.get_random_string(52)]


def test_who_knows_the_generators_state_does_not_know_the_next_secret() -> None:
    randomness.install()
    seen = []
    for _ in range(2):
        mock_random.seed(1)
        super(randomness.Unguessable, mock_random).seed(1)  # the twister below, as if it had been worked out
        seen.append(drawn())
    assert not set(map(str, seen[0])) & set(map(str, seen[1]))


def test_random_string_has_its_length_and_letters() -> None:
    randomness.install()
    text = mock_random.get_random_string(40_000)
    assert len(text) == 40_000
    assert set(text) == set(string.ascii_letters + string.digits)
    assert mock_random.get_random_string(8, include_digits=False).isalpha()
    assert mock_random.get_random_string(64, lower_case=True).islower()
