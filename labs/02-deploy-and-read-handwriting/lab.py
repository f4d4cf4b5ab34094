# %% [markdown]
# # Deploy the classifier and read handwriting
#
# **What you'll do.** Put the model of lab 1 behind an endpoint on `ml.c5.large`, send it digits, let it read
# handwriting from photos, look at its metrics, replace it while it serves, and delete it.
#
# **What you'll learn.**
# - what an endpoint is made of: model, endpoint configuration, endpoint, and why these are three things;
# - what goes over the wire: `{"instances": ...}` in, `{"predictions": ...}` out;
# - why a photo must be made to look like the training data before a network can read it;
# - how an endpoint is updated without a failed request.
#
# **What you'll need.** About 3 minutes on a laptop. On AWS about 25 minutes and $0.10, for as long as the
# endpoint exists. The [walkthrough](../labs/02-deploy-and-read-handwriting/README.md) says at each step what AWS's
# console shows.

# %% [markdown]
# The knobs of this lab. `EPOCHS` trains the model of lab 1 once more, for an endpoint needs one.

# %% tags=["parameters"]
EPOCHS = 6
INSTANCE_TYPE = "ml.c5.large"
SCRIPTS = "../labs/01-train-a-digit-classifier"
PHOTOS = "../labs/02-deploy-and-read-handwriting/handwriting"

# %% [markdown]
# ## 1. Connect, and train a model
#
# The script is lab 1's, word for word. Here it runs as a plain program; its model folder is packed as a
# training job would have packed it.

# %%
import sagelab

lab = sagelab.connect("keras-mnist-endpoint")
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

# %% [markdown]
# An endpoint takes its model from S3, as one `model.tar.gz` with a numbered folder in it: TensorFlow
# Serving's version of the model.

# %%
import tarfile

with tarfile.open(f"{folder}/model.tar.gz", "w:gz") as archive:
    archive.add(f"{folder}/model/1", "1")
lab.client("s3").upload_file(f"{folder}/model.tar.gz", lab.bucket, f"{lab.prefix}/model.tar.gz")
lab.uri("model.tar.gz")

# %% [markdown]
# ## 2. Register the model
#
# A *model* says which container serves which archive, under which role. Nothing runs yet, and it costs
# nothing.

# %% tags=["nbval-ignore-output"]
from sagemaker.core import image_uris

image = image_uris.retrieve(
    "tensorflow", lab.region, version="2.19", image_scope="inference", instance_type=INSTANCE_TYPE
)
print(image)

# %% tags=["nbval-ignore-output"]
import time

from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant, Tag

name = f"keras-tf-mnist-{time.strftime('%Y%m%d%H%M%S')}"
about = {"session": lab.session, "region": lab.region}
labels = [Tag(key=tag["Key"], value=tag["Value"]) for tag in lab.tags]
container = ContainerDefinition(image=image, model_data_url=lab.uri("model.tar.gz"))
model = Model.create(name, primary_container=container, execution_role_arn=lab.role, tags=labels, **about)
print(model.model_arn)

# %% [markdown]
# ## 3. Deploy it
#
# An *endpoint configuration* says how many instances of which type serve which model; an *endpoint* brings it
# to life. From here on AWS charges by the second.

# %% tags=["nbval-ignore-output"]
variant = ProductionVariant(
    variant_name="AllTraffic", model_name=name, instance_type=INSTANCE_TYPE, initial_instance_count=1
)
EndpointConfig.create(name, production_variants=[variant], tags=labels, **about)
endpoint = Endpoint.create(name, endpoint_config_name=name, tags=labels, **about)
print(endpoint.endpoint_arn)

# %% [markdown]
# Wait until a server answers. On AWS that takes minutes: an instance has to be found and the image fetched.

# %%
from sagelab.lab import endpoints

endpoints.wait(lab, name)

# %% [markdown]
# ## 4. Send it five random digits
#
# JSON over HTTPS: a list of instances in, a list of predictions out. Each prediction is ten scores; the
# highest is what the network reads.

# %%
import json

import numpy as np


def ask(instances):
    """The scores (n, 10) that the endpoint gives for instances (n, 28, 28, 1) of 0 to 1."""
    body = json.dumps({"instances": np.asarray(instances).tolist()}).encode()
    answer = endpoint.invoke(body=body, content_type="application/json")
    return np.array(json.loads(answer.body.read())["predictions"])


# %% tags=["nbval-ignore-output"]
from sagelab.lab import pictures

some = np.random.default_rng().choice(len(data.held_out_images), 5, replace=False)
scores = ask(data.held_out_images[some][..., np.newaxis] / 255)
pictures.digits(data.held_out_images[some], data.held_out_labels[some], scores.argmax(axis=1), n=5)

# %% [markdown]
# ## 5. Read handwriting
#
# MNIST's digits are white on black, 20 pixels high, centred by their mass. A photo is none of that. So first
# the digit is cut out, turned into white on black, scaled and centred; then the network is asked.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import handwriting

photos = sorted(Path(PHOTOS).glob("digit_*"))
chosen = [handwriting.read(photo) for photo in photos[::17][:5]]
handwriting.show(chosen, ask([reading.instance for reading in chosen]))

# %% [markdown]
# These photos were drawn by a program, with many pens, tilts and papers. How many of all of them are read
# right?

# %%
read = ask([handwriting.read(photo).instance for photo in photos]).argmax(axis=1)
right = read == [int(photo.name[6]) for photo in photos]
print(f"{len(photos)} photos; at least 95 of 100 are read right: {right.mean() >= 0.95}")

