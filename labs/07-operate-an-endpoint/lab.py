# %% [markdown]
# # Operate an endpoint
#
# **What you'll do.** Find out how much one server bears, let AWS add servers when more comes, take a zone away
# while somebody asks, put an endpoint to sleep, ask AWS which instance to rent and compare its advice with your
# own numbers, and make an endpoint that takes a raw photo and says a digit.
#
# **What you'll learn.**
# - how a load test becomes the target of automatic scaling, and what scaling looks at;
# - what an outage is, and why two instances are more than twice one;
# - when a serverless endpoint pays, and what its first request waits for;
# - what an inference pipeline is: preparation, network and label in one call.
#
# **What you'll need.**
# - **Before:** labs 1 and 2, where a training job and an endpoint are explained. Nothing of theirs has to be
#   there.
# - **Here:** about 3 minutes on a laptop.
# - **On AWS:** about 120 minutes and $1.00, for one to three instances of `ml.c5.large`, and the recommender's.
#
# ![Users of the notebook ask an endpoint. CloudWatch counts what comes; its alarms call Application Auto
# Scaling, which sets the number of instances, in two zones. Beside it a serverless endpoint, a pipeline of
# three containers, and the Inference Recommender, whose endpoints of its own are asked by its own
# users.](../labs/07-operate-an-endpoint/diagram.svg)
#
# The [walkthrough](../labs/07-operate-an-endpoint/README.md) says at each step what AWS's console shows, and
# the [glossary](../labs/GLOSSARY.md) explains each word. Here are the knobs. A request carries `DIGITS` digits
# at once, so that the server has something to do.

# %% tags=["parameters"]
EPOCHS, DIGITS = 4, 20
TRAINING_TYPE, INSTANCE_TYPE = "ml.m5.xlarge", "ml.c5.large"
MOST = 3  # instances that scaling may come to
FASTER = 30  # times, that minutes pass here
SCRIPT = "../labs/01-train-a-digit-classifier/mnist-train-cnn.py"
SOURCE = "../labs/07-operate-an-endpoint"
PHOTOS = "../labs/02-deploy-and-read-handwriting/handwriting"

# %% [markdown]
# ## 1. Train, and serve on one instance
#
# Lab 1's network, trained once more
# ([PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html) for the digits,
# [CreateTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html)),
# and behind an [endpoint](../labs/GLOSSARY.md#endpoint) as in lab 2
# ([CreateModel](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html),
# [CreateEndpointConfig](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html),
# [CreateEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html)): one
# variant, one instance. That is how most endpoints begin, and how too many stay.

# %% tags=["nbval-ignore-output"]
import sagelab
from sagelab.lab import digits, watch

lab = sagelab.connect("digits-in-operation")
data = digits.load()
hyperparameters = {"epochs": EPOCHS, "batch-size": 32, "learning-rate": 0.001}
trainer = lab.trainer(SCRIPT, hyperparameters, TRAINING_TYPE)
job = watch.follow(lab, "training job", lab.train(trainer, data.upload(lab)))
model = lab.model(job["ModelArtifacts"]["S3ModelArtifacts"], instance_type=INSTANCE_TYPE)
endpoint = lab.deploy(model, INSTANCE_TYPE)
name = endpoint.endpoint_name
found = watch.follow(lab, "endpoint", name)
assert found["EndpointStatus"] == "InService"

# %% [markdown]
# ## 2. Find where latency bends
#
# How much does one instance bear? Nobody knows before a [load test](../labs/GLOSSARY.md#load-test), and without
# the answer scaling has no target. A *user* is a closed loop here: a request
# ([InvokeEndpoint](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html)),
# its answer, the next request. First one user, then two, four, eight, sixteen at once. While the server is not
# busy, twice the users get twice the answers, and each waits as long as before. Once it is, they queue: the
# answers a second stay what they are, and it is the waiting that doubles.
#
# <div class="alert alert-warning">
#
# **Trap.** Whoever measures is a computer, too. Sixteen users in one Python share one processor, and a slow
# client looks just like a slow server. `client` says how busy this process was; near 1, you have measured your
# laptop. And boto3 tries again by itself, without a word: here it may not, so that a failure is counted as one.
#
# </div>

# %% tags=["nbval-ignore-output"]
import json

import numpy as np

from sagelab.lab import load

