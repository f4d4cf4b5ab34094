"""Residual networks in Keras, of He et al. (https://arxiv.org/abs/1512.03385), and what is built on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import Model, layers

SMALL = (20, 32, 44, 56, 110)  # of the paper's part on small pictures: 6n + 2 layers
# Of the paper's part on ImageNet, and 200 of https://arxiv.org/abs/1603.05027: blocks of each of the four stages.
STAGES = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
BOTTLENECKS = 50  # layers from which a block has three in place of two


@dataclass(frozen=True)
class Step:
    """How a block walks over its picture: name: of its layers. dilation: pixels between those that it looks at."""

    name: str
    stride: int = 1
    dilation: int = 1


def convolve(x: Any, filters: int, size: int, step: Step, *, active: bool = True) -> Any:
    """Convolution, batch normalization, and a rectifier where it is active."""
    x = layers.Conv2D(
        filters,
        size,
        step.stride,
        padding="same",
        dilation_rate=step.dilation,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{step.name}_conv",
    )(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{step.name}_bn")(x)
    return layers.ReLU(name=f"{step.name}_relu")(x) if active else x


def block(x: Any, filters: int, step: Step, bottleneck: bool) -> Any:
    """A residual block; the shortcut is a projection where the shape changes."""
    name, wide = step.name, filters * 4 if bottleneck else filters
    shortcut = x
    if step.stride > 1 or x.shape[-1] != wide:
        shortcut = convolve(x, wide, 1, Step(f"{name}_sc", step.stride), active=False)
    inner = Step(f"{name}_2", step.stride, step.dilation)
    if bottleneck:
        x = convolve(x, filters, 1, Step(f"{name}_1"))
        x = convolve(x, filters, 3, inner)
        x = convolve(x, wide, 1, Step(f"{name}_3"), active=False)
    else:
        x = convolve(x, filters, 3, Step(f"{name}_1", step.stride, step.dilation))
        x = convolve(x, filters, 3, Step(f"{name}_2", 1, step.dilation), active=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, shortcut]))


def stages(x: Any, depth: int, width: int, dilations: tuple[int, ...] = (1, 1, 1, 1)) -> list[Any]:
    """What each of the four stages makes of a picture. width: filters of the first. dilations: a stage that has
    one keeps the resolution instead of halving it."""
    x = convolve(x, width, 7, Step("conv0", 2))
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool0")(x)
    found = []
    for stage, (count, dilation) in enumerate(zip(STAGES[depth], dilations, strict=True), 1):
        for unit in range(1, count + 1):
            stride = 2 if unit == 1 and stage > 1 and dilation == 1 else 1
            step = Step(f"stage{stage}_unit{unit}", stride, dilation)
            x = block(x, width << stage - 1, step, depth >= BOTTLENECKS)
        found.append(x)
    return found


def small(x: Any, depth: int) -> Any:
    """Three stages of 16, 32 and 64 filters, for pictures of 28 or 32 pixels."""
    x = convolve(x, 16, 3, Step("conv0"))
    for stage in (1, 2, 3):
        for unit in range(1, (depth - 2) // 6 + 1):
            step = Step(f"stage{stage}_unit{unit}", 2 if unit == 1 and stage > 1 else 1)
            x = block(x, 16 << stage - 1, step, bottleneck=False)
    return x


def classifier(depth: int, shape: tuple[int, int, int], classes: int, *, several: bool) -> Model:
    """A network from pictures (n, height, width, channels) of 0 to 255 to probabilities (n, classes).

    several: a picture may be of several classes.
    """
    given = layers.Input(shape)
    x = scaled(given)
    x = small(x, depth) if depth in SMALL else stages(x, depth, 64)[-1]
    x = layers.GlobalAveragePooling2D(name="pool1")(x)
    x = layers.Dense(classes, name="fc1")(x)
    return Model(given, layers.Activation("sigmoid" if several else "softmax", dtype="float32", name="out")(x))


def scaled(x: Any) -> Any:
    """Colours of 0 to 255 about zero."""
    return layers.Rescaling(1 / 64, -2.0, name="scaled")(x)
