# %% [markdown]
# # Train a digit classifier
#
# **What you'll do.** Upload handwritten digits to S3, train a convolutional network on them as a SageMaker
# [training job](../labs/GLOSSARY.md#training-job), watch it, fetch the model that it leaves behind, and test
# it.
#
# **What you'll learn.**
# - how a training script finds its data, its hyperparameters and the place for its model;
# - what a training job is made of: image, script, channels, compute, output;
# - how a number that a script prints becomes a metric, and where the log, the status and the bill are.
#
# **What you'll need.**
# - **Before:** a little Python. Nothing of AWS, and lab 0 only if you want to work on a notebook instance.
# - **Here:** about 3 minutes on a laptop.
# - **On AWS:** about 10 minutes and $0.25, nearly all of it for the instance, an `ml.p3.2xlarge`.
#
# The [walkthrough](../labs/01-train-a-digit-classifier/README.md) says at each step what AWS's console shows,
# and the [glossary](../labs/GLOSSARY.md) explains each word. The numbers in the picture are the steps below.
#
# ![The notebook uploads digits to an S3 bucket and asks SageMaker for a training job. SageMaker starts the
# job's container, which reads its channels from the bucket, prints a log that goes to CloudWatch, and leaves
# its model in the bucket, from where the notebook fetches it.](../labs/01-train-a-digit-classifier/diagram.svg)

# %% [markdown]
# The knobs of this lab. `FULL` trains on all 70,000 digits of [MNIST](../labs/GLOSSARY.md#mnist) instead of the
# 5,000 that are at hand.

# %% tags=["parameters"]
EPOCHS = 10
INSTANCE_TYPE = "ml.p3.2xlarge"
FULL = False
SOURCE = "../labs/01-train-a-digit-classifier"

# %% [markdown]
# ## 1. Connect to AWS
#
# `connect` finds the [local cloud](../labs/GLOSSARY.md#local-cloud) on this machine, or your own account when
# `SAGELAB_TARGET=aws`. From here on everything is ordinary AWS: a session, an
# [execution role](../labs/GLOSSARY.md#execution-role), a [bucket](../labs/GLOSSARY.md#s3).
#
# <div class="alert alert-warning">
#
# **Trap.** A job does not run as you. It takes the execution role, and reads and writes S3 with that role's
# rights. Most first jobs that fail on AWS fail here: *you* can read the bucket, the role cannot.
#
# </div>

# %%
import sagelab

lab = sagelab.connect("keras-mnist")
lab

# %% [markdown]
# ## 2. Look at the digits
#
# Each digit is a picture of 28 by 28 pixels with a label. A fifth of them is [held
# out](../labs/GLOSSARY.md#held-out-data): the network never learns from those, so they tell how well it reads
# what it has not seen. Look before you train. Would you read all of these right?

# %% tags=["nbval-ignore-output"]
from sagelab.lab import digits, pictures

data = digits.load(full=FULL)
print(data)
pictures.digits(data.images, data.labels)

# %% [markdown]
# ## 3. Upload them to S3
#
# A training job reads from S3, for its instance is new each time and has no files. Each folder becomes a
# [channel](../labs/GLOSSARY.md#channel): a name, here `training` or `validation`, under which the job finds the
# files again. `data.upload` is boto3's `upload_file`, once a channel
# ([PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html)). What it put there, the S3
# console lists as this does
# ([ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)).

# %%
channels = data.upload(lab)
listing = lab.client("s3").list_objects_v2(Bucket=lab.bucket, Prefix=f"{lab.prefix}/")
print(channels)
[item["Key"] for item in listing["Contents"]]

# %% [markdown]
# ## 4. Read the training script
#
# An ordinary Keras script, in [script mode](../labs/GLOSSARY.md#script-mode). SageMaker reaches it in two ways
# only: [hyperparameters](../labs/GLOSSARY.md#hyperparameter) arrive as arguments, and folders arrive as
# environment variables. `SM_CHANNEL_TRAINING` is where the channel `training` was put, and what the script
# leaves in `SM_MODEL_DIR` becomes the model. Find these two in the script, and the line that prints an epoch's
# four numbers: all that SageMaker will ever know of the training is what that line says.

