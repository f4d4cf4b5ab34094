"""The Inference Recommender by way of both SDKs, unmodified, on a local cloud whose minutes are short."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagelab.cloud import clock, control
from sagelab.cloud.home import Home
from tests import forks
from tests.clients.conformance import note
from tests.clients.conftest import SCRIPTS, Ran, check, read_calls
from tests.cloud.recommendations import Recommendations, add_image
from tests.conftest import LocalCloud, Sagelab

pytestmark = pytest.mark.slow
SPEED = 600.0


@pytest.fixture(scope="module")
def advice(sagelab: Sagelab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommendations]:
    home = Home(tmp_path_factory.mktemp("advice") / "home")
    clock.set_speed(home, SPEED)
    started = sagelab("up", "--detach", home=home.path)
    assert started.returncode == 0, started.stderr
    server = home.server()
    assert server is not None
    own = LocalCloud(home, server["url"])
    yield Recommendations(own, add_image(own, tmp_path_factory.mktemp("serves")))
    control.down(home)


def play(python: str, script: str, cloud: LocalCloud, advice: Recommendations, folder: Path) -> Ran:
    """A script in a fork of a Python that has its SDK. cloud: that of the other scripts."""
    record = folder / "calls.jsonl"
    variables = forks.recording(advice.cloud.env, str(record))
    variables |= {"IMAGE": advice.image, "SAMPLES": advice.payload}
    ran = forks.sdk(python, cloud.env).run(str(SCRIPTS / script), folder=folder, variables=variables)
    return Ran(script, ran.returncode, ran.stdout, ran.stderr, read_calls(record))


def said(ran: Ran, word: str) -> str:
    """What a line of the output says after a word."""
    return next(line.partition(" ")[2] for line in ran.out.splitlines() if line.startswith(f"{word} "))


def test_v2_deploys_what_right_size_advises(
    v2: str, cloud: LocalCloud, advice: Recommendations, tmp_path: Path
) -> None:
    ran = play(v2, "advice_v2.py", cloud, advice, tmp_path)
    assert ran.code == 0, ran.out[-3000:] + ran.err[-3000:]
    note(ran.source, ran.calls)  # `deploy` creates the model once more, and goes on where it is there
    assert said(ran, "advised") == "['ml.c5.large', 'ml.c5.large']"
    assert said(ran, "deployed") == "InService 7"
    assert advice.left() == []


def test_v3_right_sizes_and_has_the_job_as_a_resource(
    cloud: LocalCloud, advice: Recommendations, tmp_path: Path
) -> None:
    ran = play(sys.executable, "advice_v3.py", cloud, advice, tmp_path)
    check(ran)
    assert said(ran, "advised") == "['ml.m5.large']"
    assert said(ran, "job") == "COMPLETED ml.m5.large"
