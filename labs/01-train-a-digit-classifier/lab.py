# %% [markdown]
# # Train a digit classifier
#
# **What you'll do.** Upload handwritten digits to S3, train a convolutional network on them as a SageMaker
# training job, watch it, fetch the model that it leaves behind, and test it.
#
# **What you'll learn.**
# - how a training script finds its data, its hyperparameters and the place for its model;
# - what a training job is made of: image, script, channels, compute, output;
# - how a number that a script prints becomes a metric, and where the log, the status and the bill are.
#
# **What you'll need.** About 3 minutes on a laptop. On AWS about 10 minutes and $0.25, nearly all of it for
# the instance, an `ml.p3.2xlarge`. The [walkthrough](../labs/01-train-a-digit-classifier/README.md) says at
# each step what AWS's console shows.

# %% [markdown]
# The knobs of this lab. `FULL` trains on all 70,000 digits of MNIST instead of the 5,000 that are at hand.

# %% tags=["parameters"]
EPOCHS = 10
INSTANCE_TYPE = "ml.p3.2xlarge"
FULL = False
SOURCE = "../labs/01-train-a-digit-classifier"

# %% [markdown]
# ## 1. Connect to AWS
#
# `connect` finds the local cloud on this machine, or your own account when `SAGELAB_TARGET=aws`. From here on
# everything is ordinary AWS: a session, an execution role, a bucket.

# %%
import sagelab

lab = sagelab.connect("keras-mnist")
lab

# %% [markdown]
# ## 2. Look at the digits
#
# Each digit is a picture of 28 by 28 pixels with a label. A fifth of them is held out: the network never
# learns from those, so they tell how well it reads what it has not seen.

# %%
from sagelab.lab import digits

data = digits.load(full=FULL)
data

# %% [markdown]
# Look before you train. Would you read all of these right?

# %% tags=["nbval-ignore-output"]
from sagelab.lab import pictures

pictures.digits(data.images, data.labels)

# %% [markdown]
# ## 3. Upload them to S3
#
# A training job reads from S3. Each folder becomes a *channel*: a name, here `training` or `validation`,
# under which the job finds the files again.

# %%
channels = data.upload(lab)
channels

# %% [markdown]
# This is what the S3 console lists now.

# %%
listing = lab.client("s3").list_objects_v2(Bucket=lab.bucket, Prefix=f"{lab.prefix}/")
[item["Key"] for item in listing["Contents"]]

# %% [markdown]
# ## 4. Read the training script
#
# An ordinary Keras script. SageMaker reaches it in two ways only: hyperparameters arrive as arguments, and
# folders arrive as environment variables. `SM_CHANNEL_TRAINING` is where the channel `training` was put, and
# what the script leaves in `SM_MODEL_DIR` becomes the model.

# %%
from IPython.display import Code

Code(filename=f"{SOURCE}/mnist-train-cnn.py", language="python")

# %% [markdown]
# ## 5. Run it here for one epoch
#
# A mistake found here costs seconds; the same mistake found on a GPU instance costs money. So first run the
# script as what it is, a Python program, with folders given by hand.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

folder = tempfile.mkdtemp()
data.save(folder)
places = ["--training=training", "--validation=validation", "--model-dir=model"]

# %% tags=["nbval-ignore-output"]
script = [sys.executable, Path(SOURCE, "mnist-train-cnn.py").resolve(), "--epochs=1"]
run = subprocess.run([*script, *places], cwd=folder, capture_output=True, text=True)
print(run.stdout if run.returncode == 0 else run.stderr[-2000:])

# %% [markdown]
# One epoch reads most digits already. (On all 70,000 digits the documented run reaches 0.9839 here.)

# %%
first = float(run.stdout.rsplit("val_acc: ")[-1].split()[0])
assert first > 0.9, f"one epoch should read nine digits of ten, this one read {first:.1%}"
print("The script runs, and reads more than nine digits of ten.")

# %% [markdown]
# ## 6. Train it on a GPU instance
#
# The job runs in a container. AWS keeps one for each version of TensorFlow; its address depends on the region
# and on the instance type, which decides between CPU and GPU.

# %% tags=["nbval-ignore-output"]
from sagemaker.core import image_uris

image = image_uris.retrieve(
    "tensorflow", lab.region, version="2.19", image_scope="training", instance_type=INSTANCE_TYPE
)
print(image)

# %% [markdown]
# SageMaker reads the log of the job, line by line, and each match of a regular expression becomes a value of
# a metric. These four find the four numbers in the line of an epoch.

# %%
from sagemaker.core.training.configs import MetricDefinition

names = ("loss", "acc", "val_loss", "val_acc")
metrics = [MetricDefinition(name=name, regex=rf"- {name}: ([0-9\.]+)") for name in names]
[f"{metric.name:9} {metric.regex}" for metric in metrics]

# %% [markdown]
# Now say what the job is made of: the image, the script, the compute, the hyperparameters, and the place for
# its output. Nothing runs yet.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig, SourceCode, Tag
from sagemaker.train import ModelTrainer

trainer = ModelTrainer(
    sagemaker_session=Session(boto_session=lab.session, default_bucket=lab.bucket),
    role=lab.role,
    base_job_name=lab.prefix,
    training_image=image,
    source_code=SourceCode(source_dir=SOURCE, entry_script="mnist-train-cnn.py"),
    compute=Compute(instance_type=INSTANCE_TYPE, instance_count=1),
    hyperparameters={"epochs": EPOCHS, "batch-size": 32, "learning-rate": 0.001},
    output_data_config=OutputDataConfig(s3_output_path=lab.uri("output")),
    tags=[Tag(key=tag["Key"], value=tag["Value"]) for tag in lab.tags],
).with_metric_definitions(metrics)

