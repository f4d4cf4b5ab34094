"""Hosts of TensorFlow's image that train together: what each is told, and that their gradients meet."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import pytest

from sagelab.algorithms.distribution import MIRRORED, SERVERS, mirrored, servers
from sagelab.cloud.engine.jobs.distribution import is_on, unknown
from tests.cloud.jobs import Jobs

TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
HOSTS = ["algo-1", "algo-2", "algo-3"]
# Each host sees one row of two: what both come to is what one host comes to with both.
MIRROR = """
import os
import numpy as np, tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    weight = tf.Variable(0.0)
rank = int(os.environ["SM_CURRENT_HOST"][-1])
@tf.function
def step():
    def replica():
        context = tf.distribute.get_replica_context()
        gradient = tf.constant(float(rank))
        weight.assign_sub(context.all_reduce("sum", gradient))
    strategy.run(replica)
step()
print("replicas", strategy.num_replicas_in_sync, "weight", weight.numpy())
"""
SERVE = """
import json, os, time
import tensorflow as tf
v1 = tf.compat.v1
v1.disable_eager_execution()
config = json.loads(os.environ["TF_CONFIG"])
kind, index = config["task"]["type"], config["task"]["index"]
cluster = tf.train.ClusterSpec(config["cluster"])
server = tf.distribute.Server(cluster, job_name=kind, task_index=index)
worker = f"/job:{kind}/task:{index}"
with v1.device(v1.train.replica_device_setter(worker_device=worker, cluster=cluster)):
    total = v1.get_variable("total", [], initializer=v1.zeros_initializer(), use_resource=True)
    add = total.assign_add(10.0 if kind == "master" else 1.0)
    seen = total.assign_add(100.0)
with v1.train.MonitoredTrainingSession(server.target, is_chief=kind == "master") as session:
    session.run(add)
    while session.run(total) < 11:
        time.sleep(0.05)
    print("total", session.run(total) % 100, total.device)
    if kind == "worker":
        session.run(seen)
    while kind == "master" and session.run(total) < 111:
        time.sleep(0.05)
"""


@pytest.mark.slow  # two hosts with TensorFlow
@pytest.mark.parametrize(
    ("setting", "script", "said"),
    [
        (MIRRORED, MIRROR, "replicas 2 weight -3.0"),
        (SERVERS, SERVE, "total 11.0 /job:ps/task:0"),
    ],
)
def test_two_hosts_train_together(jobs: Jobs, setting: str, script: str, said: str) -> None:
    request = jobs.script(script, ResourceConfig=TWO, parameters={setting: "true"})
    ended = jobs.run(request)
    logs = [jobs.log(request["TrainingJobName"], host) for host in HOSTS[:2]]
    assert ended["TrainingJobStatus"] == "Completed", logs
    assert [said in log for log in logs] == [True, True], logs


def test_workers_that_mirror_are_all_alike() -> None:
    found = mirrored(HOSTS, "algo-2")
    assert found["cluster"] == {"worker": ["algo-1:8890", "algo-2:8891", "algo-3:8892"]}
    assert found["task"] == {"index": 1, "type": "worker"}


def test_first_host_is_the_master_of_parameter_servers() -> None:
    found = servers(HOSTS, "algo-1")
    assert found["cluster"] == {
        "master": ["algo-1:2222"],
        "worker": ["algo-2:2224", "algo-3:2226"],
        "ps": ["algo-1:2223", "algo-2:2225", "algo-3:2227"],
    }
    assert [servers(HOSTS, host)["task"] for host in HOSTS] == [
        {"index": 0, "type": "master"},
        {"index": 0, "type": "worker"},
        {"index": 1, "type": "worker"},
    ]


@pytest.mark.parametrize(("value", "on"), [("true", True), ("True", True), ("false", False), ("0", False)])
def test_settings_are_read_as_the_toolkit_reads_them(value: str, on: bool) -> None:
    assert is_on({MIRRORED: value}, MIRRORED) is on


def test_a_setting_that_is_none_is_said() -> None:
    sent = {MIRRORED: "true", "sagemaker_horovod_enabled": "true", "sagemaker_other_enabled": "false"}
    assert unknown(sent) == ["sagemaker_horovod_enabled"]


def test_what_needs_gpus_is_refused(jobs: Jobs) -> None:
    parameters: dict[str, Any] = {"sagemaker_distributed_dataparallel_enabled": json.dumps(True)}
    with pytest.raises(botocore.exceptions.ClientError, match="no GPUs, and so not SageMaker's library"):
        jobs.sagemaker.create_training_job(**jobs.script("", parameters=parameters))


def test_mpi_is_refused_with_what_trains_instead_but_a_job_may_bring_its_own(jobs: Jobs) -> None:
    request = jobs.script("", parameters={"sagemaker_mpi_enabled": "true"})
    with pytest.raises(
        botocore.exceptions.ClientError, match=r"no MPI.* no Horovod.*multi_worker_mirrored_strategy"
    ):
        jobs.sagemaker.create_training_job(**request)
    request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["true"]
    assert jobs.run(request)["TrainingJobStatus"] == "Completed"
    off = jobs.script("", parameters={"sagemaker_mpi_enabled": "false"})
    assert jobs.run(off)["TrainingJobStatus"] == "Completed"
