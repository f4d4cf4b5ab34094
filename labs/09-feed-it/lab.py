# %% [markdown]
# # Feed it
#
# **What you'll do.** Let the clicks of a news site flow into a lake, find out what is in it, ask it in SQL, learn
# from it every night what each reader wants next, and put that where a page can read it. Take a machine away in
# the middle of the learning. Then comes an election, and shows what a night is too late for.
#
# **What you'll learn.**
# - how a stream becomes files: buffers, partitions, columns, and who tells the catalogue of them;
# - what a question to a lake costs, and what makes it cheap;
# - what core and task nodes are, and why a task node may be lost;
# - whether a recommender is better than a list of what everybody reads, measured on clicks that it has not seen;
# - what batch costs and misses beside a stream, on the same clicks.
#
# **What you'll need.**
# - **Before:** lab 1 for roles and S3. Lab 8 knows more of events and functions.
# - **Here:** about 3 minutes on a laptop, and some minutes more the first time, when the packages of Spark's
#   image are fetched (`sagelab image pull spark` does it ahead of time).
# - **On AWS:** about 60 minutes and $0.60, for two small clusters of EMR and a stream of one shard. Quotas to
#   look at: four running `m5.xlarge`, two of them on spot.
#
# ![The notebook plays the news site and puts clicks into Firehose, which writes Parquet into S3. A crawler tells
# Glue's catalogue of it and Athena asks it in SQL. A state machine starts a cluster of EMR at night, whose Spark
# reads the lake and writes recommendations into DynamoDB, where the page reads them. Beside it the same clicks go
# through Kinesis to a function that counts them at once.](../labs/09-feed-it/diagram.svg)
#
# The [walkthrough](../labs/09-feed-it/README.md) says at each step what AWS's console shows, and the
# [glossary](../labs/GLOSSARY.md) explains each word. Here are the knobs. `PACE` is how many seconds a task of the
# counting takes beside its work: a day of a large site is not counted in a blink.

# %% tags=["parameters"]
READERS, CLICKS, SPIKE = 300, 20_000, 4_000
MACHINE, TASK_NODES, PACE = "m5.xlarge", 2, 4
PAGE_MS = 10
SOURCE = "../labs/09-feed-it"

# %% [markdown]
# ## 1. Connect, and meet the readers
#
# 300 readers, a week, and the day after it. They are invented, by the recipe of `sagelab.lab.news`, and that has
# an advantage: what a recommender should find is known. Each reader has a *taste*, shares of six topics, and
# clicks by it; articles are born, and fade within days. On the evening after the week there is an election, and
# for three hours everybody wants the same few articles.

# %% tags=["nbval-ignore-output"]
from time import perf_counter

import sagelab
from sagelab.lab import news

lab = sagelab.connect("feed-it")
site = news.make(READERS, CLICKS, SPIKE)
print(site.week.head(3).to_string(index=False))
news.show_traffic(site)

# %% [markdown]
# ## 2. Lay out the lake
#
# A [data lake](../labs/GLOSSARY.md#data-lake) is a bucket with an order: one source for whoever asks, and nobody
# keeps a copy. First a role for those who fill it: it may touch this lab's files and no others
# ([CreateRole](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html)).
#
# Then [Firehose](../labs/GLOSSARY.md#firehose), which takes records as they come and writes files
# ([CreateDeliveryStream](https://docs.aws.amazon.com/firehose/latest/APIReference/API_CreateDeliveryStream.html)).
# Three of its settings make the lake:
#
# - a *buffer*: a file when so many megabytes or seconds have come together, whichever is first;
# - a *[partition](../labs/GLOSSARY.md#partition)* by a key of the record: a `jq` query takes the day out of its
#   time;
# - *[Parquet](../labs/GLOSSARY.md#parquet)* in place of JSON: columns, packed. Which columns a click has, a table
#   of Glue's catalogue says, `click_form`.
#
# <div class="alert alert-warning">
#
# **Trap.** Firehose's own prefix, `YYYY/MM/DD/HH`, is when a record *came*. What comes late, or again after an
# outage, then lies under a wrong day, and the night's job counts it wrongly. Take the day from the record.
#
# </div>
#
# In a prefix `!{...}` is filled in for each record; what no key can be read from goes to the prefix for errors,
# and is not lost. `deliver` shows its call.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import athena, security, streams


def allow(actions, *resources):
    """A statement of an IAM policy."""
    return {"Effect": "Allow", "Action": actions.split(), "Resource": list(resources)}


