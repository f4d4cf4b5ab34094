"""Multi-model endpoints: models that are loaded when they are asked for, in AWS's images and the learner's own."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import botocore.exceptions
import pytest

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting import loading, targets
from sagelab.cloud.engine.hosting.client import Reply
from sagelab.cloud.engine.hosting.loading import Loader, Model
from sagelab.cloud.engine.hosting.many_models import ManyModels
from sagelab.cloud.engine.hosting.server import ContainerSpec, VariantSpec
from sagelab.cloud.engine.hosting.targets import ModelNotReady
from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.endpoints import IMAGE, Hosting, pack_folder
from tests.cloud.jobs import LIGHT, ROLE, pack
from tests.conftest import LocalCloud
from tests.waiting import TIMEOUT, until

pytestmark = pytest.mark.slow

# A script whose model takes 80 MB.
SCRIPT = """
import os, pathlib

def model_fn(folder):
    word = pathlib.Path(folder, "word.txt").read_text()
    if word == "broken":
        raise ValueError("this model is broken")
    return word, bytearray(b"x") * (80 << 20)

def input_fn(body, kind):
    return body

def predict_fn(body, model):
    return f"{model[0]} {body}"

def output_fn(answer, accept):
    return answer, "text/plain"
"""
# The container API of multi-model endpoints, with room for two models.
SERVE = """#!/usr/bin/env python3
import http.server, json, os, pathlib

