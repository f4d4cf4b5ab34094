from __future__ import annotations

from pathlib import Path

import pytest

from sagelab.lab import models
from tests import forks

PROGRAM = """
import sys
import numpy as np
import tensorflow as tf
from sagelab.lab import models

class Darkest(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None, 28, 28, 1), tf.float32)])
    def serve(self, images):
        return tf.reduce_mean(images, axis=(1, 2, 3))[:, None] * tf.ones((1, 10))

tf.saved_model.save(Darkest(), sys.argv[1])
print("HERE", file=sys.stderr, flush=True)
scores = models.load(sys.argv[1])(np.full((3, 28, 28), 255, np.uint8))
print(scores.shape, scores.min(), scores.max())
"""


@pytest.mark.slow
def test_a_saved_model_reads_digits_and_says_nothing_of_hardware(tmp_path: Path) -> None:
    ran = forks.tensorflow().run("-c", PROGRAM, str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "(3, 10) 1.0 1.0"
    assert ran.stderr.split("HERE")[1].strip() == ""


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no SavedModel"):
        models.load(tmp_path)
