"""What each SageMaker operation means: one module a family of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud
    from sagelab.cloud.resources.call import Family

OPERATIONS = frozenset(
    [
        "AddTags",
        "CreateEndpoint",
        "CreateEndpointConfig",
        "CreateModel",
        "CreateProcessingJob",
        "CreateTrainingJob",
        "CreateTransformJob",
        "DeleteEndpoint",
        "DeleteEndpointConfig",
        "DeleteModel",
        "DeleteProcessingJob",
        "DeleteTags",
        "DeleteTrainingJob",
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeModel",
        "DescribeProcessingJob",
        "DescribeTrainingJob",
        "DescribeTransformJob",
        "InvokeEndpoint",
        "InvokeEndpointAsync",
        "InvokeEndpointWithResponseStream",
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListModels",
        "ListProcessingJobs",
        "ListTags",
        "ListTrainingJobs",
        "ListTransformJobs",
        "Search",
        "StopProcessingJob",
        "StopTrainingJob",
        "StopTransformJob",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
        "UpdateTrainingJob",
    ]
)


def families(cloud: Cloud) -> list[Family]:
    """Every family of resources of a local cloud."""
    from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
    from sagelab.cloud.resources.endpoints import Endpoints
    from sagelab.cloud.resources.invocations import Invocations
    from sagelab.cloud.resources.models import Models
    from sagelab.cloud.resources.processing_jobs import ProcessingJobs
    from sagelab.cloud.resources.search import SearchIndex
    from sagelab.cloud.resources.tags import Tags
    from sagelab.cloud.resources.training_jobs import TrainingJobs
    from sagelab.cloud.resources.transform_jobs import TransformJobs

    endpoints = Endpoints(cloud)
    return [
        TrainingJobs(cloud),
        Models(cloud),
        EndpointConfigs(cloud),
        endpoints,
        Invocations(cloud, endpoints),
        ProcessingJobs(cloud),
        TransformJobs(cloud),
        Tags(cloud),
        SearchIndex(cloud),
    ]
