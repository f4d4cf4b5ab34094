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
        "CreateHyperParameterTuningJob",
        "CreateModel",
        "CreateNotebookInstance",
        "CreateNotebookInstanceLifecycleConfig",
        "CreatePresignedNotebookInstanceUrl",
        "CreateProcessingJob",
        "CreateTrainingJob",
        "CreateTransformJob",
        "DeleteCompilationJob",
        "DeleteEndpoint",
        "DeleteEndpointConfig",
        "DeleteHyperParameterTuningJob",
        "DeleteModel",
        "DeleteNotebookInstance",
        "DeleteNotebookInstanceLifecycleConfig",
        "DeleteProcessingJob",
        "DeleteTags",
        "DeleteTrainingJob",
        "DescribeCompilationJob",
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeHyperParameterTuningJob",
        "DescribeModel",
        "DescribeNotebookInstance",
        "DescribeNotebookInstanceLifecycleConfig",
        "DescribeProcessingJob",
        "DescribeTrainingJob",
        "DescribeTransformJob",
        "InvokeEndpoint",
        "InvokeEndpointAsync",
        "InvokeEndpointWithResponseStream",
        "ListCompilationJobs",
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListHyperParameterTuningJobs",
        "ListModels",
        "ListNotebookInstanceLifecycleConfigs",
        "ListNotebookInstances",
        "ListProcessingJobs",
        "ListTags",
        "ListTrainingJobs",
        "ListTrainingJobsForHyperParameterTuningJob",
        "ListTransformJobs",
        "Search",
        "StartNotebookInstance",
        "StopCompilationJob",
        "StopHyperParameterTuningJob",
        "StopNotebookInstance",
        "StopProcessingJob",
        "StopTrainingJob",
        "StopTransformJob",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
        "UpdateNotebookInstance",
        "UpdateNotebookInstanceLifecycleConfig",
        "UpdateTrainingJob",
    ]
)


def families(cloud: Cloud) -> list[Family]:
    """Every family of resources of a local cloud."""
    from sagelab.cloud.resources.compilation_jobs import CompilationJobs
    from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
    from sagelab.cloud.resources.endpoints import Endpoints
    from sagelab.cloud.resources.invocations import Invocations
    from sagelab.cloud.resources.lifecycle_configs import LifecycleConfigs
    from sagelab.cloud.resources.models import Models
    from sagelab.cloud.resources.notebook_instances import NotebookInstances
    from sagelab.cloud.resources.processing_jobs import ProcessingJobs
    from sagelab.cloud.resources.search import SearchIndex
    from sagelab.cloud.resources.tags import Tags
    from sagelab.cloud.resources.training_jobs import TrainingJobs
    from sagelab.cloud.resources.transform_jobs import TransformJobs
    from sagelab.cloud.resources.tuning_jobs import TuningJobs

    endpoints = Endpoints(cloud)
    training_jobs = TrainingJobs(cloud)
    return [
        training_jobs,
        TuningJobs(cloud, training_jobs),
        CompilationJobs(cloud),
        Models(cloud),
        EndpointConfigs(cloud),
        endpoints,
        Invocations(cloud, endpoints),
        ProcessingJobs(cloud),
        TransformJobs(cloud),
        Tags(cloud, training_jobs.on_tags),
        NotebookInstances(cloud),
        LifecycleConfigs(cloud),
        SearchIndex(cloud),
    ]