# %%
from IPython.display import Code

Code(filename=f"{SOURCE}/mnist-train-cnn.py", language="python")

# %% [markdown]
# ## 5. Run it here for one epoch
#
# A mistake found here costs seconds; the same mistake found on a GPU instance costs money, and minutes until an
# instance is there. So first run the script as what it is, a Python program, with folders given by hand. One
# [epoch](../labs/GLOSSARY.md#epoch) reads most digits already. (On all 70,000 digits the documented run reaches
# 0.9839 here.)

# %% tags=["nbval-ignore-output"]
import subprocess
import sys
import tempfile
from pathlib import Path

folder = tempfile.mkdtemp()
data.save(folder)
command = [sys.executable, Path(SOURCE, "mnist-train-cnn.py").resolve(), "--epochs=1", "--model-dir=model"]
places = ["--training=training", "--validation=validation"]
run = subprocess.run([*command, *places], cwd=folder, capture_output=True, text=True)
assert run.returncode == 0, run.stderr[-2000:]
print(run.stdout)
first = float(run.stdout.rsplit("val_acc: ")[-1].split()[0])
assert first > 0.9, f"one epoch should read nine digits of ten, this one read {first:.1%}"

# %% [markdown]
# ## 6. Train it on a GPU instance
#
# Now say what the job is made of:
#
# - the [image](../labs/GLOSSARY.md#image) of its container. AWS keeps one for each version of TensorFlow; its
#   address depends on the region and on the instance type, which decides between CPU and GPU;
# - the script, with its folder, and its hyperparameters;
# - the compute: how many instances of which type;
# - the place for its output;
# - the [metrics](../labs/GLOSSARY.md#metric-definition). SageMaker reads the log line by line, and each match
#   of a regular expression becomes a value of a metric. Four find the four numbers in the line of an epoch.
#
# `lab.trainer` fills in what every lab has in common, and shows the call that it makes: the SDK's
# `ModelTrainer`, which you can copy and use without this package. Nothing runs yet.
#
# <div class="alert alert-warning">
#
# **Trap.** Keras by itself logs `val_accuracy`, which the expression `- val_acc: ([0-9\.]+)` does not match. A
# definition that matches nothing is no error: the job completes, without that metric, and a search has nothing
# to compare. Hence the script prints its line itself. (Exercise 3 makes the metric disappear.)
#
# </div>

# %% tags=["nbval-ignore-output"]
hyperparameters = {"epochs": EPOCHS, "batch-size": 32, "learning-rate": 0.001}
trainer = lab.trainer(f"{SOURCE}/mnist-train-cnn.py", hyperparameters, INSTANCE_TYPE)

# %% [markdown]
# `train` uploads the script, calls
# [CreateTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html), and
# with `wait=False` comes back at once. The name of the job is its base name and the time, so that the cell can
# run again: each run is a job of its own, and on AWS a bill of its own.

# %% tags=["nbval-ignore-output"]
name = lab.train(trainer, channels)
print(name)

# %% [markdown]
# ## 7. Watch it
#
# One line follows the job through its stages, by asking again and again
# ([DescribeTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html)):
# it starts, downloads the channels, trains, uploads the model. Interrupt the kernel (the square above) and only
# the watching ends; the job goes on.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import watch

job = watch.follow(lab, "training job", name)
assert job["TrainingJobStatus"] == "Completed"

# %% [markdown]
# Whatever the script prints is in [CloudWatch](../labs/GLOSSARY.md#cloudwatch) Logs while it runs, in a stream
# of the group `/aws/sagemaker/TrainingJobs`
# ([GetLogEvents](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html)).
# When a job fails, this is the first place to look; its `FailureReason` is the second. Here are the last lines.

# %% tags=["nbval-ignore-output"]
print(watch.tail(lab, name, 6))

# %% [markdown]
# ## 8. See it Completed
#
# The console shows the job under *Training > Training jobs*, with how long each stage took. On AWS the first
# stage is minutes, for an instance has to be found and its image fetched; here it is almost nothing.

