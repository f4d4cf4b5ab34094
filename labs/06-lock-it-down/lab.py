# %% [markdown]
# # Lock it down
#
# **What you'll do.** Let an intruder into a training job and see how far it comes. Then take one measure after
# another, a narrow role, keys, a private network, policies of an endpoint and of a bucket, isolation, and let it
# try again after each, until nothing is open to it.
#
# **What you'll learn.**
# - which measure stops which attempt, and which stops nothing that another has not stopped already;
# - how to find the least that a role needs: by the trail of what a job did, by asking IAM, and by leaving out
#   one line after the other;
# - why a job in a private network fails, and which ways make it run again;
# - what a notebook without internet still needs, and what encrypted traffic between hosts costs.
#
# **What you'll need.**
# - **Before:** lab 1, where a training job and its role are explained. Nothing of it has to be there.
# - **Here:** about 2 minutes on a laptop, with the programs that `sagelab doctor` names for encryption.
# - **On AWS:** about 90 minutes and $0.35, for small jobs on `ml.m5.large`, notebook instances, a key and
#   interface endpoints.
#
# ![The notebook starts training jobs in which an intruder runs. Around a job stand its role, its key and a private
# network with an endpoint for S3. Outside are the vault, another team's bucket, a stranger's bucket, the internet
# and the rest of the account.](../labs/06-lock-it-down/diagram.svg)
#
# The [walkthrough](../labs/06-lock-it-down/README.md) says at each step what AWS's console shows, and the
# [glossary](../labs/GLOSSARY.md) explains each word. Here are the knobs. `PAGE` stands for the internet: it is
# where packages come from.

# %% tags=["parameters"]
INSTANCE_TYPE, NOTEBOOK_TYPE = "ml.m5.large", "ml.t3.medium"
DIGITS = 2_000
PAGE = "https://pypi.org/simple/pip/"
SOURCE = "../labs/06-lock-it-down"

# %% [markdown]
# ## 1. Have something to protect
#
# Three buckets. The *vault* is yours: training data go in, models come out. Another team has one in the same
# account, with a file of salaries. The third stands for a stranger's, somewhere in the world. Into the vault go
# ten letters of customers, some digits, and the three scripts of this lab
# ([CreateBucket](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html),
# [PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html)).

# %%
import io
from pathlib import Path

import numpy as np

import sagelab
from sagelab.lab import digits, security

lab = sagelab.connect("lock-it-down", tls=True)
s3 = lab.client("s3")
vault, neighbours, strangers = (security.bucket(lab, what) for what in ("vault", "neighbours", "strangers"))
file, some = io.BytesIO(), digits.load()
np.savez_compressed(file, images=some.images[:DIGITS], labels=some.labels[:DIGITS])
s3.put_object(Bucket=vault, Key="training/digits.npz", Body=file.getvalue())
for path in ("letters.csv", "train.py", "probe.py", "exchange.py"):
    folder = "letters" if path == "letters.csv" else "code"
    s3.put_object(Bucket=vault, Key=f"{folder}/{path}", Body=Path(SOURCE, path).read_bytes())
s3.put_object(Bucket=neighbours, Key="salaries.csv", Body=b"name,salary\nMina,4200\nJun,3900\n")
print(vault, neighbours, strangers, sep="\n")

# %% [markdown]
# ## 2. Let the intruder in
#
# Nobody breaks into a training job. The intruder is brought in: as a package that somebody installed without
# reading it, as a model from somewhere, as a pickle. From then on it *is* your code, and may do what your
# [execution role](../labs/GLOSSARY.md#execution-role) may. `probe.py` plays the part. It tries six ways to do
# harm, breaks nothing, and says which were open. First come two roles and two users
# ([CreateRole](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html),
# [CreateUser](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html)):
#
# - *wide* is what most people begin with: AWS's managed policy `AmazonSageMakerFullAccess`;
# - *storekeeper* looks after S3, and may read all that is stored there;
# - *colleague* is a user whose keys have been lying about;
# - *stranger* is the intruder's own, for its own bucket. It brings its keys along, beside its script.

# %%
import json


