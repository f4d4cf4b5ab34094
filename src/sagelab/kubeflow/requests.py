"""The inputs of AWS's components for Kubeflow Pipelines as requests of SageMaker's API."""

from __future__ import annotations

from typing import Any

Inputs = dict[str, Any]
Request = dict[str, Any]
VARIANTS = (1, 2, 3)


def processing(inputs: Inputs, name: str) -> Request:
    """CreateProcessingJob"""
    app = {
        "ImageUri": inputs["image"],
        "ContainerEntrypoint": inputs["container_entrypoint"],
        "ContainerArguments": inputs["container_arguments"],
    }
    outputs = {"Outputs": inputs["output_config"], "KmsKeyId": inputs["output_encryption_key"]}
    network = {
        "EnableNetworkIsolation": inputs["network_isolation"],
        "EnableInterContainerTrafficEncryption": inputs["traffic_encryption"],
        "VpcConfig": _vpc(inputs),
    }
    return _filled(
        ProcessingJobName=name,
        RoleArn=inputs["role"],
        AppSpecification=_filled(**app),
        ProcessingResources={"ClusterConfig": _cluster(inputs)},
        ProcessingInputs=inputs["input_config"],
        ProcessingOutputConfig=_filled(**outputs) if inputs["output_config"] else None,
        NetworkConfig=_filled(**network),
        StoppingCondition={"MaxRuntimeInSeconds": inputs["max_run_time"]},
        Environment=inputs["environment"],
        Tags=_tags(inputs["tags"]),
    )


def training(inputs: Inputs, name: str) -> Request:
    """CreateTrainingJob"""
    return _filled(
        TrainingJobName=name,
        **_job(inputs, inputs["model_artifact_path"]),
        HyperParameters=_texts(inputs["hyperparameters"]),
        DebugHookConfig=inputs["debug_hook_config"],
        DebugRuleConfigurations=inputs["debug_rule_config"],
        Tags=_tags(inputs["tags"]),
    )


def tuning(inputs: Inputs, name: str) -> Request:
    """CreateHyperParameterTuningJob"""
    ranges = {
        f"{kind.capitalize()}ParameterRanges": inputs[f"{kind}_parameters"]
        for kind in ("integer", "continuous", "categorical")
    }
    goal = {"Type": inputs["metric_type"], "MetricName": inputs["metric_name"]}
    limits = {
        "MaxNumberOfTrainingJobs": inputs["max_num_jobs"],
        "MaxParallelTrainingJobs": inputs["max_parallel_jobs"],
    }
    config = {
        "Strategy": inputs["strategy"],
        "HyperParameterTuningJobObjective": goal,
        "ResourceLimits": limits,
        "ParameterRanges": _filled(**ranges),
        "TrainingJobEarlyStoppingType": inputs["early_stopping_type"],
    }
    job = _filled(
        **_job(inputs, inputs["output_location"]), StaticHyperParameters=_texts(inputs["static_parameters"])
    )
    parents = [{"HyperParameterTuningJobName": one} for one in _listed(inputs["parent_hpo_jobs"])]
    warm = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": inputs["warm_start_type"]}
    return _filled(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig=config,
        TrainingJobDefinition=job,
        WarmStartConfig=warm if inputs["warm_start_type"] else None,
        Tags=_tags(inputs["tags"]),
    )


def model(inputs: Inputs) -> Request:
    """CreateModel"""
    primary = _filled(
        ContainerHostname=inputs["container_host_name"],
        Image=inputs["image"],
        ModelDataUrl=inputs["model_artifact_url"],
        Environment=inputs["environment"],
        ModelPackageName=inputs["model_package"],
    )
    others = inputs["secondary_containers"]
    containers = {"Containers": [primary, *others]} if others else {"PrimaryContainer": primary}
    return _filled(
        ModelName=inputs["model_name"],
        ExecutionRoleArn=inputs["role"],
        **containers,
        VpcConfig=_vpc(inputs),
        EnableNetworkIsolation=inputs["network_isolation"],
        Tags=_tags(inputs["tags"]),
    )


def endpoint_config(inputs: Inputs, name: str) -> Request:
    """CreateEndpointConfig, with a variant for each model that is named."""
    return _filled(
        EndpointConfigName=name,
        ProductionVariants=[_variant(inputs, n) for n in VARIANTS if inputs[f"model_name_{n}"]],
        KmsKeyId=inputs["resource_encryption_key"],
        Tags=_tags(inputs["endpoint_config_tags"]),
    )