# %% tags=["nbval-ignore-output"]
stages = watch.transitions(lab, name)
assert list(stages["status"])[-3:] == ["Training", "Uploading", "Completed"]
pictures.timeline(stages)

# %% [markdown]
# The four metrics of every epoch. As long as both curves improve, the network learns; once the training curve
# alone improves, it only memorises: it [overfits](../labs/GLOSSARY.md#overfitting). Look at the left panel, the
# [loss](../labs/GLOSSARY.md#loss): which epoch would you have stopped after?
#
# The last value of the held-out accuracy is what a tuning job would compare this job by, and at least 96 of 100
# digits must be read right. (On all 70,000 digits the documented run of 10 epochs reaches 0.9927.)

# %% tags=["nbval-ignore-output"]
history = watch.metrics(lab, name)
accuracy = history.query("metric == 'val_acc'")["value"]
assert len(accuracy) == EPOCHS
assert accuracy.iloc[-1] >= 0.96, f"only {accuracy.iloc[-1]:.1%} of the unseen digits are read right"
pictures.learning_curve(history)

# %% [markdown]
# And the bill. AWS charges the seconds from the download to the upload, for every instance; waiting for one is
# free. This is what AWS would charge for as many seconds; a real GPU needs fewer of them.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import costs

print(costs.bill(job))

# %% [markdown]
# ## 9. Fetch the model and test it
#
# All that the script left in its model folder is now one archive in S3, the job's
# [artifact](../labs/GLOSSARY.md#artifact). Its folder is called `1`: a version, as TensorFlow Serving wants it,
# and lab 2 will. (`filter="data"` unpacks nothing outside the folder: an archive is somebody else's data,
# always.)

# %%
import tarfile
from urllib.parse import urlsplit

artifact = urlsplit(job["ModelArtifacts"]["S3ModelArtifacts"])
lab.client("s3").download_file(artifact.netloc, artifact.path.lstrip("/"), f"{folder}/model.tar.gz")
with tarfile.open(f"{folder}/model.tar.gz") as archive:
    archive.extractall(f"{folder}/fetched", filter="data")
    print(*sorted(archive.getnames()), sep="\n")

# %% [markdown]
# Load it, as TensorFlow does with any [SavedModel](../labs/GLOSSARY.md#savedmodel), and let it read the
# held-out digits. It gives ten scores a digit; the highest is what it reads. The model that came back from S3
# must read exactly as well as the job's last epoch said. Green is read right.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import models

model = models.load(f"{folder}/fetched/1")
read = model(data.held_out_images).argmax(axis=1)
wrong = read != data.held_out_labels
assert abs((~wrong).mean() - accuracy.iloc[-1]) < 0.001, "this is another model than the job's"
pictures.digits(data.held_out_images, data.held_out_labels, read, n=20)

# %% [markdown]
# What it reads wrong says more than what it reads right: some of these would be hard for anyone.

# %% tags=["nbval-ignore-output"]
pictures.digits(data.held_out_images[wrong], data.held_out_labels[wrong], read[wrong], n=20)

# %% [markdown]
# Which digits are taken for which? The mistakes lie off the diagonal. Four and nine, three and five, seven and
# two: the network stumbles where people do.

# %% tags=["nbval-ignore-output"]
pictures.confusion(data.held_out_labels, read)

# %% [markdown]
# ## 10. Clean up
#
# An ended job costs nothing and stays as a record. Its files cost a little every month, so they go. The last
# line proves it: nothing of this lab runs, and no file is stored.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A training job is an image, a script, channels of data, compute, and a place for its output.
# - Script mode: hyperparameters come as arguments, folders as `SM_*` variables; inside, all of it lies under
#   `/opt/ml`.
# - What is left in `SM_MODEL_DIR` comes back as `model.tar.gz`. What is printed goes to CloudWatch Logs, and
#   a regular expression makes a metric of it.
# - AWS bills seconds of instances, so a run of one epoch where you are comes first.

# %% [markdown]
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 2](02-deploy-and-read-handwriting.ipynb) deploys this network to an endpoint and sends it digits.