# %% [markdown]
# `train` uploads the script, calls `CreateTrainingJob`, and with `wait=False` comes back at once. The name of
# the job is its base name and the time.

# %% tags=["nbval-ignore-output"]
inputs = [InputData(channel_name=name, data_source=uri) for name, uri in channels.items()]
trainer.train(input_data_config=inputs, wait=False, logs=False)

name = trainer._latest_training_job.training_job_name
print(name)

# %% [markdown]
# ## 7. Watch it
#
# One line follows the job through its stages: it starts, downloads the channels, trains, uploads the model.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import watch

job = watch.training_job(lab, name)

# %% [markdown]
# Whatever the script prints is in CloudWatch Logs while it runs, in a stream of the group
# `/aws/sagemaker/TrainingJobs`. Here are its last lines.

# %% tags=["nbval-ignore-output"]
print(watch.tail(lab, name, 6))

# %% [markdown]
# ## 8. See it Completed
#
# This is what the console shows under *Training > Training jobs*; `DescribeTrainingJob` says the same.

# %%
assert job["TrainingJobStatus"] == "Completed"
stages = watch.transitions(lab, name)
print(job["TrainingJobStatus"], "after", " > ".join(stages["status"]))

# %% [markdown]
# How long each stage took. On AWS the first one is minutes, for an instance has to be found and its image
# fetched; here it is almost nothing.

# %% tags=["nbval-ignore-output"]
pictures.timeline(stages)

# %% [markdown]
# The four metrics of every epoch. As long as both curves improve, the network learns; once the training curve
# alone improves, it only memorises.

# %% tags=["nbval-ignore-output"]
history = watch.metrics(lab, name)
pictures.learning_curve(history)

# %% [markdown]
# The last value of the held-out accuracy is what a tuning job would compare this job by. (On all 70,000
# digits the documented run of 10 epochs reaches 0.9927.)

# %%
accuracy = history.query("metric == 'val_acc'")["value"]
assert len(accuracy) == EPOCHS
print("at least 96 of 100 unseen digits are read right:", accuracy.iloc[-1] >= 0.96)

# %% [markdown]
# And the bill. AWS charges the seconds from the download to the upload, for every instance. This is what AWS
# would charge for as many seconds; a real GPU needs fewer of them.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import costs

print(costs.bill(job))

# %% [markdown]
# ## 9. Fetch the model and test it
#
# All that the script left in its model folder is now one archive in S3. Its folder is called `1`: a version,
# as TensorFlow Serving wants it, and lab 2 will.

# %%
import tarfile
from urllib.parse import urlsplit

artifact = urlsplit(job["ModelArtifacts"]["S3ModelArtifacts"])
lab.client("s3").download_file(artifact.netloc, artifact.path.lstrip("/"), f"{folder}/model.tar.gz")
with tarfile.open(f"{folder}/model.tar.gz") as archive:
    archive.extractall(f"{folder}/fetched", filter="data")
    print(*sorted(archive.getnames()), sep="\n")

# %% [markdown]
# Load it, as TensorFlow does with any SavedModel, and let it read the held-out digits. It gives ten scores a
# digit; the highest is what it reads.

# %%
from sagelab.lab import models

model = models.load(f"{folder}/fetched/1")
scores = model(data.held_out_images)
read = scores.argmax(axis=1)
scores.shape

# %% [markdown]
# Green is read right.

# %% tags=["nbval-ignore-output"]
pictures.digits(data.held_out_images, data.held_out_labels, read, n=20)

# %% [markdown]
# What it reads wrong says more than what it reads right: some of these would be hard for anyone.

# %% tags=["nbval-ignore-output"]
wrong = read != data.held_out_labels
pictures.digits(data.held_out_images[wrong], data.held_out_labels[wrong], read[wrong], n=20)

# %% [markdown]
# Which digits are taken for which? The mistakes lie off the diagonal.

# %% tags=["nbval-ignore-output"]
pictures.confusion(data.held_out_labels, read)

# %% [markdown]
# The model that came back from S3 must read exactly as well as the job's last epoch said.

# %%
print("as accurate as the job said:", abs((~wrong).mean() - accuracy.iloc[-1]) < 0.001)

# %% [markdown]
# ## 10. Clean up
#
# An ended job costs nothing and stays as a record. Its files cost a little every month, so they go.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)

# %% [markdown]
# Prove it: nothing of this lab runs, and no file is stored.

# %%
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A training job is an image, a script, channels of data, compute, and a place for its output.
# - Script Mode: hyperparameters come as arguments, folders as `SM_*` variables; inside, all of it lies under
#   `/opt/ml`.
# - What is left in `SM_MODEL_DIR` comes back as `model.tar.gz`. What is printed goes to CloudWatch Logs, and
#   a regular expression makes a metric of it.
# - AWS bills seconds of instances, so a run of one epoch where you are comes first.
#
# ## Exercises
#
# Change the network, break the script, train on two instances: see
# [exercises](../labs/01-train-a-digit-classifier/exercises.md), with solutions.
#
# ## Next
#
# Lab 2 deploys this model to an endpoint and sends it digits.
