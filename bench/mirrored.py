"""Lab 1's network as a script of Keras 2 that trains on all hosts of its job together; a line an epoch."""

import os
from pathlib import Path
from typing import Any

import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()

import keras  # noqa: E402 - the strategy is made first, as TensorFlow asks
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

EPOCHS = int(os.environ["SM_HP_EPOCHS"])
keras.utils.set_random_seed(1)


def load(name: str) -> tuple[Any, Any]:
    """Images scaled to 0..1 with a channel axis, (n, 28, 28, 1), and their labels, (n,)."""
    with np.load(Path(os.environ[f"SM_CHANNEL_{name.upper()}"]) / f"{name}.npz") as data:
        return data["image"].reshape(-1, 28, 28, 1).astype("float32") / 255, data["label"]


with strategy.scope():
    model = keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1), name="image"),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["acc"])
print(f"{strategy.num_replicas_in_sync} replicas", flush=True)
history = model.fit(*load("training"), batch_size=32, epochs=EPOCHS, validation_data=load("validation"), verbose=0)
print(f"val_acc: {history.history['val_acc'][-1]:.4f}", flush=True)
