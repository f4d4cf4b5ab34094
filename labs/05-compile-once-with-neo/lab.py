# %% [markdown]
# # Compile the classifier once with Neo
#
# **What you'll do.** Turn the model of lab 1 into machine code for `ml.c5` with a compilation job, serve it
# beside the original, compare the two, deploy it where it does not belong, and run it on an embedded ARM device
# under emulation.
#
# **What you'll learn.**
# - what a compiler does to a network, and what SageMaker Neo's job takes and leaves;
# - what a compiled model gains: time, memory, start; and that its answers stay the same;
# - why it runs on the one kind of processor that it was compiled for, and who says no elsewhere;
# - how the same model goes to a device without Python, TensorFlow or a cloud.
#
# **What you'll need.**
# - **Before:** lab 2, where an endpoint is explained. Nothing of it has to be there.
# - **Here:** about 2 minutes on a laptop; step 8 wants QEMU, and says what to install where it is missing.
# - **On AWS:** about 25 minutes and $0.10; there Neo takes older models only, see step 2.
#
# ![The notebook uploads a trained model to S3; compilation jobs make one artifact for ml.c5 and one for a
# Jetson; the first serves beside the original behind an endpoint, the second runs on an emulated ARM
# device](../labs/05-compile-once-with-neo/diagram.svg)
#
# The [walkthrough](../labs/05-compile-once-with-neo/README.md) says at each step what AWS's console shows. Words
# that are new stand in the [glossary](../labs/GLOSSARY.md).

# %% [markdown]
# The knobs of this lab. `TARGET` is what the model is compiled for, `DEVICE` the embedded one. Two thousand
# digits make a model that is good enough to be compiled.

# %% tags=["parameters"]
EPOCHS, DIGITS = 3, 2_000
TARGET = "ml_c5"
INSTANCE_TYPE = "ml.c5.large"
WRONG_TYPE = "ml.m5.large"
DEVICE = "jetson_xavier"
SCRIPT = "../labs/01-train-a-digit-classifier/mnist-train-cnn.py"
ENGINES = "../labs/05-compile-once-with-neo/engines.py"

# %% [markdown]
# ## 1. Connect, and train a model
#
# The script is lab 1's, run as a plain program: a [SavedModel](../labs/GLOSSARY.md#savedmodel) comes out of it
# wherever it runs. What a compiler gets is a graph of operations, such as *convolution*, *add*, *softmax*, and
# the weights.

# %% tags=["nbval-ignore-output"]
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import sagelab
from sagelab.lab import digits

lab = sagelab.connect("keras-mnist-neo")
data, folder = digits.load(), tempfile.mkdtemp()
replace(data, images=data.images[:DIGITS], labels=data.labels[:DIGITS]).save(folder)
script = [sys.executable, Path(SCRIPT).resolve(), f"--epochs={EPOCHS}", "--batch-size=64", "--model-dir=model"]
places = ["--training=training", "--validation=validation"]
print(subprocess.run([*script, *places], cwd=folder, capture_output=True, text=True, check=True).stdout)

# %% [markdown]
# The SavedModel goes to S3 as one archive, the [artifact](../labs/GLOSSARY.md#artifact) that a training job
# would have left.

# %%
import tarfile

with tarfile.open(f"{folder}/model.tar.gz", "w:gz") as archive:
    archive.add(f"{folder}/model/1", "1")
lab.client("s3").upload_file(f"{folder}/model.tar.gz", lab.bucket, f"{lab.prefix}/model.tar.gz")
lab.uri("model.tar.gz")

# %% [markdown]
# ## 2. Compile it
#
# A [compilation job](../labs/GLOSSARY.md#compilation-job) needs the archive, the framework, the shape of the
# input and a target
# ([CreateCompilationJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateCompilationJob.html)).
# The batch is part of the shape: machine code is made for one. TensorFlow's shapes are NHWC; of a Keras file Neo
# wants NCHW.
#
# Why is that faster than the framework? A framework looks up a kernel for each operation as it comes to it, for
# any shape, and stores each result in memory before the next one reads it. A compiler sees all of the graph
# beforehand: it fuses operations into one loop, knows the loops' lengths, lays the weights out as they will be
# read, and writes instructions for exactly this processor.
#
# On AWS, Neo takes TensorFlow up to 2.9 and Keras up to 2.2.4, and not a model as new as this one: export it
# from such a version there, or hand Neo an ONNX file.

# %%
import json

from sagemaker.core.resources import CompilationJob
from sagemaker.core.shapes import InputConfig, OutputConfig, StoppingCondition, Tag

tags = [Tag(key=tag["Key"], value=tag["Value"]) for tag in lab.tags]
about = {"session": lab.session, "region": lab.region, "role_arn": lab.role, "tags": tags}
shape = json.dumps({"image": [1, 28, 28, 1]})
source = InputConfig(s3_uri=lab.uri("model.tar.gz"), data_input_config=shape, framework="TENSORFLOW")


