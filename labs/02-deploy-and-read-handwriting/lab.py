# %% [markdown]
# # Deploy the classifier and read handwriting
#
# **What you'll do.** Put lab 1's network behind an [endpoint](../labs/GLOSSARY.md#endpoint) on `ml.c5.large`,
# send it digits, let it read handwriting from photos, look at its metrics, replace it while it serves, and
# delete it.
#
# **What you'll learn.**
# - what an endpoint is made of: model, endpoint configuration, endpoint, and why these are three things;
# - what goes over the wire: `{"instances": ...}` in, `{"predictions": ...}` out;
# - why a photo must be made to look like the training data before a network can read it;
# - how an endpoint is updated without a failed request.
#
# **What you'll need.**
# - **Before:** lab 1, or its words: training job, artifact, execution role.
# - **Here:** about 3 minutes on a laptop.
# - **On AWS:** about 30 minutes and $0.12, nearly all of it for as long as the endpoint exists.
#
# The [walkthrough](../labs/02-deploy-and-read-handwriting/README.md) says at each step what AWS's console
# shows. The numbers in the picture are the steps below.
#
# ![The notebook makes a training job, whose model lies in an S3 bucket. A model names the archive and an image,
# an endpoint configuration names the model and instances, an endpoint runs the configuration. The notebook
# sends digits to the endpoint, and CloudWatch counts and times the
# invocations.](../labs/02-deploy-and-read-handwriting/diagram.svg)

# %% [markdown]
# The knobs of this lab. `EPOCHS` trains lab 1's network once more, for an endpoint needs a model; on AWS a
# small instance without a GPU does that in minutes.

# %% tags=["parameters"]
EPOCHS = 6
TRAINING_TYPE = "ml.m5.xlarge"
INSTANCE_TYPE = "ml.c5.large"
SCRIPTS = "../labs/01-train-a-digit-classifier"
PHOTOS = "../labs/02-deploy-and-read-handwriting/handwriting"

# %% [markdown]
# ## 1. Connect, and train a model
#
# A lab has its own prefix in the bucket and its own [tag](../labs/GLOSSARY.md#tag) on all that it makes, so
# that labs do not get into each other's way.

# %%
import sagelab

lab = sagelab.connect("keras-mnist-endpoint")
lab

# %% [markdown]
# The script is lab 1's, word for word, and so are the calls: upload, `ModelTrainer`,
# [CreateTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html),
# after the digits went to S3 ([PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html)).
# The job leaves its [artifact](../labs/GLOSSARY.md#artifact) in the bucket: one `model.tar.gz` with a numbered
# folder in it, TensorFlow Serving's version of the model. That is the form in which an endpoint takes it.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import digits, watch

data = digits.load()
hyperparameters = {"epochs": EPOCHS, "batch-size": 32, "learning-rate": 0.001}
trainer = lab.trainer(f"{SCRIPTS}/mnist-train-cnn.py", hyperparameters, TRAINING_TYPE)
job = watch.follow(lab, "training job", lab.train(trainer, data.upload(lab)))
archive = job["ModelArtifacts"]["S3ModelArtifacts"]
assert archive.endswith("/model.tar.gz")

# %% [markdown]
# ## 2. Register the model
#
# A [model](../labs/GLOSSARY.md#model) says which image serves which archive, under which role
# ([CreateModel](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html)). Nothing runs
# yet, and it costs nothing. Look at the image: `tensorflow-inference`, not the `tensorflow-training` of the
# job. Training and serving have different ones, for serving needs no compiler, no debugger, and must start
# fast.

# %% tags=["nbval-ignore-output"]
model = lab.model(archive, instance_type=INSTANCE_TYPE)

# %% [markdown]
# ## 3. Deploy it
#
# An [endpoint configuration](../labs/GLOSSARY.md#endpoint-configuration)
# ([CreateEndpointConfig](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html))
# says how many instances of which type serve which model; an endpoint
# ([CreateEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html)) brings
# it to life. Why three things? A configuration never changes, so an endpoint moves from one to another, and
# back, while its name, which the clients know, stays.
#
# Then wait until a server answers. On AWS that takes minutes: an instance has to be found and the image
# fetched.
#
# <div class="alert alert-warning">
#
# **Trap.** From here on AWS charges by the second, whether anyone asks or not, until the endpoint is *deleted*.
# Closing the notebook or the browser ends nothing. `ml.c5.large`, forgotten for a month, is $73.
#
# </div>

