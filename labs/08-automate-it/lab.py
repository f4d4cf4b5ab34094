# %% [markdown]
# # Automate it
#
# **What you'll do.** Turn lab 1's work into one pipeline: prepare the data, train, evaluate, and register the
# network if it is good enough. Let a push start it, a bad idea be stopped by it, and an approval alone update the
# endpoint, while a client goes on asking. Train the same from Kubernetes, and see drift in what comes in.
#
# **What you'll learn.**
# - what a pipeline is made of: steps, parameters, properties, property files, a condition, a cache;
# - how the model registry tells which model is in production, how good it is, and where it came from;
# - how events join what knows nothing of each other: a push that trains, an approval that deploys;
# - how a monitoring schedule sees that the world has changed, without a label.
#
# **What you'll need.**
# - **Before:** labs 1 and 2, where a training job and an endpoint are explained. Nothing of theirs has to be
#   there.
# - **Here:** about 3 minutes on a laptop.
# - **On AWS:** about 75 minutes and $0.45, for jobs on `ml.m5.large` and an endpoint on `ml.c5.large`.
#
# ![The notebook pushes to a repository, and an event of it starts the pipeline, whose steps prepare, train and
# evaluate as jobs and put a good model into the model registry. An approval there makes an event, too: EventBridge
# calls a function, which updates the endpoint that clients ask and that a monitoring schedule
# watches.](../labs/08-automate-it/diagram.svg)
#
# The [walkthrough](../labs/08-automate-it/README.md) says at each step what AWS's console shows, and the
# [glossary](../labs/GLOSSARY.md) explains each word. Here are the knobs. `FIRST`, `WORSE` and `BETTER` are three
# ideas of how to train; two epochs keep each of them to seconds.

# %% tags=["parameters"]
FIRST = {"BatchSize": 512, "LearningRate": 0.001}
WORSE = {"BatchSize": 64, "LearningRate": 0.3}
BETTER = {"BatchSize": 64, "LearningRate": 0.002}
EPOCHS, DIGITS = 2, 2_500
JOBS, SERVES = "ml.m5.large", "ml.c5.large"
SCRIPT = "../labs/01-train-a-digit-classifier/mnist-train-cnn.py"
SOURCE = "../labs/08-automate-it"

# %% [markdown]
# ## 1. Connect, and upload raw digits
#
# Real data arrives as it is. Of these pictures every fiftieth is an empty box, in which nobody has written
# anything. They go to S3 all the same
# ([PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html)): to sort them out is the
# pipeline's work, for it has to be done again with the next delivery, and then nobody should have to remember it.

# %%
import io

import numpy as np

import sagelab
from sagelab.lab import digits

lab = sagelab.connect("digits-line")
every = digits.load()
images, labels = every.images[:DIGITS].copy(), every.labels[:DIGITS]
images[::50] = 0
file = io.BytesIO()
np.savez_compressed(file, image=images, label=labels)
lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/raw/digits.npz", Body=file.getvalue())
print(f"{len(images):,} pictures, {(images.reshape(DIGITS, -1).max(axis=1) == 0).sum()} of them empty")

# %% [markdown]
# ## 2. Say what each step does
#
# A [pipeline](../labs/GLOSSARY.md#pipeline) is written down before anything runs. A `PipelineSession` makes the
# SDK do just that: what starts a job elsewhere gives here the job's *request*, which a step keeps. Two kinds of
# values are unknown by then. [Parameters](../labs/GLOSSARY.md#pipeline-parameter) are given with each run, and
# have a default. *Properties* are what a step will have come to: where its files will lie, say. Both stand in the
# definition as references, and so the steps find their order: whoever reads a property waits for its step.
#
# The first step is a [processing job](../labs/GLOSSARY.md#processing-job): a script in a container, folders in
# and folders out.
#
# <div class="alert alert-warning">
#
# **Trap.** An output with an S3 URI of its own is overwritten by every run, and then last week's model stands
# beside this week's test digits. Leave the URI empty, as here: the SDK makes one with the run's own number in it.
#
# </div>
#
# `prepare.py` throws empty boxes away and splits the rest in three, always in the same way, so that every model is
# judged by the same digits. `folder_in` and `folder_out` write the SDK's `ProcessingInput` and `ProcessingOutput`
# for a folder. The cache says that a result may be used again for a day when nothing that the step is asked for
# has changed.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep

