"""What happens inside a processing job, seen through the API."""

from __future__ import annotations

import json

import pytest

from tests.cloud import processing
from tests.cloud.jobs import Jobs
from tests.cloud.processing import log, request, run, source, target
from tests.waiting import until

SPLIT = """
import json, sys
from pathlib import Path
from sklearn.model_selection import train_test_split

rows = Path("/opt/ml/processing/data/rows.csv").read_text().split()
train, test = train_test_split(rows, test_size=float(sys.argv[1]), random_state=0)
for name, part in (("train", train), ("test", test)):
    Path(f"/opt/ml/processing/{name}/rows.csv").write_text("\\n".join(part))
print("split", len(train), len(test))
"""

LAST_WORDS = """
import signal, sys
from pathlib import Path

def end(*_):
    Path("/opt/ml/processing/out/last").write_text("bye")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    signal.pause()
"""


def get(jobs: Jobs, key: str) -> bytes:
    body: bytes = jobs.s3.get_object(Bucket=jobs.bucket, Key=key)["Body"].read()
    return body


def test_script_reads_its_inputs_and_leaves_its_outputs(jobs: Jobs) -> None:
    data = jobs.put("split/data/rows.csv", b"\n".join(b"%d" % n for n in range(10)))
    code = jobs.put("split/code/split.py", SPLIT.encode())
    job = request("")
    job["AppSpecification"] |= {
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/split.py"],
        "ContainerArguments": ["0.2"],
    }
    job["ProcessingInputs"] = [source("data", data), source("code", code)]
    outputs = [target(name, f"s3://{jobs.bucket}/split/{name}") for name in ("train", "test")]
    found = run(jobs, job | {"ProcessingOutputConfig": {"Outputs": outputs}})
    assert found["ProcessingJobStatus"] == "Completed", found.get("FailureReason")
    assert log(jobs, job["ProcessingJobName"]) == "split 8 2"
    assert len(get(jobs, "split/train/rows.csv").split()) == 8
    assert found["CreationTime"] <= found["ProcessingStartTime"] <= found["ProcessingEndTime"]


def test_container_knows_its_job_and_its_hosts(jobs: Jobs) -> None:
    job = request("cat /opt/ml/config/*.json; echo $MODE $PROCESSING_JOB_NAME", Environment={"MODE": "fast"})
    found = run(jobs, job)
    printed = log(jobs, job["ProcessingJobName"])
    assert f"fast {job['ProcessingJobName']}" in printed
    decoder, at, parts = json.JSONDecoder(), 0, []
    text = printed.replace("\n", "")
    for _ in range(2):
        value, at = decoder.raw_decode(text, at)
        parts.append(value)
    assert parts[0]["ProcessingJobArn"] == found["ProcessingJobArn"]
    assert parts[1]["hosts"] == ["algo-1"]


def test_two_hosts_share_out_the_data(jobs: Jobs) -> None:
    for number in range(4):
        jobs.put(f"shards/{number}.txt", b"")
    given = source("data", f"s3://{jobs.bucket}/shards/", S3DataDistributionType="ShardedByS3Key")
    job = request("echo $(hostname) has $(ls /opt/ml/processing/data | wc -l)", count=2, ProcessingInputs=[given])
    assert run(jobs, job)["ProcessingJobStatus"] == "Completed"
    for host in ("algo-1", "algo-2"):
        assert log(jobs, job["ProcessingJobName"], host) == f"{host} has 2"


def test_exit_message_is_what_the_container_wrote(jobs: Jobs) -> None:
    found = run(jobs, request("echo -n 'all rows are fine' > /opt/ml/output/message"))
    assert found["ExitMessage"] == "all rows are fine"
    assert found["ProcessingJobStatus"] == "Completed"


def test_exit_message_of_a_kilobyte_at_most(jobs: Jobs) -> None:
    found = run(jobs, request("printf 'é%.0s' {1..2000} > /opt/ml/output/message"))
    assert found["ExitMessage"] == "é" * 512


def test_exit_message_that_is_not_utf8_fails_the_job(jobs: Jobs) -> None:
    found = run(jobs, request(r"printf '\xff' > /opt/ml/output/message"))
    assert found["FailureReason"].startswith("ClientError: /opt/ml/output/message is not UTF-8")


