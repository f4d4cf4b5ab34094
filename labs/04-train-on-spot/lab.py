# %% [markdown]
# # Train on spot, survive an interruption
#
# **What you'll do.** Train lab 1's network on spot capacity, twice side by side: with checkpoints and without.
# Take the capacity of both away in the middle, watch them come back, and see what the interruption cost each.
# Then run a small tuning job on spot.
#
# **What you'll learn.**
# - what a script must do to survive an interruption, and what SageMaker does for it;
# - how the status, the log and the learning curve of an interrupted job read;
# - what is saved in money and what is lost in time, and when spot is the wrong choice.
#
# **What you'll need.**
# - **Before:** lab 1, where a training job is explained; step 9 uses lab 3's tuning job. Nothing of theirs has
#   to be there.
# - **Here:** about 2 minutes on a laptop.
# - **On AWS:** about 20 minutes and $0.15, and there nobody can promise you an interruption.
#
# ![The notebook uploads digits to S3 and starts two spot jobs; a spot market takes their instances away; the job
# with checkpoints keeps them in S3 and gets them back on its next instance, the job without has nothing
# there](../labs/04-train-on-spot/diagram.svg)
#
# The [walkthrough](../labs/04-train-on-spot/README.md) says at each step what AWS's console shows. Words that
# are new stand in the [glossary](../labs/GLOSSARY.md).

# %% [markdown]
# The knobs of this lab. The capacity is taken away when epoch `INTERRUPT_AFTER` has ended. Half of the digits at
# hand are enough to see what an interruption does; `FULL = True` takes all 70,000.

# %% tags=["parameters"]
EPOCHS = 5
INTERRUPT_AFTER = 3
INSTANCE_TYPE = "ml.p3.2xlarge"
FULL = False
DIGITS = 60_000 if FULL else 2_000
SCRIPT = "../labs/04-train-on-spot/mnist-train-checkpoint.py"

# %% [markdown]
# ## 1. Connect, and upload the digits
#
# As in lab 1: the digits become two [channels](../labs/GLOSSARY.md#channel) in S3
# ([PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html)).

# %%
from dataclasses import replace

import sagelab
from sagelab.lab import digits

lab = sagelab.connect("keras-spot")
every = digits.load(full=FULL)
channels = replace(every, images=every.images[:DIGITS], labels=every.labels[:DIGITS]).upload(lab)
channels

# %% [markdown]
# ## 2. Read what the script does about interruptions
#
# [Spot capacity](../labs/GLOSSARY.md#spot-capacity) is what AWS has to spare, at a third of the price or so.
# When AWS needs it back, your instance gets two minutes' notice and is gone, with all of its files. A script
# survives that if it does two things: it **saves** its state as it goes, in `/opt/ml/checkpoints`, and it
# **looks there first** when it starts.
#
# This one saves a [checkpoint](../labs/GLOSSARY.md#checkpoint), the model with its optimizer, after each epoch
# (Keras's `ModelCheckpoint`), and goes on with the epoch after the newest checkpoint. The rest is lab 1's
# script.

# %%
from pathlib import Path

from IPython.display import Code

text = Path(SCRIPT).read_text()
Code(text[text.index("# -- checkpoints") : text.index("# -- the model")], language="python")

# %% [markdown]
# ## 3. Say that the job may be interrupted
#
# Three things make a spot job: the flag at the compute, a **maximum wait** beside the maximum runtime, and a
# place in S3 for the checkpoints. SageMaker fills `/opt/ml/checkpoints` from there before the script starts, and
# keeps S3 in step with it while the script runs. The wait counts from the start to the end, the runtime
# included, so it cannot be the smaller one.
#
# <div class="alert alert-warning">
#
# **Trap.** The place in S3 alone saves nothing. SageMaker moves files between that place and the folder, and
# knows nothing of training: a script that does not write there loses everything, and a script that writes but
# does not look there when it starts begins at epoch 1 each time, and you pay for it. Nor does anything else come
# back: not `/tmp`, not `/opt/ml/model`.
#
# </div>

# %%
from sagemaker.core.training.configs import CheckpointConfig, Compute, StoppingCondition

compute = Compute(instance_type=INSTANCE_TYPE, instance_count=1, enable_managed_spot_training=True)
limits = StoppingCondition(max_runtime_in_seconds=3600, max_wait_time_in_seconds=7200)
checkpoints = CheckpointConfig(s3_uri=lab.uri("checkpoints"), local_path="/opt/ml/checkpoints")