def compile_for(target):
    """Start a compilation job of the model for one target."""
    return CompilationJob.create(
        compilation_job_name=lab.fresh_name(target.replace("_", "-")),
        input_config=source,
        output_config=OutputConfig(s3_output_location=lab.uri("compiled"), target_device=target),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=900),
        **about,
    )


# %% [markdown]
# A line follows the job to its end. Compilation jobs are free.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import watch

job = compile_for(TARGET)
ended = watch.follow(lab, "compilation job", job.compilation_job_name)
assert ended["CompilationJobStatus"] == "COMPLETED"

# %% [markdown]
# What the compiler did stands in the job's log: the instruction set it wrote for, how it checked the machine
# code against the original, and by how much the two differ.
# ([GetLogEvents](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html) of
# the group `/aws/sagemaker/CompilationJobs`.)

# %% tags=["nbval-ignore-output"]
events = lab.client("logs").get_log_events(
    logGroupName="/aws/sagemaker/CompilationJobs", logStreamName=job.compilation_job_name, startFromHead=True
)
print("\n".join(event["message"] for event in events["events"]))

# %% [markdown]
# ## 3. Look into the artifact
#
# Neo's result is again one archive: machine code, a manifest, and a runtime of a few lines that needs no
# TensorFlow.


# %%
def fetch(ended, place):
    """The artifact of a job that has ended, unpacked into a folder."""
    bucket, _, key = ended["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    lab.client("s3").download_file(bucket, key, f"{folder}/artifact.tar.gz")
    with tarfile.open(f"{folder}/artifact.tar.gz") as archive:
        archive.extractall(place, filter="data")
    return place


artifact = fetch(ended, f"{folder}/compiled")
manifest = json.loads(Path(artifact, "manifest.json").read_text())
{part: manifest[part] for part in ("target", "triple", "cpu", "inputs", "outputs")}

# %% [markdown]
# ## 4. Serve it beside the original
#
# The job names the image that serves its artifact. Two [variants](../labs/GLOSSARY.md#production-variant) of one
# [endpoint](../labs/GLOSSARY.md#endpoint): the SavedModel in TensorFlow Serving, and its machine code. As in lab
# 2, that is [CreateModel](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html) for
# each,
# [CreateEndpointConfig](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html)
# and [CreateEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html).

# %% tags=["nbval-ignore-output"]
models = {
    "SavedModel": lab.model(lab.uri("model.tar.gz")),
    "Compiled": lab.model(ended["ModelArtifacts"]["S3ModelArtifacts"], ended["InferenceImage"]),
}
endpoint = lab.deploy(models, INSTANCE_TYPE)
serving = watch.follow(lab, "endpoint", endpoint.endpoint_name)

# %% [markdown]
# The same 300 digits to both, in the same words as in lab 2: the machine code keeps the contract, and no score
# differs by more than rounding.
# ([InvokeEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html)
# with the variant named in it.)

# %%
import numpy as np

from sagelab.lab import pictures

images = (data.held_out_images[:300, ..., np.newaxis] / 255).astype("float32")


def ask(instances, variant):
    body = json.dumps({"instances": instances.tolist()}).encode()
    answer = endpoint.invoke(body=body, content_type="application/json", target_variant=variant)
    return np.array(json.loads(answer.body.read())["predictions"])


scores = {variant: ask(images, variant) for variant in models}
apart = abs(scores["SavedModel"] - scores["Compiled"]).max()
assert apart < 1e-4, f"scores differ by {apart:.6f}"

ten = slice(0, 10)
pictures.digits(data.held_out_images[ten], data.held_out_labels[ten], scores["Compiled"][ten].argmax(axis=1), n=10)

# %% [markdown]
# Which is the faster one? Both are asked 200 times more, one digit at a time. Each point of a curve is a
# [percentile](../labs/GLOSSARY.md#percentile) of `ModelLatency`, from CloudWatch
# ([GetMetricStatistics](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html)):
# the further left, the faster.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import endpoints

for _ in range(200):
    for variant in models:
        ask(images[:1], variant)
for variant in models:
    endpoints.metrics(lab, endpoint.endpoint_name, variant=variant, at_least=201)
endpoints.show_latency(endpoints.latency(lab, endpoint.endpoint_name, list(models)))

# %% [markdown]
# ## 5. Compare it with other engines
#
# Without HTTP around them, and with two more that run such models: onnxruntime and LiteRT, the latter also with
# weights of 8 bits. Each in a process of its own, one thread, one digit a call.

# %% tags=["nbval-ignore-output"]
import pandas as pd

subprocess.run([sys.executable, ENGINES, "convert", f"{folder}/model/1", folder], capture_output=True, check=True)
np.savez(f"{folder}/digits.npz", images=images)
entrants = {
    "TensorFlow, SavedModel": ("savedmodel", "model/1"),
    "compiled by Neo": ("compiled", "compiled"),
    "onnxruntime": ("onnxruntime", "cnn.onnx"),
    "LiteRT": ("litert", "cnn-float.tflite"),
    "LiteRT, int8 weights": ("litert", "cnn-int8.tflite"),
}
measured = {}
for entrant, (engine, path) in entrants.items():
    command = [sys.executable, ENGINES, engine, f"{folder}/{path}", f"{folder}/digits.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured[entrant] = json.loads(done.stdout.splitlines()[-1])

# %% [markdown]
# `agrees` is the share of digits that are read as TensorFlow reads them; `differs` the largest difference of a
# score.

# %% tags=["nbval-ignore-output"]
reference = np.array(measured["TensorFlow, SavedModel"]["scores"])
rows = {
    entrant: {
        "p50 (ms)": np.percentile(found["times"], 50),
        "p99 (ms)": np.percentile(found["times"], 99),
        "load (ms)": 1000 * found["load"],
        "memory (MB)": found["memory"],
        "size (MB)": found["size"],
        "agrees": np.mean(np.argmax(found["scores"], axis=1) == reference.argmax(axis=1)),
        "differs": abs(np.array(found["scores"]) - reference).max(),
    }
    for entrant, found in measured.items()
}
table = pd.DataFrame(rows).T
assert table["agrees"].min() > 0.98
table.round({"p50 (ms)": 2, "p99 (ms)": 2, "load (ms)": 1, "memory (MB)": 0, "size (MB)": 1, "differs": 6})

# %% [markdown]
# The compiled model answers in a fraction of the SavedModel's time, beside onnxruntime and LiteRT, whose kernels
# are written by hand for such networks. Like them, it needs a sixteenth of TensorFlow's memory and starts at
# once; unlike them, it needs no library of kernels on the device, and takes any network that the compiler can
# read.

# %% tags=["nbval-ignore-output"]
pictures.bars(table[["p50 (ms)", "memory (MB)", "load (ms)", "size (MB)"]])

# %% [markdown]
# ## 6. Deploy it to the wrong family
#
# `ml.m5` is another family. AWS's rule: a compiled model runs on the instance it was compiled for.
#
# <div class="alert alert-warning">
#
# **Trap.** `CreateModel` and `CreateEndpointConfig` take the wrong family without a word: neither knows what is
# in the archive. Only the endpoint fails, minutes later, and only its `FailureReason` says why. Write the target
# into the model's name.
#
# </div>

# %% tags=["nbval-ignore-output"]
wrong = lab.deploy({"Compiled": models["Compiled"]}, WRONG_TYPE)
reason = "it was not refused"
try:
    watch.follow(lab, "endpoint", wrong.endpoint_name)
except watch.JobFailed as error:
    reason = str(error)
assert TARGET in reason, reason
print(reason)

# %% [markdown]
# ## 7. Compile for an ARM device
#
# The same archive, another target: the Jetson AGX Xavier of NVIDIA, an ARM processor (its GPU stays unused
# here).

# %% tags=["nbval-ignore-output"]
device_job = watch.follow(lab, "compilation job", compile_for(DEVICE).compilation_job_name)
device_artifact = fetch(device_job, f"{folder}/device")

# %% [markdown]
# Loaded on this machine, the artifact is refused by the loader itself: no rule, but machine code of another
# language. (`runtime.py` lies in every artifact; sagelab has the same file.)

# %% tags=["nbval-ignore-output"]
from sagelab.neo import runtime

try:
    runtime.load(device_artifact)
    print("This machine is such a device itself.")
except runtime.BadArtifact as error:
    print(error)

# %% [markdown]
# ## 8. Run it on the device, under emulation
#
# QEMU translates ARM instructions to this machine's, and the device's own runtime runs on it. Its answers are
# the device's, to rounding; its speed says nothing. Where QEMU is missing, this cell says what to install and
# goes on.

# %% tags=["nbval-ignore-output"]
from sagelab import edge

missing = edge.available()
if missing:
    print(f"Skipped: {missing}")
else:
    readings = edge.run(device_artifact, data.held_out_images[:5], DEVICE)
    assert abs(readings.scores - scores["SavedModel"][:5]).max() < 1e-4
pictures.digits(data.held_out_images[:5], data.held_out_labels[:5], None if missing else readings.digits, n=5)

# %% [markdown]
# What is left to do is to get the archive to a thousand devices, and the next one after it. On AWS that is **IoT
# Greengrass**: the artifact becomes a *component*, a *deployment* names the group of devices, and each fetches
# it, checks it and starts it, also after a day without a network.

# %% [markdown]
# ## 9. Clean up
#
# Compilation jobs are records and cost nothing once they ended; the endpoint costs by the second.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A compilation job turns a model into machine code for one target, for one shape, once; the framework stays at
#   home.
# - The answers are the same to rounding; memory and start are a fraction; time depends on the network.
# - The artifact belongs to its target: the service refuses another family, and another processor cannot even
#   load it.
# - On a device the same model needs a runtime of a few megabytes and no cloud; Greengrass brings it there.
#
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 6](06-lock-it-down.ipynb) lets an intruder into a training job, and closes one of its ways after the other.