def test_failure_tells_the_last_error_and_the_exit_code(jobs: Jobs) -> None:
    command = "echo why > /opt/ml/output/message; python3 -c 'raise ValueError(\"no such column\")'"
    found = run(jobs, request(command))
    assert found["ProcessingJobStatus"] == "Failed"
    assert found["ExitMessage"] == "why\n"
    assert "ValueError: no such column" in found["FailureReason"]
    assert found["FailureReason"].endswith("exit code: 1")


def test_input_that_is_not_there_fails_the_job(jobs: Jobs) -> None:
    given = source("data", f"s3://{jobs.bucket}/nothing/here")
    found = run(jobs, request("true", ProcessingInputs=[given]))
    assert found["FailureReason"].startswith("ClientError: Data download failed: no S3 objects found")


def test_output_of_a_failed_job_is_not_uploaded(jobs: Jobs) -> None:
    outputs = [target("out", f"s3://{jobs.bucket}/failed-out")]
    run(jobs, request("echo x > /opt/ml/processing/out/x; exit 1", ProcessingOutputConfig={"Outputs": outputs}))
    assert jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="failed-out")["KeyCount"] == 0


def test_continuous_output_is_there_while_the_job_runs(jobs: Jobs) -> None:
    outputs = [target("out", f"s3://{jobs.bucket}/steady", "Continuous")]
    command = "echo one > /opt/ml/processing/out/one; exec sleep 1000"
    job = request(command, ProcessingOutputConfig={"Outputs": outputs})
    jobs.sagemaker.create_processing_job(**job)
    until(lambda: jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="steady")["KeyCount"], bool)
    jobs.sagemaker.stop_processing_job(ProcessingJobName=job["ProcessingJobName"])
    assert processing.wait(jobs, job["ProcessingJobName"])["ProcessingJobStatus"] == "Stopped"
    assert get(jobs, "steady/one") == b"one\n"


def test_stopped_job_hears_it_and_keeps_what_it_made(jobs: Jobs) -> None:
    outputs = [target("out", f"s3://{jobs.bucket}/kept")]
    code = jobs.put("kept/code/last.py", LAST_WORDS.encode())
    job = request("python3 /opt/ml/processing/code/last.py", ProcessingInputs=[source("code", code)])
    job["ProcessingOutputConfig"] = {"Outputs": outputs}
    jobs.sagemaker.create_processing_job(**job)
    processing.wait_log(jobs, job["ProcessingJobName"], "ready")
    jobs.sagemaker.stop_processing_job(ProcessingJobName=job["ProcessingJobName"])
    found = processing.wait(jobs, job["ProcessingJobName"])
    assert found["ProcessingJobStatus"] == "Stopped"
    assert "FailureReason" not in found
    assert get(jobs, "kept/last") == b"bye"


def test_job_that_takes_too_long_is_stopped(jobs: Jobs) -> None:
    found = run(jobs, request("sleep 1000", StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert found["ProcessingJobStatus"] == "Stopped"


def test_isolated_job_has_no_network_and_no_keys(jobs: Jobs) -> None:
    port = jobs.cloud.url.rpartition(":")[2]
    job = request(
        f"(echo > /dev/tcp/127.0.0.1/{port}) && echo reached; env", NetworkConfig={"EnableNetworkIsolation": True}
    )
    run(jobs, job)
    printed = log(jobs, job["ProcessingJobName"])
    assert "reached" not in printed
    assert "AWS_SECRET" not in printed
    assert "AWS_CONTAINER" not in printed


@pytest.mark.parametrize("path", ["/opt/ml/processing/out", "/opt/ml/output/message"])
def test_link_in_place_of_what_is_read_leads_nowhere(jobs: Jobs, path: str) -> None:
    outputs = [target("out", f"s3://{jobs.bucket}/linked")]
    command = f"rm -rf {path}; ln -s /etc {path}"
    found = run(jobs, request(command, ProcessingOutputConfig={"Outputs": outputs}))
    assert "ExitMessage" not in found
    assert jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="linked")["KeyCount"] == 0