some = data.held_out_images[:DIGITS, ..., np.newaxis] / 255
body = json.dumps({"instances": some.round(3).tolist()}).encode()
table = load.measure(lab, name, body)
assert not table["failed"].any()
print(load.sentence(table))
table.round(2)

# %% [markdown]
# The same as a picture, with the place where it bends. To the left of the dotted line more users are a gain, to
# the right they are a queue: that is `MAX_RPS`, the most requests a second that one instance answers in good
# time.

# %% tags=["nbval-ignore-output"]
bend = load.bend(table)
MAX_RPS = bend["per_second"]
assert table["p50_ms"].iloc[-1] > 1.5 * table["p50_ms"].iloc[0], "sixteen users wait no longer than one"
load.show(table)

# %% [markdown]
# ## 3. Set the target by AWS's rule
#
# [AWS's rule](https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-loadtest.html) for the number of
# invocations that an instance should get in a minute:
#
# `MAX_RPS x SAFETY_FACTOR x 60`, with a safety factor of 0.5 to begin with.
#
# Half, because a new instance takes minutes to come, and in these minutes the old ones bear it all. The 60 are
# the seconds of a minute. The local cloud's minutes can pass faster, so that you need not wait for fifteen of
# them: `sagelab clock set 30` makes a minute two seconds long, for alarms, cooldowns and idle times alike, *and
# so an instance gets in such a minute only a thirtieth of what it would get in a real one*. On AWS the cell
# changes nothing, and `minute` is 60.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import clock

minute = clock.speed_up(lab, FASTER)
SAFETY_FACTOR = 0.5
target = MAX_RPS * SAFETY_FACTOR * minute
print(f"{MAX_RPS:.0f} requests a second x {SAFETY_FACTOR} x {minute:g} s = {target:.0f} a minute and instance")

# %% [markdown]
# ## 4. Let it scale
#
# Scaling is not SageMaker's own: [Application Auto Scaling](../labs/GLOSSARY.md#application-auto-scaling) does
# it, for many services. It is told of the *scalable target*, which is a variant's number of instances between
# two limits
# ([RegisterScalableTarget](https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html)),
# and of a [policy](../labs/GLOSSARY.md#scaling-policy)
# ([PutScalingPolicy](https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html)).
# *Target tracking* is the kind to begin with: name a metric and the value that it should have. Out of that it
# makes two [alarms](../labs/GLOSSARY.md#alarm) at CloudWatch, a hasty one for more instances and a patient one
# for fewer; they are what you see below
# ([DescribeAlarms](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html)).
#
# Of a new alarm nothing is known yet, so its state is `INSUFFICIENT_DATA`. A *cooldown* is how long it waits
# after an activity before the next one of its kind: 300 seconds by default.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import scaling

autoscaling, variant = lab.client("application-autoscaling"), scaling.target(name)
tracking = {
    "TargetValue": target,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    "ScaleOutCooldown": 60,
    "ScaleInCooldown": 60,
}
policy = {**variant, "PolicyName": "half-of-the-most", "PolicyType": "TargetTrackingScaling"}
autoscaling.register_scalable_target(**variant, MinCapacity=1, MaxCapacity=MOST)
autoscaling.put_scaling_policy(**policy, TargetTrackingScalingPolicyConfiguration=tracking)
alarms = scaling.alarms(lab, name)
assert len(alarms) == 2
alarms

# %% [markdown]
# Now twice as many users as it bears come, and stay. Watch the line: minute after minute over the target, until
# the alarm has seen enough of them; then another instance is *wanted*; some time later it is there
# ([UpdateEndpointWeightsAndCapacities](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateEndpointWeightsAndCapacities.html)
# is what scaling calls).

# %% tags=["nbval-ignore-output"]
import pandas as pd

USERS = int(2 * bend["users"])
with load.users(lab, name, body, USERS) as requests:
    out = scaling.follow(lab, name, lambda now: now.instances > 1, minutes=30)
    busy = scaling.follow(lab, name, lambda _: False, minutes=3)
assert out["instances"].iloc[-1] > 1, "nothing was scaled out"
assert not [each.error for each in requests if each.error]
print(f"{len(requests):,} requests, none failed")

# %% [markdown]
# The users go home. Nothing is asked, and yet CloudWatch goes on hearing of it: an endpoint in service sends
# zeros, else nobody could tell *no traffic* from *no news*. The other alarm wants fifteen quiet minutes: who
# removes servers hastily needs them again. What was done, and why, is kept for six weeks
# ([DescribeScalingActivities](https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalingActivities.html)).