from sagelab.lab import pipelines

session = pipelines.session(lab)
raw = ParameterString("RawData", default_value=lab.uri("raw"))
cache = CacheConfig(enable_caching=True, expire_after="P1D")
machine = {"image_uri": lab.image(JOBS), "instance_type": JOBS, "instance_count": 1}
processor = ScriptProcessor(command=["python3"], role=lab.role, sagemaker_session=session, **machine)
folders = [pipelines.folder_out(name) for name in ("training", "validation", "test")]
places = {"inputs": [pipelines.folder_in("input", raw)], "outputs": folders}
request = processor.run(code=f"{SOURCE}/prepare.py", **places)
prepare = ProcessingStep(name="Prepare", step_args=request, cache_config=cache)
parts = prepare.properties.ProcessingOutputConfig.Outputs

# %% [markdown]
# The second step trains lab 1's network, by lab 1's script. Two of its
# [hyperparameters](../labs/GLOSSARY.md#hyperparameter) are parameters of the pipeline, and its
# [channels](../labs/GLOSSARY.md#channel) are what the first step will have written. (A hyperparameter is a text,
# and a number in its place fails the step: hence `to_string`.) `lab.trainer` shows the SDK's call, as in lab 1.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.training.configs import InputData
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger
from sagemaker.mlops.workflow.steps import TrainingStep

batch = ParameterInteger("BatchSize", default_value=FIRST["BatchSize"])
rate = ParameterFloat("LearningRate", default_value=FIRST["LearningRate"])
settings = {"epochs": EPOCHS, "batch-size": batch.to_string(), "learning-rate": rate.to_string()}
trainer = lab.trainer(SCRIPT, settings, JOBS, sagemaker_session=session)
channels = [
    InputData(channel_name=name, data_source=parts[name].S3Output.S3Uri) for name in ("training", "validation")
]
train = TrainingStep(name="Train", step_args=trainer.train(input_data_config=channels), cache_config=cache)
archive = train.properties.ModelArtifacts.S3ModelArtifacts

# %% [markdown]
# The third step lets the network read the test digits and writes down how well, in the form that the registry
# knows. A [property file](../labs/GLOSSARY.md#property-file) is an output that the pipeline itself can read: from
# `evaluation.json` it takes the accuracy, to decide by.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.workflow.functions import JsonGet
from sagemaker.core.workflow.properties import PropertyFile

report = PropertyFile("Report", output_name="evaluation", path="evaluation.json")
inputs = {"model": archive, "test": parts["test"].S3Output.S3Uri}
request = processor.run(
    code=f"{SOURCE}/evaluate.py",
    inputs=[pipelines.folder_in(name, uri) for name, uri in inputs.items()],
    outputs=[pipelines.folder_out("evaluation")],
)
evaluate = ProcessingStep(name="Evaluate", step_args=request, property_files=[report], cache_config=cache)
evaluation = evaluate.properties.ProcessingOutputConfig.Outputs["evaluation"].S3Output.S3Uri
accuracy = JsonGet(
    step_name="Evaluate", property_file=report, json_path="multiclass_classification_metrics.accuracy.value"
)

# %% [markdown]
# What is good enough goes into the [model registry](../labs/GLOSSARY.md#model-registry), as the next version of a
# group, with its metrics, and waits for somebody's approval. First the group, if there is none yet
# ([ListModelPackageGroups](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListModelPackageGroups.html),
# [CreateModelPackageGroup](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackageGroup.html)),
# then the step that will register.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.workflow.functions import Join
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.serve.model_builder import ModelBuilder

sagemaker = lab.client("sagemaker")
if not sagemaker.list_model_package_groups(NameContains=lab.name)["ModelPackageGroupSummaryList"]:
    sagemaker.create_model_package_group(ModelPackageGroupName=lab.name, Tags=lab.tags)
model = {"s3_model_data_url": archive, "image_uri": lab.image(SERVES, "inference"), "role_arn": lab.role}
measures = MetricsSource("application/json", Join(on="/", values=[evaluation, "evaluation.json"]))
request = ModelBuilder(**model, sagemaker_session=session).register(
    model_package_group_name=lab.name,
    content_types=["application/json"],
    inference_instances=[SERVES],
    approval_status="PendingManualApproval",
    model_metrics=ModelMetrics(model_statistics=measures),
)
register = ModelStep(name="Register", step_args=request)