def allow(actions, *resources):
    """A statement of an IAM policy."""
    return {"Effect": "Allow", "Action": actions.split(), "Resource": list(resources)}


wide = security.role(lab, "wide", managed=["AmazonSageMakerFullAccess"])
storekeeper = security.role(lab, "storekeeper", [allow("s3:*", "*")])
lists = allow("s3:ListBucket", f"arn:aws:s3:::{vault}")
colleague = security.user(lab, "colleague", [lists])
stranger = security.user(lab, "stranger", [allow("s3:PutObject", f"arn:aws:s3:::{strangers}/*")])
keys = stranger.get_credentials()
brought = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
targets = {"region": lab.region, "data": f"s3://{vault}/training", "page": PAGE, "neighbours": neighbours}
targets |= {"strangers": strangers, "strangers_keys": brought}
s3.put_object(Bucket=vault, Key="code/targets.json", Body=json.dumps(targets))
print(sorted(targets))

# %% [markdown]
# And a training job with one of the scripts
# ([CreateTrainingJob](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html)). All
# measures of this lab are fields of this one request, which you see below, or stand around it.
#
# `ask` lets the intruder try, reads in the job's log what it came to
# ([GetLogEvents](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html)),
# and tries four more ways from outside
# ([AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html),
# [GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html),
# [ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)): whether the
# storekeeper can read your letters, whether they travel unencrypted, whether a thief of the colleague's keys gets
# in, and whether anybody can read who has good keys and is elsewhere, as you are here.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import intruder, watch

matrix, letters = intruder.Matrix(), {"Bucket": vault, "Key": "letters/letters.csv"}
ways = {
    "read_stored": lambda: security.become(lab, storekeeper).client("s3").get_object(**letters),
    "listen": lambda: security.plain(lab, "s3").get_object(**letters),
    "stolen": lambda: colleague.client("s3").list_objects_v2(Bucket=vault),
    "from_outside": lambda: s3.get_object(**letters),
}


def ask(measure, role, **measures):
    """Let the intruder try under a measure; returns what was open to it."""
    job = security.train(lab, INSTANCE_TYPE, vault, role, "probe.py", **measures)
    watch.follow(lab, "training job", job)
    return matrix.add(measure, intruder.attempts(lab, job) | intruder.outside(ways))


assert len(ask("nothing done", wide, show=True)) >= 9
matrix.reasons("nothing done")

# %% [markdown]
# All of it is open. `AmazonSageMakerFullAccess` reads and writes every bucket with *sagemaker* in its name, and
# the neighbours' is such a one. (Where a way is *closed* already, this machine has no such way itself, and it is
# grey below: no measure can be judged by it.)
#
# ## 3. Give the role the least
#
# [Least privilege](../labs/GLOSSARY.md#least-privilege): what this job needs, and nothing else. Do not guess:
# let an honest script train with a role as wide, and ask [CloudTrail](../labs/GLOSSARY.md#cloudtrail) what was
# done with it. That somebody reads an object is a *data event*. They are many and cost money, so only a trail that
# is told to records them, and writes them into a bucket within minutes
# ([CreateTrail](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html),
# [PutEventSelectors](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html),
# [StartLogging](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StartLogging.html)).

# %% tags=["nbval-ignore-output"]
from contextlib import suppress

from sagelab.lab import clock, least, trail

book, cloudtrail = security.bucket(lab, "trail"), lab.client("cloudtrail")
trail.admit(lab, book)
with suppress(cloudtrail.exceptions.TrailAlreadyExistsException):
    cloudtrail.create_trail(Name=lab.name, S3BucketName=book, TagsList=lab.tags)
data = {"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{vault}/"]}
selector = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [data]}
cloudtrail.put_event_selectors(TrailName=lab.name, EventSelectors=[selector])
cloudtrail.start_logging(Name=lab.name)
honest = security.role(lab, "honest", managed=["AmazonSageMakerFullAccess"])
job = security.train(lab, INSTANCE_TYPE, vault, honest, "train.py")
watch.follow(lab, "training job", job)
clock.speed_up(lab, 300)
records = trail.records(lab, book, until=lambda found: "PutObject" in {each["eventName"] for each in found})
clock.set_back(lab)
done = trail.table(records).replace({"about": {f"arn:aws:s3:::{vault}": ""}}, regex=True)
done[done["who"].str.startswith(f"{lab.name}-honest/")][["call", "about", "refused"]]

