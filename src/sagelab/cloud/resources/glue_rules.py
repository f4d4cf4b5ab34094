"""What a job of Glue's may be, in Glue's words, and what it has where nothing is said.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html
"""

from __future__ import annotations

from typing import Any

from sagelab.cloud.resources.call import Beside, Params

SPARK, SHELL, STREAM = "glueetl", "pythonshell", "gluestreaming"
VERSIONS = ("3.0", "4.0", "5.0", "5.1", "6.0")
# Type of worker -> DPUs of one. https://docs.aws.amazon.com/glue/latest/dg/worker-types.html
WORKERS = {
    "G.025X": 0.25,  # of streaming jobs alone
    "G.1X": 1.0,
    "G.2X": 2.0,
    "G.4X": 4.0,
    "G.8X": 8.0,
    "G.12X": 12.0,
    "G.16X": 16.0,
    "R.1X": 1.0,
    "R.2X": 2.0,
    "R.4X": 4.0,
    "R.8X": 8.0,
}
MOST_WORKERS, MOST_ARGUMENTS = 299, 260_000
WEEK = 10_080  # minutes
SHELL_CAPACITY = (0.0625, 1.0)
_NOT_HERE = "{} is not something the local cloud can do."
_REFUSED = (
    *("SecurityConfiguration", "CodeGenConfigurationNodes", "SourceControlDetails", "MaintenanceWindow"),
    *("JobRunQueuingEnabled", "ExecutionRoleSessionPolicy", "LogUri"),
)
# Arguments for what is not here: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
_REFUSED_ARGUMENTS = {
    "--datalake-formats": "the local cloud has no Delta, Iceberg or Hudi",
    "--class": "scripts are in Python here",
    "--enable-lakeformation-fine-grained-access": "Lake Formation's grants do not reach Spark here",
}


def invalid(message: str) -> Beside:
    return Beside("InvalidInputException", message)


def check(job: Params) -> None:
    """Beside: it is no job, or none that runs here."""
    command = job.get("Command") or {}
    name, script = command.get("Name"), str(command.get("ScriptLocation") or "")
    if name not in (SPARK, SHELL, STREAM):
        raise invalid(
            _NOT_HERE.format("A job of glueray") if name == "glueray" else f"Invalid command name {name}."
        )
    if not script.startswith("s3://") or not script.endswith(".py"):
        raise invalid(f"Command.ScriptLocation: a Python script in S3 is needed, not {script!r}.")
    if command.get("PythonVersion", "3") == "2":
        raise invalid("Python 2 is not supported: set Command.PythonVersion to 3 or 3.9.")
    if asked := next((one for one in _REFUSED if job.get(one)), None):
        raise invalid(_NOT_HERE.format(asked))
    if (job.get("Connections") or {}).get("Connections"):
        raise invalid(_NOT_HERE.format("A connection of a job"))
    if name != SHELL and job.get("GlueVersion", "5.0") not in VERSIONS:
        raise invalid(f"Glue version {job['GlueVersion']} is not supported; these are: {', '.join(VERSIONS)}.")
    if job.get("Timeout", 1) > WEEK:
        raise invalid(f"Timeout exceeds the maximum of {WEEK} minutes.")
    for member in ("DefaultArguments", "NonOverridableArguments"):
        check_arguments(job.get(member) or {})
    if name == STREAM and job.get("ExecutionClass") == "FLEX":
        raise invalid("ExecutionClass FLEX is not supported for a job of gluestreaming.")
    check_capacity(job, name)


def check_arguments(arguments: dict[str, Any]) -> None:
    """Beside: they are too many, or ask for what is not here."""
    if sum(len(str(one)) for pair in arguments.items() for one in pair) > MOST_ARGUMENTS:
        raise invalid("Request size limit exceeded")
    for name, why in _REFUSED_ARGUMENTS.items():
        if name in arguments:
            raise invalid(f"{name}: {why}.")
    if arguments.get("--job-language", "python") != "python":
        raise invalid(f"--job-language: {_REFUSED_ARGUMENTS['--class']}.")
    if arguments.get("--job-bookmark-option") == "job-bookmark-pause":
        raise invalid(_NOT_HERE.format("--job-bookmark-option job-bookmark-pause"))


def check_capacity(asked: Params, command: str) -> None:
    """Beside: there is no such capacity."""
    capacity = asked.get("MaxCapacity", asked.get("AllocatedCapacity"))
    kind, count = asked.get("WorkerType"), asked.get("NumberOfWorkers")
    if command == SHELL:
        if kind or count:
            raise invalid("WorkerType and NumberOfWorkers are not supported for jobs of pythonshell.")
        if capacity not in (None, *SHELL_CAPACITY):
            raise invalid(f"MaxCapacity of a job of pythonshell is 0.0625 or 1, not {capacity}.")
        return
    if capacity is not None and (kind or count):
        raise invalid("Please do not set Max Capacity if using Worker Type and Number of Workers.")
    if bool(kind) != (count is not None):
        raise invalid("Worker Type and Number of Workers are set together.")
    if kind and (kind not in WORKERS or (WORKERS[kind] < 1 and command != STREAM)):
        raise invalid(f"Worker Type {kind} is not supported for a job of {command}.")
    if count is not None and not 2 <= count <= MOST_WORKERS:
        word, limit = ("minimum", 2) if count < 2 else ("maximum", MOST_WORKERS)
        raise invalid(f"To use Worker Type {kind}, {word} allowed value of Number of Workers is {limit}.")
    if capacity is not None and not 2 <= capacity <= MOST_WORKERS:
        raise invalid(f"MaxCapacity is between 2 and {MOST_WORKERS}.")


def settled(asked: Params, command: str, version: str) -> Params:
    """What a job or a run has of capacity and time, where something is not said."""
    late = version >= "5"
    usual = {SPARK: 480 if late else 2880, STREAM: WEEK}.get(command, 2880)
    time = asked.get("Timeout") or usual
    if command == SHELL:
        capacity = asked.get("MaxCapacity", 0.0625)
        return {"MaxCapacity": capacity, "AllocatedCapacity": int(capacity), "Timeout": time}
    kind = asked.get("WorkerType") or "G.1X"
    count = asked.get("NumberOfWorkers") or int(asked.get("MaxCapacity") or asked.get("AllocatedCapacity") or 10)
    capacity = WORKERS[kind] * count
    found: Params = {"WorkerType": kind, "NumberOfWorkers": count, "MaxCapacity": capacity}
    return found | {"AllocatedCapacity": int(capacity), "Timeout": time}