def _variant(inputs: Inputs, number: int) -> Request:
    return _filled(
        VariantName=inputs[f"variant_name_{number}"],
        ModelName=inputs[f"model_name_{number}"],
        InitialInstanceCount=inputs[f"initial_instance_count_{number}"],
        InstanceType=inputs[f"instance_type_{number}"],
        InitialVariantWeight=float(inputs[f"initial_variant_weight_{number}"]),
        AcceleratorType=inputs[f"accelerator_type_{number}"],
    )


def transform(inputs: Inputs, name: str) -> Request:
    """CreateTransformJob"""
    source = {
        "DataSource": {"S3DataSource": {"S3DataType": inputs["data_type"], "S3Uri": inputs["input_location"]}},
        "ContentType": inputs["content_type"],
        "SplitType": inputs["split_type"],
        "CompressionType": inputs["compression_type"],
    }
    target = {
        "S3OutputPath": inputs["output_location"],
        "Accept": inputs["accept"],
        "AssembleWith": inputs["assemble_with"],
        "KmsKeyId": inputs["output_encryption_key"],
    }
    resources = {
        "InstanceType": inputs["instance_type"],
        "InstanceCount": inputs["instance_count"],
        "VolumeKmsKeyId": inputs["resource_encryption_key"],
    }
    data = {
        "InputFilter": inputs["input_filter"],
        "OutputFilter": inputs["output_filter"],
        "JoinSource": inputs["join_source"],
    }
    return _filled(
        TransformJobName=name,
        ModelName=inputs["model_name"],
        MaxConcurrentTransforms=inputs["max_concurrent"] or None,
        MaxPayloadInMB=inputs["max_payload"],
        BatchStrategy=inputs["batch_strategy"],
        Environment=inputs["environment"],
        TransformInput=_filled(**source),
        TransformOutput=_filled(**target),
        TransformResources=_filled(**resources),
        DataProcessing=_filled(**data),
        Tags=_tags(inputs["tags"]),
    )


def _job(inputs: Inputs, output: str) -> Request:
    """What a training job and those of a search have in common."""
    metrics = [{"Name": name, "Regex": regex} for name, regex in inputs["metric_definitions"].items()]
    algorithm = {
        "TrainingImage": inputs["image"],
        "AlgorithmName": inputs["algorithm_name"],
        "TrainingInputMode": inputs["training_input_mode"],
        "MetricDefinitions": metrics,
    }
    limits = {"MaxRuntimeInSeconds": inputs["max_run_time"]}
    limits |= {"MaxWaitTimeInSeconds": inputs["max_wait_time"]} if inputs["spot_instance"] else {}
    return {
        "AlgorithmSpecification": _filled(**algorithm),
        "RoleArn": inputs["role"],
        "InputDataConfig": inputs["channels"],
        "OutputDataConfig": _filled(S3OutputPath=output, KmsKeyId=inputs["output_encryption_key"]),
        "ResourceConfig": _cluster(inputs),
        "VpcConfig": _vpc(inputs),
        "StoppingCondition": limits,
        "EnableNetworkIsolation": inputs["network_isolation"],
        "EnableInterContainerTrafficEncryption": inputs["traffic_encryption"],
        "EnableManagedSpotTraining": inputs["spot_instance"],
        "CheckpointConfig": inputs["checkpoint_config"] if inputs["spot_instance"] else None,
    }


def _cluster(inputs: Inputs) -> Request:
    return _filled(
        InstanceType=inputs["instance_type"],
        InstanceCount=inputs["instance_count"],
        VolumeSizeInGB=inputs["volume_size"],
        VolumeKmsKeyId=inputs["resource_encryption_key"],
    )


def _vpc(inputs: Inputs) -> Request | None:
    groups, subnets = _listed(inputs["vpc_security_group_ids"]), _listed(inputs["vpc_subnets"])
    return {"SecurityGroupIds": groups, "Subnets": subnets} if groups and subnets else None


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _texts(values: Inputs) -> dict[str, str]:
    """Kubeflow has one kind of number, so 4 comes as 4.0 from another step: a whole one is told as such."""
    return {name: f"{value:.0f}" if _is_whole(value) else str(value) for name, value in values.items()}


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _filled(**members: Any) -> Request:
    """Without those that were left empty."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", [], {})}