# %% [markdown]
# ## 4. Choose the weather
#
# Who takes the capacity away? On AWS, the demand of others. **The local cloud has a market to experiment with**
# instead: it interrupts a spot job so and so many times an hour of training, drawn with a seed, and new capacity
# comes after some seconds. Tags of a job give it a market of its own. On AWS these tags do nothing.
#
# For the first two jobs the market is calm, for you are going to be the weather.

# %%
from sagelab.lab import spot

calm = spot.tags(rate=0, wait=4)
calm

# %% [markdown]
# ## 5. Start two jobs side by side
#
# Everything but the checkpoints is the same for both; the metrics are those of lab 1. `lab.trainer` makes the
# SDK's `ModelTrainer` and shows it; `lab.train` calls
# [CreateTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html),
# where spot is one member, `EnableManagedSpotTraining`.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.training.configs import Tag


def make_trainer(epochs, **options):
    """A trainer of the script on spot. options: what else the ModelTrainer takes."""
    settings = {"epochs": epochs, "batch-size": 64, "learning-rate": 0.001}
    return lab.trainer(SCRIPT, settings, INSTANCE_TYPE, compute=compute, stopping_condition=limits, **options)


tags = [Tag(key=tag["Key"], value=tag["Value"]) for tag in [*lab.tags, *calm]]
trainers = {
    "with checkpoints": make_trainer(EPOCHS, tags=tags, checkpoint_config=checkpoints),
    "without": make_trainer(EPOCHS, tags=tags),
}
jobs = {kind: lab.train(trainer, channels) for kind, trainer in trainers.items()}
jobs

# %% [markdown]
# ## 6. Take the capacity away
#
# `spot.interrupt` waits until the job has ended epoch 3, and then takes its instance: SIGTERM, two minutes'
# notice, SIGKILL. (All it does is put the tag `sagelab:spot-interrupt` on the job; `sagelab spot interrupt JOB`
# in a terminal does the same.)

# %%
for name in jobs.values():
    spot.interrupt(lab, name, after=INTERRUPT_AFTER)
print(f"Both have lost their instance after epoch {INTERRUPT_AFTER}.")

# %% [markdown]
# What is in S3 now is all that the first job will have when it comes back: its two newest checkpoints. Each file
# is there as a whole or not at all.
# ([ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html) lists them.)

# %% tags=["nbval-ignore-output"]
listing = lab.client("s3").list_objects_v2(Bucket=lab.bucket, Prefix=f"{lab.prefix}/checkpoints/")
{item["Key"].rsplit("/")[-1]: f"{item['Size'] / 1e6:.1f} MB" for item in listing["Contents"]}

# %% [markdown]
# Both jobs wait for new capacity, start again, and run to their end. A job keeps its name and its record over
# all of its instances: who only waits for *Completed* does not notice.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import watch

ended = {kind: watch.follow(lab, "training job", name) for kind, name in jobs.items()}

# %% [markdown]
# ## 7. See what the interruption did
#
# Both are Completed, and their status tells the way there.

# %%
for kind, name in jobs.items():
    print(f"{kind}:", " > ".join(watch.transitions(lab, name)["status"]))
    assert ended[kind]["TrainingJobStatus"] == "Completed"

# %% [markdown]
# The log tells more. The first job goes on after its last checkpoint and trains each epoch once; the second one
# begins again.

# %% tags=["nbval-ignore-output"]
trained = {kind: spot.epochs(lab, name) for kind, name in jobs.items()}
for kind, epochs in trained.items():
    print(f"{kind}: trained the epochs", *epochs["epoch"])
assert list(trained["with checkpoints"]["epoch"]) == list(range(1, EPOCHS + 1))
assert trained["without"]["again"].sum() >= INTERRUPT_AFTER

# %% [markdown]
# As a picture: grey is waiting, red is work that was done before. Each number is an
# [epoch](../labs/GLOSSARY.md#epoch).

# %% tags=["nbval-ignore-output"]
from sagelab.lab import pictures

pictures.interruptions({kind: (watch.transitions(lab, name), trained[kind]) for kind, name in jobs.items()})

# %% [markdown]
# The first job's learning curve goes on as if nothing had happened: the optimizer's state was in the checkpoint
# too. Had only the weights been saved, Adam would have had to find its pace again.

