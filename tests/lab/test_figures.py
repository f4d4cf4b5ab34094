"""A picture in a notebook comes with words, and its words are no markup."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from sagelab.lab import pictures
from sagelab.lab.figures import image


def test_a_shown_picture_is_a_png_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    figure: Any = pictures.digits(np.zeros((2, 28, 28)), np.array([1, 2]), np.array([1, 7]))
    figure._ipython_display_()
    (bundle,) = shown
    assert bundle["text/plain"] == "2 handwritten digits, in order: 1, 2 read as 7"
    assert 'alt="2 handwritten digits, in order: 1, 2 read as 7"' in bundle["text/html"]
    data = bundle["text/html"].partition("base64,")[2].partition('"')[0]
    assert base64.b64decode(data).startswith(b"\x89PNG")


def test_words_cannot_end_their_attribute() -> None:
    assert image(b"", '"><script>') == '<img alt="&quot;&gt;&lt;script&gt;" src="data:image/png;base64,">'