# %% tags=["nbval-ignore-output"]
quiet = scaling.follow(lab, name, lambda now: now.instances == 1, minutes=60)
assert quiet["instances"].iloc[-1] == 1, "nothing was scaled in"
looks = pd.concat([out, busy, quiet], ignore_index=True)
did = scaling.activities(lab, name)
did[["did", "cause", "status"]]

# %% [markdown]
# Each [activity](../labs/GLOSSARY.md#scaling-activity) names its cause: an alarm, and the policy that it
# called. All of it on one axis: what came in
# ([GetMetricStatistics](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html))
# against the target, the alarms, the instances. Read it from top to bottom at one moment: too much comes,
# *then* an alarm, *then* an instance, and only then there is less for each.

# %% tags=["nbval-ignore-output"]
assert did["cause"].str.contains("AlarmHigh").any()
assert did["cause"].str.contains("AlarmLow").any()
counts = scaling.invocations(lab, name, looks["time"].iloc[0])
scaling.show(lab, looks, counts, did, target)

# %% [markdown]
# ## 5. Pull the metric away
#
# *Where does automatic scaling get its data from?* is a question of the course. Ask it in an experiment: the
# same endpoint, the same users, a policy with the same target, but of a metric which nobody sends. Nothing else
# changes: the servers are as busy as before, and could tell it to whoever asked them.

# %% tags=["nbval-ignore-output"]
unsent = {"MetricName": "Requests", "Namespace": lab.name, "Statistic": "Sum"}
blind = {"TargetValue": target, "CustomizedMetricSpecification": unsent}
autoscaling.put_scaling_policy(**policy, TargetTrackingScalingPolicyConfiguration=blind)
with load.users(lab, name, body, USERS) as requests:
    unseen = scaling.follow(lab, name, lambda _: False, minutes=6)
assert set(unseen["instances"]) == {1}
assert unseen["AlarmHigh"].iloc[-1] == "INSUFFICIENT_DATA"
scaling.alarms(lab, name)

# %% [markdown]
# Nobody asked the servers. Scaling knows what **CloudWatch** knows, by its alarms, and an alarm without data
# moves nothing. A misspelt variant in a metric's dimensions does the same, without an error anywhere. (The policy
# stays blind from here on, so that nothing else moves in what follows.)
#
# ## 6. Take a zone away
#
# A region has [availability zones](../labs/GLOSSARY.md#availability-zone): data centres that fail one by one.
# SageMaker spreads the instances of a variant over them, *if there are several*. Here is one. A user asks all
# the time, and its zone goes: `sagelab zone down` kills what runs in it. (On AWS only AWS can do that, so there
# the next two cells say so and do nothing.)

# %% tags=["nbval-ignore-output"]
from sagelab.lab import zones

runs, gone = {}, {}
runs["one instance"], gone["one instance"] = zones.lose(lab, name, body)
lost = sum(bool(each.error) for each in runs["one instance"])
assert lost or not lab.local, "nothing failed"
print(f"{lost} requests failed")

# %% [markdown]
# An outage: SageMaker starts a new server in a zone that is left, and until it answers, nobody does. Now two
# instances at least. Raising a limit past what is there is a scaling activity by itself, without any alarm.
#
# <div class="alert alert-warning">
#
# **Trap.** Automatic scaling with `MinCapacity=1` comes back to one instance every quiet night, and with it the
# outage. What must not fail has a minimum of two. (And with a VPC, two subnets in different zones: SageMaker
# cannot spread over one.)
#
# </div>

# %% tags=["nbval-ignore-output"]
autoscaling.register_scalable_target(**variant, MinCapacity=2, MaxCapacity=MOST)
two = scaling.follow(lab, name, lambda now: now.instances == 2, minutes=30)
runs["two instances"], gone["two instances"] = zones.lose(lab, name, body)
assert not [each.error for each in runs["two instances"] if each.error]
load.show_requests({title: run for title, run in runs.items() if run}, gone, within=2)

# %% [markdown]
# Not one of them failed: a request that a dying server has not answered goes to the other one. Twice the price
# bought not twice the speed, but an endpoint that survives a data centre.
#
# ## 7. Let an endpoint sleep
#
# An instance costs by the hour, asked or not. A [serverless endpoint](../labs/GLOSSARY.md#serverless-endpoint)
# has none: its configuration names memory and the most requests at a time, SageMaker starts an environment when
# somebody asks, and ends it when nobody has for a while. You pay for the milliseconds of the answers. Nothing
# else is new: the same model, the same call. (In boto3, for version 3 of the SDK misspells `MemorySizeInMB`.)

