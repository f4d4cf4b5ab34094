"""Hugging Face's toolkit for inference by its own name."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from sagelab.cloud.engine.images.environments import TOOLKITS
from sagelab.serving.errors import BadRequest


def test_bodies_are_read_and_answers_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLKITS))
    toolkit = importlib.import_module("sagemaker_huggingface_inference_toolkit.decoder_encoder")
    types = importlib.import_module("sagemaker_huggingface_inference_toolkit.content_types")
    assert toolkit.decode('{"inputs": "good"}') == {"inputs": "good"}
    assert toolkit.decode(b"inputs\ngood\nbad\n", types.CSV) == {"inputs": ["good", "bad"]}
    assert toolkit.encode([{"score": np.float32(0.5)}]) == '[{"score":0.5}]'
    assert toolkit.encode([{"label": "A", "score": 1}], types.CSV) == "label,score\r\nA,1\r\n"
    assert types.X_IMAGE == "image/x-image"
    with pytest.raises(BadRequest, match="not supported by this framework"):
        toolkit.decode(b"", "text/html")
