"""The rows of two kinds that sagelab does not have: a job, and a record."""

from __future__ import annotations

from sagelab.catalog import Kind, Log, Use

JOB = Kind(
    "optimization-job",
    "OptimizationJob",
    "optimization job",
    verbs=("Create", "Describe", "List", "Stop"),
    running=("STARTING", "INPROGRESS", "STOPPING"),
    ended=("COMPLETED", "FAILED", "STOPPED"),
    ends_member="OptimizationEndTime",
    uses=(Use("hosting", "OptimizationEnvironment", "until it has found the best"),),
    roles=("RoleArn",),
    log=Log("/aws/sagemaker/OptimizationJobs", "{name}/"),
)
GROUP = Kind(
    "feature-group",
    "FeatureGroup",
    "feature group",
    searchable=True,
)
ROWS = (JOB, GROUP)
