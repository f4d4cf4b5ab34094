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
        "CreateNotebookInstance",
        "CreateNotebookInstanceLifecycleConfig",
        "CreatePresignedNotebookInstanceUrl",
        "CreateTrainingJob",
        "DeleteEndpoint",
        "DeleteEndpointConfig",
        "DeleteModel",
        "DeleteNotebookInstance",
        "DeleteNotebookInstanceLifecycleConfig",
        "DeleteTags",
        "DeleteTrainingJob",
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeModel",
        "DescribeNotebookInstance",
        "DescribeNotebookInstanceLifecycleConfig",
        "DescribeTrainingJob",
        "InvokeEndpoint",
        "InvokeEndpointAsync",
        "InvokeEndpointWithResponseStream",
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListModels",
        "ListNotebookInstanceLifecycleConfigs",
        "ListNotebookInstances",
        "ListTags",
        "ListTrainingJobs",
        "Search",
        "StartNotebookInstance",
        "StopNotebookInstance",
        "StopTrainingJob",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
        "UpdateNotebookInstance",
        "UpdateNotebookInstanceLifecycleConfig",
        "UpdateTrainingJob",
    ]
)


def families(cloud: Cloud) -> list[Family]:
    """Every family of resources of a local cloud."""
    from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
    from sagelab.cloud.resources.endpoints import Endpoints
    from sagelab.cloud.resources.invocations import Invocations
    from sagelab.cloud.resources.lifecycle_configs import LifecycleConfigs
    from sagelab.cloud.resources.models import Models
    from sagelab.cloud.resources.notebook_instances import NotebookInstances
    from sagelab.cloud.resources.search import SearchIndex
    from sagelab.cloud.resources.tags import Tags
    from sagelab.cloud.resources.training_jobs import TrainingJobs

    endpoints = Endpoints(cloud)
    return [
        TrainingJobs(cloud),
        Models(cloud),
        EndpointConfigs(cloud),
        endpoints,
        Invocations(cloud, endpoints),
        NotebookInstances(cloud),
        LifecycleConfigs(cloud),
        Tags(cloud),
        SearchIndex(cloud),
    ]
