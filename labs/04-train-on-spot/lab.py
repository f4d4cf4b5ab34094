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
# **What you'll need.** About 3 minutes on a laptop. On AWS about 20 minutes and $0.15, and there nobody can
# promise you an interruption. The [walkthrough](../labs/04-train-on-spot/README.md) says at each step what
# AWS's console shows.

# %% [markdown]
# The knobs of this lab. The capacity is taken away when epoch `INTERRUPT_AFTER` has ended.

# %% tags=["parameters"]
EPOCHS = 5
INTERRUPT_AFTER = 3
INSTANCE_TYPE = "ml.p3.2xlarge"
FULL = False
SOURCE = "../labs/04-train-on-spot"

# %% [markdown]
# ## 1. Connect, and upload the digits
#
# As in lab 1: the digits become two channels in S3.

# %%
import sagelab
from sagelab.lab import digits

lab = sagelab.connect("keras-spot")
channels = digits.load(full=FULL).upload(lab)
channels

# %% [markdown]
# ## 2. Read what the script does about interruptions
#
# Spot capacity is what AWS has to spare, at a third of the price or so. When AWS needs it back, your instance
# gets two minutes' notice and is gone, with all of its files. A script survives that if it does two things: it
# **saves** its state as it goes, in `/opt/ml/checkpoints`, and it **looks there first** when it starts.
#
# This one saves the model with its optimizer after each epoch (Keras's `ModelCheckpoint`), and goes on with the
# epoch after the newest checkpoint. The rest is lab 1's script.

# %%
from pathlib import Path

from IPython.display import Code

text = Path(f"{SOURCE}/mnist-train-checkpoint.py").read_text()
Code(text[text.index("# -- checkpoints") : text.index("# -- the model")], language="python")

# %% [markdown]
# ## 3. Say that the job may be interrupted
#
# Three things make a spot job: the flag at the compute, a **maximum wait** beside the maximum runtime, and a
# place in S3 for the checkpoints. SageMaker fills `/opt/ml/checkpoints` from there before the script starts,
# and keeps S3 in step with it while the script runs.

# %%
from sagemaker.core.training.configs import CheckpointConfig, Compute, StoppingCondition

compute = Compute(instance_type=INSTANCE_TYPE, instance_count=1, enable_managed_spot_training=True)
limits = StoppingCondition(max_runtime_in_seconds=3600, max_wait_time_in_seconds=7200)
checkpoints = CheckpointConfig(s3_uri=lab.uri("checkpoints"), local_path="/opt/ml/checkpoints")

# %% [markdown]
# The wait counts from the start to the end, the runtime included, so it cannot be the smaller one.

# %% [markdown]
# ## 4. Choose the weather
#
# Who takes the capacity away? On AWS, the demand of others. **The local cloud has a market to experiment with**
# instead: it interrupts a spot job so and so many times an hour of training, drawn with a seed, and new
# capacity comes after some seconds. Tags of a job give it a market of its own. On AWS these tags do nothing.
#
# For the first two jobs the market is calm, for you are going to be the weather.

# %%
from sagelab.lab import spot

calm = spot.tags(rate=0, wait=6)
calm

# %% [markdown]
# ## 5. Start two jobs side by side
#
# The same image, metrics and hyperparameters as in lab 1, with fewer epochs.

# %% tags=["nbval-ignore-output"]
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import InputData, MetricDefinition, OutputDataConfig, SourceCode, Tag
from sagemaker.train import ModelTrainer

image = image_uris.retrieve(
    "tensorflow", lab.region, version="2.19", image_scope="training", instance_type=INSTANCE_TYPE
)
names = ("loss", "acc", "val_loss", "val_acc")
metrics = [MetricDefinition(name=name, regex=rf"- {name}: ([0-9\.]+)") for name in names]
inputs = [InputData(channel_name=name, data_source=uri) for name, uri in channels.items()]


# %%
def make_trainer(name, epochs, tags, **options):
    return ModelTrainer(
        sagemaker_session=Session(boto_session=lab.session, default_bucket=lab.bucket),
        role=lab.role,
        base_job_name=f"{lab.prefix}-{name}",
        training_image=image,
        source_code=SourceCode(source_dir=SOURCE, entry_script="mnist-train-checkpoint.py"),
        compute=compute,
        stopping_condition=limits,
        hyperparameters={"epochs": epochs, "batch-size": 128, "learning-rate": 0.001},
        output_data_config=OutputDataConfig(s3_output_path=lab.uri("output")),
        tags=[Tag(key=tag["Key"], value=tag["Value"]) for tag in [*lab.tags, *tags]],
        **options,
    ).with_metric_definitions(metrics)


# %% [markdown]
# The two trainers differ in one argument.

# %% tags=["nbval-ignore-output"]
trainers = {
    "with checkpoints": make_trainer("with", EPOCHS, calm, checkpoint_config=checkpoints),
    "without": make_trainer("without", EPOCHS, calm),
}
jobs = {}
for kind, trainer in trainers.items():
    trainer.train(input_data_config=inputs, wait=False, logs=False)
    jobs[kind] = trainer._latest_training_job.training_job_name
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
# What is in S3 now is all that the first job will have when it comes back: its two newest checkpoints. Each
# file is there as a whole or not at all.

# %% tags=["nbval-ignore-output"]
listing = lab.client("s3").list_objects_v2(Bucket=lab.bucket, Prefix=f"{lab.prefix}/checkpoints/")
{item["Key"].rsplit("/")[-1]: f"{item['Size'] / 1e6:.1f} MB" for item in listing["Contents"]}

# %% [markdown]
# Both jobs wait for new capacity, start again, and run to their end.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import watch

