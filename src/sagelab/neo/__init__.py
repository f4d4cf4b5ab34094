"""Compile a model ahead of time to machine code for one named target, and run what comes out.

    python3 -m sagelab.neo REQUEST.json    what a compilation job runs in its sandbox
    runtime.load(folder).run(inputs)       what the artifact needs where it is used: no TensorFlow

It stands alone, as Neo's own container does: it reads a folder, writes a folder, prints its log, and knows
nothing of the local cloud around it.

Source model -> `sources` finds it -> `keras_models`, `saved_models`, `tflite_models`, `onnx_models` make MLIR of
it -> `compiler` makes machine code -> `check` compares it with the original -> `artifact` is written.
"""
