# %% [markdown]
# # Tune the classifier
#
# **What you'll do.** Train lab 1's network with a first guess, let SageMaker search for better values, deploy
# the winner beside the first guess, and count which of the two reads more digits that nobody has seen. Then ask
# what the search's own settings change.
#
# **What you'll learn.**
# - what a tuning job is made of: ranges, an objective, a strategy, limits;
# - how to tell a better model from a lucky one, and why the digits that chose a model must not judge it;
# - why a learning rate belongs on a logarithmic scale, and what jobs at the same time cost.
#
# **What you'll need.**
# - **Before:** labs 1 and 2, where a training job and an endpoint are explained. Nothing of theirs has to be
#   there.
# - **Here:** about 2 minutes on a laptop.
# - **On AWS:** about 45 minutes and $3.00, nearly all of it for the training jobs on `ml.p3.2xlarge`.
#
# ![The notebook uploads digits to S3, trains a first guess, and starts a tuning job; that starts training jobs
# two at a time, each of which leaves a model in S3; the first and the best model serve as two variants of one
# endpoint](../labs/03-tune-the-classifier/diagram.svg)
#
# The [walkthrough](../labs/03-tune-the-classifier/README.md) says at each step what AWS's console shows. Words
# that are new stand in the [glossary](../labs/GLOSSARY.md).

# %% [markdown]
# The knobs of this lab. `FIRST` is the guess that the search has to beat, `JOBS` what the search may spend.
# `DOCUMENTED = True` takes the course's numbers: all 70,000 digits, batches of 32 to 1,024, 5 to 20 epochs, ten
# jobs. That is hours on a laptop.

# %% tags=["parameters"]
DOCUMENTED = False
FIRST = {"batch-size": 512, "learning-rate": 0.001}
EPOCHS, BATCHES = (20, (32, 1024)) if DOCUMENTED else (3, (32, 512))
JOBS, PARALLEL = (10, 2) if DOCUMENTED else (6, 2)
DIGITS, CHOOSE = (50_000, 10_000) if DOCUMENTED else (1_500, 500)
SEED = 1
INSTANCE_TYPE = "ml.p3.2xlarge"
SCRIPT = "../labs/01-train-a-digit-classifier/mnist-train-cnn.py"
QUICK = "../labs/03-tune-the-classifier/quick-softmax.py"

# %% [markdown]
# ## 1. Connect, and set digits aside
#
# Three parts, and no digit in two of them. The network learns from the first. The search chooses the model that
# reads the second best, the *validation* digits: so it has seen them, in a way. The third is looked at once, at
# the very end: [held-out data](../labs/GLOSSARY.md#held-out-data) that had no say in anything.
#
# <div class="alert alert-warning">
#
# **Trap.** The best of six models owes some of its score to luck: on the digits that chose it, it looks better
# than it is, and the more models you try, the more so. Whoever reports the score of the search as the score of
# the model promises too much. Keep a third part, and look at it once.
#
# </div>
#
# `upload` puts the first two into S3
# ([PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html)), a
# [channel](../labs/GLOSSARY.md#channel) each.

# %%
from dataclasses import replace

import sagelab
from sagelab.lab import digits

lab = sagelab.connect("keras-mnist-tuning")
every = digits.load(full=DOCUMENTED)
chosen = slice(DIGITS, DIGITS + CHOOSE)
data = replace(
    every,
    images=every.images[:DIGITS],
    labels=every.labels[:DIGITS],
    held_out_images=every.images[chosen],
    held_out_labels=every.labels[chosen],
)
test_images, test_labels = every.held_out_images, every.held_out_labels
channels = data.upload(lab)
print(f"{DIGITS:,} digits to train with, {CHOOSE:,} to choose with, {len(test_labels):,} that nobody sees")