objects = f"arn:aws:s3:::{lab.bucket}/{lab.prefix}/*"
files = [
    allow("s3:GetObject s3:PutObject s3:DeleteObject s3:AbortMultipartUpload", objects),
    allow("s3:ListBucket s3:GetBucketLocation s3:ListBucketMultipartUploads", f"arn:aws:s3:::{lab.bucket}"),
]
tell = [allow("glue:*", "*"), allow("logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents", "*")]
filler = security.role(lab, "lake", [*files, *tell], services=["firehose", "glue"])
DATABASE, LAKE = athena.name(lab), lab.uri("lake", "clicks")
streams.database(lab, DATABASE, "click_form", list(site.week.columns))
streams.deliver(lab, filler, LAKE, keys={"day": ".time[0:10]"}, form=(DATABASE, "click_form"))

# %% [markdown]
# ## 3. Let a week flow in
#
# `pour` puts the week's clicks, 500 a call
# ([PutRecordBatch](https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html)), and sends
# again what was refused; `landed` counts the rows that lie in S3, until all are there. Not one may be missing,
# and not one there twice.

# %% tags=["nbval-ignore-output"]
streams.clear(lab, LAKE)  # where the cell runs again
refused = streams.pour(lab, lab.name, site.week)
partitions = streams.landed(lab, LAKE, len(site.week))
assert partitions["rows"].sum() == len(site.week), "clicks were lost, or came twice"
print(f"{len(site.week):,} clicks put, {refused} refused, {partitions['rows'].sum():,} in the lake")
partitions

# %% [markdown]
# ## 4. Have it found
#
# Files are no table yet. A [crawler](../labs/GLOSSARY.md#crawler) looks at them, recognizes format, columns and
# partitions, and writes them into Glue's catalogue
# ([ListCrawlers](https://docs.aws.amazon.com/glue/latest/webapi/API_ListCrawlers.html),
# [CreateCrawler](https://docs.aws.amazon.com/glue/latest/webapi/API_CreateCrawler.html),
# [StartCrawler](https://docs.aws.amazon.com/glue/latest/webapi/API_StartCrawler.html),
# [GetTable](https://docs.aws.amazon.com/glue/latest/webapi/API_GetTable.html)), from which Athena, Spark,
# Redshift and QuickSight all read.
#
# <div class="alert alert-warning">
#
# **Trap.** A partition of which nobody told the catalogue is not in the answer, and there is no error: yesterday
# simply has no clicks. So the crawler belongs into the nightly line, before the question (or say the rule once,
# as *partition projection*).
#
# </div>

# %% tags=["nbval-ignore-output"]
glue = lab.client("glue")
tags = {tag["Key"]: tag["Value"] for tag in lab.tags}
place = {"Targets": {"S3Targets": [{"Path": f"{LAKE}/"}]}, "DatabaseName": DATABASE}
if lab.name not in glue.list_crawlers(Tags=tags)["CrawlerNames"]:
    glue.create_crawler(Name=lab.name, Role=filler, Tags=tags, **place)
streams.crawl(lab, lab.name)
table = glue.get_table(DatabaseName=DATABASE, Name="clicks")["Table"]
print(*(f"{one['Name']}: {one['Type']}" for one in table["StorageDescriptor"]["Columns"]), sep=", ")
print("partitioned by", *(one["Name"] for one in table["PartitionKeys"]))

# %% [markdown]
# ## 5. Ask, and look at the price
#
# [Athena](../labs/GLOSSARY.md#athena) answers SQL over those files
# ([StartQueryExecution](https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html)). No
# server waits for you; you pay for the bytes that a query *reads*, \$5 a terabyte, and for 10 MB at the least.
# (So each of these costs the least there is. On a large site the same factors are money.)
#
# What makes it cheap? Two things that this lake has already: columns, and partitions. `CREATE TABLE ... AS
# SELECT` writes the same clicks once more as JSON, as Firehose would have left them had nobody said otherwise.
# Then the same question three times: of the JSON, about Sunday; of the lake, about all days; of the lake, about
# Sunday.

# %% tags=["nbval-ignore-output"]
import pandas as pd