# %% tags=["nbval-ignore-output"]
endpoint = lab.deploy(model, INSTANCE_TYPE)
name = endpoint.endpoint_name
found = watch.follow(lab, "endpoint", name)
assert found["EndpointStatus"] == "InService"

# %% [markdown]
# ## 4. Send it five random digits
#
# JSON over HTTPS
# ([InvokeEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html)):
# a list of instances in, a list of predictions out. Each prediction is ten scores; the highest is what the
# network reads. Note the `/ 255`: the script of lab 1 did so before it trained. What was done to the training
# data must be done to every request, and nobody but you does it.

# %% tags=["nbval-ignore-output"]
import json

import numpy as np

from sagelab.lab import pictures


def ask(instances, **more):
    """The scores (n, 10) that the endpoint gives for instances (n, 28, 28, 1) of 0 to 1."""
    body = json.dumps({"instances": np.asarray(instances).tolist()}).encode()
    answer = endpoint.invoke(body=body, content_type="application/json", **more)
    return np.array(json.loads(answer.body.read())["predictions"])


some = np.random.default_rng().choice(len(data.held_out_images), 5, replace=False)
scores = ask(data.held_out_images[some][..., np.newaxis] / 255)
pictures.digits(data.held_out_images[some], data.held_out_labels[some], scores.argmax(axis=1), n=5)

# %% [markdown]
# ## 5. Read handwriting
#
# MNIST's digits are white on black, 20 pixels high, centred by their mass. A photo is none of that. Send one as
# it is, scaled to 28 by 28, and the network answers with confidence and wrongly: it has never seen black on
# white, nor a digit in a corner. So first the digit is cut out, turned into white on black, scaled and centred,
# as the makers of MNIST did; then the network is asked.
#
# These 80 photos were drawn by a program, with many pens, tilts and papers. At least 95 of 100 must be read
# right; five of them are shown, with the box around the digit, the pixels that the network sees, and its ten
# scores.

# %% tags=["nbval-ignore-output"]
from pathlib import Path

from sagelab.lab import handwriting

photos = sorted(Path(PHOTOS).glob("digit_*"))
readings = [handwriting.read(photo) for photo in photos]
scores = ask([reading.instance for reading in readings])
right = scores.argmax(axis=1) == [int(photo.name[6]) for photo in photos]
assert right.mean() >= 0.95, f"only {right.mean():.0%} of the photos are read right"
print(f"{len(photos)} photos, {right.sum()} of them read right")
handwriting.show(readings[::17][:5], scores[::17][:5])

# %% [markdown]
# Now your own. Draw a digit with the mouse, large and in one go. (Where nobody draws, as in a run without a
# browser, one of the photos stands in.)

# %% tags=["nbval-ignore-output"]
from sagelab.lab.canvas import Canvas

canvas = Canvas(example=photos[20])
canvas

# %% [markdown]
# This cell reads what is on the canvas at this moment: draw another one, and run it again. Try a one with a
# foot, a seven with a bar, a four that is open at its top. Which of them had nobody in MNIST?

# %% tags=["nbval-ignore-output"]
mine = handwriting.read(canvas.image())
handwriting.show(mine, ask([mine.instance]))

# %% [markdown]
# ## 6. Send it nonsense
#
# Two layers can say no. SageMaker itself answers `ValidationError`, as for an endpoint that is not there. What
# the *container* refuses comes as `ModelError`, with the container's status and its words, and the endpoint
# serves on. Count them apart: 4XX is the client's fault, 5XX is yours. Here is half a JSON document.

# %%
try:
    endpoint.invoke(body=b'{"instances": [[1, 2, 3', content_type="application/json")
except Exception as error:
    refused = error
assert refused.response["OriginalStatusCode"] == 400
print(type(refused).__name__, "with status", refused.response["OriginalStatusCode"])

# %% [markdown]
# ## 7. Look at its metrics
#
# [CloudWatch](../labs/GLOSSARY.md#cloudwatch) counts every invocation and times it
# ([GetMetricStatistics](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html)):
# `ModelLatency` is the container's part, `OverheadLatency` SageMaker's, both in microseconds. A faster instance
# helps with the first only. The table shows means, because five numbers fit a table; what a user feels is the
# 99th [percentile](../labs/GLOSSARY.md#percentile). First fifty more digits, so that there is something to
# count.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import endpoints