# %% [markdown]
# Each of these calls becomes a right, of whole folders where it was about files, for the next job has other ones.
# One thing no trail tells: that lines are written into a log. They need a right, too, on the same log group.
#
# <div class="alert alert-warning">
#
# **Trap.** A trail tells what was done, not what should be. Had the intruder been in that job, its thefts would be
# rights now. Read each line before you grant it.
#
# </div>
#
# Then IAM can be asked what a role may, before anything runs
# ([SimulatePrincipalPolicy](https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html)):
# the old role and the new one, side by side.

# %% tags=["nbval-ignore-output"]
needs = least.by_folder(least.of_events(records, honest))
streams = (each for each in needs if each.action == "logs:CreateLogStream")
needs += [least.Need("logs:PutLogEvents", each.resource) for each in streams]
rights = least.narrow(needs)
narrow = security.role(lab, "narrow", rights)
for right in rights:
    print(", ".join(right["Action"]), "on", ", ".join(right["Resource"]))
questions = [("s3:GetObject", f"arn:aws:s3:::{vault}/training/digits.npz")]
questions += [("s3:GetObject", f"arn:aws:s3:::{neighbours}/salaries.csv"), ("sagemaker:DeleteEndpoint", "*")]
questions += [("s3:PutObject", f"arn:aws:s3:::{vault}/{path}") for path in ("training/x", "models/model.tar.gz")]
table = security.simulate(lab, {"wide": wide, "narrow": narrow}, questions)
assert (table["narrow"] == ["allowed", "implicitDeny", "implicitDeny", "implicitDeny", "allowed"]).all()
table

# %% [markdown]
# Is it the least? IAM is asked again for every line that could go, and each right is left out for real: whatever
# still trains did not need it
# ([SimulateCustomPolicy](https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html)). Then
# the intruder tries again, under the whole of it.

# %% tags=["nbval-ignore-output"]
lines = least.breaks(lab, rights, needs)
assert (lines["refused"] != "").all()
print(f"{len(lines)} actions and resources: none can go, says IAM")
for right in rights:
    name = right["Action"][0].partition(":")[2]
    less = security.role(lab, f"no-{name}", [other for other in rights if other is not right])
    job = security.train(lab, INSTANCE_TYPE, vault, less, "train.py")
    try:
        watch.wait(lab, "training job", job)
        print(f"without {name}: it trains, and its log has {len(watch.events(lab, job))} lines")
    except watch.JobFailed as failed:
        print(f"without {name}: {intruder.brief(failed.reason)}")
left = ask("a narrow role", narrow)
assert not left & {"read_neighbours", "poison_data", "read_account"}
matrix.show()

# %% [markdown]
# Three rights break the job when they go. Without the fourth it trains, and nobody will ever know what it did: the
# role is as narrow as it can be. And three ways are closed, by nothing but a text. Three things a role can *not*
# do: it does not keep its keys from the code, for the code needs them; it closes no network; and it does not bind
# the intruder's own keys.
#
# ## 4. Look for personal data
#
# What is not there cannot be stolen. Before anybody trains on the letters, look what stands in them: Amazon
# Comprehend finds [personal data](../labs/GLOSSARY.md#personal-data) in a text
# ([DetectPiiEntities](https://docs.aws.amazon.com/comprehend/latest/APIReference/API_DetectPiiEntities.html)),
# with its place, so that it can be cut out. What a customer wanted is still said; who it was is not.
#
# <div class="alert alert-warning">
#
# **Trap.** A scan finds what looks like something. A card number has a check digit; the name *Mina* has none. What
# has to be safe is not kept safe by a scan alone.
#
# </div>

# %%
import pandas as pd

text, ask_pii = Path(SOURCE, "letters.csv").read_text(), lab.client("comprehend").detect_pii_entities
found = pd.DataFrame(ask_pii(Text=text, LanguageCode="en")["Entities"])
found["Text"] = [text[first:last] for first, last in zip(found["BeginOffset"], found["EndOffset"], strict=True)]
without = text
for row in found.sort_values("BeginOffset", ascending=False).itertuples():
    without = without[: row.BeginOffset] + f"[{row.Type}]" + without[row.EndOffset :]
