"""A SavedModel behind the simplest server there is: what an endpoint of the local cloud is compared with.

    python bench/bare_server.py FOLDER THREADS

FOLDER is the SavedModel's. The server prints its port, and answers any POST as an endpoint does: {"instances":
...} in, {"predictions": ...} out. It checks nothing and logs nothing: a thread a connection, connections kept,
TensorFlow with the same number of threads as the endpoint, and no code around the model but the call of its
signature.
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import orjson

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import tensorflow as tf


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    predict: Any = None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        instances = np.asarray(orjson.loads(body)["instances"], np.float32)
        (output,) = self.predict(image=tf.constant(instances)).values()
        answer = orjson.dumps({"predictions": output.numpy().tolist()})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Room for all clients that knock at once."""

    request_queue_size = 128
    daemon_threads = True


def main() -> None:
    folder, threads = sys.argv[1], int(sys.argv[2])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(folder)
    Handler.predict = staticmethod(loaded.signatures["serving_default"])
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
