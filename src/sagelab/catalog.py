"""Every kind of resource, declared once: a row of KINDS.

What follows from a row: the ARN that a call is about and so what IAM is asked, the roles that are passed on, what
a request would cost, clean-up and its proof, waiting and following in a notebook, Search, tags, `sagelab status`,
the console's list, page and actions, docs/operations.md. What an operation does is said where it is done
(`resources/`).

The rows stand in the order in which clean-up takes them: what would start others comes before those. What a row
says is said in kinds.py.
"""

from __future__ import annotations

import re

from sagelab.kinds import RECORD, Document, Kind, Log, Removal, Use, read

__all__ = ["KINDS", "Document", "Kind", "Log", "Removal", "Use", "of_arn", "of_operation", "of_stem", "read"]

JOB = ("Create", "Describe", "List", "Stop", "Delete")
OF_EXECUTIONS = ("Start*Execution", "List*ParametersForExecution", "Describe*DefinitionForExecution")
IN_PROGRESS = ("InProgress", "Stopping")
JOB_ENDS = ("Completed", "Failed", "Stopped")

KINDS: tuple[Kind, ...] = (
    Kind(
        "project",
        "Project",
        "project",
        listed="ProjectSummaryList",
        verbs=(*RECORD, "Update"),
        running=("CreateInProgress", "UpdateInProgress", "DeleteInProgress"),
        ended=("CreateCompleted", "CreateFailed", "UpdateCompleted", "UpdateFailed", "DeleteFailed"),
        removal=(Removal("Delete"),),
        order=("CreationTime", "Ascending"),
        menu="Automation",
    ),
    Kind(
        "monitoring-schedule",
        "MonitoringSchedule",
        "monitoring schedule",
        verbs=(*RECORD, "Update", "Start", "Stop"),
        running=("Pending", "Scheduled"),
        ended=("Stopped", "Failed"),
        rests=("Scheduled", "Stopped", "Failed"),
        uses=(
            Use(
                "training",
                "MonitoringScheduleConfig.MonitoringJobDefinition.MonitoringResources.ClusterConfig",
                "for each of its executions, until it is stopped",
                ("Create", "Update"),
                by="ProcessingJob",
            ),
        ),
        roles=("MonitoringScheduleConfig.MonitoringJobDefinition.RoleArn",),
        removal=(Removal("Delete"),),
        menu="Monitoring",
    ),
    *(
        Kind(
            f"{words.replace(' ', '-')}-job-definition",
            f"{words.title().replace(' ', '')}JobDefinition",
            f"{words} job definition",
            name_member="JobDefinitionName",
            listed="JobDefinitionSummaries",
            listed_as="Monitoring",
            menu="Monitoring",
            roles=("RoleArn",),
        )
        for words in ("data quality", "model quality", "model bias", "model explainability")
    ),
    Kind(
        "pipeline-execution",
        "PipelineExecution",
        "pipeline execution",
        name_member="PipelineExecutionArn",
        arn_member="PipelineExecutionArn",
        verbs=(
            "Describe",
            "List",
            "Stop",
            "Update",
            "Retry",
            "List*Steps",
            "Send*StepSuccess",
            "Send*StepFailure",
        ),
        listed="PipelineExecutionSummaries",
        running=("Executing", "Stopping"),
        ended=("Succeeded", "Failed", "Stopped"),
        order=("CreationTime", "Descending"),
        within="Pipeline",
    ),
    Kind(
        "pipeline",
        "Pipeline",
        "pipeline",
        verbs=(*RECORD, "Update", "List*Versions", *OF_EXECUTIONS),
        roles=("RoleArn",),
        searchable=True,
        menu="Automation",
    ),
    Kind(
        "hyper-parameter-tuning-job",
        "HyperParameterTuningJob",
        "tuning job",
        verbs=(*JOB, "ListTrainingJobsFor*"),
        running=IN_PROGRESS,
        ended=JOB_ENDS,
        ends_member="HyperParameterTuningEndTime",
        uses=tuple(
            Use(
                "training",
                f"{definition}.{resources}",
                until="until its {jobs} jobs are done",
                times="HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs",
                by="TrainingJob",
            )
            for definition in ("TrainingJobDefinition", "TrainingJobDefinitions[]")
            for resources in ("ResourceConfig", "HyperParameterTuningResourceConfig")
        ),
        roles=("TrainingJobDefinition.RoleArn", "TrainingJobDefinitions[].RoleArn"),
        searchable=True,
        order=("Name", "Ascending"),
        menu="Training",
    ),
    Kind(
        "notebook-instance",
        "NotebookInstance",
        "notebook instance",
        listed="NotebookInstances",
        verbs=(*RECORD, "Start", "Stop", "Update", "CreatePresigned*Url"),
        running=("Pending", "InService", "Updating", "Stopping"),
        ended=("Stopped", "Failed", "Deleting"),
        rests=("InService", "Stopped", "Failed"),
        uses=(
            Use("notebook", "", "until it is stopped"),
            Use("notebook", "", "until it is stopped", ("Start",), of="NotebookInstance"),
        ),
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/NotebookInstances", "{name}/"),
        removal=(
            Removal("Stop", ("InService",)),
            Removal("Delete", ("Stopped", "Failed", "Pending", "Stopping", "Updating", "Deleting")),
        ),
        order=("Name", "Ascending"),
        menu="Notebooks",
    ),
    Kind(
        "notebook-instance-lifecycle-config",
        "NotebookInstanceLifecycleConfig",
        "lifecycle configuration",
        listed="NotebookInstanceLifecycleConfigs",
        verbs=(*RECORD, "Update"),
        menu="Notebooks",
    ),
    Kind(
        "training-job",
        "TrainingJob",
        "training job",
        verbs=(*JOB, "Update"),
        running=IN_PROGRESS,
        ended=JOB_ENDS,
        ends_member="TrainingEndTime",
        uses=(Use("training", "ResourceConfig"), Use("training", "ResourceConfig.InstanceGroups[]")),
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/TrainingJobs", "{name}/"),
        searchable=True,
        menu="Training",
    ),
    Kind(
        "processing-job",
        "ProcessingJob",
        "processing job",
        verbs=JOB,
        running=IN_PROGRESS,
        ended=JOB_ENDS,
        ends_member="ProcessingEndTime",
        uses=(Use("training", "ProcessingResources.ClusterConfig"),),
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/ProcessingJobs", "{name}/"),
        order=("CreationTime", "Ascending"),
        menu="Processing",
    ),
    Kind(
        "transform-job",
        "TransformJob",
        "transform job",
        verbs=("Create", "Describe", "List", "Stop"),
        running=IN_PROGRESS,
        ended=JOB_ENDS,
        ends_member="TransformEndTime",
        uses=(Use("hosting", "TransformResources", until="until its data is through"),),
        log=Log("/aws/sagemaker/TransformJobs", "{name}/"),
        menu="Inference",
    ),
    Kind(
        "inference-recommendations-job",
        "InferenceRecommendationsJob",
        "recommendations job",
        name_member="JobName",
        listed="InferenceRecommendationsJobs",
        verbs=("Create", "Describe", "List", "Stop", "List*Steps"),
        running=("PENDING", "IN_PROGRESS", "STOPPING"),
        ended=("COMPLETED", "FAILED", "STOPPED"),
        status_member="Status",
        ends_member="CompletionTime",
        uses=(
            Use(
                "hosting",
                "InputConfig.EndpointConfigurations[]",
                "while it is tried",
                count="InitialInstanceCount",
            ),
        ),
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/InferenceRecommendationsJobs", "{name}/"),
        menu="Inference",
    ),
    Kind(
        "compilation-job",
        "CompilationJob",
        "compilation job",
        verbs=JOB,
        running=("STARTING", "INPROGRESS", "STOPPING"),
        ended=("COMPLETED", "FAILED", "STOPPED"),
        ends_member="CompilationEndTime",
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/CompilationJobs", "{name}"),
        order=("CreationTime", "Ascending"),
        menu="Inference",
    ),
    Kind(
        "endpoint",
        "Endpoint",
        "endpoint",
        listed="Endpoints",
        verbs=(
            *RECORD,
            "Update",
            "Update*WeightsAndCapacities",
            "Invoke",
            "Invoke*Async",
            "Invoke*WithResponseStream",
        ),
        running=(
            "Creating",
            "InService",
            "Updating",
            "RollingBack",
            "SystemUpdating",
            "UpdateRollbackFailed",
            "Deleting",
        ),
        ended=("Failed", "OutOfService"),
        rests=("InService", "UpdateRollbackFailed", "Failed", "OutOfService"),
        uses=(
            Use(
                "hosting",
                "ProductionVariants[]",
                "until it is deleted",
                ("Create", "Update"),
                "InitialInstanceCount",
                of="EndpointConfig",
            ),
        ),
        log=Log("/aws/sagemaker/Endpoints/{name}"),
        removal=(Removal("Delete"),),
        menu="Inference",
    ),
    Kind(
        "endpoint-config",
        "EndpointConfig",
        "endpoint configuration",
        listed="EndpointConfigs",
        roles=("ExecutionRoleArn",),
        menu="Inference",
    ),
    Kind(
        "model",
        "Model",
        "model",
        listed="Models",
        roles=("ExecutionRoleArn",),
        searchable=True,
        menu="Inference",
    ),
    Kind(
        "model-package",
        "ModelPackage",
        "model package",
        listed="ModelPackageSummaryList",
        verbs=(*RECORD, "Update", "BatchDescribe"),
        searchable=True,
        order=("CreationTime", "Ascending"),
        within="ModelPackageGroup",
    ),
    Kind(
        "model-package-group",
        "ModelPackageGroup",
        "model package group",
        listed="ModelPackageGroupSummaryList",
        searchable=True,
        order=("CreationTime", "Ascending"),
        menu="Automation",
    ),
)


def of_arn(arn: str) -> Kind | None:
    """The kind of a resource by its ARN."""
    found = re.match("arn:[^:]*:([^:]*):[^:]*:[^:]*:([^:/]*)", arn)
    return next((kind for kind in KINDS if found and (kind.service, kind.arn) == found.groups()), None)


def of_stem(stem: str) -> Kind:
    """The kind with this stem. StopIteration: there is none."""
    return next(kind for kind in KINDS if kind.stem == stem)


def of_operation(operation: str) -> Kind | None:
    """The kind that an operation of the API is about; None where it is about none, or about several."""
    return next((kind for kind in KINDS if operation in kind.operations), None)
