"""The registry: which images are here, and what each is.

A row says by which names of the SageMaker SDK's own tables an image goes, for what it is used, which environment
is behind it, and what its server is. A folder of the learner's own (own.py) becomes one when
it is asked for.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sagelab.cloud.engine.images.environments import (
    BLAZINGTEXT,
    HUGGING_FACE,
    KERAS_2,
    KUBEFLOW,
    KUBERNETES,
    LAKE,
    PLAIN,
    PYTORCH,
    SKLEARN,
    SPARK,
    TENSORFLOW,
    XGBOOST,
    Environment,
)
from sagelab.cloud.engine.images.neo import is_neo
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.home import DEFAULT_REGION

URI = re.compile(r"(?P<registry>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.(?P<domain>[a-z.]+)/(?P<image>\S+)")
OWN = "A folder of your own with a `serve` or `train` program becomes an image here with `sagelab image add`."
TRAIN, PROCESS, SERVE = "train", "process", "serve"
ALGORITHM = "algorithm"  # the model server of a built-in algorithm
SUBJECT = {TRAIN: "runtime for the training", PROCESS: "runtime for the processing", SERVE: "model server for the"}


@dataclass(frozen=True)
class Image:
    """One image, or one family of versions of it.

    repository: the SDK's table and scope that list its URIs ("tensorflow/training"); of an own image its name.
    uses: TRAIN, PROCESS, SERVE. environment: its packages.
    server: which model server stands for its `serve` (hosting/containers.py). least: the first version that runs
    here. program: the folder that stands for it, of an own image. algorithm: the module that trains where a job
    names no script, or that processes where it names no entry point. older: that of versions before one of them.
    module: what SageMaker's toolkit calls around a script ("module:function"). name: its repository in ECR, where
    the table has another one of the same accounts.
    """

    repository: str
    uses: tuple[str, ...]
    environment: Environment
    server: str = ""
    least: tuple[int, ...] = ()
    program: Path | None = None
    algorithm: str = ""
    module: str = ""
    older: tuple[tuple[int, ...], Environment] | None = None
    name: str = ""

    def of(self, uri: str) -> Image:
        """The image with the environment of the version that a URI names."""
        if self.older and _by_number(self.version(uri) or "") < self.older[0]:
            return replace(self, environment=self.older[1], older=None)
        return self

    @property
    def words(self) -> list[str]:
        """What the names of its newest repository and of the SDK's table are made of."""
        repository, framework = str(_rows(self)[-1][1]["repository"]), self.repository.partition("/")[0]
        return list(dict.fromkeys([*repository.split("-"), *framework.split("-")]))

    def names(self) -> list[str]:
        """The repositories and versions of the URIs, in words."""
        groups: dict[str, list[str]] = {}
        for version, row in _rows(self):
            groups.setdefault(row["repository"], []).append(version)
        return [f"{name} (versions {', '.join(group)})" if any(group) else name for name, group in groups.items()]

    def matches(self, uri: str) -> bool:
        """Whether a URI is one of the image's: repository, registry of AWS's, and a tag of one of the versions."""
        return self.version(uri) is not None

    def version(self, uri: str) -> str | None:
        """Which version of the image a URI names; None where it is not one of the image's."""
        found = URI.fullmatch(uri)
        if found is None:
            return None
        repository, _, tag = found["image"].partition(":")
        tag = _aliases(self).get(tag, tag)
        return next(
            (
                version
                for version, row in _rows(self)
                if repository == row["repository"]
                and found["registry"] in row["registries"].values()
                and re.match(_pattern(version), tag)
            ),
            None,
        )


def _algorithm(table: str, module: str, environment: Environment) -> Image:
    """The image of a built-in algorithm of Amazon's own, which trains and serves. table: the SDK's."""
    return Image(f"{table}/training", (TRAIN, SERVE), environment, server=ALGORITHM, algorithm=module)