# %% [markdown]
# Now your own. Draw a digit with the mouse; where nobody draws, as in a run without a browser, one of the
# photos stands in.

# %% tags=["nbval-ignore-output"]
from sagelab.lab.canvas import Canvas

canvas = Canvas(example=photos[20])
canvas

# %% tags=["nbval-ignore-output"]
mine = handwriting.read(canvas.image())
handwriting.show(mine, ask([mine.instance]))

# %% [markdown]
# ## 6. Send it nonsense
#
# A client's mistake comes back with the container's own words and status, and the endpoint serves on.

# %%
try:
    endpoint.invoke(body=b'{"instances": [[1, 2, 3', content_type="application/json")
except Exception as error:
    print(type(error).__name__, "with status", error.response["OriginalStatusCode"])

# %% [markdown]
# ## 7. Look at its metrics
#
# CloudWatch counts every invocation and times it: `ModelLatency` is the container's part, `OverheadLatency`
# SageMaker's, both in microseconds.

# %%
for _ in range(50):
    ask(data.held_out_images[:1][..., np.newaxis] / 255)
print("50 more digits were read.")

# %% tags=["nbval-ignore-output"]
endpoints.metrics(lab, name, at_least=50).round(1)

# %% [markdown]
# ## 8. Replace it while it serves
#
# A new configuration with two instances. SageMaker starts the new servers beside the old ones and switches
# over when they answer (blue/green), so that a client which asks all the time never sees an error.

# %%
import threading

answers, errors, done = [], [], threading.Event()


def keep_asking():
    while not done.is_set():
        try:
            answers.append(ask(data.held_out_images[:1][..., np.newaxis] / 255))
        except Exception as error:
            errors.append(error)


client = threading.Thread(target=keep_asking)
client.start()

# %%
twice = ProductionVariant(
    variant_name="AllTraffic", model_name=name, instance_type=INSTANCE_TYPE, initial_instance_count=2
)
EndpointConfig.create(f"{name}-twice", production_variants=[twice], tags=labels, **about)
lab.client("sagemaker").update_endpoint(EndpointName=name, EndpointConfigName=f"{name}-twice")
endpoints.wait(lab, name)

# %%
done.set()
client.join()
instances = endpoint.refresh().production_variants[0].current_instance_count
print(f"{instances} instances serve now; asked all the time: {len(answers) > 5}; errors: {len(errors)}")

# %% [markdown]
# ## 9. Deploy with an accelerator
#
# The course deploys with `accelerator_type="ml.eia1.medium"`: Elastic Inference, a slice of a GPU attached to
# a CPU instance for a fraction of a GPU's price. AWS has taken no new customers for it since April 2023, so
# on AWS this lab deploys without it. Here it has no hardware either: the same model, compiled ahead of time
# for this processor (IREE), stands in for it.

# %%
shape = {"model_name": name, "instance_type": INSTANCE_TYPE, "initial_instance_count": 1}
accelerator = {} if lab.target == "aws" else {"accelerator_type": "ml.eia1.medium"}
variants = [
    ProductionVariant(variant_name="Plain", **shape),
    ProductionVariant(variant_name="Accelerated", **shape, **accelerator),
]
EndpointConfig.create(f"{name}-accelerated", production_variants=variants, tags=labels, **about)
lab.client("sagemaker").update_endpoint(EndpointName=name, EndpointConfigName=f"{name}-accelerated")
endpoints.wait(lab, name)

# %% [markdown]
# Two variants side by side on one endpoint. An invocation can name its variant.

# %%
one = json.dumps({"instances": (data.held_out_images[:1, ..., np.newaxis] / 255).tolist()}).encode()
last = {}
for _ in range(200):
    for variant in ("Plain", "Accelerated"):
        answer = endpoint.invoke(body=one, content_type="application/json", target_variant=variant)
        last[variant] = json.loads(answer.body.read())["predictions"]
print("Each was asked 200 times; they read the same:", np.allclose(last["Plain"], last["Accelerated"], atol=1e-4))

# %% [markdown]
# How long did the model take? Each point of a curve is a percentile of `ModelLatency`, from CloudWatch: the
# further left, the faster.

# %% tags=["nbval-ignore-output"]
for variant in ("Plain", "Accelerated"):
    endpoints.metrics(lab, name, variant=variant, at_least=200)
latencies = endpoints.latency(lab, name, ["Plain", "Accelerated"])
endpoints.show_latency(latencies)

# %% [markdown]
# What Elastic Inference was for, AWS now does with Inferentia (`ml.inf2`), small GPU instances (`ml.g4dn`) or
# serverless endpoints; the Inference Recommender measures which of them fits a model.

# %% tags=["nbval-ignore-output"]
plain, accelerated = latencies.loc[50] / 1000
print(f"half of the invocations take {plain:.2f} ms without, {accelerated:.2f} ms with")

# %% [markdown]
# ## 10. Clean up
#
# An endpoint is charged for as long as it exists, asked or not: forgotten endpoints are what makes a bill.

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
# - A model names a container and an archive; a configuration names models and instances; an endpoint runs one
#   configuration and can be moved to another without a pause.
# - A network reads only what looks like its training data: most of reading a photo is making it look so.
# - What the container says to a bad request comes back as `ModelError`, with its status and its words.
# - An endpoint costs by the second while it exists. Delete it.
#
# ## Next
#
# Lab 3 searches for better hyperparameters and deploys the best model.
