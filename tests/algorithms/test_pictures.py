"""The algorithms for pictures: hyperparameters, channels and labels are looked at before a network is built."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sagelab.algorithms import image_classification, object_detection, recordio, semantic_segmentation
from sagelab.algorithms.answers import Unanswered
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.vision import box_annotations, image_requests, training
from sagelab.algorithms.vision.image_channels import Example
from sagelab.algorithms.vision.training import Patience, Progress
from tests.algorithms import scenes
from tests.algorithms.scenes import annotation, encoded, record

MODULES = (image_classification, object_detection, semantic_segmentation)
SENT = {"num_classes": "2", "num_training_samples": "4"}
GRAY = encoded(np.full((8, 8, 3), 90, np.uint8))
MASK = encoded(np.zeros((8, 8), np.uint8))
BOX = annotation([(1, 0, 0, 4, 8)], 8)


def settings(module: ModuleType, **sent: str) -> dict[str, Any]:
    found: dict[str, Any] = module.check(SENT | sent)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_defaults_and_texts_become_values(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    found = settings(module, early_stopping="True", lr_scheduler_step="10, 20", learning_rate="0.01")
    assert found["num_classes"] == 2
    assert (found["early_stopping"], found["lr_scheduler_step"], found["learning_rate"]) == (True, [10, 20], 0.01)
    assert Patience.of(found) is not None
    assert Patience.of(settings(module)) is None
    assert "Reading default configuration" in capsys.readouterr().out


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"num_classes": None}, "No value.s. were specified for 'num_classes' which are required hyperparameter"),
        ({"colour": "red"}, "Additional hyperparameters are not allowed .'colour' was unexpected"),
        ({"num_classes": "many"}, "The value 'many' is not valid for the 'num_classes' hyperparameter"),
        ({"epochs": "0"}, "The value '0' is not valid for the 'epochs' hyperparameter"),
        ({"learning_rate": "1.5"}, "The value '1.5' is not valid for the 'learning_rate'"),
        ({"optimizer": "best"}, "The value 'best' is not valid for the 'optimizer'"),
        ({"early_stopping": "perhaps"}, "The value 'perhaps' is not valid for the 'early_stopping'"),
        ({"lr_scheduler_step": "1,x"}, "The value '1,x' is not valid for the 'lr_scheduler_step'"),
    ],
)
def test_hyperparameter_that_is_no_good_is_the_users_error(
    module: ModuleType, sent: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        module.check({name: text for name, text in (SENT | sent).items() if text is not None})


@pytest.mark.parametrize(
    ("module", "sent", "words"),
    [
        (image_classification, {"image_shape": "3,224"}, "'image_shape'"),
        (image_classification, {"image_shape": "3,224,9000"}, "'image_shape'"),
        (image_classification, {"num_layers": "19"}, "'num_layers'"),
        (image_classification, {"num_layers": "20", "use_pretrained_model": "1"}, "use_pretrained_model needs"),
        (image_classification, {"top_k": "3"}, "top_k must not be larger"),
        (image_classification, {"checkpoint_frequency": "31"}, "checkpoint_frequency must not be larger"),
        (image_classification, {"use_weighted_loss": "1"}, "only supported for multi-label"),
        (object_detection, {"image_shape": "299"}, "'image_shape'"),
        (object_detection, {"freeze_layer_pattern": "("}, "'freeze_layer_pattern'"),
        (object_detection, {"base_network": "resnet-18"}, "'base_network'"),
        (semantic_segmentation, {"num_classes": "255"}, "'num_classes'"),
        (semantic_segmentation, {"crop_size": "16"}, "'crop_size'"),
        (semantic_segmentation, {"lr_scheduler": "step"}, "lr_scheduler_step is required"),
    ],
)
def test_hyperparameters_of_one_algorithm_have_ranges(
    module: ModuleType, sent: dict[str, str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        settings(module, **sent)


def test_side_of_a_part_is_a_multiple_of_eight() -> None:
    assert settings(semantic_segmentation, crop_size="100")["crop_size"] == 104


def files(module: ModuleType, **changes: dict[str, bytes] | None) -> dict[str, dict[str, bytes]]:
    """The channels of a job with one picture each. changes: of a channel; None: it is not there."""
    beside = {
        image_classification: ("lst", {"a.lst": b"1\t1\ta.png\n"}),
        object_detection: ("annotation", {"a.json": BOX}),
        semantic_segmentation: ("annotation", {"a.png": MASK}),
    }
    name, content = beside[module]
    found: dict[str, dict[str, bytes] | None] = {}
    for channel in ("train", "validation"):
        found |= {channel: {"a.png": GRAY}, f"{channel}_{name}": content}
    return {channel: each for channel, each in (found | changes).items() if each is not None}


@pytest.mark.parametrize("module", MODULES)
def test_pictures_beside_their_labels_are_read(module: ModuleType, tmp_path: Path) -> None:
    job = scenes.job(tmp_path, files(module), "image/png", SENT)
    assert len(module.read(job, "train", settings(module))) == 1


@pytest.mark.parametrize(
    ("module", "changes", "words"),
    [
        *((module, {"validation": None}, "'validation' is a required property") for module in MODULES),
        (image_classification, {"train_lst": None}, "'train_lst' is a required property"),
        (object_detection, {"train_annotation": None}, "'train_annotation' is a required property"),
        (semantic_segmentation, {"train_annotation": None}, "'train_annotation' is a required property"),
        (
            image_classification,
            {"train_lst": {"a.lst": b"1\t2\ta.png\n"}},
            "Label 2 of image a.png is not a class",
        ),
        (image_classification, {"train_lst": {"a.lst": b"1\t0\tb.png\n"}}, "Image b.png is not in channel"),
        (image_classification, {"train_lst": {"a.lst": b"1\t0\t../train_lst/a.lst\n"}}, "is not in channel"),
        (image_classification, {"train_lst": {"a.lst": b"1 0 a.png\n"}}, "Line 1 of a.lst is not"),
        (image_classification, {"train_lst": {"a.lst": b"1\t0\t1\ta.png\n"}}, "multi_label must be 1"),
        (image_classification, {"train_lst": {"a.txt": b""}}, "must have one .lst file"),
        (object_detection, {"train": {"b.png": GRAY}}, "Image b.png of channel train has no b.json"),
        (object_detection, {"train_annotation": {"a.json": b"{"}}, "annotation of a.png is not JSON"),
        (object_detection, {"train_annotation": {"a.json": b"{}"}}, "has not image_size"),
        (
            object_detection,
            {"train_annotation": {"a.json": BOX.replace(b'"left": 0', b'"left": 1' + b"0" * 400)}},
            "has not image_size",
        ),
        (object_detection, {"train_annotation": {"a.json": b"[" * 100_000}}, "annotation of a.png is not JSON"),
        (object_detection, {"train_annotation": {"a.json": annotation([(2, 0, 0, 4, 8)], 8)}}, "Label 2 of image"),
        (semantic_segmentation, {"train_annotation": {"b.png": MASK}}, "has no a.png in train_annotation"),
        (semantic_segmentation, {"train": {"a.txt": b""}}, "No .jpg or .png images"),
        (
            semantic_segmentation,
            {"train_annotation": {"a.png": encoded(np.zeros((8, 9), np.uint8))}},
            "is 9 x 8 pixels, and the image 8 x 8",
        ),
        (
            semantic_segmentation,
            {"train_annotation": {"a.png": encoded(np.full((8, 8), 2, np.uint8))}},
            "Label 2 of annotation of a.png is not a class",
        ),
    ],
)
def test_channel_that_is_no_good_is_the_users_error(
    module: ModuleType, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    job = scenes.job(tmp_path, files(module, **changes), "application/x-image", SENT)
    with pytest.raises(UserError, match=words):
        module.read(job, "train", settings(module))


@pytest.mark.parametrize("module", MODULES)
def test_content_type_that_is_none_of_theirs_is_the_users_error(module: ModuleType, tmp_path: Path) -> None:
    job = scenes.job(tmp_path, files(module), "text/csv", SENT)
    with pytest.raises(UserError, match="Content type text/csv of channel train is not supported"):
        module.read(job, "train", settings(module))


def recorded(root: Path, content: bytes, **config: str) -> Job:
    channels = {name: {"a.rec": content} for name in ("train", "validation")}
    return scenes.job(root, channels, config.pop("kind", "application/x-recordio"), SENT, **config)


def test_record_files_and_manifests_have_labels_of_one_class(tmp_path: Path) -> None:
    known = settings(image_classification)
    plain = recorded(tmp_path / "a", record(0, GRAY) + record(1, GRAY))
    assert image_classification.read(plain, "train", known).labels.tolist() == [0, 1]
    stream = b"".join(scenes.framed(each) for each in (GRAY, b"1", GRAY, b'"0"'))
    piped = recorded(tmp_path / "b", stream, TrainingInputMode="Pipe", RecordWrapperType="RecordIO")
    assert image_classification.read(piped, "train", known).labels.tolist() == [1, 0]


def test_labels_of_several_classes_are_lists_in_either_form() -> None:
    known = settings(image_classification, num_classes="3", multi_label="1")

    def label(value: Any, form: str = "multi-hot") -> list[float]:
        found: list[float] = image_classification.label_of(Example("a", GRAY, value), known, form).tolist()
        return found

    assert label(b"[1, 0, 1]") == label(b"[0, 2]", "class-id") == label(np.array([1, 0, 1])) == [1, 0, 1]
    assert label(np.array([2.0])) == label(b"2", "class-id") == [0, 0, 1]
    for wrong, form in (
        (b"[1, 0]", "multi-hot"),
        (b"[3]", "class-id"),
        (b"[1, 0, 2]", "multi-hot"),
        (b"{}", "class-id"),
    ):
        with pytest.raises(UserError):
            label(wrong, form)


def test_several_classes_of_a_channel_are_in_the_form_that_its_content_type_says(tmp_path: Path) -> None:
    known = settings(image_classification, num_classes="3", multi_label="1")
    stream = scenes.framed(GRAY) + scenes.framed(b"[0, 2]")
    kind = "application/x-recordio; label-format=class-id"
    job = recorded(tmp_path, stream, kind=kind, TrainingInputMode="Pipe", RecordWrapperType="RecordIO")
    assert image_classification.read(job, "train", known).labels.tolist() == [[1, 0, 1]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (record(1, GRAY)[:-9], "The RecordIO file a.rec cannot be read: it ends inside a record"),
        (record(2, GRAY), "Label 2 of image 0 of a.rec is not a class from 0 to 1"),
        (record(0.5, GRAY), "Label 0.5 of image 0 of a.rec is not a class"),
        (b"", "No data in train channel"),
    ],
)
def test_record_file_that_is_no_good_is_the_users_error(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        image_classification.train(recorded(tmp_path, content))


def test_fewer_pictures_than_a_batch_are_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="The number of input images must be bigger or equal to the mini_batch_size"
    ):
        image_classification.train(recorded(tmp_path, record(1, GRAY)))


def test_picture_that_is_none_is_the_users_error_when_it_is_wanted(tmp_path: Path) -> None:
    found = image_classification.read(
        recorded(tmp_path, record(1, b"none")), "train", settings(image_classification)
    )
    with pytest.raises(UserError, match="Unable to decode image 0 of a"):
        found.batch([0])


OBJECT = [2, 5, 1, 0.0, 0.0, 1.0, 1.0]  # a header, and one object of the class 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (record(OBJECT, GRAY)[:-9], "The RecordIO file a.rec cannot be read: it ends inside a record"),
        (record([2, 5, 2, 0.0, 0.0, 1.0, 1.0], GRAY), "Label 2 of image 0 of a.rec is not a class from 0 to 1"),
        (record([2, 5, 0.5, 0.0, 0.0, 1.0, 1.0], GRAY), "Label 0.5 of image 0 of a.rec is not a class"),
        (record([2, 5, float("nan"), 0.0, 0.0, 1.0, 1.0], GRAY), "a.rec has a label that is not a number"),
        (record(1, GRAY), "is not a header and objects"),
        (b"", "No data in train channel"),
    ],
)
def test_record_file_of_objects_that_is_no_good_is_the_users_error(
    content: bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        object_detection.train(recorded(tmp_path, content))


def test_picture_with_objects_that_is_none_is_the_users_error_when_it_is_wanted(tmp_path: Path) -> None:
    job = recorded(tmp_path / "a", record(OBJECT, b"none"))
    with pytest.raises(UserError, match="Unable to decode image 0 of a"):
        object_detection.read(job, "train", settings(object_detection)).batch([0])
    masked = scenes.job(tmp_path / "b", files(semantic_segmentation, train={"a.png": b"none"}), "image/png", SENT)
    with pytest.raises(UserError, match=r"Unable to decode image a\.png"):
        semantic_segmentation.read(masked, "train", settings(semantic_segmentation))


def test_objects_are_in_shares_of_the_picture_and_mirrored_with_it() -> None:
    known = settings(object_detection)
    written = box_annotations.read(Example("a", GRAY, annotation([(1, 2, 0, 6, 8)], 8)), known)
    assert written.tolist() == [[1, 0.25, 0, 0.75, 1]]
    numbers = np.array([2, 5, 1, 0.25, 0, 0.75, 1, -1, -1, -1, -1, -1])
    assert box_annotations.read(Example("a", GRAY, numbers), known).tolist() == written.tolist()
    assert object_detection.mirrored(np.array([[1, 0.1, 0, 0.3, 1]]))[0].tolist() == pytest.approx(
        [1, 0.7, 0, 0.9, 1]
    )
    rows = np.array([[1, 0.9, 0.25, 0, 0.75, 1]])
    assert box_annotations.write(rows, (8, 16, 3)) == {
        "image_size": [{"width": 16, "height": 8, "depth": 3}],
        "annotations": [{"class_id": 1, "left": 4, "top": 0, "width": 8, "height": 8, "score": 0.9}],
    }


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([1.0], "not a header and objects"),
        ([2, 5, 1, 0.25, 0], "not a header and objects"),
        ([2, 0, 1, 0.25, 0], "not a header and objects"),
        ([2, 3e38], "not a header and objects"),
        ([3e38, 5, 1, 0, 0, 1, 1], "not a header and objects"),
        ([2, 5, 9, 0, 0, 1, 1], "Label 9 of image a is not a class"),
        ([2, 5, *[0, 0, 0, 1, 1] * 70], "352 numbers: label_width must be at least that"),
    ],
)
def test_numbers_that_are_no_objects_are_the_users_error(numbers: list[float], words: str) -> None:
    with pytest.raises(UserError, match=words):
        box_annotations.read(Example("a", GRAY, np.array(numbers)), settings(object_detection))


def test_label_map_of_a_channel_is_found(tmp_path: Path) -> None:
    told = {"train_label_map.json": json.dumps({"scale": "100"}).encode()}
    mask = {"a.png": encoded(np.full((8, 8), 100, np.uint8))}
    channels = files(semantic_segmentation, train_annotation=mask, label_map=told)
    job = scenes.job(tmp_path, channels, "image/png", SENT)
    assert semantic_segmentation.read(job, "train", settings(semantic_segmentation)).mask(0).max() == 1


def test_part_of_a_picture_has_no_class_beyond_its_rim(tmp_path: Path) -> None:
    known = settings(semantic_segmentation, base_size="17", crop_size="64")
    job = scenes.job(tmp_path, files(semantic_segmentation), "image/png", SENT)
    pictures, masks = semantic_segmentation.read(job, "train", known).batch([0, 0], np.random.default_rng(0))
    assert pictures.shape == (2, 64, 64, 3)
    assert set(np.unique(masks)) == {0, 255}
    assert (pictures[masks == 0] == 90).all()
    assert not pictures[masks == 255].any()


def test_training_ends_early_when_there_is_no_improvement() -> None:
    def epochs(scores: list[float], patience: Patience) -> int:
        progress, found = Progress(), iter(scores)
        while not progress.is_over(patience) and (score := next(found, None)) is not None:
            progress.score(score, patience.tolerance)
        return progress.epoch

    assert epochs([0.1, 0.2, 0.2, 0.2, 0.9], Patience(2, 1, 0.0)) == 4
    assert epochs([0.1, 0.2, 0.2, 0.2, 0.9], Patience(2, 5, 0.0)) == 5
    assert epochs([0.5, 0.52, 0.54, 0.6], Patience(2, 1, 0.1)) == 3  # better, and by too little
    assert epochs([0.0, 0.0, 0.0, 0.5], Patience(2, 1, 0.0)) == 3


def test_learning_rate_falls_as_its_schedule_says() -> None:
    assert [training.stepped(1, 0.5, [2, 3], epoch) for epoch in range(5)] == [1, 1, 0.5, 0.25, 0.25]
    assert training.polynomial(0.1, 0) == training.cosine(0.1, 0) == 0.1
    assert training.polynomial(0.1, 0.5) == pytest.approx(0.1 * 0.5**0.9)
    assert training.cosine(0.1, 0.5) == pytest.approx(0.05)
    assert training.cosine(0.1, 1) == training.polynomial(0.1, 1) == 0


def test_batches_are_full_and_every_picture_is_in_one() -> None:
    found = list(training.batches(7, 3, np.random.default_rng(0)))
    assert [len(each) for each in found] == [3, 3, 3]
    assert set(np.concatenate(found)) == set(range(7))
    assert [each.tolist() for each in training.batches(5, 2, None)] == [[0, 1], [2, 3], [4]]


def test_answer_in_a_batch_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert image_requests.write([1], {"prediction": [1]}, "") == (b"[1]", "application/json")
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    line = (b'{"prediction": [1]}\n', "application/jsonlines")
    assert image_requests.write([1], {"prediction": [1]}, "") == line
    assert image_requests.write([1], {"prediction": [1]}, "*/*") == line
    assert image_requests.write([1], {"prediction": [1]}, "application/json")[0] == b"[1]"
    with pytest.raises(Unanswered, match="Accept type 'text/csv' is not supported") as refused:
        image_requests.write([1], {}, "text/csv")
    assert refused.value.status == 406


@pytest.mark.parametrize(("kind", "status"), [("text/csv", 415), ("image/png", 400)])
def test_request_that_is_no_picture_is_refused(kind: str, status: int) -> None:
    with pytest.raises(Unanswered) as refused:
        image_requests.picture(b"1,2", kind)
    assert refused.value.status == status


def test_model_of_a_job_before_is_read_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channels = files(image_classification, model={"a.params": b"12345", "b.json": b"{}"})
    job = scenes.job(tmp_path, channels, "image/png", SENT)
    assert training.before(job) == {"a.params": b"12345", "b.json": b"{}"}
    monkeypatch.setattr(training, "LARGEST_MODEL", 6)
    with pytest.raises(UserError, match="larger than 6 bytes"):
        training.before(job)
    (tmp_path / "input/data/model/model.tar.gz").write_bytes(b"none")
    with pytest.raises(UserError, match=r"model\.tar\.gz cannot be read"):
        training.before(job)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_loss_that_is_no_number_is_the_users_error(loss: float) -> None:
    assert training.check_loss(2.5) == 2.5
    with pytest.raises(UserError, match="not a number any more: please use a smaller learning_rate"):
        training.check_loss(loss)


def test_probabilities_of_an_answer_are_one_record() -> None:
    found = np.arange(300, dtype=np.float32).reshape(1, 2, 150)
    data = recordio.write_tensors({"target": found, "shape": np.array(found.shape, np.int32)})
    assert len(list(recordio.records(data))) == 1
    assert recordio.read(data)[0].tolist() == [found.ravel().tolist()]
    assert b"shape" in data
    assert b"\x01\x02\x96\x01" in data  # 1, 2 and 150 as varints
