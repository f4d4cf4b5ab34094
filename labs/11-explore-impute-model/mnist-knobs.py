"""Lab 1's network with its settings as arguments: how it is built, how it learns, and what it is shown.

    $ python mnist-knobs.py --epochs 20 --dropout 0.5 --patience 3 --shift 0.1

In    <training>/training.npz, <validation>/validation.npz and <test>/test.npz, each with `image`, uint8
      (n, 28, 28), and `label`, (n,) of 0 to 9. The validation digits may stop the training, the test digits
      are read once, at the end
Out   <model-dir>/model.keras
Log   one line an epoch, "epoch 3/20 - loss: 0.1212 - acc: 0.9631 - val_loss: 0.4093 - val_acc: 0.8690", and a
      last one, "epoch 9 is kept - test_loss: 0.4311 - test_acc: 0.8720"
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter would drown the log

import keras
import numpy as np
from keras import layers

# -- knobs ------------------------------------------------------------------------------------------------
env = os.environ.get
parser = argparse.ArgumentParser()
for name in ("training", "validation", "test"):
    place = env(f"SM_CHANNEL_{name.upper()}")
    parser.add_argument(f"--{name}", default=place, required=not place)
parser.add_argument("--model-dir", default=env("SM_MODEL_DIR", "model"))
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--patience", type=int, default=0, help="epochs without a better val_loss; 0: no end")
# of the model
parser.add_argument("--dropout", type=float, default=0.0, help="of the dense layer; half of it after the pooling")
parser.add_argument("--filters", type=int, default=32, help="of the first layer; the second has twice as many")
parser.add_argument("--filter-size", type=int, default=3)
parser.add_argument("--pooling", choices=("max", "average"), default="max")
# of the optimizer
parser.add_argument("--optimizer", choices=("sgd", "momentum", "adam"), default="adam")
parser.add_argument("--learning-rate", type=float, default=0.001)
parser.add_argument("--weights", choices=("glorot_uniform", "he_normal"), default="glorot_uniform")
parser.add_argument("--batch-size", type=int, default=32)
# of the data
parser.add_argument("--shift", type=float, default=0.0, help="of the picture's width, at the most")
parser.add_argument("--zoom", type=float, default=0.0, help="of the picture's size, at the most")
args, _ = parser.parse_known_args()  # a container may pass more than this script knows
keras.utils.set_random_seed(args.seed)

# -- data -------------------------------------------------------------------------------------------------


def load(name):
    """Images scaled to 0..1 with a channel axis, (n, 28, 28, 1), and their labels, (n,)."""
    with np.load(Path(getattr(args, name)) / f"{name}.npz") as data:
        return data["image"].reshape(-1, 28, 28, 1).astype("float32") / 255, data["label"]


training, validation, test = load("training"), load("validation"), load("test")
print(f"{len(training[0])} digits to train on, {len(validation[0])} to validate with, {len(test[0])} to test with")

# -- model ------------------------------------------------------------------------------------------------
kind = {"activation": "relu", "kernel_initializer": args.weights}
pool = layers.MaxPooling2D if args.pooling == "max" else layers.AveragePooling2D
rate = args.learning_rate
optimizers = {
    "sgd": lambda: keras.optimizers.SGD(rate),
    "momentum": lambda: keras.optimizers.SGD(rate, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(rate),
}
# What changes the pictures does so while the network learns, and never afterwards.
changes = [layers.RandomTranslation(args.shift, args.shift, fill_mode="constant")] if args.shift else []
changes += [layers.RandomZoom(args.zoom, fill_mode="constant")] if args.zoom else []
model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1), name="image"),
        *changes,
        layers.Conv2D(args.filters, args.filter_size, **kind),
        layers.Conv2D(2 * args.filters, args.filter_size, **kind),
        pool((2, 2)),
        layers.Dropout(args.dropout / 2),
        layers.Flatten(),
        layers.Dense(128, **kind),
        layers.Dropout(args.dropout),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    optimizer=optimizers[args.optimizer](),
    loss="sparse_categorical_crossentropy",
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
)

# -- training ---------------------------------------------------------------------------------------------


class Line(keras.callbacks.Callback):
    """One line an epoch, in a form that the job's metric definitions find."""

    def on_epoch_end(self, epoch, logs=None):
        numbers = " - ".join(f"{name}: {logs[name]:.4f}" for name in ("loss", "acc", "val_loss", "val_acc"))
        print(f"epoch {epoch + 1}/{args.epochs} - {numbers}", flush=True)


callbacks = [Line()]
if args.patience:
    callbacks.append(keras.callbacks.EarlyStopping(patience=args.patience, restore_best_weights=True))
history = model.fit(
    *training,
    batch_size=args.batch_size,
    epochs=args.epochs,
    validation_data=validation,
    validation_batch_size=500,
    verbose=0,
    callbacks=callbacks,
).history
kept = int(np.argmin(history["val_loss"])) + 1 if args.patience else len(history["loss"])

# -- once, and what is left ----------------------------------------------------------------------------------
loss, accuracy = model.evaluate(*test, batch_size=500, verbose=0)
print(f"epoch {kept} is kept - test_loss: {loss:.4f} - test_acc: {accuracy:.4f}", flush=True)
Path(args.model_dir).mkdir(parents=True, exist_ok=True)
model.save(Path(args.model_dir) / "model.keras")
