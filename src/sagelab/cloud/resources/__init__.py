"""What each SageMaker operation means: one module a family of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud
    from sagelab.cloud.resources.call import Family

OPERATIONS = frozenset(
    [
        "AddTags",
        "CreateCompilationJob",
        "CreateEndpoint",
        "CreateEndpointConfig",
        "CreateModel",
        "CreateTrainingJob",
        "DeleteCompilationJob",
        "DeleteEndpoint",
        "DeleteEndpointConfig",
        "DeleteModel",
        "DeleteTags",
        "DeleteTrainingJob",
        "DescribeCompilationJob",
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeModel",
        "DescribeTrainingJob",
        "InvokeEndpoint",
        "InvokeEndpointAsync",
        "InvokeEndpointWithResponseStream",
        "ListCompilationJobs",
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListModels",
        "ListTags",
        "ListTrainingJobs",
        "Search",
        "StopCompilationJob",
        "StopTrainingJob",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
        "UpdateTrainingJob",
    ]
)


def families(cloud: Cloud) -> list[Family]:
    """Every family of resources of a local cloud."""
    from sagelab.cloud.resources.compilation_jobs import CompilationJobs
    from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
    from sagelab.cloud.resources.endpoints import Endpoints
    from sagelab.cloud.resources.invocations import Invocations
    from sagelab.cloud.resources.models import Models
    from sagelab.cloud.resources.search import SearchIndex
    from sagelab.cloud.resources.tags import Tags
    from sagelab.cloud.resources.training_jobs import TrainingJobs

    endpoints = Endpoints(cloud)
    return [
        TrainingJobs(cloud),
        CompilationJobs(cloud),
        Models(cloud),
        EndpointConfigs(cloud),
        endpoints,
        Invocations(cloud, endpoints),
        Tags(cloud),
        SearchIndex(cloud),
    ]
