# %% [markdown]
# # Automate it
#
# **What you'll do.** Turn lab 1's work into one pipeline: prepare the data, train, evaluate, and register the
# network if it is good enough. Run it again and see that nothing is done twice; let a bad idea be stopped; approve
# a good one, and have the endpoint updated by the approval alone, while a client goes on asking.
#
# **What you'll learn.**
# - what a pipeline is made of: steps, parameters, properties, property files, a condition, a cache;
# - how the model registry tells which model is in production, how good it is, and where it came from;
# - how events join the two: an approval that deploys.
#
# **What you'll need.**
# - **Before:** labs 1 and 2, where a training job and an endpoint are explained. Nothing of theirs has to be
#   there.
# - **Here:** about 3 minutes on a laptop.
# - **On AWS:** about 60 minutes and $0.35, for jobs on `ml.m5.large` and an endpoint on `ml.c5.large`.
#
# ![The notebook sends raw digits to S3 and starts a pipeline, whose steps prepare, train and evaluate as jobs and
# put a good model into the model registry. An approval there makes an event; EventBridge calls a function, which
# updates the endpoint that clients ask.](../labs/08-automate-it/diagram.svg)
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
import warnings

from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep

from sagelab.lab import pipelines

warnings.filterwarnings("ignore", "Running within a PipelineSession")
session = PipelineSession(boto_session=lab.session, default_bucket=lab.bucket)
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
# ([ListModelPackages](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListModelPackages.html),
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
# ## 5. Let a bad idea be stopped
#
# From now on there is a network to beat, so the bar is what the registry says of it. Somebody has an idea: the
# learning rate three hundred times as high, to be done sooner. Whoever starts this run does not judge it; the
# pipeline does, by the same digits as before.
#
# Look at the first step. Nothing that it is asked for has changed, so its result of the first run is used again:
# *Cached*. The last step is the Fail step, with its sentence; the run's own reason says only that a step has
# failed, so look at the steps.
#
# <div class="alert alert-warning">
#
# **Trap.** The cache compares what a step is *asked for*: image, script, inputs by their address. It does not look
# into S3. New digits under the old address are not seen, and yesterday's result comes back. Put each delivery
# under an address of its own, and give it to the run as a parameter, `RawData` here.
#
# </div>

# %% tags=["nbval-ignore-output"]
champion = float(versions()["accuracy"].max())
worse = pipeline.start(parameters={**WORSE, "Bar": champion}).arn
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
# A person approves; a machine deploys. What joins them is an [event](../labs/GLOSSARY.md#event): SageMaker tells
# EventBridge of each change of a model package, a *rule* says which of them matter, and its *target* is called.
# The target is a Lambda [function](../labs/GLOSSARY.md#function): `deploy.py`, forty lines that make a model and a
# configuration of the version and move the endpoint to it
# ([CreateFunction](https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html)).
#
# <div class="alert alert-warning">
#
# **Trap.** EventBridge delivers *at least* once. A function that fails when its model is there already fails on
# the second delivery of a good approval; `deploy.py` lets it pass, in `once`.
#
# </div>
#
# `automation.make_function` shows the calls: a role that Lambda takes for the function, with the rights that
# `deploy.py` needs and no more
# ([CreateRole](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html),
# [PutRolePolicy](https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html)), then the function.
# `make_rule` does the other half: a pattern that an approval of this group matches
# ([PutRule](https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html)), the leave for
# EventBridge to call the function
# ([AddPermission](https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html)), and the target
# ([PutTargets](https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html)).

# %% tags=["nbval-ignore-output"]
from sagelab.lab import automation

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
automation.make_rule(lab, "approved", {**change, "detail": approved}, function)

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
# A batch of 64 instead of 512 makes eight times as many steps of the same digits. This run may end in the registry
# only if it reads more of the test digits than version 1.

# %% tags=["nbval-ignore-output"]
better = pipeline.start(parameters={**BETTER, "Bar": champion}).arn
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
assert len(answers) > 20
assert not failed, failed[0]
endpoints.show_answers(answers, label)

# %% [markdown]
# ## 8. Clean up
#
# The endpoint costs as long as it exists. The registry's versions, the pipeline and its runs cost nothing, but
# they stand in the way of who looks for something; and the rule would deploy the next approval.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in [*automation.remove(lab), *cleanup.clean(lab)]:
    print(sentence)
assert not automation.left(lab)
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A pipeline is a document: steps that keep requests, parameters of each run, properties that make the order, and
#   conditions that read a property file.
# - Every step is an ordinary job. What has not changed is taken from the cache; what has side effects never is.
# - The registry says which model serves, how good it is and who said so. An approval is an event, and an event can
#   deploy.
# - An endpoint moves from one configuration to another without a failed request, whoever tells it to.
#
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# That is the last lab so far. [Lab 3](03-tune-the-classifier.ipynb) searches for the settings that this one was
# given: make a tuning step of it.
