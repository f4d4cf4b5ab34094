"""Images of TensorFlow up to 2.15: Keras 2, under every name, warm, and what it saves is served."""

from __future__ import annotations

import re

import pytest

from sagelab.cloud.engine.images.environments import KERAS_2
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

REPOSITORY = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-{}"
TRAIN = """
import sys
print("warm", "tf_keras" in sys.modules)
import os, subprocess
import numpy as np
import tensorflow as tf
import keras
from keras.layers import LSTM, Dense
from keras.src.engine.sequential import Sequential
from tensorflow.keras.models import load_model
print("one Keras", keras.Sequential is tf.keras.Sequential is Sequential)
model = keras.Sequential([LSTM(2, stateful=True, batch_input_shape=(1, 3, 1)), Dense(1)])
model.compile(optimizer="sgd", loss="mse")
rows = np.ones((1, 3, 1), "float32")
first = model.predict(rows, verbose=0)
model.reset_states()
print("reset", np.allclose(first, model.predict(rows, verbose=0)))
model.save("model.h5")
print("HDF5", load_model("model.h5").optimizer.__class__.__name__)
dense = tf.keras.Sequential([Dense(1, kernel_initializer="ones", input_shape=(2,))])
dense.save(os.path.join(os.environ["SM_MODEL_DIR"], "1"))
look = "from importlib.util import find_spec as find; print('child', find('tf_keras').name, find('keras').loader)"
subprocess.run([sys.executable, "-c", look], check=True)
"""


@pytest.mark.slow  # a Python of its own that imports TensorFlow
def test_a_script_of_keras_2_trains_and_its_model_is_served(cloud: LocalCloud) -> None:
    jobs, hosting = Jobs(cloud), Hosting(cloud)
    request = jobs.script(TRAIN)
    request["AlgorithmSpecification"]["TrainingImage"] = REPOSITORY.format("training:2.11-cpu-py39")
    ended = jobs.run(request)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    log = jobs.full_log(request["TrainingJobName"])
    versions = re.search(r"is, here, Python .*TensorFlow (2\.\d+\.\d+), Keras (2\.\d+\.\d+), CPU only", log)
    assert versions, log
    assert versions[1] == versions[2]
    said = ("warm True", "one Keras True", "reset True", "HDF5 SGD", "child tf_keras <sagelab.")
    assert [line for line in said if line not in log] == []
    uri = ended["ModelArtifacts"]["S3ModelArtifacts"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    archive = jobs.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    name = hosting.serve(hosting.config(hosting.model(archive, Image=REPOSITORY.format("inference:2.11-cpu"))))
    assert hosting.invoke(name, {"instances": [[1.0, 2.0]]}) == {"predictions": [[3.0]]}
    hosting.close()


def test_keras_2_is_of_the_version_of_tensorflow() -> None:
    versions = dict(text.split() for text in KERAS_2.versions())
    assert versions["TensorFlow"] == versions["Keras"]