# %% tags=["nbval-ignore-output"]
history = watch.metrics(lab, jobs["with checkpoints"])
accuracy = history.query("metric == 'val_acc'")["value"].iloc[-1]
assert accuracy >= 0.9, f"nine of ten held-out digits should be read right, not {accuracy:.1%}"
pictures.learning_curve(history)

# %% [markdown]
# ## 8. Read the bill
#
# `TrainingTimeInSeconds` is the time in which the job had an instance; waiting is not in it.
# `BillableTimeInSeconds` is the part of it that AWS bills at the on-demand price, and the savings are AWS's own
# formula, (1 - billable / training) x 100. Repeated epochs are training time: they are paid for.

# %% tags=["nbval-ignore-output"]
import pandas as pd

from sagelab.lab import costs

rows = {
    kind: {
        "training s": job["TrainingTimeInSeconds"],
        "billable s": job["BillableTimeInSeconds"],
        "savings": f"{costs.savings(job):.0f} %",
        "on spot": f"${costs.training_cost(job):.3f}",
        "on demand": f"${costs.estimate(INSTANCE_TYPE, job['TrainingTimeInSeconds']).dollars:.3f}",
    }
    for kind, job in ended.items()
}
pd.DataFrame(rows).T

# %% [markdown]
# Both saved the same share, yet the second one paid more: the share says nothing of what was done twice. What
# the share is on a given day depends on the market; this one is from a dated table.

# %% [markdown]
# ## 9. Tune on spot
#
# A tuning job runs many training jobs, each short, none urgent: spot suits it. Its training jobs take over the
# flag, the limits, the checkpoints, and the tags of
# [CreateHyperParameterTuningJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html).
# Nobody takes anything away by hand now: their market has four interruptions a minute.

# %% tags=["nbval-ignore-output"]
import time

from sagemaker.core.parameter import ContinuousParameter
from sagemaker.core.training.configs import InputData
from sagemaker.train.tuner import HyperparameterTuner

shared = CheckpointConfig(s3_uri=lab.uri("tuning-checkpoints"), local_path="/opt/ml/checkpoints")
tuner = HyperparameterTuner(
    make_trainer(3, checkpoint_config=shared),
    objective_metric_name="val_acc",
    metric_definitions=[{"Name": "val_acc", "Regex": r"- val_acc: ([0-9\.]+)"}],
    hyperparameter_ranges={"learning-rate": ContinuousParameter(0.0005, 0.005, scaling_type="Logarithmic")},
    max_jobs=2,
    max_parallel_jobs=2,
    tags=[*lab.tags, *spot.tags(rate=240, wait=4)],
)
inputs = [InputData(channel_name=name, data_source=uri) for name, uri in channels.items()]
tuner.tune(inputs, job_name=f"spot-tune-{time.strftime('%y%m%d-%H%M%S')}", wait=False)

# %% [markdown]
# As in lab 3, one line follows the [tuning job](../labs/GLOSSARY.md#tuning-job). What interrupts its jobs it
# does not even see.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import tuning

tuning_job = tuner.latest_tuning_job.hyper_parameter_tuning_job_name
found = watch.follow(lab, "tuning job", tuning_job)
children = list(tuning.jobs(lab, tuning_job)["name"])
assert found["TrainingJobStatusCounters"]["Completed"] == len(children)

# %% [markdown]
# Every job of the search is Completed, whatever it met. The market draws with one seed for all, so it comes to
# both after the same time of training.

# %% tags=["nbval-ignore-output"]
for name in children:
    job = watch.look(lab, watch.TRAINING, name)
    print(f"{name}: {costs.savings(job):.0f} % saved, {costs.training_cost(job):.3f} dollars")
pictures.interruptions({name[-12:]: (watch.transitions(lab, name), spot.epochs(lab, name)) for name in children})

# %% [markdown]
# ## 10. Clean up
#
# Checkpoints stay in S3 after the job, and cost a little every month: nobody deletes them but you.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - Spot capacity costs a third or so, and can be taken away at two minutes' notice. A job that saves its state
#   as it goes loses the epoch that was running, and no more; a job that does not begins again.
# - A checkpoint is the model, the optimizer and the number of the epoch. SageMaker moves the files; saving them
#   and looking for them is the script's part.
# - `Training > Interrupted > Starting > ...` is the way of an interrupted job. `MaxWaitTimeInSeconds` ends one
#   that waits too long.
# - The savings are (1 - billable / training) x 100. What was trained twice is paid for twice.
#
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 5](05-compile-once-with-neo.ipynb) compiles the model for the hardware that it will run on.
