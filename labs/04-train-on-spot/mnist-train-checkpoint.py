"""Train lab 1's network so that it can be interrupted: a checkpoint an epoch, and a resume from the newest.

In a SageMaker training job (Script Mode) every folder comes from the environment:

    $ python mnist-train-checkpoint.py --epochs 10 --batch-size 32 --learning-rate 0.001

Anywhere else, say where the data lies; run it again with more epochs, and it goes on where it ended:

    $ python mnist-train-checkpoint.py --epochs 1 --training digits/training --validation digits/validation

In    <training>/training.npz and <validation>/validation.npz, each with `image`, uint8 (n, 28, 28), and
      `label`, (n,) of 0 to 9
      <checkpoints>/epoch-03.keras: model, optimizer and, in its name, the epoch; the newest readable one counts
Out   <checkpoints>/epoch-04.keras and so on; the newest two are kept
      <model-dir>/1, a SavedModel as TensorFlow Serving reads it: (n, 28, 28, 1) of 0 to 1 in, ten scores out
Log   one line an epoch, "epoch 3/10 - loss: 0.1212 - acc: 0.9631 - val_loss: 0.0993 - val_acc: 0.9690"
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter would drown the log

import keras
import numpy as np
import tensorflow as tf
from keras import layers

begin = time.monotonic()

# -- knobs ------------------------------------------------------------------------------------------------
env = os.environ.get
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--learning-rate", type=float, default=0.001)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--gpu-count", type=int, default=int(env("SM_NUM_GPUS", 0)))
parser.add_argument("--model-dir", default=env("SM_MODEL_DIR", "model"))
parser.add_argument("--checkpoints", default=Path(env("SM_MODEL_DIR", "model")).parent / "checkpoints")
parser.add_argument("--training", default=env("SM_CHANNEL_TRAINING"), required=not env("SM_CHANNEL_TRAINING"))
parser.add_argument(
    "--validation", default=env("SM_CHANNEL_VALIDATION"), required=not env("SM_CHANNEL_VALIDATION")
)
args, _ = parser.parse_known_args()  # a container may pass more than this script knows
keras.utils.set_random_seed(args.seed)

# -- data -------------------------------------------------------------------------------------------------


def load(file):
    """Images scaled to 0..1 with a channel axis, (n, 28, 28, 1), and their labels, (n,)."""
    with np.load(file) as data:
        return data["image"].reshape(-1, 28, 28, 1).astype("float32") / 255, data["label"]


x_train, y_train = load(Path(args.training) / "training.npz")
x_val, y_val = load(Path(args.validation) / "validation.npz")
print(f"{len(x_train)} digits to train on, {len(x_val)} to validate with, {args.gpu_count} GPUs")

# -- model ------------------------------------------------------------------------------------------------


def build():
    """A new network, compiled."""
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
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=args.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
    )
    return model


# -- checkpoints ------------------------------------------------------------------------------------------
# SageMaker fills this folder from S3 before the script starts, and keeps S3 in step with it. The jobs of a tuning
# job share one place in S3, so each of them keeps to a folder of its own there.
folder = Path(args.checkpoints)
if "_tuning_objective_metric" in env("SM_HPS", ""):
    folder /= env("TRAINING_JOB_NAME", "")
folder.mkdir(parents=True, exist_ok=True)


def list_checkpoints():
    """Every checkpoint, the newest first."""
    return sorted(folder.glob("epoch-*.keras"), reverse=True)


def resume():
    """The newest model that can be read, with its optimizer, and its epoch; else a new model, and 0."""
    for file in list_checkpoints():
        try:
            return keras.models.load_model(file), int(file.stem.removeprefix("epoch-"))
        except Exception as error:
            print(f"{file.name} cannot be read, the one before it counts: {error}")
    return build(), 0


# Several GPUs share each batch and keep one copy of the weights in step.
strategy = tf.distribute.MirroredStrategy() if args.gpu_count > 1 else tf.distribute.get_strategy()
with strategy.scope():
    model, done = resume()
print(f"{model.count_params():,} parameters, {done} of {args.epochs} epochs done")
keras.utils.set_random_seed(args.seed + done)  # the epochs to come shuffle and drop out as no epoch before did

# -- training ---------------------------------------------------------------------------------------------


class Line(keras.callbacks.Callback):
    """One line an epoch, in a form that the job's metric definitions find; and the old checkpoints go."""

    def on_epoch_begin(self, epoch, logs=None):
        self.first = epoch == done

    def on_train_batch_end(self, batch, logs=None):
        if self.first and batch == 0:
            print(f"first step {time.monotonic() - begin:.2f} s after the start of the script", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        for old in list_checkpoints()[2:]:
            old.unlink()
        numbers = " - ".join(f"{name}: {logs[name]:.4f}" for name in ("loss", "acc", "val_loss", "val_acc"))
        print(f"epoch {epoch + 1}/{args.epochs} - {numbers}", flush=True)


start = time.monotonic()
model.fit(
    x_train,
    y_train,
    batch_size=args.batch_size,
    initial_epoch=done,
    epochs=args.epochs,
    validation_data=(x_val, y_val),
    verbose=0,
    callbacks=[keras.callbacks.ModelCheckpoint(folder / "epoch-{epoch:02d}.keras"), Line()],
)
print(f"trained for {time.monotonic() - start:.1f} s")

# -- the model, where SageMaker looks for it --------------------------------------------------------------
saved = Path(args.model_dir) / "1"
model.export(str(saved))
print(f"model saved in {saved}")
