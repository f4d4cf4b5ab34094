"""A model server as a process of its own, spoken to over its unix socket."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.forks import Fork, tensorflow

IMAGE = [[[0.25] for _ in range(4)] for _ in range(4)]  # one example for the tests' model

# A SavedModel with a signature for each kind of input; and it compiled, in the same process for the time's sake.
EXPORT = """
import sys
from pathlib import Path
import numpy as np, tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from sagelab.serving.accelerate import compile_model

spec = tf.TensorSpec

class Tiny(tf.Module):
    def __init__(self):
        random = np.random.default_rng(1)
        self.kernel = tf.Variable(random.normal(size=(2, 2, 1, 4)).astype("float32"))
        self.weights = tf.Variable(random.normal(size=(36, 3)).astype("float32"))

    @tf.function(input_signature=[spec((None, 4, 4, 1), tf.float32, "image")])
    def digits(self, image):
        hidden = tf.nn.relu(tf.nn.conv2d(image, self.kernel, 1, "VALID"))
        return {"scores": tf.nn.softmax(tf.reshape(hidden, (-1, 36)) @ self.weights)}

    @tf.function(input_signature=[spec((None, 2), tf.float32, "a"), spec((None,), tf.int32, "b")])
    def pair(self, a, b):
        return {"total": tf.reduce_sum(a, 1) + tf.cast(b, tf.float32), "twice": 2 * b}

    @tf.function(input_signature=[spec((None,), tf.string, "word")])
    def shout(self, word):
        return {"loud": tf.strings.upper(word)}

    @tf.function(input_signature=[spec((None,), tf.float32, "x")])
    def root(self, x):
        return {"root": tf.sqrt(x)}

    @tf.function(input_signature=[spec((None,), tf.float32, "x")])
    def halve(self, x):
        return {"y": x / 2 + 3}

    @tf.function(input_signature=[spec((None,), tf.float32, "x")])
    def mean(self, x):
        return {"mean": tf.reduce_mean(x)}

folder = Path(sys.argv[1])
tiny = Tiny()
others = {name: getattr(tiny, name) for name in ("pair", "shout", "root", "halve", "mean")}
signatures = {"serving_default": tiny.digits} | others
tf.saved_model.save(tiny, str(folder / "tiny" / "3"), signatures=signatures)
# A signature by hand, in whose words a column has an axis more than the placeholder has.
file = folder / "tiny" / "3" / "saved_model.pb"
proto = saved_model_pb2.SavedModel.FromString(file.read_bytes())
definitions = proto.meta_graphs[0].signature_def
definitions["plus_three"].CopyFrom(definitions["halve"])
for side in (definitions["plus_three"].inputs, definitions["plus_three"].outputs):
    for tensor in side.values():
        tensor.tensor_shape.dim.add(size=1)
# One that feeds what the graph has computed, of which TensorFlow knows another shape than what is fed.
with tf.Graph().as_default() as inside, tf.name_scope("inside"):
    tf.add(tf.identity(tf.zeros([1, 1]), name="x"), 3.0, name="y")
proto.meta_graphs[0].graph_def.node.extend(inside.as_graph_def().node)
definitions["inside"].CopyFrom(definitions["halve"])
for side, name in ((definitions["inside"].inputs, "x"), (definitions["inside"].outputs, "y")):
    for tensor in side.values():
        tensor.name = f"inside/{name}:0"
file.write_bytes(proto.SerializeToString())
compile_model(folder / "tiny" / "3", folder / "tiny.compiled", (2, 1))
"""


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self.path))


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


@dataclass
class Server:
    """One running model server; `lines` is what it printed before it listened."""

    process: subprocess.Popen[str] | Fork
    socket: Path
    lines: list[str] = field(default_factory=list)

    def send(self, body: Any, kind: str | None = "application/json", **headers: str) -> Reply:
        """POST /invocations. body: bytes or text as it is, anything else as JSON."""
        sent = body if isinstance(body, (bytes, str)) else json.dumps(body)
        given = {"Content-Type": kind} if kind else {}
        return self.ask("POST", "/invocations", sent, given | {k.replace("_", "-"): v for k, v in headers.items()})

    def ask(self, method: str, path: str, body: bytes | str = b"", headers: dict[str, str] | None = None) -> Reply:
        connection = Connection(self.socket)
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def end(self) -> tuple[int, str, str]:
        """SIGTERM: exit code, the rest of stdout, stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=60)
        return self.process.wait(), out, err

    def close(self) -> None:
        """Whatever became of it: no process and no open pipe is left."""
        assert self.process.stdout
        if not self.process.stdout.closed:
            self.process.kill()
            self.process.communicate()


def start(folder: Path, model: Path, *options: str, warm: bool = False) -> Server:
    """A server that listens, or one that ended before it did. warm: a fork of a Python that has TensorFlow."""
    path, env = folder / "http.sock", os.environ | {"PYTHONWARNINGS": ""}
    command = ["-m", "sagelab.serving", "--model", str(model), "--socket", str(path), *options]
    process: subprocess.Popen[str] | Fork
    if warm:
        process = tensorflow().open(*command, variables=env)
    else:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
    server = Server(process, path)
    assert process.stdout
    for line in process.stdout:
        server.lines.append(line)
        if line.startswith("Listening"):
            break
    return server