# %% [markdown]
# ## 2. Train with a first guess
#
# Imagine that nobody has trained this network before. 0.001 is the [learning
# rate](../labs/GLOSSARY.md#learning-rate) that Adam, its optimizer, has by default, and a
# [batch](../labs/GLOSSARY.md#batch-size) of 512 keeps an expensive GPU busy: a fair guess. Few digits and few
# epochs keep a job to seconds; the search gets no more of either.
#
# `lab.trainer` makes the SDK's `ModelTrainer` as in lab 1, with one metric, the share of validation digits read
# right; `lab.train` starts the job
# ([CreateTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html)).
# Both show what they call. The last number of the line below is that metric: remember it.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import watch

metric = {"val_acc": r"- val_acc: ([0-9\.]+)"}
trainer = lab.trainer(SCRIPT, {"epochs": EPOCHS, "seed": SEED, **FIRST}, INSTANCE_TYPE, metric)
first = watch.follow(lab, "training job", lab.train(trainer, channels))

# %% [markdown]
# ## 3. Say what to search
#
# A range for each [hyperparameter](../labs/GLOSSARY.md#hyperparameter) that is to be searched; whatever has no
# range stays as the trainer has it. From 0.0001 to 0.001 is as far as from 0.01 to 0.1 where a learning rate is
# concerned, and a batch of 64 differs from one of 32 as 512 does from 256: both get a [logarithmic
# scale](../labs/GLOSSARY.md#logarithmic-scale). Step 8 shows what happens on the other one.
#
# The number of epochs stays as it is, so that the winner has not simply trained for longer. (The course searches
# it too.) Two ranges are enough: the more there are, the thinner six jobs lie in them.

# %%
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter

ranges = {
    "batch-size": IntegerParameter(*BATCHES, scaling_type="Logarithmic"),
    "learning-rate": ContinuousParameter(0.0001, 0.1, scaling_type="Logarithmic"),
}
if DOCUMENTED:
    ranges["epochs"] = IntegerParameter(5, EPOCHS)

# %% [markdown]
# The [objective](../labs/GLOSSARY.md#objective-metric) is a metric like any other: a name, an expression that
# finds it in the log, and the direction. `tune` calls
# [CreateHyperParameterTuningJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html)
# once; SageMaker then makes the training jobs. A *Bayesian* search tries next what promises most after the jobs
# that have ended; its first jobs, which know of no other, are drawn at random. `random_seed` makes the draws
# repeatable.

# %%
import time

from sagemaker.core.training.configs import InputData
from sagemaker.train.tuner import HyperparameterTuner

definitions = [{"Name": name, "Regex": regex} for name, regex in metric.items()]
inputs = [InputData(channel_name=name, data_source=uri) for name, uri in channels.items()]
objective = {"objective_metric_name": "val_acc", "objective_type": "Maximize", "strategy": "Bayesian"}


def search(title, trainer, ranges, jobs, parallel):
    """Start a tuning job; returns its name."""
    limits = {"max_jobs": jobs, "max_parallel_jobs": parallel, "random_seed": SEED}
    about = {"hyperparameter_ranges": ranges, "metric_definitions": definitions, "tags": lab.tags}
    tuner = HyperparameterTuner(trainer, **objective, **limits, **about)
    tuner.tune(inputs, job_name=f"{title}-{time.strftime('%y%m%d-%H%M%S')}", wait=False)
    return tuner.latest_tuning_job.hyper_parameter_tuning_job_name


# %% [markdown]
# ## 4. Run the search
#
# One line for all of it: how many jobs have ended, how many run, and the best so far. The [tuning
# job](../labs/GLOSSARY.md#tuning-job) does nothing itself but choose and start; what takes time, and what costs,
# are its training jobs.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import tuning

name = search("mnist", trainer, ranges, JOBS, PARALLEL)
found = watch.follow(lab, "tuning job", name)