s3.put_object(**letters, Body=without)
assert "4111" not in without
assert "@" not in without
print(without.splitlines()[1])
found[["Type", "Text", "Score"]].round(2)

# %% [markdown]
# ## 5. Encrypt what is stored
#
# S3 encrypts everything anyway, with keys of its own, and decrypts it for whoever may read: so the storekeeper
# reads. With a [key of KMS](../labs/GLOSSARY.md#kms-key) reading takes two rights, one on the object and one on
# the key ([CreateKey](https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html),
# [PutBucketEncryption](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html)). The same
# key goes to the job: for its model (`KmsKeyId`), and for the disk below `/opt/ml` and `/tmp` (`VolumeKmsKeyId`).
#
# <div class="alert alert-warning">
#
# **Trap.** A bucket's encryption is for *new* objects. What lies there already stays as it is until somebody
# copies it onto itself ([CopyObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html)).
#
# </div>

# %%
kms = lab.client("kms")
key = kms.create_key(Description=lab.name, Tags=security.kms_tags(lab))["KeyMetadata"]["Arn"]
rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
s3.put_bucket_encryption(Bucket=vault, ServerSideEncryptionConfiguration={"Rules": [rule]})
for each in s3.list_objects_v2(Bucket=vault)["Contents"]:
    s3.copy_object(Bucket=vault, Key=each["Key"], CopySource={"Bucket": vault, "Key": each["Key"]})
found = s3.get_object(**letters)
assert found["SSEKMSKeyId"] == key
print(found["ServerSideEncryption"])

# %% [markdown]
# The narrow role needs a line more, and the intruder gets its next chance. And when the key is switched off? Then
# nobody reads, not even who may do everything
# ([DisableKey](https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html),
# [EnableKey](https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html)). To throw a key away is the
# quickest way to delete a petabyte, and to lose one: KMS waits for 7 days at the least.

# %% tags=["nbval-ignore-output"]
rights.append(allow("kms:Decrypt kms:GenerateDataKey kms:DescribeKey kms:CreateGrant", key))
narrow = security.role(lab, "narrow", rights)
measures = {"key": key}
left = ask("a key of KMS", narrow, **measures)
assert "read_stored" not in left
print(matrix.rows["a key of KMS"]["read_stored"].said)
kms.disable_key(KeyId=key)
refused = intruder.attempt(lambda: s3.get_object(**letters))
kms.enable_key(KeyId=key)
assert not refused.open
print(refused.said)

# %% [markdown]
# ## 6. Move into a private network
#
# By default a job has a network of AWS's, with a way to the internet. With a `VpcConfig` it has a place in your
# own [VPC](../labs/GLOSSARY.md#vpc) instead, and reaches what that reaches. Here is one with two subnets in two
# zones, a [security group](../labs/GLOSSARY.md#security-group) that lets its own members in, and no way out at
# all ([CreateVpc](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html),
# [CreateSubnet](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html),
# [CreateSecurityGroup](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html)). A
# job that moves in needs rights for its network interfaces.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import vpc

interface = "ec2:CreateNetworkInterface ec2:CreateNetworkInterfacePermission ec2:DeleteNetworkInterface "
interface += "ec2:DeleteNetworkInterfacePermission ec2:DescribeNetworkInterfaces ec2:DescribeVpcs "
interface += "ec2:DescribeDhcpOptions ec2:DescribeSubnets ec2:DescribeSecurityGroups"
rights.append(allow(interface, "*"))
narrow = security.role(lab, "narrow", rights)
measures["VpcConfig"] = vpc.make(lab)
job = security.train(lab, INSTANCE_TYPE, vault, narrow, "probe.py", **measures)
try:
    watch.follow(lab, "training job", job)
    reason = "It found a way to S3."
except watch.JobFailed as failed:
    reason = failed.reason
assert "S3 VPC endpoint" in reason
print(reason)