# %% tags=["nbval-ignore-output"]
sagemaker, sleeper = lab.client("sagemaker"), lab.fresh_name("sleeper")
small = {"MemorySizeInMB": 2048, "MaxConcurrency": 4}
shape = {"VariantName": "AllTraffic", "ModelName": model.model_name, "ServerlessConfig": small}
sagemaker.create_endpoint_config(EndpointConfigName=sleeper, ProductionVariants=[shape], Tags=lab.tags)
sagemaker.create_endpoint(EndpointName=sleeper, EndpointConfigName=sleeper, Tags=lab.tags)
found = watch.follow(lab, "endpoint", sleeper)
assert found["EndpointStatus"] == "InService"

# %% [markdown]
# Let it fall asleep, and then ask twenty times. The first request finds nobody there and waits until an
# environment has started and has read the model: a [cold start](../labs/GLOSSARY.md#cold-start). The others
# find it warm. `ModelSetupTime` is CloudWatch's name for the difference. (Here an environment comes from a
# Python that has TensorFlow imported already; on AWS a cold start of this model takes seconds.)
#
# Which of the two endpoints is cheaper? Compare the milliseconds that the model worked, times its memory, with
# an hour of an instance: below so many requests an hour serverless costs less, and of a quiet night it costs
# nothing.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import costs, endpoints

clock.wait(lab, 6 if lab.local else 20)
asked = load.series(lab, sleeper, body, 20)
took = [each.milliseconds for each in asked]
endpoints.metrics(lab, sleeper, at_least=20)
setup, _ = endpoints.value(lab, sleeper, "ModelSetupTime", "Maximum")
print(f"cold {took[0]:.0f} ms, of which the start {setup / 1000:.0f} ms; warm {np.median(took[1:]):.0f} ms")
bill = endpoints.serverless_bill(lab, sleeper)
once, hourly = bill.dollars / len(asked), costs.estimate(INSTANCE_TYPE, 3600, plane="hosting").dollars
print(bill)
print(f"Below {hourly / once:,.0f} requests an hour the endpoint that sleeps is cheaper.")
assert took[0] > 2 * np.median(took[1:])

# %% [markdown]
# ## 8. Ask the recommender
#
# Which instance type should it be? The [Inference Recommender](../labs/GLOSSARY.md#inference-recommender) does
# by itself what you did in step 2, for several types: it makes an endpoint of each, lets users come, and reads
# CloudWatch. A *Default* job tries what AWS thinks suitable, in 45 minutes or so; an *Advanced* one takes your
# candidates, your traffic in phases, and your bounds
# ([CreateInferenceRecommendationsJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateInferenceRecommendationsJob.html)).
# It wants samples to ask with, in an archive.
#
# `MaxInvocations` would be the invocations a minute that you *need*: then it advises so many instances as it
# takes for them, at their price. Left out, it is one of each.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import advice

