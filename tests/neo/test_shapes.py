from __future__ import annotations

import pytest

from sagelab.neo import shapes
from sagelab.neo.errors import InputConfiguration
from sagelab.neo.shapes import Declared

IMAGE = Declared("image", "float32", (None, 28, 20, 1))


def test_keras_shapes_are_given_channels_first() -> None:
    fixed = shapes.fix([IMAGE], shapes.read('{"image": [2, 1, 28, 20]}'), channels_first=True)
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in fixed] == [
        ("image", "float32", (2, 28, 20, 1))
    ]
    assert shapes.first(fixed[0].shape) == (2, 1, 28, 20)


def test_other_shapes_are_given_as_the_model_has_them() -> None:
    fixed = shapes.fix([IMAGE], shapes.read('{"image": {"shape": [1, 28, 20, 1]}}'), channels_first=False)
    assert fixed[0].shape == (1, 28, 20, 1)


def test_a_model_that_fixes_all_but_the_batch_needs_no_config() -> None:
    assert shapes.fix([IMAGE], None, channels_first=True)[0].shape == (1, 28, 20, 1)
    with pytest.raises(InputConfiguration, match=r"unable to extract DataInputConfig from the model .* providing"):
        shapes.fix([Declared("x", "float32", (None, None))], None, channels_first=False)


def test_channels_last_for_keras_is_told_the_order_to_give() -> None:
    with pytest.raises(InputConfiguration, match=r'in NCHW format. Give \{"image": \[1, 1, 28, 20\]\}'):
        shapes.fix([IMAGE], {"image": (1, 28, 20, 1)}, channels_first=True)


def test_a_shape_that_does_not_fit_names_both() -> None:
    with pytest.raises(InputConfiguration, match=r"shape \[1, 28, 28, 1\] .* input image \(any, 28, 20, 1\)"):
        shapes.fix([IMAGE], {"image": (1, 28, 28, 1)}, channels_first=False)


def test_a_wrong_name_is_told_the_right_ones() -> None:
    with pytest.raises(InputConfiguration, match=r"has no input input_1 and image is missing. Its inputs: image"):
        shapes.fix([IMAGE], {"input_1": (1, 28, 20, 1)}, channels_first=False)


BAD = {
    "not JSON": ("{'image': [1]}", "is not JSON"),
    "a list": ("[[1, 28, 20, 1]]", "is a list, which is for PyTorch"),
    "nothing": ("{}", "must be a dictionary"),
    "a range": ('{"image": ["1..10", 28, 20, 1]}', "a range or a choice of shapes"),
    "a choice": ('{"image": [[1, 28, 20, 1], [2, 28, 20, 1]]}', "a range or a choice of shapes"),
    "coreml's type": ('{"image": {"shape": [1, 2], "type": "Image"}}', "type is for the target coreml"),
    "an open batch": ('{"image": [null, 28, 20, 1]}', "is no shape"),
    "a negative size": ('{"image": [-1, 28, 20, 1]}', "is no shape"),
    "a truth": ('{"image": [true, 28]}', "is no shape"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_what_is_no_shape_is_explained(text: str, words: str) -> None:
    with pytest.raises(InputConfiguration, match=words):
        shapes.read(text)
