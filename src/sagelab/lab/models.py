"""A trained model, loaded from the folder that its training job left in the archive."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def load(folder: str | Path) -> Callable[[Array], Array]:
    """The SavedModel in `folder` as a function of digits: images (n, 28, 28), 0 to 255, to scores (n, 10).

    ValueError: `folder` holds no SavedModel.
    """
    if not (Path(folder) / "saved_model.pb").is_file():
        raise ValueError(f"{folder} holds no SavedModel: there is no saved_model.pb in it.")
    with _keeping_back_stderr():
        import tensorflow as tf

        model = tf.saved_model.load(str(folder))
        # The first call looks for GPUs, and says so, too.
        model.serve(tf.zeros((1, 28, 28, 1)))

    def read(images: Array) -> Array:
        scores: Array = model.serve(images.reshape(-1, 28, 28, 1).astype("float32") / 255).numpy()
        return scores

    return read


@contextmanager
def _keeping_back_stderr() -> Iterator[None]:
    """Keep back what is written to file descriptor 2, which is out of Python's reach; tell it all on an error.

    TensorFlow's C++ side lists there what hardware it does not find, before any setting can stop it.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(before, kept.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
