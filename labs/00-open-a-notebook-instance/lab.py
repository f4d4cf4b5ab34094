# %% [markdown]
# # Open a notebook instance
#
# **What you'll do.** Create a SageMaker [notebook instance](../labs/GLOSSARY.md#notebook-instance) with a
# [lifecycle configuration](../labs/GLOSSARY.md#lifecycle-configuration), open its
# [JupyterLab](../labs/GLOSSARY.md#jupyterlab), run a cell in it, stop it, start it again, and delete it.
#
# **What you'll learn.**
# - what a notebook instance is made of: an instance, a volume, a role, scripts;
# - what stays when it stops, and what does not;
# - how a presigned address opens it, and for whom;
# - what it costs, also when nobody looks at it.
#
# **What you'll need.**
# - **Before:** nothing. This is the first lab.
# - **Here:** about 2 minutes on a laptop.
# - **On AWS:** about 15 minutes and $0.02, for an `ml.t3.medium`.
#
# The [walkthrough](../labs/00-open-a-notebook-instance/README.md) says at each step what AWS's console shows,
# and the [glossary](../labs/GLOSSARY.md) explains each word. The numbers in the picture are the steps below.
#
# ![The notebook asks SageMaker for a notebook instance. SageMaker starts it with a lifecycle configuration and
# a volume that outlives it. The script's log goes to CloudWatch. The notebook asks for a presigned address,
# opens JupyterLab on the instance by it, and runs a cell
# there.](../labs/00-open-a-notebook-instance/diagram.svg)

# %% [markdown]
# The knobs of this lab. `OPEN` opens JupyterLab in your browser as well; the lab itself needs no window.

# %% tags=["parameters"]
INSTANCE_TYPE = "ml.t3.medium"
OPEN = False

# %% [markdown]
# ## 1. Connect to AWS
#
# `connect` finds the [local cloud](../labs/GLOSSARY.md#local-cloud) on this machine, or your own account when
# `SAGELAB_TARGET=aws`, and shows what you will work with: a region, an [execution
# role](../labs/GLOSSARY.md#execution-role), and a place in [S3](../labs/GLOSSARY.md#s3) where the lab keeps its
# files. Each lab begins with this cell, and each can be run again from here: when a kernel was restarted or an
# answer looks odd, choose *Kernel > Restart Kernel and Run All Cells*.

# %%
import sagelab

lab = sagelab.connect("notebook-instance")
lab

# %% [markdown]
# ## 2. Write a lifecycle configuration
#
# A notebook instance can run two shell scripts of yours: `OnCreate` once, when it is created, and `OnStart` at
# every start. They run as root with the rights of the instance's role, and have five minutes each. What you
# install by hand on an instance is gone when it stops. So what every start needs belongs into `OnStart`, and
# what fills the [volume](../labs/GLOSSARY.md#volume) into `OnCreate`.
#
# This one writes a line into the folder that JupyterLab will show, as the user that JupyterLab runs as.
#
# <div class="alert alert-warning">
#
# **Trap.** A script that downloads a large data set takes longer than five minutes, and the instance ends as
# *Failed*. Let such a script start its work in the background, `nohup ... &`, and end at once.
#
# </div>

# %%
script = """#!/bin/bash
set -e
echo "OnStart runs as $(whoami)"
sudo -u ec2-user -i <<'EOF'
echo "started" >> ~/SageMaker/starts.txt
EOF
"""

# %% [markdown]
# [CreateNotebookInstanceLifecycleConfig](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateNotebookInstanceLifecycleConfig.html)
# takes a script as base64, and only keeps it: nothing runs. The [tag](../labs/GLOSSARY.md#tag) marks what this
# lab made, so that the clean-up at the end finds it. The name is a fresh one each time, and so the cell can run
# again.

# %%
import base64

from sagemaker.core.resources import NotebookInstanceLifecycleConfig
from sagemaker.core.shapes import NotebookInstanceLifecycleHook, Tag

tags = [Tag(key=tag["Key"], value=tag["Value"]) for tag in lab.tags]
hook = NotebookInstanceLifecycleHook(content=base64.b64encode(script.encode()).decode())
config = lab.fresh_name("scripts")
NotebookInstanceLifecycleConfig.create(notebook_instance_lifecycle_config_name=config, on_start=[hook], tags=tags)
print("The configuration is kept. Nothing has run.")

# %% [markdown]
# ## 3. Create the instance
#
# An instance type, a role, a volume, and the name of the configuration
# ([CreateNotebookInstance](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateNotebookInstance.html)).
# The role is what code in the notebooks will be allowed to do; no access key is ever typed into a notebook.
# Whoever may open the instance may do what the role may do: two people who must not see each other's data need
# two instances.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.resources import NotebookInstance

name = lab.fresh_name("instance")
instance = NotebookInstance.create(
    notebook_instance_name=name,
    instance_type=INSTANCE_TYPE,
    role_arn=lab.role,
    lifecycle_config_name=config,
    volume_size_in_gb=5,
    tags=tags,
)
print(instance.notebook_instance_arn)

# %% [markdown]
# It is *Pending* while the instance starts and the scripts run, and *InService* once JupyterLab answers. One
# line follows it there, seconds here and minutes on AWS, by asking again and again
# ([DescribeNotebookInstance](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeNotebookInstance.html)).

# %% tags=["nbval-ignore-output"]
from sagelab.lab import watch

found = watch.follow(lab, "notebook instance", name)

# %% [markdown]
# What the description says now, as far as you did not choose it yourself. By default an instance reaches the
# internet, and its user may become root. Both are questions of the exam: exercise 2 cuts the internet.