NUMERIC = ("linear-learner", "kmeans", "pca", "knn", "randomcutforest", "factorization-machines")
VISION = ("image-classification", "object-detection", "semantic-segmentation")
# Repositories of Amazon's algorithms that nothing stands for here, and their names.
REFUSED = {
    "forecasting-deepar": "DeepAR",
    "lda": "Latent Dirichlet Allocation (LDA)",
    "ntm": "the Neural Topic Model (NTM)",
    "ipinsights": "IP Insights",
}
MERGER = Image(
    "model-monitor/monitoring",
    (PROCESS,),
    SKLEARN,
    algorithm="sagelab.monitoring.merge",
    name="sagemaker-model-monitor-groundtruth-merger",
)
# Of TensorFlow those of 2: code for 1 would not run here. Up to 2.15 it came with Keras 2. Of PyTorch 1 and 2.
IMAGES: tuple[Image, ...] = (
    Image("tensorflow/training", (TRAIN, PROCESS), TENSORFLOW, least=(2,), older=((2, 16), KERAS_2)),
    Image("tensorflow/inference", (SERVE,), TENSORFLOW, server="tensorflow", least=(2,)),
    Image("tensorflow/eia", (SERVE,), TENSORFLOW, server="tensorflow", least=(2,)),
    Image("sklearn/training", (TRAIN, PROCESS), SKLEARN),
    Image("sklearn/inference", (SERVE,), SKLEARN, server="scikit-learn"),
    Image("xgboost/training", (TRAIN, PROCESS), XGBOOST, algorithm="sagelab.algorithms.xgboost"),
    Image("xgboost/inference", (SERVE,), XGBOOST, server="xgboost"),
    Image("pytorch/training", (TRAIN, PROCESS), PYTORCH, least=(1,), module="sagelab.frameworks.pytorch:main"),
    Image("pytorch-amzn2023/training", (TRAIN, PROCESS), PYTORCH, module="sagelab.frameworks.pytorch:main"),
    Image("pytorch/inference", (SERVE,), PYTORCH, server="pytorch", least=(1,)),
    Image("pytorch/inference_graviton", (SERVE,), PYTORCH, server="pytorch", least=(1,)),
    Image("huggingface/training", (TRAIN, PROCESS), HUGGING_FACE, module="sagelab.frameworks.pytorch:main"),
    Image("huggingface/inference", (SERVE,), HUGGING_FACE, server="huggingface"),
    *(_algorithm(name, f"sagelab.algorithms.{name.replace('-', '_')}", SKLEARN) for name in NUMERIC),
    *(_algorithm(name, f"sagelab.algorithms.{name.replace('-', '_')}", TENSORFLOW) for name in VISION),
    _algorithm("blazingtext", "sagelab.algorithms.blazingtext", BLAZINGTEXT),
    _algorithm("seq2seq", "sagelab.algorithms.seq2seq", TENSORFLOW),
    _algorithm("object2vec", "sagelab.algorithms.object2vec", TENSORFLOW),
    Image("clarify/processing", (PROCESS,), SKLEARN, algorithm="sagelab.clarify"),
    Image("model-monitor/monitoring", (PROCESS,), SKLEARN, algorithm="sagelab.monitoring"),
    MERGER,
    Image("spark/processing", (PROCESS,), SPARK, algorithm="sagelab.spark"),
)
NEO = Image("neo", (SERVE,), PLAIN, server="neo")  # what a compilation job made; neo.py has its names


def environments() -> dict[str, Environment]:
    """Every environment that is behind an image, and those of `sagelab k8s`, `kfp` and Athena, by name."""
    older = [image.older[1] for image in IMAGES if image.older]
    found = [*(image.environment for image in (*IMAGES, NEO)), *older, KUBERNETES, KUBEFLOW, LAKE]
    return {environment.name: environment for environment in found}


def is_algorithm(image: Image, hyperparameters: Mapping[str, str]) -> bool:
    """Whether a training job of an image runs its built-in algorithm, as it names no script of its own."""
    return bool(image.algorithm) and (image.server == ALGORITHM or "sagemaker_program" not in hyperparameters)


def has_entry_point(image: Image | None) -> bool:
    """Whether a processing job of an image needs no ContainerEntrypoint."""
    return image is not None and image.uses == (PROCESS,) and bool(image.algorithm)


class Registry:
    """The images that run on this machine: the rows, and the learner's own folders."""

    def __init__(self, own: OwnImages) -> None:
        self._own = own

    def find(self, uri: str, use: str) -> Image | None:
        """The image that a URI names, where it is for this use; an own one comes first."""
        if program := self._own.find(uri, use) if use != PROCESS else None:
            return Image(uri, (use,), PLAIN, program=program)
        if use == SERVE and is_neo(uri):
            return NEO
        return next((image.of(uri) for image in IMAGES if use in image.uses and image.matches(uri)), None)

    def check(self, uri: str, use: str) -> None:
        """ValidationException: no image here is named so, or none for this use; those that are, are named."""
        if self.find(uri, use):
            return
        found = URI.fullmatch(uri)
        if found and (name := REFUSED.get(found["image"].partition(":")[0])):
            algorithms = ", ".join(image.names()[0] for image in IMAGES if image.server == ALGORITHM)
            raise ValidationException(
                f"The local cloud does not have the built-in algorithm {name}, whose image {uri} is. Of Amazon's"
                f" built-in algorithms it runs {algorithms} and xgboost; for this one use an AWS account."
            )
        trouble = f"The local cloud has no {SUBJECT[use]} image {uri}"
        if use == SERVE and self.find(uri, TRAIN):
            trouble = f"{uri} is an image for training, which has no model server"
        near = nearest(uri, [image for image in IMAGES if use in image.uses])
        known = ", ".join(dict.fromkeys(name for image in IMAGES if use in image.uses for name in image.names()))
        also = {SERVE: "; and models that it compiled with Neo's own images", PROCESS: "", TRAIN: ""}[use]
        own = f" {OWN}" if use != PROCESS else ""
        raise ValidationException(
            f"{trouble}. {near}{own} It runs these images of the SageMaker SDK, in any region: {known}{also}."
        )


