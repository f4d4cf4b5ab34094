# %% [markdown]
# # Compile the classifier once with Neo
#
# **What you'll do.** Turn the model of lab 1 into machine code for `ml.c5` with a compilation job, serve it beside
# the original, compare the two, deploy it where it does not belong, and run it on an embedded ARM device under
# emulation.
#
# **What you'll learn.**
# - what a compiler does to a network, and what SageMaker Neo's job takes and leaves;
# - what a compiled model gains: time, memory, start; and that its answers stay the same;
# - why it runs on the one kind of processor that it was compiled for, and who says no elsewhere;
# - how the same model goes to a device without Python, TensorFlow or a cloud.
#
# **What you'll need.** About 3 minutes on a laptop. On AWS about 25 minutes and $0.10; there Neo takes older
# models only, see step 2. The [walkthrough](../labs/05-compile-once-with-neo/README.md) says at each step what
# AWS's console shows.

# %% [markdown]
# The knobs of this lab. `TARGET` is what the model is compiled for, `DEVICE` the embedded one.

# %% tags=["parameters"]
EPOCHS = 3
TARGET = "ml_c5"
INSTANCE_TYPE = "ml.c5.large"
WRONG_TYPE = "ml.m5.large"
DEVICE = "jetson_xavier"
SCRIPTS = "../labs/01-train-a-digit-classifier"
HERE = "../labs/05-compile-once-with-neo"

# %% [markdown]
# ## 1. Connect, and train a model
#
# The script is lab 1's, as a plain program. Its SavedModel goes to S3 as one archive.

# %%
import sagelab

lab = sagelab.connect("keras-mnist-neo")
lab

# %% tags=["nbval-ignore-output"]
import subprocess
import sys
import tempfile
from pathlib import Path

from sagelab.lab import digits

data, folder = digits.load(), tempfile.mkdtemp()
data.save(folder)
script = [sys.executable, Path(SCRIPTS, "mnist-train-cnn.py").resolve(), f"--epochs={EPOCHS}", "--model-dir=model"]
places = ["--training=training", "--validation=validation"]
print(subprocess.run([*script, *places], cwd=folder, capture_output=True, text=True, check=True).stdout)

# %%
import tarfile

with tarfile.open(f"{folder}/model.tar.gz", "w:gz") as archive:
    archive.add(f"{folder}/model/1", "1")
lab.client("s3").upload_file(f"{folder}/model.tar.gz", lab.bucket, f"{lab.prefix}/model.tar.gz")
lab.uri("model.tar.gz")

# %% [markdown]
# ## 2. Compile it
#
# A compilation job needs the archive, the framework, the shape of the input and a target. The batch is part of
# the shape: machine code is made for one. TensorFlow's shapes are NHWC; of a Keras file Neo wants NCHW.
#
# On AWS, Neo takes TensorFlow up to 2.9 and Keras up to 2.2.4, and not a model as new as this one: export it
# from such a version there, or hand Neo an ONNX file.

# %% tags=["nbval-ignore-output"]
import json
import time

from sagemaker.core.resources import CompilationJob
from sagemaker.core.shapes import InputConfig, OutputConfig, StoppingCondition, Tag

name = f"keras-mnist-neo-{time.strftime('%Y%m%d%H%M%S')}"
about = {"session": lab.session, "region": lab.region}
labels = [Tag(key=tag["Key"], value=tag["Value"]) for tag in lab.tags]


def compile_for(target):
    """A compilation job of the model for one target, ended."""
    return CompilationJob.create(
        compilation_job_name=f"{name}-{target.replace('_', '-')}",
        role_arn=lab.role,
        input_config=InputConfig(
            s3_uri=lab.uri("model.tar.gz"),
            data_input_config=json.dumps({"image": [1, 28, 28, 1]}),
            framework="TENSORFLOW",
        ),
        output_config=OutputConfig(s3_output_location=lab.uri("compiled"), target_device=target),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=900),
        tags=labels,
        **about,
    )


def wait_for(job):
    """Follow a compilation job to its end."""
    while job.refresh().compilation_job_status in ("STARTING", "INPROGRESS"):
        time.sleep(0.5)
    return job.compilation_job_status


job = compile_for(TARGET)

# %%
wait_for(job)

# %% [markdown]
# What the compiler did stands in the job's log: the instruction set it wrote for, how it checked the machine
# code against the original, and by how much the two differ.

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


def fetch(job, place):
    """The artifact of a job, unpacked into a folder."""
    bucket, _, key = job.model_artifacts.s3_model_artifacts.removeprefix("s3://").partition("/")
    lab.client("s3").download_file(bucket, key, f"{folder}/artifact.tar.gz")
    with tarfile.open(f"{folder}/artifact.tar.gz") as archive:
        archive.extractall(place, filter="data")
    return place


artifact = fetch(job, f"{folder}/compiled")
manifest = json.loads(Path(artifact, "manifest.json").read_text())
{part: manifest[part] for part in ("target", "triple", "cpu", "inputs", "outputs")}

# %% [markdown]
# ## 4. Serve it beside the original
#
# The job names the image that serves its artifact. Two variants of one endpoint: the SavedModel in TensorFlow
# Serving, and its machine code.

# %% tags=["nbval-ignore-output"]
from sagemaker.core import image_uris
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant

serving = image_uris.retrieve(
    "tensorflow", lab.region, version="2.19", image_scope="inference", instance_type=INSTANCE_TYPE
)
print(job.inference_image)


def register(suffix, image, uri):
    container = ContainerDefinition(image=image, model_data_url=uri)
    Model.create(
        f"{name}-{suffix}", primary_container=container, execution_role_arn=lab.role, tags=labels, **about
    )
    return f"{name}-{suffix}"