DAYS = sorted(site.week["time"].str[:10].unique())
DAY, read = DAYS[-1], {}
plain = f"format = 'JSON', write_compression = 'NONE', external_location = '{lab.uri('lake', 'clicks_json')}/'"
streams.remove_table(lab, DATABASE, "clicks_json")
athena.ask(lab, f"CREATE TABLE clicks_json WITH ({plain}) AS SELECT * FROM clicks", quiet=True)
for name, days in (("clicks_json", [DAY]), ("clicks", DAYS), ("clicks", [DAY])):
    wanted = ", ".join(f"'{day}'" for day in days)
    sql = f"SELECT topic, count(*) AS clicks FROM {name} WHERE day IN ({wanted}) GROUP BY topic"
    answer = athena.ask(lab, sql)
    assert answer["clicks"].sum() == site.week["time"].str[:10].isin(days).sum()
    read[name, len(days)] = answer.attrs["read"]
assert read["clicks_json", 1] > 5 * read["clicks", 1]
print("Sunday, by topic:")
answer.sort_values("clicks", ascending=False, ignore_index=True)

# %% [markdown]
# ## 6. Learn at night
#
# [Spark](../labs/GLOSSARY.md#spark) does what is too much for one machine: it cuts the work into *tasks*, gives
# them to executors on many nodes, and brings what belongs together to one place in between (the *shuffle* of
# MapReduce). [EMR](../labs/GLOSSARY.md#emr) rents the nodes
# ([RunJobFlow](https://docs.aws.amazon.com/emr/latest/APIReference/API_RunJobFlow.html)), in three groups: a
# *master*; *core* nodes, which keep data; and *[task nodes](../labs/GLOSSARY.md#task-node)*, which only work.
# What only works can be lost, so these two are on spot. `bootstrap.sh` runs on each node before Spark does. First
# the scripts' place ([PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html)), a table
# for what they find, and two roles: EMR's own, and the nodes'.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import emr

lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/events/", Body=b"")  # a folder, for Spark's log
for script in ("recommend.py", "bootstrap.sh"):
    lab.client("s3").upload_file(f"{SOURCE}/{script}", lab.bucket, f"{lab.prefix}/code/{script}")
TABLE = streams.table(lab, lab.name, "reader")
use = allow("dynamodb:BatchWriteItem", f"arn:aws:dynamodb:{lab.region}:{lab.account}:table/{TABLE}")
managed = ["service-role/AmazonElasticMapReduceRole"]
service = security.role(lab, "emr", managed=managed, services=["elasticmapreduce"])
node = emr.profile(lab, security.role(lab, "node", [*files, use], services=["ec2"]))

# %% [markdown]
# The tags beside the lab's own are for the local cloud's spot market: it shall take nothing away by itself, and
# bring nothing back at once. On AWS they say nothing.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import spot

groups = [("MASTER", 1, "ON_DEMAND"), ("CORE", 1, "ON_DEMAND"), ("TASK", TASK_NODES, "SPOT")]
columns = ("InstanceRole", "InstanceCount", "Market")
instances = [dict(zip(columns, group, strict=True)) | {"InstanceType": MACHINE} for group in groups]
CLUSTER = {
    "Name": lab.name,
    "ReleaseLabel": "emr-7.5.0",
    "Applications": [{"Name": "Spark"}],
    "LogUri": lab.uri("logs") + "/",
    "ServiceRole": service,
    "JobFlowRole": node,
    "Instances": {"InstanceGroups": instances, "KeepJobFlowAliveWhenNoSteps": True},
    "AutoTerminationPolicy": {"IdleTimeout": 1800},
    "BootstrapActions": [{"Name": "boto3", "ScriptBootstrapAction": {"Path": lab.uri("code", "bootstrap.sh")}}],
    "Tags": [*lab.tags, *spot.tags(rate=0, wait=600)],
}
cluster = emr.start(lab, CLUSTER)
emr.wait_ready(lab, cluster, 2 + TASK_NODES)[["role", "market", "state", "address"]]

# %% [markdown]
# `recommend.py` is an ordinary Spark script. It counts who clicked what on which day, a task a file, and lets
# MLlib's [ALS](../labs/GLOSSARY.md#als) find a few numbers for each reader and each article whose product says
# how well they fit; clicks of yesterday count twice as much as those of the day before. It runs as a *step*
# ([AddJobFlowSteps](https://docs.aws.amazon.com/emr/latest/APIReference/API_AddJobFlowSteps.html)).
#
# As soon as a task node is at work, that node is taken away. (Here by the local cloud's market. On AWS nobody can
# make the market do that; there `take_away` terminates the instance, which is the same to Spark:
# [TerminateInstances](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html).)