# %%
for fact in ("NotebookInstanceStatus", "DirectInternetAccess", "RootAccess", "PlatformIdentifier"):
    print(f"{fact:24}", found[fact])

# %% [markdown]
# ## 4. Read what the script said
#
# What a lifecycle script prints goes to [CloudWatch](../labs/GLOSSARY.md#cloudwatch) Logs
# ([GetLogEvents](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html)),
# into a stream that is called after the instance and the script. A script that ends with an error, or takes
# longer than five minutes, leaves the instance *Failed*, and this log is where you find out why.

# %%
log = lab.client("logs").get_log_events(
    logGroupName="/aws/sagemaker/NotebookInstances",
    logStreamName=f"{name}/LifecycleConfigOnStart",
    startFromHead=True,
)
lines = [event["message"] for event in log["events"]]
assert lines, "the script said nothing"
lines

# %% [markdown]
# ## 5. Open JupyterLab
#
# JupyterLab on an instance knows no users and no passwords. Who may call
# [CreatePresignedNotebookInstanceUrl](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedNotebookInstanceUrl.html)
# gets an address that opens it, a [presigned URL](../labs/GLOSSARY.md#presigned-url). It is valid for five
# minutes; the session that it begins lasts up to twelve hours.
#
# <div class="alert alert-warning">
#
# **Trap.** The part after `authToken=` is a secret: who has the address within those five minutes *is* you. It
# does not belong into a chat, a ticket or the saved output of a notebook. So it is not shown here; look at
# `address` in a cell of your own, and open it.
#
# </div>

# %% tags=["nbval-ignore-output"]
import webbrowser

answer = lab.client("sagemaker").create_presigned_notebook_instance_url(
    NotebookInstanceName=name, SessionExpirationDurationInSeconds=1800
)
address = answer["AuthorizedUrl"]
print(address.partition("=")[0] + "=...")
if OPEN:
    webbrowser.open(address)

# %% [markdown]
# Behind the page is Jupyter's API, and a program can use it as the page does. These are the files on the
# instance's volume: the labs (on AWS your volume begins empty), and the one that the script wrote.

# %% tags=["nbval-ignore-output"]
from sagelab.lab.jupyter import Jupyter

jupyter = Jupyter(address)
assert "starts.txt" in jupyter.files(), "the script's file is not on the volume"
jupyter.files()

# %% [markdown]
# ## 6. Run a cell on the instance
#
# The code below does not run here: it goes over a web socket to a [kernel](../labs/GLOSSARY.md#kernel) on the
# instance, and what it prints comes back. On the instance you are the role, by keys that are renewed without
# you. Two files are written, one on the volume and one beside it; remember them.

# %%
print(
    jupyter.run("""
import boto3

print(boto3.client("sts").get_caller_identity()["Arn"].split(":")[-1])
open("kept.txt", "w").write("on the volume")
open("/home/ec2-user/lost.txt", "w").write("beside the volume")
""")
)

# %% [markdown]
# ## 7. Stop it
#
# A notebook instance costs money for as long as it is *InService*, whether anyone looks at it or not. *Stopped*
# ([StopNotebookInstance](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopNotebookInstance.html)),
# it costs its volume only. While it is in service it can neither be changed nor deleted.

# %% tags=["nbval-ignore-output"]
instance.stop()
found = watch.follow(lab, "notebook instance", name)
assert found["NotebookInstanceStatus"] == "Stopped"

# %% [markdown]
# ## 8. Start it again
#
# `OnStart` runs again, `OnCreate` would not
# ([StartNotebookInstance](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StartNotebookInstance.html)).
# The instance is a new one, with the old volume.

# %% tags=["nbval-ignore-output"]
instance.start()
found = watch.follow(lab, "notebook instance", name)
assert found["NotebookInstanceStatus"] == "InService"

# %% [markdown]
# Which of the two files is still there? Guess before you run the cell. Only `/home/ec2-user/SageMaker` is the
# volume; everything else on the instance, packages too that you installed by hand, begins anew. That is what
# lifecycle scripts are for.

# %%
answer = lab.client("sagemaker").create_presigned_notebook_instance_url(NotebookInstanceName=name)
jupyter = Jupyter(answer["AuthorizedUrl"])
print(
    jupyter.run("""
from pathlib import Path

assert Path("kept.txt").exists(), "a file on the volume is gone"
assert not Path("/home/ec2-user/lost.txt").exists(), "a file beside the volume has stayed"
print("kept.txt is there, lost.txt is gone")
print("starts:", len(Path("starts.txt").read_text().splitlines()))
""")
)

# %% [markdown]
# ## 9. What it costs
#
# The instance by the second, the volume by the month. A forgotten notebook instance is the classic of
# surprising bills: here is an hour of it, and a month. What helps is no discipline but a script: exercise 3
# stops an instance that is idle, and on AWS such a check is a lifecycle configuration.

# %%
from sagelab.lab import costs

for hours in (1, 30 * 24):
    print(costs.estimate(INSTANCE_TYPE, hours * 3600, plane="notebook"))

# %% [markdown]
# ## 10. Clean up
#
# An instance is deleted once it is stopped, and its volume with it. The last line proves it: nothing of this
# lab runs, and no file is stored.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A notebook instance is an instance, a volume that outlives it, a role, and scripts at its start.
# - Only `/home/ec2-user/SageMaker` stays over a stop.
# - A presigned address is the key to it: valid for five minutes, and IAM says who gets one.
# - *InService* costs, *Stopped* hardly does.

# %% [markdown]
# ## Exercises
#
# <!-- exercises.md -->
#
# ## Next
#
# [Lab 1](01-train-a-digit-classifier.ipynb) trains a network, from a notebook like this one.
