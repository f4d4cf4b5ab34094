"""A training job's life, seen by its owner: what it finds, what it leaves, how it ends."""

from __future__ import annotations

import json
from typing import Any

import boto3
import botocore.exceptions
import pytest

from sagelab.cloud.engine.sandbox import tunnels
from tests.cloud.jobs import GROUP, IMAGE, Jobs
from tests.waiting import until

SMALL_NETWORK = """
import argparse, json, os
import keras
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
arguments, _ = parser.parse_known_args()
network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
network.compile("sgd", "mse")
history = network.fit(np.ones((32, 4)), np.ones((32, 1)), epochs=arguments.epochs, verbose=0)
print(f"loss: {history.history['loss'][-1]:.4f}")
network.export(os.path.join(arguments.model_dir, "1"), verbose=False)
"""

TALK = """
import json, os, socket

here = json.load(open("/opt/ml/input/config/resourceconfig.json"))
files = os.listdir("/opt/ml/input/data/training")
print("I am", here["current_host"], "of", here["hosts"], "with", len(files), "files")
if here["current_host"] == "algo-2":
    with socket.create_server(("algo-2", 7777)) as server:
        print("heard", server.accept()[0].recv(9).decode())
while here["current_host"] == "algo-1":
    try:
        socket.create_connection(("algo-2", 7777)).send(b"hello")
        break
    except ConnectionRefusedError:
        pass
"""


def statuses(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]


def test_keras_script_trains_and_leaves_its_model_and_metric(jobs: Jobs) -> None:
    definitions = [{"Name": "loss", "Regex": r"loss: ([0-9\.]+)"}]
    request = jobs.script(SMALL_NETWORK, parameters={"epochs": "3"})
    request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert [metric["MetricName"] for metric in job["FinalMetricDataList"]] == ["loss"]
    assert "1/saved_model.pb" in jobs.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])
    times = [transition["StartTime"] for transition in job["SecondaryStatusTransitions"]]
    assert times == sorted(times)
    assert job["TrainingStartTime"] <= job["TrainingEndTime"]


def test_job_of_another_region_writes_its_log_and_metrics_there(jobs: Jobs) -> None:
    ireland, virginia = (
        {name: jobs.cloud.client(name, region_name=region) for name in ("sagemaker", "logs", "cloudwatch")}
        for region in ("eu-west-1", "us-east-1")
    )
    algorithm = {
        "TrainingImage": IMAGE.replace("us-east-1", "eu-west-1"),
        "MetricDefinitions": [{"Name": "abroad", "Regex": r"abroad: ([0-9\.]+)"}],
    }
    request = jobs.shell("echo 'abroad: 0.25'", algorithm=algorithm)
    name = request["TrainingJobName"]
    ireland["sagemaker"].create_training_job(**request)
    job = until(
        lambda: ireland["sagemaker"].describe_training_job(TrainingJobName=name),
        lambda found: found["TrainingJobStatus"] not in ("InProgress", "Stopping"),
    )
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert (
        len(ireland["logs"].describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=name)["logStreams"]) == 1
    )
    assert ireland["cloudwatch"].list_metrics(MetricName="abroad")["Metrics"]
    assert virginia["cloudwatch"].list_metrics(MetricName="abroad")["Metrics"] == []
    assert jobs.log(name) == ""


def test_metric_of_a_job_is_in_cloudwatch(jobs: Jobs) -> None:
    definitions = [{"Name": "val_acc", "Regex": r"val_acc: ([0-9\.]+)"}]
    job = jobs.run(
        jobs.shell("echo 'val_acc: 0.25'; echo 'val_acc: 0.75'", algorithm={"MetricDefinitions": definitions})
    )
    assert job["FinalMetricDataList"][0]["Value"] == pytest.approx(0.75)
    cloudwatch = jobs.cloud.client("cloudwatch")
    found = cloudwatch.get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName="val_acc",
        Dimensions=[{"Name": "TrainingJobName", "Value": job["TrainingJobName"]}],
        StartTime=job["CreationTime"].timestamp() - 60,
        EndTime=job["TrainingEndTime"].timestamp() + 60,
        Period=3600,
        Statistics=["Minimum", "Maximum"],
    )["Datapoints"]
    assert min(point["Minimum"] for point in found) == pytest.approx(0.25)
    assert max(point["Maximum"] for point in found) == pytest.approx(0.75)


