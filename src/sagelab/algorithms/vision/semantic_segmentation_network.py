"""Networks in Keras that say of each pixel what it is: FCN, PSPNet and DeepLab v3, small enough for processors.

All three look at a picture through a residual network with a quarter of the filters, which keeps an eighth of the
resolution by dilation, and differ in how they see what is around a pixel:
https://arxiv.org/abs/1605.06211, https://arxiv.org/abs/1612.01105, https://arxiv.org/abs/1706.05587.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import Model, layers, ops

from sagelab.algorithms.vision import residual_networks
from sagelab.algorithms.vision.residual_networks import Step, convolve

STRIDE = 8  # pixels of the picture to one of the map, each way
WIDTH = 16  # filters of the first stage
HEAD = 64  # filters of what is built on the last
BINS = (1, 2, 3, 6)  # of PSPNet: squares in which a side is divided
RATES = (6, 12, 18)  # of DeepLab: dilations that look ever farther
IGNORED = 255  # no class: the rim of an object, or outside of the picture


def segmenter(algorithm: str, depth: int, classes: int) -> Model:
    """From pictures (n, height, width, 3) of 0 to 255, both multiples of STRIDE, to logits (n, height, width,
    classes)."""
    given = layers.Input((None, None, 3))
    x = residual_networks.stages(residual_networks.scaled(given), depth, WIDTH, (1, 1, 2, 4))[-1]
    head = {"fcn": _fully_convolutional, "psp": _pyramid, "deeplab": _atrous}[algorithm]
    x = layers.Conv2D(classes, 1, name="fc")(layers.Dropout(0.1)(head(x)))
    return Model(given, layers.UpSampling2D(STRIDE, interpolation="bilinear", name="up", dtype="float32")(x))


class Pooled(layers.Layer):  # type: ignore[misc] # Keras has no types
    """A map's averages about the middles of bins x bins squares, convolved, and spread over the map again."""

    def __init__(self, bins: int, name: str) -> None:
        super().__init__(name=name)
        self._bins = bins
        self._convolution = layers.Conv2D(HEAD // 4, 1, activation="relu", name="conv")

    def build(self, shape: Any) -> None:
        """Of the convolution's weights."""
        self._convolution.build(shape)
        super().build(shape)

    def call(self, x: Any) -> Any:
        """(n, height, width, HEAD // 4)."""
        size = (self._bins, self._bins)
        whole = tf.reduce_mean(x, (1, 2), keepdims=True)
        small = whole if self._bins == 1 else tf.image.resize(x, size, "bilinear", antialias=True)
        return tf.image.resize(self._convolution(small), ops.shape(x)[1:3], "bilinear")

    def compute_output_shape(self, shape: Any) -> Any:
        """Keras asks for it, as the sides are not known before there is a picture."""
        return (*shape[:3], HEAD // 4)


def loss(labels: Any, logits: Any) -> Any:
    """The mean cross entropy of the pixels that are of a class. labels: (n, height, width)."""
    labels = tf.cast(labels, tf.int32)
    counted = tf.cast(labels != IGNORED, logits.dtype)
    wrong = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.where(labels == IGNORED, 0, labels), logits)
    return tf.reduce_sum(wrong * counted) / tf.maximum(tf.reduce_sum(counted), 1)


def _fully_convolutional(x: Any) -> Any:
    return convolve(x, HEAD, 3, Step("fcn"))


def _pyramid(x: Any) -> Any:
    seen = [Pooled(bins, f"psp{bins}")(x) for bins in BINS]
    return convolve(layers.Concatenate()([x, *seen]), HEAD, 3, Step("psp"))


def _atrous(x: Any) -> Any:
    seen = [convolve(x, HEAD, 1, Step("aspp1"))]
    seen += [convolve(x, HEAD, 3, Step(f"aspp{rate}", 1, rate)) for rate in RATES]
    return convolve(layers.Concatenate()([*seen, Pooled(1, "aspp_pool")(x)]), HEAD, 1, Step("aspp"))