# %% [markdown]
# The exam's favourite. Nothing is wrong with the role, the bucket or the script. S3 is not *in* your VPC, and
# there is no way to it, so SageMaker itself cannot fetch the data. The sentence names both ways out: a NAT
# device, which leads to the whole internet, or a [gateway endpoint](../labs/GLOSSARY.md#gateway-endpoint), which
# leads to S3 and nowhere else, and is free
# ([DescribeRouteTables](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRouteTables.html),
# [CreateVpcEndpoint](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html)).

# %% tags=["nbval-ignore-output"]
ec2 = lab.client("ec2")
gateway = ec2.create_vpc_endpoint(
    VpcId=vpc.of(lab, measures["VpcConfig"]),
    ServiceName=f"com.amazonaws.{lab.region}.s3",
    VpcEndpointType="Gateway",
    RouteTableIds=[vpc.main_table(lab, measures["VpcConfig"])],
    TagSpecifications=vpc.tagged(lab, "vpc-endpoint"),
)["VpcEndpoint"]["VpcEndpointId"]
left = ask("private VPC, S3 endpoint", narrow, **measures)
assert "reach_internet" not in left
matrix.reasons("private VPC, S3 endpoint")

# %% [markdown]
# It runs, without an internet. Yet one way is open that leads into the world: the intruder's own bucket is at S3,
# too, and the endpoint leads to *all* of S3. Its keys are its own, so no role of yours stands in its way.
#
# ## 7. Say what the endpoint is for
#
# An [endpoint policy](../labs/GLOSSARY.md#endpoint-policy) is judged beside the caller's own, whosever keys they
# are ([ModifyVpcEndpoint](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcEndpoint.html)). The
# one that every endpoint begins with allows all. This one leads to the vault.

# %% tags=["nbval-ignore-output"]
ours = [f"arn:aws:s3:::{vault}", f"arn:aws:s3:::{vault}/*"]
only = least.document([{**allow("s3:*", *ours), "Principal": "*"}])
ec2.modify_vpc_endpoint(VpcEndpointId=gateway, PolicyDocument=only)
left = ask("a policy of the endpoint", narrow, **measures)
assert "carry_out" not in left
print(intruder.brief(matrix.rows["a policy of the endpoint"]["carry_out"].said))

# %% [markdown]
# ## 8. Say how the vault may be asked
#
# The policies so far look at who asks. A [bucket policy](../labs/GLOSSARY.md#bucket-policy) can also look at how:
# over [TLS](../labs/GLOSSARY.md#tls) or not (`aws:SecureTransport`), and by which endpoint (`aws:SourceVpce`). A
# *Deny* counts, whatever else allows
# ([PutBucketPolicy](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html)). First TLS: AWS's
# libraries speak it anyway, so this is against the one program that does not. Then the place: whoever reads must
# come by the endpoint of step 6. Good keys alone are not enough any more.
#
# <div class="alert alert-warning">
#
# **Trap.** A Deny for all that does not come by the endpoint is for you, too, and for the console. Deny `s3:*`,
# and nobody outside of the VPC can take the policy away again. So here it denies reading alone.
#
# </div>
#
# And while we are at it, people: keys that last can be stolen, a telephone less easily. The colleague's right
# counts from now on only with a code of an [MFA](../labs/GLOSSARY.md#mfa) device
# ([PutUserPolicy](https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html),
# [EnableMFADevice](https://docs.aws.amazon.com/IAM/latest/APIReference/API_EnableMFADevice.html)), which
# [GetSessionToken](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html) turns into a
# session of an hour.

