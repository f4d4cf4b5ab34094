"""Measure one network in several engines, each in a process of its own, one thread each.

    python engines.py convert SAVED_MODEL FOLDER    writes cnn.onnx, cnn-float.tflite and cnn-int8.tflite
    python engines.py ENGINE PATH DIGITS            one line of JSON: load, milliseconds, megabytes, answers

ENGINE is savedmodel, compiled, onnxruntime or litert. DIGITS is an .npz file with `images` (n, 28, 28, 1), 0 to 1.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

CALLS, WARM = 400, 50


def load_savedmodel(path):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    start = time.perf_counter()
    loaded = tf.saved_model.load(path)
    call = loaded.signatures["serving_default"]
    call(image=tf.zeros((1, 28, 28, 1)))
    seconds = time.perf_counter() - start
    return seconds, lambda image: next(iter(call(image=tf.constant(image)).values())).numpy()


def load_compiled(path):
    import iree.runtime  # noqa: F401

    from sagelab.neo import runtime  # the file that lies in the artifact too

    start = time.perf_counter()
    program = runtime.load(path, threads=1)
    seconds = time.perf_counter() - start
    return seconds, lambda image: next(iter(program.run({"image": image}).values()))


def load_onnxruntime(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(path, options)
    return time.perf_counter() - start, lambda image: session.run(None, {"image": image})[0]


def load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    start = time.perf_counter()
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    seconds = time.perf_counter() - start
    put, get = (side()[0]["index"] for side in (interpreter.get_input_details, interpreter.get_output_details))

    def call(image):
        interpreter.set_tensor(put, image)
        interpreter.invoke()
        return interpreter.get_tensor(get)

    return seconds, call


def measure(engine, path, digits):
    """What the engine does with the digits, one image a call."""
    images = np.load(digits)["images"].astype(np.float32)
    seconds, call = globals()[f"load_{engine}"](path)
    one = images[:1]
    for _ in range(WARM):
        call(one)
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call(one)
        times.append(1000 * (time.perf_counter() - start))
    scores = np.concatenate([np.array(call(image[np.newaxis])) for image in images])
    return {"load": seconds, "times": times, "memory": resident(), "size": size(path), "scores": scores.tolist()}


def resident():
    """Megabytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def size(path):
    """Megabytes on disk: of a compiled model, of the machine code that runs here."""
    place = Path(path)
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    codes = [file.stat().st_size for file in files if file.suffix == ".vmfb"]
    return (min(codes) if codes else sum(file.stat().st_size for file in files)) / 1e6


def convert(saved_model, folder):
    """The SavedModel as ONNX and TFLite."""
    import tensorflow as tf

    for name, optimizations in (("float", []), ("int8", [tf.lite.Optimize.DEFAULT])):
        converter = tf.lite.TFLiteConverter.from_saved_model(saved_model)
        converter.optimizations = optimizations
        Path(folder, f"cnn-{name}.tflite").write_bytes(converter.convert())
    weights = [variable.numpy() for variable in tf.saved_model.load(saved_model).variables]
    write_onnx([weight for weight in weights if weight.dtype == np.float32], Path(folder, "cnn.onnx"))


def write_onnx(weights, file):
    """Lab 1's network, layer by layer, in ONNX's own order of channels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    names = ["k1", "b1", "k2", "b2", "w3", "b3", "w4", "b4"]
    arrays = [np.ascontiguousarray(w.transpose(3, 2, 0, 1)) if w.ndim == 4 else w for w in weights]
    held = [numpy_helper.from_array(array, name) for name, array in zip(names, arrays, strict=True)]
    held.append(numpy_helper.from_array(np.array([1, -1]), "flat"))
    steps = [
        ("Transpose", "image", {"perm": [0, 3, 1, 2]}),
        ("Conv", "k1 b1", {}),
        ("Relu", "", {}),
        ("Conv", "k2 b2", {}),
        ("Relu", "", {}),
        ("MaxPool", "", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Transpose", "", {"perm": [0, 2, 3, 1]}),
        ("Reshape", "flat", {}),
        ("Gemm", "w3 b3", {}),
        ("Relu", "", {}),
        ("Gemm", "w4 b4", {}),
        ("Softmax", "", {"axis": 1}),
    ]
    nodes, before = [], []
    for number, (operator, inputs, options) in enumerate(steps):
        after = "scores" if operator == "Softmax" else f"x{number}"
        nodes.append(helper.make_node(operator, [*before, *inputs.split()], [after], **options))
        before = [after]
    ends = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 28, 28, 1])]
    out = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])]
    graph = helper.make_graph(nodes, "cnn", ends, out, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, file)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    if sys.argv[1] == "convert":
        convert(*sys.argv[2:])
    else:
        print(json.dumps(measure(*sys.argv[1:])))
