"""What the platform knows of the algorithms for pictures: their metrics, and what may be tuned.

https://docs.aws.amazon.com/sagemaker/latest/dg/IC-tuning.html, object-detection-tuning.html and
semantic-segmentation-tuning.html. They train on instances with a GPU alone.
"""

from __future__ import annotations

from sagelab.algorithms.definition import RUNNING, Definition, Range


def _quality(name: str, epoch: str = r"epoch=\S+, ", number: str = r"\((\S+)\)") -> tuple[str, str]:
    """A metric that stands in a line as "validation mAP <score>=(0.5)"."""
    channel, _, metric = name.partition(":")
    kind = "score" if channel == "validation" else "loss"
    return name, rf"#quality_metric: host=\S+, {epoch}{channel} {metric} <{kind}>={number}"


_BATCH = {"epoch": r"epoch=\S+, batch=\S+ ", "number": r"(\S+)"}
_RATE, _DECAY, _MOMENTUM = Range(1e-6, 0.5), Range(0.0, 0.999), Range(0.0, 0.999)
VISION = {
    "sagelab.algorithms.image_classification": Definition(
        (
            ("train:accuracy", r"Epoch\S* Train-accuracy=(\S*)"),
            ("validation:accuracy", r"Epoch\S* Validation-accuracy=(\S*)"),
        ),
        ("validation:accuracy",),
        {
            "beta_1": Range(1e-6, 0.999),
            "beta_2": Range(1e-6, 0.999),
            "eps": Range(1e-8, 1.0),
            "gamma": Range(1e-8, 0.999),
            "learning_rate": _RATE,
            "mini_batch_size": Range(8, 512, whole=True),
            "momentum": _MOMENTUM,
            "optimizer": ("sgd", "adam", "rmsprop", "nag"),
            "weight_decay": _DECAY,
        },
        gpu=True,
    ),
    "sagelab.algorithms.object_detection": Definition(
        (
            *RUNNING,
            _quality("train:smooth_l1", **_BATCH),
            _quality("train:cross_entropy", **_BATCH),
            _quality("validation:mAP"),
        ),
        ("validation:mAP",),
        {
            "learning_rate": _RATE,
            "mini_batch_size": Range(8, 64, whole=True),
            "momentum": _MOMENTUM,
            "optimizer": ("sgd", "adam", "rmsprop", "adadelta"),
            "weight_decay": _DECAY,
        },
        gpu=True,
    ),
    "sagelab.algorithms.semantic_segmentation": Definition(
        (
            *RUNNING,
            _quality("train:loss"),
            _quality("validation:mIOU"),
            _quality("validation:pixel_accuracy"),
            (
                "validation:throughput",
                r"#throughput_metric: host=\S+, validation throughput=(\S+) records/second",
            ),
        ),
        ("validation:mIOU", "validation:pixel_accuracy"),
        {
            "learning_rate": Range(1e-4, 1e-1),
            "mini_batch_size": Range(1, 128, whole=True),
            "momentum": Range(0.9, 0.999),
            "optimizer": ("sgd", "adam", "adadelta"),
            "weight_decay": Range(1e-5, 1e-3),
        },
        gpu=True,
    ),
}