# %% tags=["nbval-ignore-output"]
def step(notes, pace, until=DAY):
    """A step that learns from all days until one. notes: the folder of its report."""
    log = ["--conf", "spark.eventLog.enabled=true", "--conf", f"spark.eventLog.dir={lab.uri('events')}/"]
    given = {"clicks": LAKE, "until": until, "table": TABLE, "notes": notes, "pace": str(pace)}
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    line = ["spark-submit", *log, lab.uri("code", "recommend.py"), *words]
    jar = {"Jar": "command-runner.jar", "Args": line}
    return {"Name": "recommend", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}


disturbed = lab.uri("nights", "disturbed")
(running,) = lab.client("emr").add_job_flow_steps(JobFlowId=cluster, Steps=[step(disturbed, PACE)])["StepIds"]
lost = emr.begun(lab, cluster, running, disturbed)
emr.take_away(lab, cluster, lost["id"])
print(f"taken away: the {lost['role']} node {lost['address']}")
done = emr.follow(lab, cluster, running)

# %% [markdown]
# The step has completed all the same. Spark's event log tells what it took: each attempt at a task, where, from
# when to when. What the lost node was at, another node has done again. Is the result right? The job has counted
# every click, some of them twice over, and the lake knows how many there are.
#
# Then the cluster is ended, for one that waits costs as much as one that works
# ([TerminateJobFlows](https://docs.aws.amazon.com/emr/latest/APIReference/API_TerminateJobFlows.html)).

# %% tags=["nbval-ignore-output"]
attempts = emr.tasks(lab, lab.uri("events"), cluster)
assert {"lost", "done again"} <= set(attempts["fate"]), "no task was lost, or none of them done again"
last = attempts[attempts["stage"] <= attempts[attempts["fate"] == "lost"]["stage"].max()]["end"].max()
report = emr.note(lab, disturbed)
(whole,) = athena.ask(lab, f"SELECT count(*) AS clicks FROM clicks WHERE day <= '{DAY}'")["clicks"]
assert report["clicks"] == whole, "a click is missing, or counted twice"
ended = lab.client("emr").terminate_job_flows(JobFlowIds=[cluster])
print(f"{report['clicks']:,} clicks counted by Spark, {whole:,} in the lake; {report['articles']} articles")
emr.show_tasks(attempts, until=last + 2)

# %% [markdown]
# ## 7. Serve the page
#
# The application has put ten articles a reader into [DynamoDB](../labs/GLOSSARY.md#dynamodb). The page asks for
# one key ([GetItem](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html)); nothing is
# computed while somebody waits. How long does that take?

# %% tags=["nbval-ignore-output"]
import numpy as np

dynamodb, night, waited = lab.client("dynamodb"), {}, []


def recommended(reader, run=disturbed):
    """The ten articles that a run of the application has published for a reader."""
    item = dynamodb.get_item(TableName=TABLE, Key={"reader": {"S": reader}})["Item"]
    assert item["notes"]["S"] == run, "another run has written this"
    return [one["S"] for one in item["articles"]["L"]]


for reader in sorted(site.week["reader"].unique()):
    began = perf_counter()
    night[reader] = recommended(reader)
    waited.append(1000 * (perf_counter() - began))
assert np.median(waited) < PAGE_MS
print(f"half of {len(night)} pages within {np.median(waited):.1f} ms")
news.show_page(site, list(night)[:3], night)

# %% [markdown]
# ## 8. Is it any good?
#
# Somebody has to ask whether that beats what needs no Spark: a list of what everybody read yesterday. Both lists
# were made on Sunday night, so Monday's clicks can judge: of those on articles that the reader has not read
# before, how many were on the list ([recall](../labs/GLOSSARY.md#recall)@10), and how far up
# ([NDCG](../labs/GLOSSARY.md#ndcg)@10; 1 were all of them at the top). The last column is what the recipe knows:
# how many of the ten are on the topic that the reader likes best.

# %% tags=["nbval-ignore-output"]
monday = site.election[~site.election["article"].str.startswith(news.ELECTION)]
popular = news.most_read(site.week, DAY)
scores = {name: news.judge(site, lists, monday) for name, lists in (("ALS", night), ("most read", popular))}
gain = scores["ALS"]["NDCG@10"] - scores["most read"]["NDCG@10"]
assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain)), "no better than luck"
print(f"{len(gain)} readers; ALS is {gain.mean():.3f} better, with a standard error of {gain.sem():.3f}")
pd.DataFrame({name: each.mean() for name, each in scores.items()}).T.round(3)

