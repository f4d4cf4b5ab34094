from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from sagelab.lab import costs, pictures, spot, watch
from sagelab.lab.session import Lab

SLOW_EPOCHS = """
import pathlib, time
folder = pathlib.Path("/opt/ml/checkpoints")
folder.mkdir(exist_ok=True)
done = len(list(folder.iterdir()))
for epoch in range(done + 1, 11):
    time.sleep(0.5)
    (folder / str(epoch)).touch()
    print(f"epoch {epoch}/10 - loss: 0.5 - val_acc: 0.5", flush=True)
    time.sleep(0.5)
"""


def on_spot(lab: Lab, checkpoints: bool, **market: float) -> dict[str, Any]:
    """What makes a request one of a spot job."""
    request = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 600},
        "Tags": [*lab.tags, *spot.tags(**market)],
    }
    return request | ({"CheckpointConfig": {"S3Uri": lab.uri("checkpoints")}} if checkpoints else {})


def test_market_of_a_job_is_what_its_tags_ask_for(lab: Lab, train: Callable[..., str]) -> None:
    name = train("", **on_spot(lab, checkpoints=False, rate=0, wait=2.5))
    found = spot.market(lab, name)
    assert (found["rate"], found["wait"]) == (0, 2.5)
    assert set(found) == set(spot.FACTS)
    assert spot.market(lab, train("", name="ordinary")) == {}
    for each in (name, f"{lab.name}-ordinary"):
        watch.follow(lab, "training job", each)


def test_unknown_fact_of_a_market_is_refused() -> None:
    with pytest.raises(TypeError, match="a spot market has rate, wait, seed, interruptions, notice, not wind"):
        spot.tags(wind=1)


@pytest.mark.slow
def test_jobs_with_and_without_checkpoints_are_told_apart(lab: Lab, train: Callable[..., str]) -> None:
    calm = {"rate": 0, "wait": 0.5}
    names = {
        kind: train(SLOW_EPOCHS, name=kind, **on_spot(lab, checkpoints=kind == "with", **calm))
        for kind in ("with", "without")
    }
    for name in names.values():
        spot.interrupt(lab, name, after=2)
    jobs = {kind: watch.follow(lab, "training job", name) for kind, name in names.items()}
    trained = {kind: spot.epochs(lab, name) for kind, name in names.items()}
    whole = list(range(1, 11))
    assert list(trained["with"]["epoch"]) == whole
    assert list(trained["without"]["epoch"])[-10:] == whole
    before = len(trained["without"]) - len(whole)
    assert before >= 2
    assert list(trained["without"]["again"]) == [False] * before + [True] * before + [False] * (10 - before)
    assert 40 <= costs.savings(jobs["with"]) <= 80
    rows = {kind: (watch.transitions(lab, name), trained[kind]) for kind, name in names.items()}
    texts = [text.get_text() for text in pictures.interruptions(rows).axes[0].texts]
    assert [int(text) for text in texts if text] == [*whole, *trained["without"]["epoch"]]
    with pytest.raises(botocore.exceptions.ClientError, match="its status is Completed"):
        spot.interrupt(lab, names["with"])


def test_interrupting_is_refused_on_aws(lab: Lab) -> None:
    elsewhere = dataclasses.replace(lab, target="aws")
    with pytest.raises(RuntimeError, match="nobody can take the capacity"):
        spot.interrupt(elsewhere, "job")
