"""The SDK's calls that every lab repeats: made here, and shown first as one would write them.

What is shown is what is done: text and call come from the same arguments. A cell that makes a call again shows
what is other than before. `Lab` has each of them as a method.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagemaker.core.resources import Endpoint, Model
    from sagemaker.train import ModelTrainer

    from sagelab.lab.session import Lab

VERSION = "2.19"  # of TensorFlow, of which AWS keeps the images
VARIANT = "AllTraffic"
SESSION = "Session(boto_session=lab.session, default_bucket=lab.bucket)"
WIDTH = 100  # of what is shown
METRICS = {name: rf"- {name}: ([0-9\.]+)" for name in ("loss", "acc", "val_loss", "val_acc")}

_ended = 0  # the second in which the last training job was made
_shown: dict[str, tuple[int, dict[str, str]]] = {}  # function -> the cell that showed it, its arguments as text


@dataclass(frozen=True)
class Named:
    """A value that is shown by a name or an expression."""

    text: str
    value: Any


def image(lab: Lab, instance_type: str, scope: str) -> str:
    """The address of AWS's TensorFlow image for an instance type. scope: "training" or "inference"."""
    from sagemaker.core import image_uris

    more = {"version": VERSION, "image_scope": scope, "instance_type": instance_type}
    address: str = image_uris.retrieve("tensorflow", lab.region, **more)
    return address


def trainer(
    lab: Lab,
    script: str,
    hyperparameters: Mapping[str, Any],
    instance_type: str,
    metrics: Mapping[str, str],
    **more: Any,
) -> ModelTrainer:
    """A ModelTrainer of a script, which nothing runs yet. more: arguments of ModelTrainer, in place of these.

    A hyperparameter may be a pipeline's parameter, where `more` has a PipelineSession as sagemaker_session.
    """
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.training.configs import Compute, MetricDefinition, OutputDataConfig, SourceCode
    from sagemaker.train import ModelTrainer

    source, _, entry = script.rpartition("/")
    given = more.pop("sagemaker_session", None)
    session = given or Session(boto_session=lab.session, default_bucket=lab.bucket)
    arguments = {
        "sagemaker_session": Named("session" if given else SESSION, session),
        "role": Named("lab.role", lab.role),
        "base_job_name": lab.prefix,
        "training_image": more.get("training_image") or image(lab, instance_type, "training"),
        "source_code": SourceCode(source_dir=source or ".", entry_script=entry),
        "compute": Compute(instance_type=instance_type, instance_count=1),
        "hyperparameters": dict(hyperparameters),
        "output_data_config": OutputDataConfig(s3_output_path=lab.uri("output")),
        "tags": _tags(lab),
        **more,
    }
    definitions = [MetricDefinition(name=name, regex=regex) for name, regex in metrics.items()]
    _show("ModelTrainer", arguments, f".with_metric_definitions({write(definitions, 0)})" if definitions else "")
    made: ModelTrainer = ModelTrainer(**_values(arguments))
    return made.with_metric_definitions(definitions) if definitions else made


def train(trainer: ModelTrainer, channels: Mapping[str, Any]) -> str:
    """Start a job of a trainer and return its name at once. channels: name -> S3 URI, or a source of the SDK's."""
    from sagemaker.core.training.configs import InputData

    inputs = [InputData(channel_name=name, data_source=uri) for name, uri in channels.items()]
    arguments = {"input_data_config": inputs, "wait": False, "logs": False}
    _show("trainer.train", arguments)
    with _name_of_its_own():
        trainer.train(**arguments)
    # The SDK has no public word for the job that it has just made.
    return str(trainer._latest_training_job.training_job_name)


@contextmanager
def _name_of_its_own() -> Iterator[None]:
    """The SDK calls a job by the second, so that of two that begin in one the second would be refused."""
    global _ended
    while int(time.time()) == _ended:
        time.sleep(0.05)
    yield
    _ended = int(time.time())


def model(lab: Lab, archive: str, image: str) -> Model:
    """A model of an archive in S3, served by a container. It costs nothing."""
    from sagemaker.core.resources import Model
    from sagemaker.core.shapes import ContainerDefinition

    arguments = {
        "model_name": lab.fresh_name("model"),
        "primary_container": ContainerDefinition(image=image, model_data_url=archive),
        "execution_role_arn": Named("lab.role", lab.role),
        "tags": _tags(lab),
        **_place(lab),
    }
    _show("Model.create", arguments)
    return Model.create(**_values(arguments))


def chain(lab: Lab, containers: Mapping[str, Sequence[Any]]) -> Model:
    """A model of several containers, each of which is given what the one before it answered.

    containers: host name -> its image, the S3 URI of its archive, its environment.
    """
    from sagemaker.core.resources import Model
    from sagemaker.core.shapes import ContainerDefinition

    rows = []
    for host, (image, archive, environment) in containers.items():
        given = {"environment": dict(environment)} if environment else {}
        rows.append(ContainerDefinition(container_hostname=host, image=image, model_data_url=archive, **given))
    arguments = {
        "model_name": lab.fresh_name("chain"),
        "containers": rows,
        "execution_role_arn": Named("lab.role", lab.role),
        "tags": _tags(lab),
        **_place(lab),
    }
    _show("Model.create", arguments)
    return Model.create(**_values(arguments))


