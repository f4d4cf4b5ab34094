"""Jobs that go wrong: each ends with a reason a learner can act on, and the local cloud goes on."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from sagelab.cloud.engine.jobs.failures import advise, find_error, last_word
from tests.cloud import commands
from tests.cloud.jobs import Jobs, pack


def climbing(name: str, link: str | None = None) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as out:
        member = tarfile.TarInfo(name)
        if link:
            member.type, member.linkname = tarfile.SYMTYPE, link
        out.addfile(member, io.BytesIO(b""))
    return archive.getvalue()


@pytest.mark.slow
def test_script_that_raises_tells_its_error_and_exit_code(jobs: Jobs) -> None:
    job = jobs.run(jobs.script("def deep():\n    raise ValueError('learning rate is negative')\ndeep()\n"))
    assert job["TrainingJobStatus"] == "Failed"
    reason = job["FailureReason"]
    assert reason.startswith("AlgorithmError: ExecuteUserScriptError")
    assert "ValueError: learning rate is negative" in reason
    assert "line 2, in deep" in reason
    assert reason.endswith("exit code: 1")
    assert "sagelab/cloud" not in reason
    assert "ModelArtifacts" not in job


def test_script_with_a_syntax_error(jobs: Jobs) -> None:
    job = jobs.run(jobs.script("def broken(:\n"))
    assert "SyntaxError: " in job["FailureReason"]


def test_exit_code_of_a_script_is_told(jobs: Jobs) -> None:
    job = jobs.run(jobs.script("import sys; sys.exit(7)"))
    assert "ExecuteUserScriptError:\nExitCode 7" in job["FailureReason"]


def test_exit_code_of_a_container_is_told(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("echo giving up; exit 7"))
    assert job["FailureReason"] == "AlgorithmError: giving up, exit code: 7"


def test_failure_file_of_a_container_is_the_reason(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("echo 'no labels in the data' > /opt/ml/output/failure; exit 2"))
    assert job["FailureReason"].startswith("AlgorithmError: no labels in the data")
    assert job["FailureReason"].endswith("exit code: 2")


def test_failure_file_that_is_a_link_is_not_followed(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("ln -s /etc/passwd /opt/ml/output/failure; exit 2"))
    assert "root:" not in job["FailureReason"]


def test_output_whose_name_is_not_utf8_fails_the_job_in_words(jobs: Jobs) -> None:
    output = {"S3OutputPath": f"s3://{jobs.bucket}/out", "CompressionType": "NONE"}
    job = jobs.run(jobs.shell("touch $'/opt/ml/model/\\xff'", OutputDataConfig=output))
    assert job["FailureReason"].startswith("ClientError: Upload of 's3://")
    assert job["FailureReason"].endswith("failed: the file's name is not UTF-8")


def test_model_folder_that_is_a_link_is_not_followed(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("cd /opt/ml; rmdir model; ln -s /etc model"))
    assert job["FailureReason"] == "ClientError: /opt/ml/model is a link, not a folder"


def test_reason_is_at_most_1024_characters_and_keeps_the_end(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("printf 'x%.0s' {1..5000} > /opt/ml/output/failure; exit 1"))
    assert len(job["FailureReason"]) <= 1024
    assert job["FailureReason"].endswith("exit code: 1")


def test_script_that_eats_its_memory(jobs: Jobs) -> None:
    job = jobs.run(jobs.script("import numpy\nhoard = [numpy.zeros(1 << 27) for _ in range(4096)]"))
    assert job["FailureReason"].startswith("ClientError: Please use an instance type with more memory")


def test_script_that_never_ends_is_stopped_at_its_time_limit(jobs: Jobs) -> None:
    request = jobs.shell("echo started; sleep 10000", StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert jobs.log(request["TrainingJobName"]) == "started"


@pytest.mark.slow
def test_script_that_prints_more_than_its_log_takes_is_read_to_its_end(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("yes 0123456789012345678901234567890123456789 | head -c 200000000; echo the end"))
    assert job["TrainingJobStatus"] == "Completed"
    assert "the log ends here" in jobs.full_log(job["TrainingJobName"])


@pytest.mark.slow
def test_script_that_prints_without_an_end_is_ended_with_the_reason(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("yes 0123456789012345678901234567890123456789"))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: The host was ended: it printed more than 1,024 MB."
    assert "the host was ended: it printed more than 1,024 MB" in jobs.full_log(job["TrainingJobName"])


@pytest.mark.slow
def test_missing_requirement_fails_with_pips_words(jobs: Jobs) -> None:
    archive = pack({"train.py": "", "requirements.txt": "/no/such/package.whl\n"})
    job = jobs.run(jobs.script(archive))
    assert job["TrainingJobStatus"] == "Failed"
    assert "package.whl" in jobs.log(job["TrainingJobName"])


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"this is no archive", "it is not a readable tar.gz file"),
        (climbing("../../outside.txt"), "'../../outside.txt' would be written outside its folder"),
        (climbing("/outside.txt"), "'/outside.txt' would be written outside its folder"),
        (climbing("way-out", link="../../../.."), "its link 'way-out' leads outside its folder"),
    ],
    ids=["corrupt", "climbs", "absolute", "link"],
)
def test_bad_source_archive_is_refused(jobs: Jobs, archive: bytes, words: str) -> None:
    job = jobs.run(jobs.script(archive))
    assert job["FailureReason"].startswith("ClientError: Could not unpack s3://")
    assert words in job["FailureReason"]


def test_no_process_is_left_behind(jobs: Jobs) -> None:
    mark = f"12345{os.getpid()}"
    jobs.run(jobs.shell(f"(setsid sleep {mark} &) ; exit 1"))
    assert not commands.running(mark)


def test_folder_of_an_ended_job_is_removed(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("true"))
    assert not list(jobs.cloud.home.jobs.glob(f"{job['TrainingJobName']}*"))


@pytest.mark.parametrize("before", ["", "name? ", " 50%|█████     | 1/2 [00:01<00:01]", "  | "])
def test_error_is_found_behind_a_line_that_was_not_ended(before: str) -> None:
    error = ["Traceback (most recent call last):", '  File "train.py", line 1, in <module>', "EOFError: no line"]
    assert find_error(["epoch 1", before + error[0], *error[1:]]) == "\n".join(error)


def test_script_that_asks_or_shows_its_progress_tells_its_error(jobs: Jobs) -> None:
    source = "import sys\nsys.stderr.write('\\r 50%|###  | 1/2')\nname = input('name? ')"
    job = jobs.run(jobs.script(source))
    assert "\nEOFError: EOF when reading a line" in job["FailureReason"]


def test_path_of_s3_that_tensorflow_cannot_open_is_told_with_what_to_do_instead(jobs: Jobs) -> None:
    job = jobs.run(jobs.script("import tensorflow as tf\ntf.io.gfile.GFile('s3://bucket/key').read()"))
    assert "File system scheme 's3' not implemented" in job["FailureReason"]
    assert (
        "TensorFlow has no s3:// paths here: use an input channel, /opt/ml/model, or boto3."
        in job["FailureReason"]
    )


def test_last_error_skips_what_drivers_report_of_it() -> None:
    tail = [
        "epoch 1",
        "Traceback (most recent call last):",
        'File "train.py", line 4, in <module>',
        "raise ValueError(text)",
        "ValueError: boom",
        "Traceback (most recent call last):",
        '  File "driver.py", line 1, in run',
        "subprocess.CalledProcessError: Command '['python']' returned non-zero exit status 1.",
    ]
    assert find_error(tail) == "\n".join(tail[1:5])


def test_package_that_there_is_not_is_named() -> None:
    pip = "ERROR: No matching distribution found for no-such-package==9"
    assert find_error(["Collecting no-such-package", pip, "Reporting training FAILURE"]) == pip


NO_FILE = "ERROR: Could not open requirements file: 'other.txt'"
NO_SETUPTOOLS = "ERROR: No matching distribution found for setuptools>=40.8.0"
NOT_BUILT = "ERROR: Failed to build 'file:///opt/ml/code/mine' when installing build dependencies"
BUILD = (
    "  error: subprocess-exited-with-error",
    "  \xd7 build dependencies: no.",
    f"      {NO_SETUPTOOLS}",
    "  note: a",
)
SOLUTION = (
    "\xd7 No solution found:",
    "╰─▶ Because none-such was not found",
    "error: No solution found",
    "cause: Because",
)


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        ([NO_FILE], [NO_FILE]),
        ([*BUILD, NOT_BUILT], [NO_SETUPTOOLS, NOT_BUILT]),
        ([f"  {SOLUTION[0]}", f"  {SOLUTION[1]}", "hint: none"], [*SOLUTION[:2]]),
        ([SOLUTION[2], f"  {SOLUTION[3]}"], [*SOLUTION[2:]]),
        (["ERROR: ResolutionImpossible: for help visit", "ERROR: pip's dependency resolver does not"], []),
    ],
)
def test_last_word_of_an_installer_is_found_with_its_cause(tail: list[str], said: list[str]) -> None:
    assert last_word(["Collecting none-such", *tail, "ERROR    Encountered exit_code 1"]).splitlines() == said


@pytest.mark.parametrize(
    ("module", "advised"),
    [
        ("sklearn.externals", "scikit-learn has no joblib in it: import joblib itself."),
        ("horovod", "Horovod is not here: MultiWorkerMirroredStrategy or torchrun do it."),
        ("smdebug.tensorflow", "SageMaker Debugger is not here: leave its hooks out."),
        ("smdistributed", "SageMaker's distributed libraries need GPUs, which are not here."),
        ("sagemaker_tensorflow", "PipeModeDataset is not here: read the channel's files."),
    ],
)
def test_what_aws_images_have_is_said_to_be_missing(module: str, advised: str) -> None:
    line = f"ModuleNotFoundError: No module named '{module}'"
    assert advise(line, [line]) == f"{line}\n({advised})"
    assert advise("ValueError: x", ["ValueError: x"]) == "ValueError: x"