one = data.held_out_images[:1][..., np.newaxis] / 255
for _ in range(50):
    ask(one)
endpoints.metrics(lab, name, at_least=50).round(1)

# %% [markdown]
# ## 8. Replace it while it serves
#
# A new configuration with two instances, and
# [UpdateEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateEndpoint.html) to it.
# SageMaker starts the new servers beside the old ones and switches over when they answer
# ([blue/green](../labs/GLOSSARY.md#bluegreen-deployment)); if they do not come up, the old ones just go on. A
# client which asks all the time must never see an error, so first there is one: a thread that asks, and keeps
# what it sees.

# %%
import threading

answers, errors, done = [], [], threading.Event()


def keep_asking():
    while not done.is_set():
        try:
            answers.append(ask(one))
        except Exception as error:
            errors.append(error)


# %% [markdown]
# While it asks, the endpoint moves. For that time both fleets are charged: that is the price of no pause.

# %% tags=["nbval-ignore-output"]
client = threading.Thread(target=keep_asking)
client.start()
try:
    lab.deploy(model, INSTANCE_TYPE, count=2, endpoint=endpoint)
    found = watch.follow(lab, "endpoint", name)
finally:
    done.set()
    client.join()
assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2
assert len(answers) > 5
assert not errors, errors[0]
print("Two instances serve now, and no request failed.")

# %% [markdown]
# ## 9. Deploy with an accelerator
#
# The course deploys with `accelerator_type="ml.eia1.medium"`: Elastic Inference, a slice of a GPU attached to a
# CPU instance for a fraction of a GPU's price. AWS has taken no new customers for it since April 2023, so on
# AWS this lab deploys without it. Here it has no hardware either: the same model, compiled ahead of time for
# this processor (IREE), stands in for it.
#
# Two [production variants](../labs/GLOSSARY.md#production-variant) side by side on one endpoint: both get the
# same requests at the same time on the same machine, which is the only fair way to compare. This time the
# variants are written out, as the SDK has them.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.shapes import ProductionVariant

shape = {"model_name": model.model_name, "instance_type": INSTANCE_TYPE, "initial_instance_count": 1}
accelerator = {"accelerator_type": "ml.eia1.medium"} if lab.local else {}
plain = ProductionVariant(variant_name="Plain", **shape)
accelerated = ProductionVariant(variant_name="Accelerated", **shape, **accelerator)
lab.deploy([plain, accelerated], endpoint=endpoint)
found = watch.follow(lab, "endpoint", name)
assert len(found["ProductionVariants"]) == 2

# %% [markdown]
# An invocation can name its variant. Each is asked 200 times, and they must read the same. How long did the
# model take? Each point of a curve is a percentile of `ModelLatency`, from CloudWatch: the further left, the
# faster. Read the whole curve: a service is judged by its slow answers.

# %% tags=["nbval-ignore-output"]
last = {}
for _ in range(200):
    for variant in ("Plain", "Accelerated"):
        last[variant] = ask(one, target_variant=variant)
assert np.allclose(last["Plain"], last["Accelerated"], atol=1e-4)
for variant in last:
    endpoints.metrics(lab, name, variant=variant, at_least=200)
latencies = endpoints.latency(lab, name, list(last))
endpoints.show_latency(latencies)

# %% [markdown]
# What Elastic Inference was for, AWS now does with Inferentia (`ml.inf2`), small GPU instances (`ml.g4dn`) or
# serverless endpoints; the Inference Recommender measures which of them fits a model.
#
# ## 10. Clean up
#
# An endpoint is charged for as long as it exists, asked or not: forgotten endpoints are what makes a bill.
# Deleting a configuration or a model does not stop the endpoint that was made of it, so the endpoint goes
# first. The last line proves that nothing is left.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A model names a container and an archive; a configuration names models and instances; an endpoint runs one
#   configuration and can be moved to another without a pause.
# - A network reads only what looks like its training data: most of reading a photo is making it look so.
# - What the container says to a bad request comes back as `ModelError`, with its status and its words.
# - An endpoint costs by the second while it exists. Delete it.

# %% [markdown]
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 3](03-tune-the-classifier.ipynb) searches for better hyperparameters and deploys the best model.
