# %% [markdown]
# # Open a notebook instance
#
# **What you'll do.** Create a SageMaker notebook instance with a lifecycle configuration, open its JupyterLab,
# run a cell in it, stop it, start it again, and delete it.
#
# **What you'll learn.**
# - what a notebook instance is made of: an instance, a volume, a role, scripts;
# - what stays when it stops, and what does not;
# - how a presigned address opens it, and for whom.
#
# **What you'll need.** About 2 minutes on a laptop. On AWS about 15 minutes and a cent, for an `ml.t3.medium`.
# The [walkthrough](../labs/00-open-a-notebook-instance/README.md) says at each step what AWS's console shows.

# %% [markdown]
# The knobs of this lab. `OPEN` opens JupyterLab in your browser as well; the lab itself needs no window.

# %% tags=["parameters"]
INSTANCE_TYPE = "ml.t3.medium"
OPEN = False

# %% [markdown]
# ## 1. Connect to AWS
#
# `connect` finds the local cloud on this machine, or your own account when `SAGELAB_TARGET=aws`.

# %%
import sagelab

lab = sagelab.connect("notebook-instance")
lab

# %% [markdown]
# ## 2. Write a lifecycle configuration
#
# A notebook instance can run two shell scripts of yours: `OnCreate` once, when it is created, and `OnStart` at
# every start. They run as root with the rights of the instance's role, and have five minutes each.
#
# This one writes a line into the folder that JupyterLab will show, as the user that JupyterLab runs as.

# %%
script = """#!/bin/bash
set -e
echo "OnStart runs as $(whoami)"
sudo -u ec2-user -i <<'EOF'
echo "started" >> ~/SageMaker/starts.txt
EOF
"""

# %% [markdown]
# The API takes a script as base64.

# %%
import base64

from sagemaker.core.resources import NotebookInstanceLifecycleConfig
from sagemaker.core.shapes import NotebookInstanceLifecycleHook, Tag

tags = [Tag(key=tag["Key"], value=tag["Value"]) for tag in lab.tags]
name = f"{lab.name}-{lab.started:%H%M%S}"
hook = NotebookInstanceLifecycleHook(content=base64.b64encode(script.encode()).decode())
config = NotebookInstanceLifecycleConfig.create(
    notebook_instance_lifecycle_config_name=name, on_start=[hook], tags=tags
)

# %% [markdown]
# ## 3. Create the instance
#
# An instance type, a role, and the name of the configuration. The role is what code in the notebooks will be
# allowed to do; no access key is ever typed into a notebook.

# %% tags=["nbval-ignore-output"]
from sagemaker.core.resources import NotebookInstance

instance = NotebookInstance.create(
    notebook_instance_name=name,
    instance_type=INSTANCE_TYPE,
    role_arn=lab.role,
    lifecycle_config_name=name,
    volume_size_in_gb=5,
    tags=tags,
)
print(instance.notebook_instance_arn)

# %% [markdown]
# It is *Pending* while the instance starts and the scripts run, and *InService* once JupyterLab answers.

# %%
from sagelab.lab import instances

instances.wait(lab, name)

# %% [markdown]
# What `DescribeNotebookInstance` says now, as far as you did not choose it yourself.

# %%
instance.refresh()
for fact in ("notebook_instance_status", "direct_internet_access", "root_access", "platform_identifier"):
    print(f"{fact:26}", getattr(instance, fact))

# %% [markdown]
# ## 4. Read what the script said
#
# What a lifecycle script prints goes to CloudWatch Logs. A script that ends with an error, or takes longer than
# five minutes, leaves the instance *Failed*, and this log is where you find out why.

# %%
log = lab.client("logs").get_log_events(
    logGroupName="/aws/sagemaker/NotebookInstances",
    logStreamName=f"{name}/LifecycleConfigOnStart",
    startFromHead=True,
)
[event["message"] for event in log["events"]]

# %% [markdown]
# ## 5. Open JupyterLab
#
# Who may call `CreatePresignedNotebookInstanceUrl` gets an address that opens JupyterLab without a password. It is
# valid for five minutes; the session that it begins lasts up to twelve hours. The part after `authToken=` is a
# secret, so it is not shown here: look at `address` in a cell of your own, and open it.

# %% tags=["nbval-ignore-output"]
answer = lab.client("sagemaker").create_presigned_notebook_instance_url(
    NotebookInstanceName=name, SessionExpirationDurationInSeconds=1800
)
address = answer["AuthorizedUrl"]
print(address.partition("=")[0] + "=...")

# %%
import webbrowser

if OPEN:
    webbrowser.open(address)

# %% [markdown]
# Behind the page is Jupyter's API, and a program can use it as the page does. These are the files on the
# instance's volume: the labs (on AWS your volume begins empty), and the one that the script wrote.

# %% tags=["nbval-ignore-output"]
from sagelab.lab.jupyter import Jupyter

jupyter = Jupyter(address)
jupyter.files()

# %%
assert "starts.txt" in jupyter.files()
print("The script's file is on the volume.")

# %% [markdown]
# ## 6. Run a cell on the instance
#
# The code below does not run here: it goes over a web socket to a kernel on the instance, and what it prints comes
# back. On the instance you are the role, by keys that are renewed without you.

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
# A notebook instance costs money for as long as it is *InService*, whether anyone looks at it or not. *Stopped*,
# it costs its volume only.

# %%
instance.stop()
instances.wait(lab, name)

# %% [markdown]
# ## 8. Start it again
#
# `OnStart` runs again, `OnCreate` would not. The instance is a new one, with the old volume.

# %%
instance.start()
instances.wait(lab, name)

# %% [markdown]
# Which of the two files is still there? Only `/home/ec2-user/SageMaker` is the volume; everything else on the
# instance, packages too that you installed by hand, begins anew. That is what lifecycle scripts are for.

# %%
answer = lab.client("sagemaker").create_presigned_notebook_instance_url(NotebookInstanceName=name)
jupyter = Jupyter(answer["AuthorizedUrl"])
print(
    jupyter.run("""
from pathlib import Path

print("kept.txt", Path("kept.txt").exists())
print("lost.txt", Path("/home/ec2-user/lost.txt").exists())
print("starts:", len(Path("starts.txt").read_text().splitlines()))
""")
)

# %% [markdown]
# ## 9. What it costs
#
# The instance by the second, the volume by the month. A forgotten notebook instance is the classic of surprising
# bills: here is an hour of it, and a month.

# %%
from sagelab.lab import costs

for hours in (1, 30 * 24):
    print(costs.estimate(INSTANCE_TYPE, hours * 3600, plane="notebook"))

# %% [markdown]
# ## 10. Clean up
#
# An instance is deleted once it is stopped, and its volume with it.

# %% tags=["nbval-ignore-output"]
from sagelab.lab import cleanup

for sentence in cleanup.clean(lab):
    print(sentence)

# %% [markdown]
# Prove it: nothing of this lab runs, and no file is stored.

# %%
cleanup.assert_clean(lab)

# %% [markdown]
# ## What you learned
#
# - A notebook instance is an instance, a volume that outlives it, a role, and scripts at its start.
# - Only `/home/ec2-user/SageMaker` stays over a stop.
# - A presigned address is the key to it: valid for five minutes, and IAM says who gets one.
# - *InService* costs, *Stopped* hardly does.
#
# ## Exercises
#
# Break a script, cut the internet, stop an idle instance: see
# [exercises](../labs/00-open-a-notebook-instance/exercises.md), with solutions.
#
# ## Next
#
# Lab 1 trains a network, from a notebook like this one.