MODELS = {}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, json.dumps({"models": [{"modelName": name} for name in MODELS]}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/models":
            return self.load(json.loads(body))
        name = self.path.split("/")[2]
        if name not in MODELS:
            return self.answer(404, b"it is not loaded")
        if body == b"die":
            os._exit(3)
        target = self.headers["X-Amzn-SageMaker-Target-Model"]
        self.answer(200, f"{MODELS[name]} {target} {body.decode()} of {len(MODELS)}".encode())

    def load(self, wanted):
        word = pathlib.Path(wanted["url"], "word.txt").read_text()
        if word == "again":
            MODELS[wanted["model_name"]] = word
            return self.answer(409, b"it is loaded")
        if word == "never" or len(MODELS) >= 2:
            return self.answer(507, b"no room for it")
        MODELS[wanted["model_name"]] = word
        self.answer(200, b"")

    def do_DELETE(self):
        found = MODELS.pop(self.path.split("/")[2], None)
        self.answer(200 if found else 404, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

print("many models:", os.environ["SAGEMAKER_MULTI_MODEL"], flush=True)
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def image(hosting: Hosting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, images = tmp_path_factory.mktemp("many"), OwnImages(hosting.cloud.home.images)
    (folder / "serve").write_text(SERVE)
    (folder / "serve").chmod(0o755)
    yield images.add("many:1", folder)
    images.remove("many:1")


@pytest.fixture(scope="module")
def prefix(hosting: Hosting) -> str:
    """Where the models are: a, b, c, and some that are not well."""
    for word in ("a", "b", "c", "again", "never", "broken"):
        hosting.put(f"models/{word}.tar.gz", pack({"word.txt": word, "code/inference.py": SCRIPT}))
    hosting.put("models/text.tar.gz", b"no archive at all")
    hosting.put("models/hostile.tar.gz", climbing())
    hosting.put("elsewhere.tar.gz", pack({"word.txt": "secret"}))
    return f"s3://{hosting.bucket}/models/"


def climbing() -> bytes:
    """An archive whose file would be written outside of its folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../out.txt"), io.BytesIO())
    return out.getvalue()


def serve(hosting: Hosting, image: str, prefix: str, **container: Any) -> str:
    model = hosting.model(None, Image=image, Mode="MultiModel", ModelDataUrl=prefix, **container)
    return hosting.serve(hosting.config(model))


@pytest.fixture(scope="module")
def own(hosting: Hosting, image: str, prefix: str) -> str:
    return serve(hosting, image, prefix)


def ask(hosting: Hosting, name: str, model: str | None, text: str = "hi") -> str:
    options = {"TargetModel": model} if model else {}
    answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=text, ContentType="text/plain", **options)
    return str(answer["Body"].read().decode())


def refused(hosting: Hosting, name: str, model: str | None, text: str = "hi") -> dict[str, Any]:
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        ask(hosting, name, model, text)
    found: dict[str, Any] = trouble.value.response
    return found


def test_models_are_loaded_when_they_are_asked_for_and_the_oldest_goes(hosting: Hosting, own: str) -> None:
    until(lambda: hosting.log(own), lambda log: "many models: true" in log)
    assert ask(hosting, own, "a.tar.gz") == "a a.tar.gz hi of 1"
    assert ask(hosting, own, "b.tar.gz") == "b b.tar.gz hi of 2"
    assert ask(hosting, own, "a.tar.gz") == "a a.tar.gz hi of 2"
    assert ask(hosting, own, "c.tar.gz") == "c c.tar.gz hi of 2"  # b, unused for longest, went for it
    found = [path.parent.name for path in hosting.cloud.home.jobs.glob(f"{own}*/*/ml/models/*/model")]
    assert len(found) == 2
    assert ask(hosting, own, "again.tar.gz") == "again again.tar.gz hi of 3"  # it said that it had it


def test_a_model_that_cannot_be_had_is_refused_in_awss_words(hosting: Hosting, own: str) -> None:
    for model in ("no-such.tar.gz", "../elsewhere.tar.gz", "/a.tar.gz", f"/{hosting.bucket}/elsewhere.tar.gz"):
        error = refused(hosting, own, model)["Error"]
        assert error["Code"] == "ValidationError"
        assert error["Message"].startswith(f"Failed to download model data(bucket: {hosting.bucket}, key: models/")
    for model in ("text.tar.gz", "hostile.tar.gz"):
        error = refused(hosting, own, model)["Error"]
        assert error["Code"] == "ValidationError"
        assert f"Could not unpack s3://{hosting.bucket}/models/{model}" in error["Message"]
    assert "missing a target model header" in refused(hosting, own, None)["Error"]["Message"]


def test_a_model_for_which_there_is_never_room(hosting: Hosting, own: str) -> None:
    found = refused(hosting, own, "never.tar.gz")
    assert 'Received server error (507) from primary with message "no room for it"' in found["Error"]["Message"]
    assert ask(hosting, own, "a.tar.gz") == "a a.tar.gz hi of 1"


def test_a_container_that_died_loads_its_models_again(hosting: Hosting, own: str) -> None:
    ask(hosting, own, "a.tar.gz")
    assert refused(hosting, own, "a.tar.gz", "die")["Error"]["Code"] == "ModelError"
    until(lambda: hosting.log(own), lambda log: "start number 2" in log)
    assert until(lambda: try_to_ask(hosting, own, "a.tar.gz"), bool) == "a a.tar.gz hi of 1"


def try_to_ask(hosting: Hosting, name: str, model: str) -> str:
    try:
        return ask(hosting, name, model)
    except botocore.exceptions.ClientError:
        return ""


def test_models_have_metrics(hosting: Hosting, own: str) -> None:
    for model in ("a.tar.gz", "b.tar.gz", "c.tar.gz", "c.tar.gz"):  # two are loaded at the most
        ask(hosting, own, model)
    metrics = hosting.cloud.client("cloudwatch")
    endpoint = [{"Name": "EndpointName", "Value": own}]

    def listed() -> set[str]:
        pages = metrics.get_paginator("list_metrics").paginate(Dimensions=endpoint)
        return {one["MetricName"] for page in pages for one in page["Metrics"]}

    loading = {"ModelLoadingWaitTime", "ModelDownloadingTime", "ModelLoadingTime", "ModelUnloadingTime"}
    until(listed, lambda found: loading | {"ModelCacheHit", "LoadedModelCount"} <= found)


def test_what_is_not_kept_is_unloaded_after_each_call(hosting: Hosting, image: str, prefix: str) -> None:
    name = serve(hosting, image, prefix, MultiModelConfig={"ModelCacheSetting": "Disabled"})
    assert ask(hosting, name, "a.tar.gz") == "a a.tar.gz hi of 1"
    until(lambda: list(hosting.cloud.home.jobs.glob(f"{name}*/*/ml/models/*")), lambda found: not found)
    assert ask(hosting, name, "b.tar.gz") == "b b.tar.gz hi of 1"
    hosting.delete(name)


def test_a_container_without_the_api_fails_its_endpoint(hosting: Hosting, prefix: str, tmp_path: Path) -> None:
    images = OwnImages(hosting.cloud.home.images)
    (tmp_path / "serve").write_text(
        SERVE.replace(
            "def do_GET(self):",
            "def do_GET(self):\n        if self.path != '/ping':\n            return self.answer(404, b'')",
        )
    )
    (tmp_path / "serve").chmod(0o755)
    model = hosting.model(None, Image=images.add("one:1", tmp_path), Mode="MultiModel", ModelDataUrl=prefix)
    name = hosting.start(hosting.config(model))
    assert "GET /models with 404" in hosting.wait(name)["FailureReason"]
    assert not list(hosting.cloud.home.jobs.glob(f"{name}*"))
    images.remove("one:1")


def test_models_of_a_script_each_have_a_server_within_their_memory(hosting: Hosting, prefix: str) -> None:
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGELAB_MODEL_MEMORY_MB": "150"}
    name = serve(hosting, LIGHT, prefix, Environment=environment)

    def servers() -> int:
        return len(list(hosting.cloud.home.jobs.glob(f"{name}*")))

    assert ask(hosting, name, "a.tar.gz") == "a hi"
    assert ask(hosting, name, "b.tar.gz") == "b hi"
    until(servers, lambda count: count == 1)
    assert ask(hosting, name, "b.tar.gz", "you") == "b you"
    until(lambda: hosting.log(name), lambda log: f"the model of {prefix}b.tar.gz" in log)
    found = refused(hosting, name, "broken.tar.gz")
    assert found["OriginalStatusCode"] == 500
    assert "this model is broken" in found["OriginalMessage"]
    hosting.delete(name)
    assert servers() == 0


def test_models_of_tensorflow(hosting: Hosting, doubler: Path, tripler: Path) -> None:
    for key, folder in (("two", doubler), ("below/three", tripler)):
        hosting.put(f"saved/{key}.tar.gz", pack_folder(folder))
    name = serve(hosting, IMAGE, f"s3://{hosting.bucket}/saved")
    for model, doubled in (("two.tar.gz", 2), ("below/three.tar.gz", 3)):
        answer = hosting.invoke(name, {"instances": [[1, 2]]}, TargetModel=model)
        assert answer == {"predictions": [[doubled, 2 * doubled]]}
    hosting.delete(name)


def test_many_models_end_a_row(hosting: Hosting, image: str, prefix: str) -> None:
    first = hosting.put("first.tar.gz", pack({"word.txt": "first", "code/inference.py": SCRIPT}))
    containers = [
        {"Image": LIGHT, "ModelDataUrl": first, "Environment": {"SAGEMAKER_PROGRAM": "inference.py"}},
        {"Image": image, "ModelDataUrl": prefix, "Mode": "MultiModel"},
    ]
    hosting.sagemaker.create_model(ModelName="row-and-many", Containers=containers, ExecutionRoleArn=ROLE)
    name = hosting.serve(hosting.config("row-and-many"))
    assert ask(hosting, name, "b.tar.gz") == "b b.tar.gz first hi of 1"
    assert "missing a target model header" in refused(hosting, name, None)["Error"]["Message"]
    hosting.delete(name)


class Shelved(Model):
    """A model of which the test says when it is loaded, and how large it is."""

    def __init__(self, uri: str, shelf: Shelf) -> None:
        self.uri, self.shelf = uri, shelf

    def load(self) -> None:
        assert self.shelf.may_load.wait(TIMEOUT)
        self.shelf.loaded.append(self.uri)

    def invoke(self, headers: dict[str, str], body: bytes) -> Reply:  # noqa: ARG002 - whatever is asked
        return Reply(200, {}, self.uri.encode(), 0.001)

    def size(self) -> int:
        return 10

    def processes(self) -> list[int]:
        return []

    def unload(self) -> None:
        self.shelf.loaded.remove(self.uri)


class Shelf(Loader):
    """Room for three models."""

    def start(self) -> None:
        self.may_load, self.loaded, self.fetched = threading.Event(), list[str](), list[str]()

    def fetch(self, uri: str) -> Model:
        self.fetched.append(uri)
        return Shelved(uri, self)

    @property
    def room(self) -> int | None:
        return 30

    def close(self) -> None:
        """Nothing was started."""


@pytest.fixture
def shelf(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ManyModels, Shelf]]:
    monkeypatch.setattr(loading, "make", Shelf)
    made_of = ContainerSpec(image="none", model_uri="s3://b/p", many=True)
    spec = VariantSpec("v", (made_of,), ROLE, "ml.m5.large", count=1, weight=1, timeout=0.05)
    context = SimpleNamespace(client=cloud.client, clock=Clock())
    context.inside = lambda *_: context
    models = ManyModels("none", spec, cast(EngineContext, context))
    models.start()
    found = models._loader
    assert isinstance(found, Shelf)
    yield models, found
    models.close()


def look(models: ManyModels, name: str) -> str:
    return models.invoke("/invocations", {targets.MODEL: name}, b"").body.decode()


def test_a_model_that_takes_long_is_not_ready_and_goes_on_loading(shelf: tuple[ManyModels, Shelf]) -> None:
    models, found = shelf
    for _ in range(2):
        with pytest.raises(ModelNotReady):
            look(models, "a")
    found.may_load.set()
    until(lambda: found.loaded, bool)
    assert look(models, "a") == "s3://b/p/a"
    assert found.fetched == ["s3://b/p/a"]  # by the first who asked


def test_the_longest_unused_goes_when_there_is_no_room(shelf: tuple[ManyModels, Shelf]) -> None:
    models, found = shelf
    found.may_load.set()
    for name in ("a", "b", "c", "a", "d"):
        until(partial(try_to_look, models, name), bool)
    until(lambda: sorted(found.loaded), lambda names: names == ["s3://b/p/a", "s3://b/p/c", "s3://b/p/d"])


def try_to_look(models: ManyModels, name: str) -> str:
    try:
        return look(models, name)
    except ModelNotReady:
        return ""