# %% tags=["nbval-ignore-output"]
deny = {"Effect": "Deny", "Principal": "*", "Resource": ours}
tls = {**deny, "Action": ["s3:GetObject", "s3:PutObject"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
s3.put_bucket_policy(Bucket=vault, Policy=least.document([tls]))
left = ask("TLS only", narrow, **measures)
assert "listen" not in left
print(intruder.brief(matrix.rows["TLS only"]["listen"].said))
place = {**deny, "Action": "s3:GetObject", "Condition": {"StringNotEquals": {"aws:SourceVpce": gateway}}}
s3.put_bucket_policy(Bucket=vault, Policy=least.document([tls, place]))
with_code = least.document([{**lists, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}])
lab.client("iam").put_user_policy(UserName=f"{lab.name}-colleague", PolicyName="work", PolicyDocument=with_code)
left = ask("this endpoint only; MFA", narrow, **measures)
assert not left & {"from_outside", "stolen"}
device, say_code = security.authenticator(lab, "colleague")
shown = colleague.client("sts").get_session_token(SerialNumber=device, TokenCode=say_code())
proven = security.session(lab, shown["Credentials"])
print(proven.client("s3").list_objects_v2(Bucket=vault)["KeyCount"], "objects, for who has the telephone")

# %% [markdown]
# ## 9. Cut the network
#
# What is left needs no network but the one that hands out keys: the intruder can take the role's keys, and might
# print them into the log. `EnableNetworkIsolation` takes the container's network away altogether, and the keys
# with it. SageMaker still brings the data in and the model out, from outside of the container.

# %% tags=["nbval-ignore-output"]
left = ask("network isolation", narrow, **measures, EnableNetworkIsolation=True)
assert not left
matrix.show()

# %% [markdown]
# Green. Read it by columns: each attempt has a measure that stops it, and most measures stop one thing. Isolation
# alone would have closed the first six; but it is not for a script that installs packages or asks other services,
# nor for a notebook. And it does nothing for what is outside of a job: the last four columns are the work of a
# key, of a bucket's policy and of a telephone.
#
# ## 10. Encrypt what hosts say to each other
#
# Two hosts that train one network send each other gradients, and between them nothing of the above counts: they
# are *inside*. `EnableInterContainerTrafficEncryption` encrypts that, too. The exam says that it may cost time.
# How much? `exchange.py` trains on two hosts, which send each other 4.8 MB after every batch, once without and
# once with it.
#
# <div class="alert alert-warning">
#
# **Trap.** In a VPC of your own the hosts agree on keys by UDP 500 and send ESP, protocol 50. A security group
# must let both in and out, from itself to itself, or the job never begins. The group of step 6 lets its members
# do all.
#
# </div>

# %% tags=["nbval-ignore-output"]
rows = {}
for said, encrypted in (("plain", False), ("encrypted", True)):
    more = {"EnableInterContainerTrafficEncryption": encrypted}
    job = security.train(lab, INSTANCE_TYPE, vault, narrow, "exchange.py", 2, **measures, **more)
    watch.follow(lab, "training job", job)
    epochs = [json.loads(each.message) for each in watch.events(lab, job) if each.message.startswith('{"epoch"')]
    rows[said] = pd.DataFrame(epochs).iloc[1:].mean()
table = pd.DataFrame(rows).T[["seconds", "exchange", "loss"]]
table.insert(2, "share", table["exchange"] / table["seconds"])
assert table["loss"].nunique() == 1, "encryption has changed what was learned"
table.round(3)

# %% [markdown]
# The same loss to the last digit; if anything changes it is the time, and most of that by chance: an `ml.m5.large`
# sends 0.75 Gbit/s for good, so the hosts wait for the network, encrypted or not. Where the network is faster than
# a processor encrypts, on large instances, the exchange itself takes longer. How much of an epoch is exchange:
# little for a tree or a linear model, much for a network that sends all its weights after every batch, as here.
#
# ## 11. Answer the exam's two questions
#
# *SageMaker runs in a VPC, and the internet access of notebooks is a security hole. What do you do?* Two notebook
# instances in the same subnet, with and without [direct internet
# access](../labs/GLOSSARY.md#direct-internet-access)
# ([CreateNotebookInstance](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateNotebookInstance.html)).
# `reach.py` asks from there
# ([CreatePresignedNotebookInstanceUrl](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedNotebookInstanceUrl.html))
# for the internet, S3, and SageMaker's API, without which nobody trains or deploys. Then the VPC gets the one
# answer of the exam, a [NAT gateway](../labs/GLOSSARY.md#nat-gateway) in a public subnet
# ([CreateInternetGateway](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html),
# [CreateNatGateway](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html)), and when
# that has gone the other, an [interface endpoint](../labs/GLOSSARY.md#interface-endpoint) for SageMaker's API.

# %% tags=["nbval-ignore-output"]
names = [security.notebook(lab, NOTEBOOK_TYPE, measures["VpcConfig"], each) for each in ("Enabled", "Disabled")]
for name in names:
    watch.follow(lab, "notebook instance", name)
code = Path(SOURCE, "reach.py").read_text() + f"\nreach({lab.region!r}, {vault!r}, {PAGE!r})\n"
reached = {"direct internet": intruder.on_notebook(lab, names[0], code)}
reached["none"] = intruder.on_notebook(lab, names[1], code)
with vpc.nat_gateway(lab, measures["VpcConfig"]):
    reached["none, a NAT gateway"] = intruder.on_notebook(lab, names[1], code)
vpc.endpoint(lab, measures["VpcConfig"], "sagemaker.api")
reached["none, an interface endpoint"] = intruder.on_notebook(lab, names[1], code)
assert [each["SageMaker"] for each in reached.values()] == ["yes", "no", "yes", "yes"]
pd.DataFrame(reached).T

# %% [markdown]
# The exam's two questions in four rows. Without direct internet access a notebook reaches the vault, by the
# endpoint of step 6, but can neither train nor deploy. Behind a NAT gateway it reaches everything, outwards only:
# that closes the hole for who comes from outside. With an interface endpoint (*PrivateLink*) it reaches the
# service and no internet at all: that closes it for who wants out, too. In either case the security group must
# let the way out.
#
# ## 12. Ask who did what
#
# Even where there is no trail, CloudTrail keeps every call that is no data event for 90 days, whether it was let
# in or not ([LookupEvents](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html)).
# Here is the intruder's attempt to list what others train, seen from the other side. And the trail of step 3 goes
# on writing files into its bucket. [Athena](../labs/GLOSSARY.md#athena) asks them in SQL, where they lie
# ([StartQueryExecution](https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html)):
# which calls came to nothing, of which role, and how often?

# %% tags=["nbval-ignore-output"]
from sagelab.lab import athena

seen = trail.history(lab, "EventName", "ListTrainingJobs", at_least=2)
seen = seen[seen["who"].str.startswith(f"{lab.name}-")][["who", "call", "refused"]]
assert set(seen["refused"]) >= {"", "AccessDenied"}
print(seen.drop_duplicates().to_string(index=False))
clock.speed_up(lab, 300)
trail.records(lab, book, until=lambda found: "AccessDenied" in {each.get("errorCode") for each in found})
clock.set_back(lab)
question = """SELECT split_part(useridentity.arn, '/', 2) AS role, eventname AS call,
       count(*) AS calls, count(errorcode) AS refused
FROM trail WHERE useridentity.type = 'AssumedRole' AND eventsource <> 'logs.amazonaws.com'
GROUP BY 1, 2 HAVING count(errorcode) > 0 ORDER BY refused DESC, calls DESC LIMIT 10"""
refused = athena.ask_trail(lab, book, question)
assert (refused["refused"] > 0).all()
refused

# %% [markdown]
# The trail knows the role, and that from the second time on it was refused. A query is priced by what it reads,
# 10 MB at the least: an audit is cheap, and cheaper still where the table knows folders by date.
#
# ## 13. Clean up
#
# An interface endpoint costs by the hour, a key by the month; both are forgotten easily.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in [*cleanup.clean(lab), *security.remove(lab)]:
    print(sentence)
assert not security.left(lab)
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - An intruder in a container is your code: it has the role's rights, its keys, and the network that you gave it.
# - A narrow role, a private network, an endpoint's policy and a bucket's policy each stop something that the
#   others let through. Isolation stops the most, and suits the fewest jobs.
# - A job in a private network needs a way to S3: a gateway endpoint, or a NAT device. A notebook needs the APIs,
#   too: interface endpoints, or a NAT device.
# - A key of KMS makes reading need two rights, and makes data unreadable at once. A bucket's policy can ask for
# TLS   and for a place, an IAM policy for a telephone.
# - Encryption between hosts changes no result. What it costs is a share of the exchange, and you can measure it.
#
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 7](07-operate-an-endpoint.ipynb) operates an endpoint: load, scaling, a zone that goes.
