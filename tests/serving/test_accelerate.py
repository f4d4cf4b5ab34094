from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sagelab.neo.runtime import read_manifest
from sagelab.serving import compiled
from sagelab.serving.errors import BadModel
from tests.forks import tensorflow
from tests.serving.conftest import Start
from tests.serving.servers import IMAGE, Server

pytestmark = pytest.mark.slow


def test_answers_are_the_savedmodels_for_any_batch(server: Server, start: Start) -> None:
    fast = start()
    random = np.random.default_rng(0)
    for count in (1, 2, 3, 8):
        body = {"instances": random.random((count, 4, 4, 1)).tolist()}
        want, got = (np.array(one.send(body).json["predictions"]) for one in (server, fast))
        assert got.shape == (count, 3)
        assert np.abs(want - got).max() < 1e-5


@pytest.mark.parametrize("threads", ["1", "2"])
def test_clients_at_once_get_their_own_answers(server: Server, start: Start, threads: str) -> None:
    fast = start(None, "--threads", threads)
    random = np.random.default_rng(0)
    bodies = [{"instances": random.random((1 + number % 7, 4, 4, 1)).tolist()} for number in range(40)]
    want = [server.send(body).json["predictions"] for body in bodies]
    with ThreadPoolExecutor(8) as clients:
        replies = list(clients.map(fast.send, 10 * bodies))
    for number, reply in enumerate(replies):
        assert np.array(reply.json["predictions"]) == pytest.approx(np.array(want[number % 40]), abs=1e-5)


def test_bad_requests_get_the_same_words(server: Server, start: Start) -> None:
    fast = start()
    for body in ('{"instances": [[1, 2]]}', "{", '{"data": 1}', '{"instances": []}'):
        want, got = (one.send(body) for one in (server, fast))
        assert (got.status, got.body) == (want.status, want.body)


def test_no_tensorflow_is_loaded(start: Start) -> None:
    fast = start()
    assert fast.send({"instances": [IMAGE]}).status == 200
    maps = Path(f"/proc/{fast.process.pid}/maps").read_text()
    assert "tensorflow" not in maps
    assert "iree" in maps


def test_several_threads_compute_too(start: Start) -> None:
    one, two = start(), None
    want = one.send({"instances": [IMAGE]}).json["predictions"][0]
    one.end()
    two = start(None, "--threads", "2")
    assert two.send({"instances": [IMAGE]}).json["predictions"][0] == pytest.approx(want, abs=1e-6)


def test_the_manifest_says_what_was_compiled(exported: Path) -> None:
    manifest = read_manifest(exported / "tiny.compiled")
    assert manifest.compiler.startswith("IREE ")
    assert [code.batch for code in manifest.codes] == [1, 2]
    assert [(t.name, t.dtype, t.shape) for t in manifest.inputs] == [("image", "float32", (1, 4, 4, 1))]
    assert [(t.name, t.shape) for t in manifest.outputs] == [("scores", (1, 3))]
    assert manifest.check is not None
    assert 0 <= manifest.check["difference"] < 1e-4


def test_code_for_another_processor_is_refused(exported: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(exported / "tiny.compiled", other)
    text = (other / "manifest.json").read_text()
    (other / "manifest.json").write_text(text.replace('"needs": [', '"needs": ["avx9000", '))
    with pytest.raises(BadModel, match="a processor with avx9000"):
        compiled.load(other, exported / "tiny/3")


@pytest.mark.parametrize("content", [None, "", "not JSON", "{}", "[]"])
def test_what_is_no_compiled_model_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(BadModel, match="is not a compiled model"):
        compiled.load(tmp_path, tmp_path)


@pytest.mark.slow
def test_a_model_that_cannot_be_compiled_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
import sys, tensorflow as tf
module = tf.Module()
word = tf.TensorSpec((None,), tf.string, "word")
module.f = tf.function(lambda word: {"loud": tf.strings.upper(word)}, input_signature=[word])
tf.saved_model.save(module, sys.argv[1] + "/1", signatures=module.f)
sys.argv = ["accelerate", sys.argv[1], sys.argv[1] + "/out"]
from sagelab.serving.accelerate import main
sys.exit(main())
"""
    done = tensorflow().run("-c", script, str(tmp_path))
    assert done.returncode == 1
    assert "input word is text" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
