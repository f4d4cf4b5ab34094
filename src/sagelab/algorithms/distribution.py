"""What TensorFlow's image runs where a job asks for a `distribution`: every host is told of all by TF_CONFIG.

SageMaker's toolkit calls `train` in place of running the script itself. Addresses are those of AWS's image, but
for the ports: where no networks can be joined the hosts share one, so each has ports of its own.
https://github.com/aws/sagemaker-tensorflow-training-toolkit (src/sagemaker_tensorflow_container/training.py)
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import time
from contextlib import suppress
from typing import Any

MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"
SERVERS = "sagemaker_parameter_server_enabled"
MIRRORED_PORT, WORKER_PORT, SERVER_PORT = 8890, 2222, 2223
PAUSE = 0.5  # seconds between two looks for the first host

Config = dict[str, Any]


def train() -> None:
    """Run the script of this host, and beside it what its distribution needs. Errors are the toolkit's."""
    from sagemaker_training import entry_point, environment

    env = environment.Environment()
    served = len(env.hosts) > 1 and env.additional_framework_parameters.get(SERVERS, False)
    config = servers(env.hosts, env.current_host) if served else mirrored(env.hosts, env.current_host)
    if served:
        _start_server(config["cluster"], env.hosts.index(env.current_host))
    variables = env.to_env_vars() | {"TF_CONFIG": json.dumps(config)}
    entry_point.run(env.module_dir, env.user_entry_point, env.to_cmd_args(), variables)
    if served and env.current_host != env.hosts[0]:
        _wait_for_end_of(env.hosts[0])


def mirrored(hosts: list[str], host: str) -> Config:
    """TF_CONFIG of one host for MultiWorkerMirroredStrategy: all are workers."""
    return {
        "cluster": {"worker": [f"{name}:{MIRRORED_PORT + number}" for number, name in enumerate(hosts)]},
        "environment": "cloud",
        "task": {"index": hosts.index(host), "type": "worker"},
    }


def servers(hosts: list[str], host: str) -> Config:
    """TF_CONFIG of one of several hosts with parameter servers: one on each, the first host is the master."""
    workers = [f"{name}:{WORKER_PORT + 2 * number}" for number, name in enumerate(hosts)]
    stores = [f"{name}:{SERVER_PORT + 2 * number}" for number, name in enumerate(hosts)]
    number = hosts.index(host)
    return {
        "cluster": {"master": workers[:1], "ps": stores, "worker": workers[1:]},
        "environment": "cloud",
        "task": {"index": number - 1, "type": "worker"} if number else {"index": 0, "type": "master"},
    }


def _start_server(cluster: dict[str, list[str]], number: int) -> None:
    """The parameter server of this host, which ends with it."""
    print("Launching parameter server process", flush=True)
    context = multiprocessing.get_context("fork")
    context.Process(target=_serve, args=(cluster, number), daemon=True).start()


def _serve(cluster: dict[str, list[str]], number: int) -> None:
    import tensorflow

    spec = tensorflow.train.ClusterSpec(cluster)
    tensorflow.distribute.Server(spec, job_name="ps", task_index=number).join()


def _wait_for_end_of(master: str) -> None:
    """The server of this host is needed as long as the master trains."""
    with suppress(OSError):
        while True:
            socket.create_connection((master, WORKER_PORT), 10).close()
            time.sleep(PAUSE)