# %% [markdown]
# And the [condition](../labs/GLOSSARY.md#condition): the accuracy against the bar, which is a parameter. Steps in
# a branch run only if the condition leads there. The other branch ends in a Fail step, which fails the whole run
# with a sentence: what is not good enough should not end in green.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.pipeline import Pipeline

bar = ParameterFloat("Bar", default_value=0.6)
words = ["This network reads", accuracy, "of the digits, and the bar is", bar]
stop = FailStep(name="TooLow", error_message=Join(on=" ", values=words))
enough = ConditionGreaterThanOrEqualTo(left=accuracy, right=bar)
check = ConditionStep(name="Check", conditions=[enough], if_steps=[register], else_steps=[stop])
parameters = [raw, batch, rate, bar]
steps = [prepare, train, evaluate, check]
pipeline = Pipeline(name=lab.name, parameters=parameters, steps=steps, sagemaker_session=session)

# %% [markdown]
# ## 3. Run it
#
# `upsert` makes the pipeline, or changes the one that is there
# ([CreatePipeline](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePipeline.html)): a JSON
# document and a role. What is wrong in it, a step that waits for itself or a parameter that is not there, is said
# now. `start` begins a run of it
# ([StartPipelineExecution](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StartPipelineExecution.html)),
# which SageMaker calls an execution. Each step leaves a line when it has ended, and the last line is the run's
# own. Then the same as a picture: an arrow leads from what was needed to what needed it.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import watch

pipeline.upsert(role_arn=lab.role, tags=lab.tags)
first = pipeline.start(parameters=FIRST).arn
run = watch.follow(lab, "pipeline execution", first)
assert run["PipelineExecutionStatus"] == "Succeeded"
pipelines.graph(lab, first)

# %% [markdown]
# Each step was a job like any other, with a log, metrics, and seconds that are charged; the pipeline itself costs
# nothing. *Register* ran for the accuracy was over the bar, *TooLow* did not.
#
# ## 4. Ask the registry
#
# Which model is that, how good is it, and where does it come from? A
# [model package](../labs/GLOSSARY.md#model-package) knows: its image and its archive, the files with its metrics,
# whether somebody has approved it
# ([GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html),
# [ListModelPackages](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListModelPackages.html),
# [DescribeModelPackage](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModelPackage.html)).

# %% tags=["nbval-ignore-output"]
import json
from urllib.parse import urlsplit

import pandas as pd