# %% [markdown]
# ## 9. Make it one line, every night
#
# A [state machine](../labs/GLOSSARY.md#state-machine) of Step Functions does what the notebook did, in order, and
# knows what to do when a part fails
# ([CreateStateMachine](https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html)).
# `nightly.asl.json` crawls, counts the day's clicks in Athena, and only if there are any pays for a cluster,
# learns, and ends it, whatever became of the step. `.sync` in a state's resource waits for what it has started.
# Its role may do these things, and pass the cluster's two roles on.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import states

rights = [
    *files,
    allow(
        "glue:Get* glue:StartCrawler athena:StartQueryExecution athena:GetQuery* athena:StopQueryExecution", "*"
    ),
    allow("elasticmapreduce:RunJobFlow elasticmapreduce:AddTags elasticmapreduce:AddJobFlowSteps", "*"),
    allow("elasticmapreduce:Describe* elasticmapreduce:CancelSteps elasticmapreduce:TerminateJobFlows", "*"),
    allow("elasticmapreduce:SetTerminationProtection", "*"),
    allow("iam:PassRole", f"arn:aws:iam::{lab.account}:role/{lab.name}-*"),
    allow("events:PutRule events:PutTargets events:DescribeRule", "arn:aws:events:*:*:rule/StepFunctions*"),
    allow("states:StartExecution", "*"),
]
keeper = security.role(lab, "line", rights, services=["states", "scheduler"])
machine = states.make(lab, f"{SOURCE}/nightly.asl.json", keeper)
print(machine)

# %% [markdown]
# A schedule of EventBridge starts it at three every night
# ([CreateSchedule](https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html)). Nobody
# wants to wait for that here, so a second one starts it once, some seconds from now. What the machine is to do
# comes with the schedule, as its input.
#
# This time nobody takes a node away. Has the loss changed what readers are recommended? Below that, each state
# with its seconds.

# %% tags=["nbval-ignore-output"]
import json
from datetime import UTC, datetime, timedelta

calm = lab.uri("nights", "calm")
given = {
    "crawler": lab.name,
    "count": f"SELECT count(*) FROM {DATABASE}.clicks WHERE day = '{DAY}'",
    "answers": lab.uri("athena") + "/",
    "cluster": CLUSTER,
    "step": step(calm, 0),
}
known, target = states.executions(lab, machine), {"Arn": machine, "RoleArn": keeper, "Input": json.dumps(given)}
states.schedule(lab, "nightly", "cron(0 3 * * ? *)", target)
states.schedule(lab, "once", f"at({datetime.now(UTC) + timedelta(seconds=2):%Y-%m-%dT%H:%M:%S})", target)
states.follow(lab, execution := states.started(lab, machine, known))
same = np.mean([recommended(reader, calm) == articles for reader, articles in night.items()])
assert emr.note(lab, calm) == report
assert same > 0.95, "the loss has changed what is recommended"
print(f"{same:.1%} of {len(night)} readers have the same ten articles in the same order")
states.times(lab, execution)

# %% [markdown]
# ## 10. An election
#
# Monday evening. What was learned on Sunday night knows nothing of it. So a second way stands beside the first,
# for the same clicks: a [data stream](../labs/GLOSSARY.md#data-stream) of Kinesis
# ([CreateStream](https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html)), which keeps
# records in order for whoever wants to read them, and a function that does so within a second, batch after batch
# ([CreateEventSourceMapping](https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html)),
# and counts in a table: `trending.py`. It knows no tastes; it knows what is read *now*.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import automation

NOW = streams.table(lab, f"{lab.name}-now", "hour", "article")
stream = streams.shards(lab, lab.name, 1)
rights = [
    allow("kinesis:Get* kinesis:Describe* kinesis:List*", stream),
    allow("dynamodb:UpdateItem", f"arn:aws:dynamodb:{lab.region}:{lab.account}:table/{NOW}"),
]
counter = automation.make_function(lab, f"{SOURCE}/trending.py", rights, {"TABLE": NOW})
streams.read_by(lab, stream, counter)

# %% [markdown]
# Now the evening until a quarter to nine, as fast as it can be put, into both
# ([PutRecords](https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html)). One shard takes
# 1,000 records a second and refuses the rest, which has to be sent again; Firehose takes what comes. How long
# until each way has them all?

# %% tags=["nbval-ignore-output"]
early = site.spike[site.spike["time"] < f"{news.ELECTION_DAY}T20:45"]
rows = []
for to in ("kinesis", "firehose"):
    began = perf_counter()
    refused = streams.pour(lab, lab.name, early, to)
    if to == "kinesis":
        counts = streams.counted(lab, NOW, f"{news.ELECTION_DAY}T20", len(early))
    else:
        streams.landed(lab, LAKE, len(site.week) + len(early))
    rows.append((to, len(early), refused, perf_counter() - began))