samples = {"SamplePayloadUrl": advice.upload_samples(lab, body), "SupportedContentTypes": ["application/json"]}
about = {"Domain": "COMPUTER_VISION", "Task": "IMAGE_CLASSIFICATION", "Framework": "TENSORFLOW"}
phase = {"InitialNumberOfUsers": 2, "SpawnRate": 1, "DurationInSeconds": 120}
asked_for = {
    "ModelName": model.model_name,
    "ContainerConfig": {**about, "PayloadConfig": samples},
    "JobDurationInSeconds": 7200,
    "EndpointConfigurations": [{"InstanceType": each} for each in (INSTANCE_TYPE, "ml.c5.xlarge")],
    "TrafficPattern": {"TrafficType": "PHASES", "Phases": [phase]},
}
bounds = {"ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 1000}]}
request = {"JobName": lab.fresh_name("advice"), "JobType": "Advanced", "RoleArn": lab.role, "Tags": lab.tags}
sagemaker.create_inference_recommendations_job(**request, InputConfig=asked_for, StoppingConditions=bounds)
advised = watch.follow(lab, "recommendations job", request["JobName"])
advice.table(advised).round(2)

# %% [markdown]
# Believe it? You have a number of your own: `MAX_RPS` of step 2, for one of its candidates. Put both into one
# picture, with your 9 of 10 beside its latency, which is that within which 95 of 100 are answered. What lies up
# and to the right of another point is dearer *and* slower; what is left is the *frontier*, and which point of
# it is yours depends on how long your users will wait. (Here two types differ in threads and price alone: it is
# one machine.)

# %% tags=["nbval-ignore-output"]
cost = hourly / (MAX_RPS * 3600) * 1e6
assert INSTANCE_TYPE in set(advice.table(advised)["instance"])
print(f"own load test: {INSTANCE_TYPE}, {MAX_RPS * 60:,.0f} a minute, a million answers for ${cost:.2f}")
advice.show(advice.table(advised), {f"{INSTANCE_TYPE}, step 2": (bend["p90_ms"], cost)})

# %% [markdown]
# ## 9. Photo in, digit out
#
# In lab 2 the client cut a digit out of its photo, scaled and centred it, and of ten scores took the highest.
# Every client has to, in its own language, and each does it a little differently. An [inference
# pipeline](../labs/GLOSSARY.md#inference-pipeline) does it once, behind the endpoint: 2 to 15 containers in a
# row, on one instance, where the answer of one is the request of the next. Here `crop.py` in AWS's scikit-learn
# image, the network in TensorFlow's, and `label.py` in scikit-learn's again. One archive holds both scripts,
# and each container's environment names its own.

# %% tags=["nbval-ignore-output"]
import tarfile
import tempfile
from pathlib import Path

from sagemaker.core import image_uris

packed = Path(tempfile.mkdtemp(), "scripts.tar.gz")
with tarfile.open(packed, "w:gz") as archive:
    for script in ("crop.py", "label.py"):
        archive.add(f"{SOURCE}/{script}", f"code/{script}")
lab.client("s3").upload_file(str(packed), lab.bucket, f"{lab.prefix}/scripts.tar.gz")
sklearn = image_uris.retrieve("sklearn", lab.region, version="1.2-1", instance_type=INSTANCE_TYPE)
network = model.primary_container
chain = lab.chain(
    crop=(sklearn, lab.uri("scripts.tar.gz"), {"SAGEMAKER_PROGRAM": "crop.py"}),
    network=(network.image, network.model_data_url, {}),
    label=(sklearn, lab.uri("scripts.tar.gz"), {"SAGEMAKER_PROGRAM": "label.py"}),
)
reader = lab.deploy(chain, INSTANCE_TYPE)
found = watch.follow(lab, "endpoint", reader.endpoint_name)

# %% [markdown]
# Now a client is three lines: the file's bytes, their content type, one request. At least 9 of 10 photos must
# be read right. Which container takes the time? CloudWatch counts each by itself, as `ContainerLatency`.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import pictures

photos = sorted(Path(PHOTOS).glob("digit_*"))[::2]
answers = []
for photo in photos:
    kind = "image/png" if photo.suffix == ".png" else "image/jpeg"
    answer = reader.invoke(body=photo.read_bytes(), content_type=kind)
    answers.append(json.loads(answer.body.read())["digit"])
labels = [int(photo.name[6]) for photo in photos]
right = np.mean(np.equal(answers, labels))
assert right >= 0.9, f"only {right:.0%} of the photos are read right"
print(f"{len(photos)} photos, {right:.0%} of them read right")
pictures.photos(photos[::5], labels[::5], answers[::5])

# %% [markdown]
# ## 10. Clean up
#
# Three endpoints, of which two cost by the second. Who deletes an endpoint deletes its scalable target, its
# policy and its alarms with it. The clock goes back to what clocks show, and the last line proves that nothing
# is left.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)
clock.set_back(lab)
assert scaling.alarms(lab, name).empty
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - An instance's limit is where its latency bends. Half of that, in a minute, is the target to begin with.
# - Scaling is CloudWatch's alarms and Application Auto Scaling. No data, no alarm, no scaling.
# - It is hasty when it adds and patient when it removes, and what it adds comes later than the load does.
# - Two instances are in two zones; one instance is an outage that waits for its day.
# - Serverless sleeps: no request, no cost, but the first one waits.
# - The recommender's advice is a load test like yours. Compare, and ask whether the client was the limit.
# - A pipeline keeps preparation and network together, so that no client can do it wrongly.
#
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 8](08-automate-it.ipynb) lets a push train and an approval deploy.