def versions():
    """A row a version: number, approval, accuracy, ARN."""
    asked, rows = {"ModelPackageGroupName": lab.name, "SortOrder": "Ascending"}, []
    for each in sagemaker.list_model_packages(**asked)["ModelPackageSummaryList"]:
        package = sagemaker.describe_model_package(ModelPackageName=each["ModelPackageArn"])
        place = urlsplit(package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"])
        found = lab.client("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"]
        score = json.load(found)["multiclass_classification_metrics"]["accuracy"]["value"]
        rows.append((each["ModelPackageVersion"], each["ModelApprovalStatus"], score, each["ModelPackageArn"]))
    return pd.DataFrame(rows, columns=["version", "approval", "accuracy", "arn"])


assert list(versions()["approval"]) == ["PendingManualApproval"]
versions()[["version", "approval", "accuracy"]]

# %% [markdown]
# ## 5. Let a push start it
#
# Nobody should have to start that by hand. A team's ideas are files in a repository, where they have a history and
# can be talked about, so a push should start the pipeline. Three things make it so:
#
# - a repository, of real git, at CodeCommit
#   ([CreateRepository](https://docs.aws.amazon.com/codecommit/latest/APIReference/API_CreateRepository.html));
# - an [event](../labs/GLOSSARY.md#event): CodeCommit tells EventBridge of each push, and a *rule* says which
#   events matter ([PutRule](https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html)) and
#   what they call ([PutTargets](https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html));
# - a [function](../labs/GLOSSARY.md#function) of Lambda, `push.py`, that reads the pushed settings and starts the
#   pipeline with them ([CreateFunction](https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html)).
#   It has a role of its own, with the rights that its script needs.
#
# What a push is measured by is not in the pusher's hands: `push.py` asks the registry for the best accuracy so far
# and makes that the bar. `automation` shows its calls. (SageMaker *Projects* set up the same, with CodeBuild and
# CodePipeline for what takes longer than a function may.)

# %% tags=["nbval-ignore-output"]
import subprocess
import tempfile

from sagelab.lab import automation

repository, address = automation.make_repository(lab)
actions = ["StartPipelineExecution", "ListModelPackages", "DescribeModelPackage"]
rights = [
    {"Effect": "Allow", "Action": [f"sagemaker:{action}" for action in actions], "Resource": "*"},
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{lab.bucket}/{lab.prefix}/*"},
    {"Effect": "Allow", "Action": "codecommit:GetFile", "Resource": repository},
]
place = {"PIPELINE": lab.name, "GROUP": lab.name}
starter = automation.make_function(lab, f"{SOURCE}/push.py", rights, place)
pushed = {"source": ["aws.codecommit"], "resources": [repository], "detail": {"referenceName": ["main"]}}
rule = automation.make_rule(lab, "pushed", pushed, starter)
folder = tempfile.mkdtemp()
done = subprocess.run(["git", "init", "--quiet", "--initial-branch=main", folder], check=True)
done = subprocess.run(["git", "remote", "add", "origin", address], cwd=folder, check=True)

# %% [markdown]
# Somebody has an idea: the learning rate three hundred times as high, to be done sooner. Commit, push, and look:
# the run is called after the commit. Whoever pushes does not judge; the condition does, by the same digits as
# before. The first step is *Cached*: nothing that it is asked for has changed, so its result of the first run is
# used again. The last one is the Fail step, with its sentence.
#
# <div class="alert alert-warning">
#
# **Trap.** The cache compares what a step is *asked for*: image, script, inputs by their address. It does not look
# into S3. New digits under the old address are not seen, and yesterday's result comes back. Put each delivery
# under an address of its own, and give it to the run as a parameter, `RawData` here.
#
# </div>

# %% tags=["nbval-ignore-output"]
from pathlib import Path


def push(idea, message):
    """Push an idea; returns the ARN of the run that the push starts."""
    Path(folder, "settings.json").write_text(json.dumps(idea, indent=1))
    commit = automation.push(folder, message)
    return pipelines.started(lab, lab.name, f"push-{commit[:8]}")


worse = push(WORSE, "A higher learning rate, to be done sooner")
try:
    watch.follow(lab, "pipeline execution", worse)
except watch.JobFailed as stopped:
    print(stopped.reason)
assert list(pipelines.steps(lab, worse)["status"]) == ["Cached", "Succeeded", "Succeeded", "Succeeded", "Failed"]
assert len(versions()) == 1, "the registry has taken what the condition should have stopped"
pipelines.graph(lab, worse)

# %% [markdown]
# ## 6. Let an approval deploy
#
# A person approves; a machine deploys. The same three things in another place: SageMaker tells EventBridge of each
# change of a model package, a rule picks the approvals of this group, and `deploy.py` makes a model and a
# configuration of the version and moves the endpoint to it.
#
# <div class="alert alert-warning">
#
# **Trap.** EventBridge delivers *at least* once. A function that fails when its model is there already fails on
# the second delivery of a good approval; `deploy.py` lets it pass, in `once`. (And `push.py` starts no second run:
# the commit is the request's token.)
#
# </div>

# %% tags=["nbval-ignore-output"]
ENDPOINT = lab.name
actions = ("CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint", "Describe*", "AddTags")
rights = [
    {"Effect": "Allow", "Action": [f"sagemaker:{action}" for action in actions], "Resource": "*"},
    {"Effect": "Allow", "Action": "iam:PassRole", "Resource": lab.role},
]
variables = {
    "ENDPOINT": ENDPOINT,
    "ROLE": lab.role,
    "INSTANCE_TYPE": SERVES,
    "CAPTURE": lab.uri("captured"),
    "TAGS": json.dumps(lab.tags),
}
approved = {"ModelPackageGroupName": [lab.name], "ModelApprovalStatus": ["Approved"]}
change = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Model Package State Change"]}
function = automation.make_function(lab, f"{SOURCE}/deploy.py", rights, variables)
rule = automation.make_rule(lab, "approved", {**change, "detail": approved}, function)

# %% [markdown]
# Now approve version 1
# ([UpdateModelPackage](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateModelPackage.html)).
# Nothing else is called here: no model, no configuration, no endpoint. Yet some seconds later there is an endpoint
# ([DescribeEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html)), and
# its configuration is called after the version.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import endpoints


def approve(arn, reason):
    """Approve a version; returns the name of the configuration that it should be served by."""
    said = {"ModelApprovalStatus": "Approved", "ApprovalDescription": reason}
    sagemaker.update_model_package(ModelPackageArn=arn, **said)
    return f"{lab.name}-v{arn.rpartition('/')[2]}"


found = endpoints.arrive(lab, ENDPOINT, approve(versions()["arn"][0], "the first that reads digits"))
assert found["EndpointStatus"] == "InService"

# %% [markdown]
# ## 7. A better idea, while somebody asks
#
# A batch of 64 instead of 512 makes eight times as many steps of the same digits. Push it. This run may end in the
# registry only if it reads as many of the test digits as version 1, or more.

# %% tags=["nbval-ignore-output"]
better = push(BETTER, "Smaller batches, so more steps of the same digits")
run = watch.follow(lab, "pipeline execution", better)
table = versions()
assert list(table["approval"]) == ["Approved", "PendingManualApproval"]
assert table["accuracy"][1] > table["accuracy"][0]
table[["version", "approval", "accuracy"]]

# %% [markdown]
# It does. Before it is approved, somebody starts to ask the endpoint, as clients do, all the time
# ([InvokeEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html)).
# Then the approval, and again nothing else. Not one request may fail, and in the picture you see the moment from
# which version 2 answers.

# %% tags=["nbval-ignore-output"]
image, label = every.held_out_images[0], int(every.held_out_labels[0])
with endpoints.asking(lab, ENDPOINT, image) as answers:
    endpoints.arrive(lab, ENDPOINT, approve(table["arn"][1], "reads more digits than version 1"))
failed = [answer.error for answer in answers if answer.error]
assert len(answers) > 5
assert not failed, failed[0]
endpoints.show_answers(answers, label)

# %% [markdown]
# ## 8. The same from Kubernetes
#
# Many teams keep everything as objects of Kubernetes, and want their training there as well. AWS's controller
# (*ACK*, the successor of SageMaker Operators for Kubernetes) does that: a TrainingJob is an object like any
# other, `kubectl apply` makes one, and the job itself runs at SageMaker, as always
# ([CreateTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html)). The
# manifest asks for what the pipeline's own job was asked for
# ([DescribeTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html)),
# so the same script learns from the same digits with the same seed.
#
# Here `sagelab k8s up` starts an API of Kubernetes with that controller's kinds, without nodes. On AWS it is your
# own cluster, with the controller in it and `KUBECONFIG` set; without one, leave this step out.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import kubernetes

if kubernetes.connect(lab):
    trained = pipelines.steps(lab, better).set_index("step").at["Train", "job"]
    name = lab.fresh_name("kubectl")
    manifest = Path(folder, "job.yaml")
    manifest.write_text(kubernetes.training_job(lab, trained, name))
    print(*manifest.read_text().splitlines()[:12], "...", sep="\n")
    print(kubernetes.kubectl("apply", "-f", str(manifest)))
    print(kubernetes.wait(name))
    print(kubernetes.kubectl("get", "trainingjobs"))
    kubernetes.kubectl("delete", "-f", str(manifest))
    for each in (trained, name):
        job = sagemaker.describe_training_job(TrainingJobName=each)
        values = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
        print(f"{each}: val_acc {values['val_acc']:.3f}")
    assert job["TrainingJobStatus"] == "Completed"

# %% [markdown]
# ## 9. Watch what comes in
#
# A model does not wear out, but the world moves on: a new scanner delivers paler pictures, say, and nobody says
# so. The configuration that `deploy.py` makes captures every request. Model Monitor compares columns, and 784
# pixels say little one by one; so `features.py` makes five numbers of a digit: its ink, how dark it is, its width
# and height, and how sure the network was.
#
# First the [baseline](../labs/GLOSSARY.md#baseline): what those numbers are like as long as all is well, of 300
# digits that version 2 reads. `suggest_baseline` runs a processing job with AWS's image for it
# ([CreateProcessingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html)),
# which leaves statistics and *constraints*, that is what may be expected.

# %% tags=["nbval-ignore-output"]
import runpy

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.model_monitor import CronExpressionGenerator, DatasetFormat, DefaultModelMonitor

describe = runpy.run_path(f"{SOURCE}/features.py")["describe"]
usual = every.held_out_images[:300]
scores = endpoints.read(lab, ENDPOINT, usual)
rows = [describe(*pair) for pair in zip((usual / 255).tolist(), scores.tolist(), strict=True)]
Path(folder, "usual.csv").write_text(pd.DataFrame(rows).to_csv(index=False))
machine = {"role": lab.role, "instance_count": 1, "instance_type": JOBS, "tags": lab.tags}
sdk = Session(boto_session=lab.session, default_bucket=lab.bucket)
monitor = DefaultModelMonitor(**machine, sagemaker_session=sdk)
asked = {"baseline_dataset": f"{folder}/usual.csv", "dataset_format": DatasetFormat.csv(header=True)}
monitor.suggest_baseline(**asked, output_s3_uri=lab.uri("baseline"), logs=False)
constraints = monitor.suggested_constraints()
pd.DataFrame(rows).describe().loc[["min", "mean", "max"]].round(2)

# %% [markdown]
# Now the paler pictures come in, and a [monitoring schedule](../labs/GLOSSARY.md#monitoring-schedule) looks at
# what was captured
# ([CreateMonitoringSchedule](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateMonitoringSchedule.html)).
# In earnest it runs every hour; `now()` makes it run once. It hands each captured request to `features.py`, and
# compares the distribution of each column with the baseline's. The client's probes from before are left out.
# Look at the last line too: most of the pale digits are still read right, so nobody would have complained yet.
# Drift shows without a single label; a lower accuracy would have needed one for each digit.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import monitoring

pale = (every.held_out_images[300:600] * 0.5).astype("uint8")
right = endpoints.read(lab, ENDPOINT, pale, "scanner").argmax(axis=1) == every.held_out_labels[300:600]
monitoring.captured(lab, lab.uri("captured"), "scanner", at_least=3)
monitor.create_monitoring_schedule(
    monitor_schedule_name=lab.name,
    endpoint_input=ENDPOINT,
    record_preprocessor_script=f"{SOURCE}/features.py",
    output_s3_uri=lab.uri("monitored"),
    statistics=monitor.baseline_statistics(),
    constraints=constraints,
    schedule_cron_expression=CronExpressionGenerator.now(),
    data_analysis_start_time="-PT1H",
    data_analysis_end_time="-PT0H",
    enable_cloudwatch_metrics=False,
)
drift = monitoring.follow(lab, lab.name)
assert {"ink", "dark"} <= set(drift["feature_name"])
print(f"Of these digits {right.mean():.1%} are read right.")

# %% [markdown]
# ## 10. Clean up
#
# The endpoint costs as long as it exists, and a schedule starts jobs for as long as it does. The registry's
# versions, the pipeline and its runs cost nothing, but they stand in the way of who looks for something; and the
# rules would answer to the next push and the next approval. `automation.remove` takes the rules, functions, roles
# and the repository, `cleanup.clean` what is SageMaker's and the files.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

kubernetes.close(lab)
for sentence in [*automation.remove(lab), *cleanup.clean(lab)]:
    print(sentence)
assert not automation.left(lab)
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A pipeline is a document: steps that keep requests, parameters of each run, properties that make the order, and
#   conditions that read a property file. Every step is an ordinary job; what has not changed comes from the cache.
# - The registry says which model serves, how good it is and who said so.
# - Events join what knows nothing of each other: a push starts a run, an approval moves an endpoint, and no
#   request fails meanwhile.
# - The same training can be a step, a notebook's job or an object of Kubernetes: SageMaker runs one and the same.
# - A model does not wear out, its input changes. A schedule compares it with a baseline, and needs no labels.
#
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 11](11-explore-impute-model.ipynb) begins before all that, with the data. [Lab
# 3](03-tune-the-classifier.ipynb) searches for the settings that this one was given: make a tuning step of it.