trending = list(counts.index[:10])
pd.DataFrame(rows, columns=["way", "clicks", "refused at first", "seconds until all are there"]).round(1)

# %% [markdown]
# In the lake they lie within seconds, too, but until three in the morning nobody looks. What does the page miss
# until then? Take the half hour after: of each click that came, was the article on the reader's list of last
# night, or on the list of what was read until a quarter to nine?

# %% tags=["nbval-ignore-output"]
late = site.spike[site.spike["time"].between(f"{news.ELECTION_DAY}T20:45", f"{news.ELECTION_DAY}T21:15")]
by_night = np.array(
    [article in night[reader] for reader, article in zip(late["reader"], late["article"], strict=True)]
)
by_now = late["article"].isin(trending).to_numpy()
assert not set(trending) & set(site.week["article"]) or by_now.mean() > by_night.mean()
assert by_now.mean() > 2 * by_night.mean(), "the stream has seen no more than the night"
print(f"{len(late):,} clicks. On last night's list {by_night.mean():.1%}, on the list of now {by_now.mean():.1%}")
print(f"On either {(by_night | by_now).mean():.1%}: the two know different things")
news.show_election(site)

# %% [markdown]
# ## 11. What each costs
#
# For a site with a million clicks a day, and an evening with twelve times the usual. Firehose counts each record
# as 5 KB; a shard is paid by the hour, whether somebody clicks or not, and there must be enough of them for the
# evening. (EMR: a quarter of an hour a night, as it takes on AWS with the start.)

# %%
from sagelab.lab import costs

A_DAY, RUSH, HOURS = 1_000_000, 12, 0.25
price, ec2 = costs.prices()["flow"], costs.prices()["ec2"][MACHINE]
gigabytes, shards = A_DAY * 5 / 1024**2, np.ceil(A_DAY / 86_400 * RUSH / 1000)
fee, spare = price["emr"][MACHINE], costs.spot_share(f"ml.{MACHINE}")
counting = A_DAY / 500 * (0.0128 * price["lambda"] + 60 * price["write"] / 1e6)
bill = [
    ("batch", "Firehose", gigabytes * (price["firehose"] + price["conversion"] + price["partitions"])),
    ("batch", "EMR", HOURS * (2 * (ec2 + fee) + 2 * (ec2 * spare + fee))),
    ("batch", "the crawler", price["crawler"] / 6),
    ("stream", "Kinesis", 24 * shards * price["shard"] + A_DAY / 1e6 * price["put"]),
    ("stream", "Lambda, DynamoDB", counting),
]
table = pd.DataFrame(bill, columns=["way", "what", "dollars a day"]).round(2)
print(table.groupby("way")["dollars a day"].sum().to_string())
table

# %% [markdown]
# So here is the exam's question: *a news site wants recommendations from clicks, learned daily; the influx is
# fairly constant, but for elections, when it spikes; which system is the most cost-effective and the simplest?*
# **Firehose into S3, Spark's MLlib on spot nodes of EMR at night, DynamoDB for the page.** You have seen why:
# Firehose took the spike without a knob, where a shard refused (step 10); the cluster is paid by the minute, and
# a spot node may be lost (step 6); the page reads one key (step 7). And you have seen what it misses, which the
# question does not ask: the evening itself. Whoever needs that adds the stream; it replaces nothing.
#
# ## 12. Clean up
#
# A stream costs by the hour, and a schedule starts a cluster every night, for ever. `cleanup.clean` removes what
# costs and the files; `security.remove` the roles and the catalogue's database, `automation.remove` the function.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in [*cleanup.clean(lab), *security.remove(lab), *automation.remove(lab)]:
    print(sentence)
assert not [*security.left(lab), *automation.left(lab)]
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A lake is files with an order. Firehose makes them of a stream, the catalogue makes tables of them, and a
#   question costs what it reads: columns and partitions make it cheap.
# - Spark does tasks again that were lost, so what only computes may run on spot.
# - A recommender has to beat the list of what everybody reads, on clicks that it has not seen.
# - Batch is paid by the work and knows tastes; a stream is paid by the hour and knows what happens now.
#
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 10](10-prepare-at-scale.ipynb) lets Spark prepare a table for XGBoost, and puts what it fitted before the
# endpoint. [Lab 8](08-automate-it.ipynb) automates what comes after: training, approval, deployment.