def test_metric_that_is_not_a_number_is_left_out_and_the_job_goes_on(jobs: Jobs) -> None:
    definitions = [{"Name": "loss", "Regex": "loss: (.*)"}, {"Name": "never", "Regex": "never: (.*)"}]
    lines = "echo 'loss: 0.5'; echo 'loss: nan'; echo 'never: -inf'; sleep 1; echo still here"
    job = jobs.run(jobs.shell(lines, algorithm={"MetricDefinitions": definitions}))
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert "still here" in jobs.log(job["TrainingJobName"])
    assert [(item["MetricName"], item["Value"]) for item in job["FinalMetricDataList"]] == [("loss", 0.5)]


def test_script_mode_tells_the_script_its_arguments_and_surroundings(jobs: Jobs) -> None:
    source = "import json, os, sys\nprint('SEEN', json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"
    data = jobs.put("digits/a.txt", b"1")
    request = jobs.script(
        source,
        parameters={"epochs": "3", "learning-rate": "0.001"},
        InputDataConfig=[jobs.channel("training", data)],
        Environment={"MY_SETTING": "on"},
    )
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    line = next(line for line in jobs.log(job["TrainingJobName"]).splitlines() if line.startswith("SEEN "))
    arguments, env, folder = json.loads(line.removeprefix("SEEN "))
    assert arguments == ["--epochs", "3", "--learning-rate", "0.001"]
    assert folder == "/opt/ml/code"
    assert env["SM_CHANNEL_TRAINING"] == "/opt/ml/input/data/training"
    assert env["SM_MODEL_DIR"] == "/opt/ml/model"
    assert env["SM_CURRENT_HOST"] == "algo-1"
    assert env["SM_HP_LEARNING-RATE"] == "0.001"
    assert env["TRAINING_JOB_NAME"] == job["TrainingJobName"]
    assert env["MY_SETTING"] == "on"


def test_channel_has_the_files_of_its_prefix_and_no_others(jobs: Jobs) -> None:
    for key in ("set/train/x.txt", "set/train/deep/y.txt", "set/training/z.txt", "set/other.txt"):
        jobs.put(key, key.encode())
    channels = [
        jobs.channel("folder", f"s3://{jobs.bucket}/set/train/"),
        jobs.channel("object", f"s3://{jobs.bucket}/set/other.txt"),
    ]
    request = jobs.shell("cd /opt/ml/input/data; find . -type f | sort | tr '\\n' ' '", InputDataConfig=channels)
    job = jobs.run(request)
    assert jobs.log(job["TrainingJobName"]).split() == [
        "./folder/deep/y.txt",
        "./folder/x.txt",
        "./object/other.txt",
    ]


def test_channel_from_a_manifest(jobs: Jobs) -> None:
    jobs.put("m/a.txt", b"a")
    jobs.put("m/b.txt", b"b")
    manifest = json.dumps([{"prefix": f"s3://{jobs.bucket}/m/"}, "b.txt"]).encode()
    channel = jobs.channel("training", jobs.put("lists/b.manifest", manifest), S3DataType="ManifestFile")
    job = jobs.run(jobs.shell("ls /opt/ml/input/data/training", InputDataConfig=[channel]))
    assert jobs.log(job["TrainingJobName"]) == "b.txt"


def test_corrupt_manifest_fails_the_job_with_its_name(jobs: Jobs) -> None:
    channel = jobs.channel("training", jobs.put("lists/bad.manifest", b"{"), S3DataType="ManifestFile")
    job = jobs.run(jobs.shell("true", InputDataConfig=[channel]))
    assert job["FailureReason"].startswith("ClientError: The manifest s3://")


def test_two_hosts_reach_each_other_and_share_out_the_data(jobs: Jobs) -> None:
    for number in range(4):
        jobs.put(f"shards/{number}.txt", b"")
    channel = jobs.channel("training", f"s3://{jobs.bucket}/shards/", S3DataDistributionType="ShardedByS3Key")
    request = jobs.script(
        TALK,
        InputDataConfig=[channel],
        EnableNetworkIsolation=True,
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10},
    )
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    name = job["TrainingJobName"]
    assert "I am algo-1 of ['algo-1', 'algo-2'] with 2 files" in jobs.log(name)
    assert "I am algo-2 of ['algo-1', 'algo-2'] with 2 files" in jobs.log(name, "algo-2")
    assert "heard hello" in jobs.log(name, "algo-2")


def test_host_that_fails_ends_the_others(jobs: Jobs) -> None:
    request = jobs.shell(
        "[ $(hostname) = algo-2 ] && exit 3; exec sleep 1000",
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10},
    )
    assert jobs.run(request)["FailureReason"].endswith("exit code: 3")


