"""The rows of two kinds that sagelab does not have: a job, and a record."""

from __future__ import annotations

from sagelab.catalog import Kind, Log, Use

JOB = Kind(
    "inference-recommendations-job",
    "InferenceRecommendationsJob",
    "recommendation job",
    name_member="JobName",
    listed="InferenceRecommendationsJobs",
    verbs=("Create", "Describe", "List", "Stop"),
    running=("PENDING", "IN_PROGRESS", "STOPPING"),
    ended=("COMPLETED", "FAILED", "STOPPED"),
    status_member="Status",
    ends_member="CompletionTime",
    uses=(Use("hosting", "InputConfig.EndpointConfigurations[]", "until it recommends one"),),
    roles=("RoleArn",),
    log=Log("/aws/sagemaker/InferenceRecommendationsJobs", "{name}/"),
)
GROUP = Kind(
    "feature-group",
    "FeatureGroup",
    "feature group",
    searchable=True,
)
ROWS = (JOB, GROUP)
