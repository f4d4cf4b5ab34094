"""The zones of a home, lost and given back from the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.home import Home
from sagelab.cloud.zones import put_on, read

Sagelab = Callable[..., Any]


def test_zone_is_lost_and_given_back(sagelab: Sagelab, home: Home) -> None:
    assert sagelab("zone", "down", "us-east-1b", home=home.path).stdout == "us-east-1b is down: 0 servers killed\n"
    assert read(home).down == {"us-east-1b"}
    shown = [line.split() for line in sagelab("zone", "show", home=home.path).stdout.splitlines()]
    assert shown[:3] == [["us-east-1a", "up", "0"], ["us-east-1b", "down", "0"], ["us-east-1c", "up", "0"]]
    assert sagelab("zone", "up", "us-east-1b", home=home.path).stdout == "us-east-1b is up\n"
    assert read(home).down == frozenset()


def test_zone_that_there_is_not_is_refused(sagelab: Sagelab, home: Home) -> None:
    result = sagelab("zone", "down", "us-east-1z", home=home.path)
    assert (result.returncode, result.stderr.startswith("Error: There is no zone us-east-1z;")) == (1, True)
    with pytest.raises(ValidationException):
        put_on(home, read(home), {"Name": "moon"})