def nearest(uri: str, images: Sequence[Image]) -> str:
    """The image among several that is most like what was asked for, and how the SDK gives it, in a sentence.

    Its repository has the most words in common, and if none has any it runs scripts; of the same framework it is
    the next version up, else the last.
    """
    name, _, tag = uri.rpartition("/")[2].partition(":")
    asked = {*name.split("-")}
    likeness = [(len(asked & {*one.words}), one.server != ALGORITHM, -len(one.words)) for one in images]
    image = images[likeness.index(max(likeness))]
    version, row = _next_version(image, tag if name.split("-")[0] == image.words[0] else "")
    found = URI.fullmatch(uri)
    region = found["region"] if found and found["region"] in row["registries"] else DEFAULT_REGION
    framework, _, scope = image.repository.partition("/")
    python = row.get("py_versions", [""])[-1]
    kind = _processor(row.get("processors") or _table(framework)[scope].get("processors", []))
    parts = [version, kind if row.get("processor_in_tag", True) else "", python]
    tagged = "-".join(filter(None, [*parts, row.get("container_version", {}).get(kind, "")]))
    instance = "ml.g5.xlarge" if kind == "gpu" else "ml.m5.large"
    options = {"version": version, "py_version": python, "image_scope": scope, "instance_type": instance}
    given = ", ".join(f'{option}="{value}"' for option, value in (options | row.get("call", {})).items() if value)
    return (
        f"The nearest that runs is {_place(row, region)}{':' * bool(tagged)}{tagged},"
        f' in the SageMaker SDK image_uris.retrieve("{framework}", "{region}", {given}).'
    )


def address(image: Image, region: str) -> str:
    """The URI of an image's newest version in a region, or in the usual one if AWS has none there; no tag."""
    row = _rows(image)[-1][1]
    return _place(row, region if region in row["registries"] else DEFAULT_REGION)


def _place(row: dict[str, Any], region: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{row['registries'][region]}.dkr.ecr.{region}.{domain}/{row['repository']}"


def _processor(kinds: Sequence[str]) -> str:
    """The one to name of those that an image is made for: there is no GPU here."""
    return "cpu" if "cpu" in kinds else "gpu" if "gpu" in kinds else ""


def _next_version(image: Image, tag: str) -> tuple[str, dict[str, Any]]:
    """The first version of an image that is not before a tag's, if there is one, else the last."""
    asked = re.match(r"v?(\d[\d.]*(?:-\d+(?=-|$))?)", tag)
    number = _by_number(asked[1]) if asked else (math.inf,)
    return next((one for one in _rows(image) if _by_number(one[0]) >= number), _rows(image)[-1])


@functools.cache
def _rows(image: Image) -> list[tuple[str, dict[str, Any]]]:
    """(version, row) of the SDK's table, in order, of those that run here."""
    framework, _, scope = image.repository.partition("/")
    versions = _table(framework)[scope]["versions"].items()
    flat = [each for row in versions for each in _flat(*row) if _by_number(each[0]) >= image.least]
    found = [(version, row | {"repository": image.name or row["repository"]}) for version, row in flat]
    return sorted(found, key=lambda row: _by_number(row[0]))


def _flat(version: str, row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of a library in several frameworks' images a row for each of PyTorch's: "2.1.0-transformers4.36.0"."""
    if "registries" in row:
        yield version, row
    for name, inner in row.items():
        if name.startswith("pytorch"):
            call = {"version": version, "base_framework_version": name}
            yield f"{name.removeprefix('pytorch')}-transformers{version}", inner | {"call": call}


def _pattern(version: str) -> str:
    """What a tag of a version begins with: all of the version, or of its last part nothing."""
    framework, transformers, library = version.partition("-transformers")
    if not transformers:
        return rf"{version}(?!\d)|{version[:-2]}-"
    return rf"{framework[:-2]}({framework[-2:]})?-transformers{library[:-2]}({library[-2:]})?(?![\d.])"


@functools.cache
def _aliases(image: Image) -> dict[str, str]:
    """The tags that stand for a version: "latest" for XGBoost's first, and for an algorithm's only one."""
    if image.server == ALGORITHM:
        return {"latest": "1"}
    framework, _, scope = image.repository.partition("/")
    found: dict[str, str] = _table(framework)[scope].get("version_aliases", {})
    return found if framework == "xgboost" else {}


@functools.cache
def _table(framework: str) -> dict[str, Any]:
    files = importlib.metadata.files("sagemaker-core") or []
    name = f"{framework}.json"
    wanted = next(file for file in files if file.name == name and "image_uri_config" in str(file))
    found: dict[str, Any] = json.loads(Path(str(wanted.locate())).read_text())
    return dict.fromkeys(found["scope"], found) if "scope" in found else found


def _by_number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