def deploy(lab: Lab, variants: Sequence[Any], endpoint: Endpoint | None) -> Endpoint:
    """An endpoint of these production variants, which is not in service yet; or `endpoint`, moved to them."""
    from sagemaker.core.resources import Endpoint, EndpointConfig

    name = lab.fresh_name("endpoint")
    config = {
        "endpoint_config_name": name,
        "production_variants": list(variants),
        "tags": _tags(lab),
        **_place(lab),
    }
    _show("EndpointConfig.create", config)
    EndpointConfig.create(**_values(config))
    if endpoint is not None:
        move = {"EndpointName": endpoint.endpoint_name, "EndpointConfigName": name}
        _show('lab.client("sagemaker").update_endpoint', move)
        lab.client("sagemaker").update_endpoint(**move)
        return endpoint
    arguments = {"endpoint_name": name, "endpoint_config_name": name, "tags": _tags(lab), **_place(lab)}
    _show("Endpoint.create", arguments)
    return Endpoint.create(**_values(arguments))


def variants(models: Model | Mapping[str, Model] | Sequence[Any], instance_type: str, count: int) -> list[Any]:
    """Production variants: of one model, of a model for each name, or as they are given."""
    from sagemaker.core.resources import Model
    from sagemaker.core.shapes import ProductionVariant

    if isinstance(models, Model):
        models = {VARIANT: models}
    if not isinstance(models, Mapping):
        return list(models)
    shape = {"instance_type": instance_type, "initial_instance_count": count}
    return [
        ProductionVariant(variant_name=name, model_name=each.model_name, **shape) for name, each in models.items()
    ]


def _place(lab: Lab) -> dict[str, Any]:
    return {"session": Named("lab.session", lab.session), "region": Named("lab.region", lab.region)}


def _tags(lab: Lab) -> list[Any]:
    from sagemaker.core.shapes import Tag

    return [Tag(key=tag["Key"], value=tag["Value"]) for tag in lab.tags]


def _values(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, Named) else value for name, value in arguments.items()}


def _show(function: str, arguments: Mapping[str, Any], then: str = "") -> None:
    """Print a call. then: what follows it, written as Python."""
    texts = {name: write(value, 4) for name, value in arguments.items()} | {"": then}
    cell, before = _shown.get(function, (0, {}))
    now = _cell()
    _shown[function] = now, texts
    if not now or now != cell or not set(before) <= set(texts):
        print(write_call(function, arguments) + then)
        return
    same = {name for name, text in texts.items() if before.get(name) == text}
    fresh = {name: value for name, value in arguments.items() if name not in same}
    said = write_call(function, fresh) + then * ("" not in same)
    print(f"{said}  # {'the rest ' * (same != set(texts))}as above" if same else said)


def _cell() -> int:
    """How many cells the kernel has begun to run; 0: this is no kernel."""
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    return int(shell.execution_count) if shell else 0


def write_call(function: str, arguments: Mapping[str, Any], indent: int = 0) -> str:
    """A call as Python: on one line where it fits, else a line an argument."""
    return _bracket(f"{function}(", ")", [(f"{name}=", value) for name, value in arguments.items()], indent)


def write(value: Any, indent: int) -> str:
    """A value as Python that gives it again; of the SDK's shapes, what was set. indent: of its own line."""
    if isinstance(value, Named):
        return value.text
    if isinstance(value, Mapping):
        return _bracket("{", "}", [(f"{write(key, 0)}: ", each) for key, each in value.items()], indent)
    if isinstance(value, list):
        return _bracket("[", "]", [("", each) for each in value], indent)
    if hasattr(value, "model_fields_set"):
        fields = {
            name: getattr(value, name) for name in type(value).model_fields if name in value.model_fields_set
        }
        given = {name: field for name, field in fields.items() if field is not None}
        return write_call(type(value).__name__, given, indent)
    if hasattr(value, "expr"):  # a value that a pipeline has only when it runs
        return json.dumps(value.expr)
    if isinstance(value, str):
        return f'r"{value}"' if "\\" in value and '"' not in value else json.dumps(value)
    return repr(value)


def _bracket(opening: str, closing: str, items: list[tuple[str, Any]], indent: int) -> str:
    flat = opening + ", ".join(head + write(value, indent) for head, value in items) + closing
    if "\n" not in flat and indent + len(flat) <= WIDTH:
        return flat
    inner = " " * (indent + 4)
    lines = [f"{inner}{head}{write(value, indent + 4)}," for head, value in items]
    return "\n".join([opening, *lines, " " * indent + closing])