ended = {kind: watch.training_job(lab, name) for kind, name in jobs.items()}

# %% [markdown]
# ## 7. See what the interruption did
#
# Both are Completed, and their status tells the way there.

# %%
for kind, name in jobs.items():
    print(f"{kind}:", " > ".join(watch.transitions(lab, name)["status"]))
    assert ended[kind]["TrainingJobStatus"] == "Completed"

# %% [markdown]
# The log tells more. The first job goes on after its last checkpoint; the second one begins again.

# %% tags=["nbval-ignore-output"]
trained = {kind: spot.epochs(lab, name) for kind, name in jobs.items()}
for kind, epochs in trained.items():
    print(f"{kind}: trained the epochs", *epochs["epoch"])
kept, lost = (list(epochs["epoch"]) for epochs in trained.values())
assert set(kept) == set(lost)
assert len(kept) < len(lost)

# %% [markdown]
# As a picture: grey is waiting, red is work that was done before.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import pictures

rows = {kind: (watch.transitions(lab, name), trained[kind]) for kind, name in jobs.items()}
pictures.interruptions(rows)

# %% [markdown]
# The first job trained each epoch once; the second one trained the first epochs twice.

# %%
assert list(trained["with checkpoints"]["epoch"]) == list(range(1, EPOCHS + 1))
assert trained["without"]["again"].sum() >= INTERRUPT_AFTER
print("No epoch was trained twice with checkpoints.")

# %% [markdown]
# Its learning curve goes on as if nothing had happened: the optimizer's state was in the checkpoint too. Had
# only the weights been saved, Adam would have had to find its pace again.

# %% tags=["nbval-ignore-output"]
history = watch.metrics(lab, jobs["with checkpoints"])
pictures.learning_curve(history)

# %%
accuracy = history.query("metric == 'val_acc'")["value"].iloc[-1]
print("at least 94 of 100 unseen digits are read right:", accuracy >= 0.94)

# %% [markdown]
# ## 8. Read the bill
#
# `TrainingTimeInSeconds` is the time in which the job had an instance; waiting is not in it.
# `BillableTimeInSeconds` is the part of it that AWS bills at the on-demand price, and the savings are AWS's own
# formula, (1 - billable / training) x 100. Repeated epochs are training time: they are paid for.

# %% tags=["nbval-ignore-output"]
import pandas as pd

from sagelab.lab import costs

rows = [
    (
        kind,
        job["TrainingTimeInSeconds"],
        job["BillableTimeInSeconds"],
        f"{costs.savings(job):.0f} %",
        f"${costs.training_cost(job):.3f}",
        f"${costs.estimate(INSTANCE_TYPE, job['TrainingTimeInSeconds']).dollars:.3f}",
    )
    for kind, job in ended.items()
]
pd.DataFrame(rows, columns=["job", "training s", "billable s", "savings", "on spot", "at the on-demand price"])

# %% [markdown]
# Both saved the same share, yet the second one paid more: the share says nothing of what was done twice. What
# the share is on a given day depends on the market; this one is from a dated table.

# %% [markdown]
# ## 9. Tune on spot
#
# A tuning job runs many training jobs, each short, none urgent: spot suits it. Its training jobs take over the
# flag, the limits and the checkpoints. Now the local cloud's own market decides; nobody takes anything away by
# hand.

# %% tags=["nbval-ignore-output"]
import time

from sagemaker.core.parameter import ContinuousParameter
from sagemaker.train.tuner import HyperparameterTuner

shared = CheckpointConfig(s3_uri=lab.uri("tuning-checkpoints"), local_path="/opt/ml/checkpoints")
tuner = HyperparameterTuner(
    make_trainer("tune", 3, [], checkpoint_config=shared),
    objective_metric_name="val_acc",
    metric_definitions=[{"Name": metric.name, "Regex": metric.regex} for metric in metrics],
    hyperparameter_ranges={"learning-rate": ContinuousParameter(0.0005, 0.005, scaling_type="Logarithmic")},
    max_jobs=2,
    max_parallel_jobs=2,
    tags=lab.tags,
)
tuner.tune(inputs, job_name=f"spot-tune-{time.strftime('%y%m%d-%H%M%S')}", wait=False)
tuning_job = tuner.latest_tuning_job.hyper_parameter_tuning_job_name

# %% [markdown]
# As in lab 3, one line follows the search. What interrupts its jobs it does not even see.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import tuning

found = tuning.follow(lab, tuning_job)
children = list(tuning.jobs(lab, tuning_job)["name"])

# %% [markdown]
# The market they were on, as their tags tell it. (On AWS there is nothing here.)

# %%
spot.market(lab, children[0])

# %% [markdown]
# Here is what they met. The market draws with one seed for all, so it comes to both after the same time of
# training.

# %% tags=["nbval-ignore-output"]
pictures.interruptions({name[-12:]: (watch.transitions(lab, name), spot.epochs(lab, name)) for name in children})

# %% tags=["nbval-ignore-output"]
for name in children:
    job = watch.training_job(lab, name)
    print(f"{name}: {costs.savings(job):.0f} % saved, {costs.training_cost(job):.3f} dollars")

# %%
assert found["TrainingJobStatusCounters"]["Completed"] == len(children)
print("Every job of the search is Completed, whatever it met.")

# %% [markdown]
# ## 10. Clean up
#
# Checkpoints stay in S3 after the job, and cost a little every month: nobody deletes them but you.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)

# %%
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
# A market with storms, a script that saves too late, a job that waits too long: see
# [exercises](../labs/04-train-on-spot/exercises.md), with solutions.
#
# ## Next
#
# Lab 5 compiles the model for the hardware that it will run on.
