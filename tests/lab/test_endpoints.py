from __future__ import annotations

import io
import time

import numpy as np
import pytest

from sagelab.lab import endpoints
from sagelab.lab.endpoints import Answer
from sagelab.lab.session import Lab

BLANK = np.zeros((28, 28), np.uint8)


def test_a_client_keeps_what_fails_and_goes_on(lab: Lab) -> None:
    limit = time.monotonic() + 60
    with endpoints.asking(lab, lab.name, BLANK) as answers:
        while len(answers) < 3 and time.monotonic() < limit:
            time.sleep(0.01)
    assert len(answers) >= 3
    assert all("not found" in answer.error and not answer.scores for answer in answers)


def test_an_endpoint_that_nobody_makes_is_not_waited_for_forever(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(endpoints.PATIENCE, "local", 0.0)
    with pytest.raises(endpoints.EndpointFailed, match=f"should serve {lab.name}-v1, and has not been made"):
        endpoints.arrive(lab, lab.name, f"{lab.name}-v1")


def test_the_picture_of_a_client_tells_what_failed_and_what_changed() -> None:
    answers = [Answer(0.1, (0.5, 0.5)), Answer(0.2, error="gone"), Answer(0.3, (0.1, 0.9))]
    figure = endpoints.show_answers(answers, 1)
    words = "3 requests, 1 failed; the score of 1 goes from 0.50 to 0.90"
    assert figure.alt.endswith(words)  # type: ignore[attr-defined]
    answered, failed = figure.axes[0].lines
    assert np.array_equal(answered.get_xdata(), [0.1, 0.3])
    assert np.array_equal(failed.get_xdata(), [0.2])
    figure.savefig(io.BytesIO(), format="png")
