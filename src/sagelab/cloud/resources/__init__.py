"""What each SageMaker operation means: one module a family of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud
    from sagelab.cloud.resources.call import Family

OPERATIONS = frozenset(
    [
        "AddTags",
        "CreateTrainingJob",
        "DeleteTags",
        "DeleteTrainingJob",
        "DescribeTrainingJob",
        "ListTags",
        "ListTrainingJobs",
        "Search",
        "StopTrainingJob",
        "UpdateTrainingJob",
    ]
)


def families(cloud: Cloud) -> list[Family]:
    """Every family of resources of a local cloud."""
    from sagelab.cloud.resources.search import SearchIndex
    from sagelab.cloud.resources.tags import Tags
    from sagelab.cloud.resources.training_jobs import TrainingJobs

    return [TrainingJobs(cloud), Tags(cloud), SearchIndex(cloud)]