# %% [markdown]
# ## 5. Look at what it found
#
# A row a job. Each is an ordinary training job, with a log, metrics and a model of its own. Above them the
# winner, and what it reads of the digits that chose it. (The course's own search, ten jobs on all digits, found
# 19 epochs, a batch of 576, a rate of 0.00087, and 0.9922.)

# %% tags=["nbval-ignore-output"]
jobs = tuning.jobs(lab, name)
assert found["HyperParameterTuningJobStatus"] == "Completed"
assert jobs["val_acc"].notna().all()
best = found["BestTrainingJob"]
print(best["TunedHyperParameters"], best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
jobs.drop(columns="name").round(4)

# %% [markdown]
# What does each hyperparameter do? Look for a slope or a hill, and for a place where points fall off. The ring
# marks the best. With six points the eye finds patterns where there are none, so trust only what is large.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import searches

searches.against(jobs)

# %% [markdown]
# And all at once, since hyperparameters do not act alone: a large batch bears a higher rate. Follow the orange
# line, the best job, from its batch size to its accuracy; the darker a line, the better its job.

# %% tags=["nbval-ignore-output"]
searches.parallel_coordinates(jobs)

# %% [markdown]
# ## 6. Deploy the winner beside the first guess
#
# Each job has left a `model.tar.gz`, also those that lost. A tuning job has no model of its own: it names the
# best training job, and
# [DescribeTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html)
# says where its artifact lies. Two models, two [variants](../labs/GLOSSARY.md#production-variant), one endpoint,
# as in lab 2: [CreateModel](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html),
# [CreateEndpointConfig](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html),
# [CreateEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html).

# %% tags=["nbval-ignore-output"]
tuned = lab.client("sagemaker").describe_training_job(TrainingJobName=best["TrainingJobName"])
archives = {"First": first["ModelArtifacts"], "Tuned": tuned["ModelArtifacts"]}
models = {variant: lab.model(archive["S3ModelArtifacts"]) for variant, archive in archives.items()}
endpoint = lab.deploy(models)
serving = watch.follow(lab, "endpoint", endpoint.endpoint_name)

# %% [markdown]
# ## 7. Judge them on digits that nobody has seen
#
# The third part of the digits, at last. Both variants read all of it, a hundred digits a request
# ([InvokeEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html),
# with the variant named in it).

# %% tags=["nbval-ignore-output"]
import json

import numpy as np


def read(variant, images):
    """What a variant reads in images (n, 28, 28) of 0 to 255."""
    found = []
    for batch in np.array_split(images[..., np.newaxis] / 255, len(images) // 100):
        body = json.dumps({"instances": batch.round(4).tolist()}).encode()
        answer = endpoint.invoke(body=body, content_type="application/json", target_variant=variant)
        found += json.loads(answer.body.read())["predictions"]
    return np.array(found).argmax(axis=1)


readings = {variant: read(variant, test_images) for variant in ("First", "Tuned")}
right = {variant: reading == test_labels for variant, reading in readings.items()}
for variant, each in right.items():
    print(f"{variant}: {each.mean():.1%} of {len(each):,} digits read right")

# %% [markdown]
# Is that better, or luck? Digits that both read, or that neither reads, tell nothing. If the two were equally
# good, each digit that only one of them reads would fall to either side like a coin. [McNemar's
# test](../labs/GLOSSARY.md#mcnemars-test) asks how often so many coins fall so unevenly: *p*. Below 0.05 one
# speaks of more than luck, and so the lab has to end.

# %% tags=["nbval-ignore-output"]
from scipy.stats import binomtest

only_first = int((right["First"] & ~right["Tuned"]).sum())
only_tuned = int((right["Tuned"] & ~right["First"]).sum())
p = binomtest(only_tuned, only_tuned + only_first).pvalue
print(f"{only_tuned} digits only the tuned model reads, {only_first} only the first guess; p = {p:.1g}")
assert DOCUMENTED or only_tuned > only_first, "the search has found nothing better"
assert DOCUMENTED or p < 0.05, f"luck would do that too, p = {p:.2f}"

# %% [markdown]
# Some of the digits that made the difference: what they are, and what the first guess took them for.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import pictures

won = right["Tuned"] & ~right["First"]
pictures.digits(test_images[won], test_labels[won], readings["First"][won], n=10)

# %% [markdown]
# <div class="alert alert-info">
#
# **Why was there something to find?** Because a budget was fixed and the guess did not fit it. In three epochs
# of 1,500 digits a batch of 512 makes 9 steps, and at a rate of 0.001 nine steps do not lead far. Small batches
# make more steps of the same digits, a higher rate makes longer ones; too high, and the network learns nothing
# at all. Guess what others have tuned already, a batch of 32 as in lab 1, or train twenty epochs on all digits
# as the course does, and a search finds little: exercise 1. It pays where you know little and have little to
# spend.
#
# </div>
#
# ## 8. Ask: linear or logarithmic? One at a time, or six?
#
# What do a search's own settings change? To try that often, take a trainer of less than a second: one layer, no
# TensorFlow. Three searches of twelve jobs: a logarithmic scale and a linear one, one job at a time; and the
# logarithmic scale once more, six jobs at a time.

# %% tags=["nbval-ignore-output"]
quick = lab.trainer(QUICK, {}, INSTANCE_TYPE, metric)
rates = {
    scale: {
        "learning-rate": ContinuousParameter(0.001, 1000, scaling_type=scale),
        "decay": ContinuousParameter(0.00001, 0.1, scaling_type="Logarithmic"),
    }
    for scale in ("Logarithmic", "Linear")
}
tables = {}
for title, scale, parallel in (("log", "Logarithmic", 1), ("linear", "Linear", 1), ("log-6", "Logarithmic", 6)):
    quick_name = search(f"quick-{title}", quick, rates[scale], 12, parallel)
    watch.follow(lab, "tuning job", quick_name)
    tables[title] = tuning.jobs(lab, quick_name)

# %% [markdown]
# The same budget, one word changed. On a linear scale nine tenths of the range lie above 100, and so do nine
# draws of ten, where this network learns little.

# %% tags=["nbval-ignore-output"]
low = {title: int((table["learning-rate"] < 100).sum()) for title, table in tables.items()}
assert low["log"] > low["linear"], low
searches.compare({"logarithmic": tables["log"], "linear": tables["linear"]}, "learning-rate")

# %% [markdown]
# Six at a time cannot learn from each other: of two rounds, the first knows nothing.

# %% tags=["nbval-ignore-output"]
searches.compare({"one at a time": tables["log"], "six at a time": tables["log-6"]}, "learning-rate")

# %% [markdown]
# One pair of searches proves little, for luck is in it: exercise 4 repeats it. What is certain is the price:
# both pay for twelve jobs, and six at a time are only sooner done. (Here the six share this machine's
# processors, so that each takes longer; on AWS each has an instance of its own.)

# %% tags=["nbval-ignore-output"]
from sagelab.lab import costs

for title, table in {"mnist": jobs, **tables}.items():
    print(f"{title:7} best {table['val_acc'].max():.4f}, {costs.estimate(INSTANCE_TYPE, table['seconds'].sum())}")

# %% [markdown]
# ## 9. Clean up
#
# The tuning jobs have ended and cost nothing. The endpoint does.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A tuning job is a training job with ranges instead of values, an objective, a strategy and limits. Its
#   training jobs are ordinary ones.
# - A search finds what is there to be found: much after a guess, nothing beside values that others have tuned.
# - The digits that chose the model are biased in its favour. Judge it on others, and ask whether luck would do.
# - A range over orders of magnitude belongs on a logarithmic scale: otherwise most of the budget goes to the
#   largest tenth. Jobs at the same time do not learn from each other; fewer at a time cost time, not money.
#
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 4](04-train-on-spot.ipynb) trains on spot capacity, with checkpoints that survive an interruption.
