from __future__ import annotations

from typing import Any

import pytest

from sagelab.lab import cleanup, tuning, watch
from sagelab.lab.session import Lab
from tests.cloud.jobs import Jobs
from tests.cloud.tunings import Tunings
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow

RANGES = {
    "IntegerParameterRanges": [{"Name": "size", "MinValue": "1", "MaxValue": "64"}],
    "ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.0001", "MaxValue": "0.1"}],
    "CategoricalParameterRanges": [{"Name": "kind", "Values": ["relu", "tanh"]}],
}
PRINTS = """
import os
number = int(os.environ["TRAINING_JOB_NAME"].split("-")[-2])
assert number != 2, "the second one fails"
print("score: 0." + str(number), flush=True)
"""


@pytest.fixture(scope="module")
def tunings(cloud: LocalCloud) -> Tunings:
    return Tunings(Jobs(cloud))


@pytest.fixture(scope="module")
def name(tunings: Tunings) -> str:
    """A tuning job of four training jobs, one of which has failed."""
    request = tunings.request(tunings.config(4, 2, ParameterRanges=RANGES), source=PRINTS)
    found: str = tunings.run(request)["HyperParameterTuningJobName"]
    return found


def test_a_search_is_followed_to_its_end_on_one_line(
    lab: Lab, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = watch.follow(lab, "tuning job", name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Completed · ")
    assert line.endswith("4 of 4 jobs ended · 1 failed · best score 0.4000 by job 4")


def test_the_jobs_are_a_row_each(lab: Lab, name: str) -> None:
    table = tuning.jobs(lab, name)
    assert list(table.columns) == ["job", "size", "rate", "kind", "score", "seconds", "status", "name"]
    assert table["job"].tolist() == [1, 2, 3, 4]
    assert table["score"].fillna(-1).tolist() == pytest.approx([0.1, -1, 0.3, 0.4])
    assert table["status"].tolist() == ["Completed", "Failed", "Completed", "Completed"]
    assert table["size"].dtype.kind == "i"
    assert table["rate"].between(0.0001, 0.1).all()
    assert set(table["kind"]) <= {"relu", "tanh"}
    assert (table["seconds"] > 0).all()
    assert table.attrs == {
        "objective": "score",
        "maximize": True,
        "parameters": ["size", "rate", "kind"],
        "logarithmic": ["rate"],
    }


def test_a_failed_search_raises_with_its_reason(lab: Lab, tunings: Tunings) -> None:
    failed = tunings.create(tunings.request(tunings.config(1, 1), source="raise SystemExit(3)"))
    with pytest.raises(watch.JobFailed, match=r"All training jobs failed") as trouble:
        watch.follow(lab, "tuning job", failed)
    assert trouble.value.job["HyperParameterTuningJobName"] == failed


@pytest.mark.parametrize(
    ("item", "logarithmic"),
    [
        ({"MinValue": "1", "MaxValue": "10", "ScalingType": "Logarithmic"}, True),
        ({"MinValue": "1", "MaxValue": "100", "ScalingType": "Auto"}, True),
        ({"MinValue": "1", "MaxValue": "100", "ScalingType": "Linear"}, False),
        ({"MinValue": "0", "MaxValue": "100"}, False),
        ({"Values": ["1", "100"]}, False),
    ],
)
def test_the_table_knows_what_was_searched_logarithmically(item: dict[str, Any], logarithmic: bool) -> None:
    assert tuning._is_logarithmic(item) is logarithmic


def test_clean_stops_a_running_search_and_its_jobs(lab: Lab, tunings: Tunings) -> None:
    request = tunings.request(source="import signal\nsignal.pause()", Tags=lab.tags)
    running = tunings.create(request)
    tunings.wait_children(running, 2)
    did = cleanup.clean(lab)
    assert did[0] == f"stopped tuning job {running}"
    assert tunings.describe(running)["HyperParameterTuningJobStatus"] == "Stopped"
    cleanup.assert_clean(lab)