def test_model_and_output_are_where_aws_puts_them(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("echo m > /opt/ml/model/m.txt; echo o > /opt/ml/output/data/o.txt"))
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{jobs.bucket}/out/{job['TrainingJobName']}/output/model.tar.gz"
    assert jobs.unpack(uri) == {"m.txt": b"m\n"}
    assert jobs.unpack(uri.replace("model.tar.gz", "output.tar.gz")) == {"o.txt": b"o\n"}


def test_uncompressed_model_is_uploaded_file_by_file(jobs: Jobs) -> None:
    config = {"S3OutputPath": f"s3://{jobs.bucket}/plain", "CompressionType": "NONE"}
    job = jobs.run(jobs.shell("mkdir /opt/ml/model/1; echo m > /opt/ml/model/1/m.txt", OutputDataConfig=config))
    prefix = f"plain/{job['TrainingJobName']}/output/model/"
    found = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix=prefix)["Contents"]
    assert [item["Key"] for item in found] == [f"{prefix}1/m.txt"]


def test_job_uses_its_roles_keys_on_the_local_cloud(jobs: Jobs) -> None:
    command = 'python3 -c \'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])\''
    job = jobs.run(jobs.shell(command))
    assert ":assumed-role/SageMakerLabRole/" in jobs.log(job["TrainingJobName"])


def test_the_keys_of_a_job_end_with_it(jobs: Jobs) -> None:
    code = "import boto3; k = boto3.Session().get_credentials().get_frozen_credentials(); print(*k[:3])"
    job = jobs.run(jobs.shell(f"python3 -c '{code}'; env | grep -c SECRET"))
    printed, secrets = jobs.log(job["TrainingJobName"]).splitlines()
    assert secrets == "0"
    session = boto3.Session(*printed.split(), region_name="us-east-1")
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidClientTokenId"):
        session.client("sts", endpoint_url=jobs.cloud.url).get_caller_identity()


ENCRYPTED = "import os; print(sorted(os.listdir('/sys/class/net')))"


def test_hosts_whose_traffic_is_encrypted_train_and_say_so(jobs: Jobs) -> None:
    request = jobs.shell(f'python3 -c "{ENCRYPTED}"', EnableInterContainerTrafficEncryption=True)
    request["ResourceConfig"]["InstanceCount"] = 2
    if reason := tunnels.unavailable():
        pytest.skip(f"nothing can be encrypted here: {reason}")
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Completed"
    assert job["EnableInterContainerTrafficEncryption"] is True
    assert "['eth0', 'lo']" in jobs.log(request["TrainingJobName"], "algo-2")
    assert "goes through WireGuard" in jobs.full_log(request["TrainingJobName"])


def test_network_isolation_cuts_the_network_and_keeps_the_channels(jobs: Jobs) -> None:
    port = jobs.cloud.url.rpartition(":")[2]
    channel = jobs.channel("training", jobs.put("data/x.txt", b"here"))
    command = f"cat /opt/ml/input/data/training/x.txt; (echo > /dev/tcp/127.0.0.1/{port}) && echo reached; env"
    job = jobs.run(jobs.shell(command, EnableNetworkIsolation=True, InputDataConfig=[channel]))
    log = jobs.log(job["TrainingJobName"])
    assert "here" in log
    assert "reached" not in log
    assert "AWS_SECRET" not in log
    assert "AWS_CONTAINER" not in log


def test_job_sees_its_own_processes_and_nothing_of_this_machine(jobs: Jobs) -> None:
    home = jobs.cloud.home.path
    command = f"ls /proc | grep -c '^[0-9]'; ls {home} 2>&1; cat /etc/shadow 2>&1; touch /usr/x 2>&1; env"
    job = jobs.run(jobs.shell(command))
    log = jobs.log(job["TrainingJobName"])
    assert int(log.splitlines()[0]) <= 6
    assert "credentials.json" not in log
    assert "/etc/shadow: No such file" in log
    assert "Read-only file system" in log
    assert "SAGELAB" not in log
    assert jobs.cloud.home.credentials().secret_access_key not in log


def test_log_heads_with_what_is_not_done_here(jobs: Jobs) -> None:
    debugged = {"S3OutputPath": f"s3://{jobs.bucket}/tensors"}
    job = jobs.run(jobs.shell("true", DebugHookConfig=debugged))
    log = jobs.full_log(job["TrainingJobName"])
    assert "CPU only" in log
    assert "[sagelab] DebugHookConfig: " in log