def deploy(suffix, instance_type, **models):
    """An endpoint with a variant a model."""
    shape = {"instance_type": instance_type, "initial_instance_count": 1}
    variants = [ProductionVariant(variant_name=v, model_name=m, **shape) for v, m in models.items()]
    config = f"{name}-{suffix}"
    EndpointConfig.create(config, production_variants=variants, tags=labels, **about)
    return Endpoint.create(config, endpoint_config_name=config, tags=labels, **about)


plain = register("plain", serving, lab.uri("model.tar.gz"))
compiled = register("compiled", job.inference_image, job.model_artifacts.s3_model_artifacts)
endpoint = deploy("both", INSTANCE_TYPE, SavedModel=plain, Compiled=compiled)

# %%
from sagelab.lab import endpoints

endpoints.wait(lab, f"{name}-both")

# %% [markdown]
# The same digits to both, in the same words as in lab 2: the machine code keeps the contract.

# %%
import numpy as np

images = (data.held_out_images[:300, ..., np.newaxis] / 255).astype("float32")


def ask(instances, variant):
    body = json.dumps({"instances": instances.tolist()}).encode()
    answer = endpoint.invoke(body=body, content_type="application/json", target_variant=variant)
    return np.array(json.loads(answer.body.read())["predictions"])


scores = {variant: ask(images, variant) for variant in ("SavedModel", "Compiled")}
apart = abs(scores["SavedModel"] - scores["Compiled"]).max()
print(f"300 digits; no score differs by more than 0.0001: {apart < 1e-4}")

# %% tags=["nbval-ignore-output"]
from sagelab.lab import pictures

ten = slice(0, 10)
pictures.digits(data.held_out_images[ten], data.held_out_labels[ten], scores["Compiled"][ten].argmax(axis=1), n=10)

# %%
for _ in range(200):
    for variant in scores:
        ask(images[:1], variant)
print("Each was asked 200 times more, one digit at a time.")

# %% [markdown]
# Each point of a curve is a percentile of `ModelLatency`, from CloudWatch: the further left, the faster.

# %% tags=["nbval-ignore-output"]
for variant in scores:
    endpoints.metrics(lab, f"{name}-both", variant=variant, at_least=201)
latencies = endpoints.latency(lab, f"{name}-both", list(scores))
endpoints.show_latency(latencies)

# %% [markdown]
# ## 5. Compare it with other engines
#
# Without HTTP around them, and with two more that run such models: onnxruntime and LiteRT, the latter also with
# weights of 8 bits. Each in a process of its own, one thread, one digit a call.

# %% tags=["nbval-ignore-output"]
import pandas as pd

engines = f"{HERE}/engines.py"
subprocess.run([sys.executable, engines, "convert", f"{folder}/model/1", folder], capture_output=True, check=True)
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
    command = [sys.executable, engines, engine, f"{folder}/{path}", f"{folder}/digits.npz"]
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
table.round({"p50 (ms)": 2, "p99 (ms)": 2, "load (ms)": 1, "memory (MB)": 0, "size (MB)": 1, "differs": 6})

# %% [markdown]
# The compiled model answers in a third of the SavedModel's time, beside onnxruntime and LiteRT, whose kernels are
# written by hand for such networks. Like them, it needs a sixteenth of TensorFlow's memory and starts at once;
# unlike them, it needs no library of kernels on the device, and takes any network that the compiler can read.

# %% tags=["nbval-ignore-output"]
pictures.bars(table[["p50 (ms)", "memory (MB)", "load (ms)", "size (MB)"]])

# %% [markdown]
# ## 6. Deploy it to the wrong family
#
# `ml.m5` is another family. AWS's rule: a compiled model runs on the instance it was compiled for.

# %%
deploy("wrong", WRONG_TYPE, Compiled=compiled)
try:
    endpoints.wait(lab, f"{name}-wrong")
except endpoints.EndpointFailed as error:
    print(error)

# %% [markdown]
# ## 7. Compile for an ARM device
#
# The same archive, another target: the Jetson AGX Xavier of NVIDIA, an ARM processor (its GPU stays unused
# here). Loaded on this machine, the artifact is refused by the loader itself: no rule, but machine code of
# another language.

# %%
edge_job = compile_for(DEVICE)
wait_for(edge_job)

# %% tags=["nbval-ignore-output"]
sys.path.insert(0, artifact)
import runtime

device_artifact = fetch(edge_job, f"{folder}/device")
try:
    runtime.load(device_artifact)
    print("This machine is such a device itself.")
except runtime.BadArtifact as error:
    print(error)

# %% [markdown]
# ## 8. Run it on the device, under emulation
#
# QEMU translates ARM instructions to this machine's, and the device's own runtime runs on it. Its answers are the
# device's; its speed says nothing. Where QEMU is missing, this cell says what to install and goes on.

# %% tags=["nbval-ignore-output"]
from sagelab import edge

missing = edge.available()
if missing:
    print(f"Skipped: {missing}")
else:
    readings = edge.run(device_artifact, data.held_out_images[:5], DEVICE)
    print("largest difference to TensorFlow here:", abs(readings.scores - scores["SavedModel"][:5]).max())
pictures.digits(data.held_out_images[:5], data.held_out_labels[:5], None if missing else readings.digits, n=5)

# %% [markdown]
# What is left to do is to get the archive to a thousand devices, and the next one after it. On AWS that is
# **IoT Greengrass**: the artifact becomes a *component*, a *deployment* names the group of devices, and each
# fetches it, checks it and starts it, also after a day without a network.

# %% [markdown]
# ## 9. Clean up
#
# Compilation jobs are records and cost nothing once they ended; the endpoint costs by the second.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)

# %% [markdown]
# Prove it.

# %%
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
