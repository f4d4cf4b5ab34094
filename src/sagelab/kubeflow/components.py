"""The components: one for each of AWS's, by whose names its inputs and outputs go.

    from sagelab.kubeflow.components import training_job

kfp takes the text of each function by itself, so each says all of its inputs and imports what it needs. Those that
must be given come first; where AWS's component leaves a value empty, so does this.
"""

# ruff: noqa: B006 - kfp reads the signatures, and never shares a default
from typing import NamedTuple

from kfp import dsl


@dsl.component(base_image="python:3.11", packages_to_install=[], install_kfp_package=False)
def processing_job(
    region: str,
    role: str,
    endpoint_url: str = "",
    assume_role: str = "",
    tags: dict = {},
    job_name: str = "",
    image: str = "",
    instance_type: str = "ml.m4.xlarge",
    instance_count: int = 1,
    volume_size: int = 30,
    resource_encryption_key: str = "",
    output_encryption_key: str = "",
    max_run_time: int = 86400,
    environment: dict = {},
    container_entrypoint: list = [],
    container_arguments: list = [],
    output_config: list = [],
    input_config: list = [],
    vpc_security_group_ids: str = "",
    vpc_subnets: str = "",
    network_isolation: bool = True,
    traffic_encryption: bool = False,
) -> NamedTuple("Outputs", [("job_name", str), ("output_artifacts", dict)]):
    """A processing job: data prepared, a model evaluated."""
    inputs = dict(locals())
    from sagelab.kubeflow import jobs

    return jobs.process(inputs)


@dsl.component(base_image="python:3.11", packages_to_install=[], install_kfp_package=False)
def training_job(
    region: str,
    role: str,
    channels: list,
    model_artifact_path: str,
    spot_instance: bool = False,
    max_wait_time: int = 86400,
    max_run_time: int = 86400,
    checkpoint_config: dict = {},
    endpoint_url: str = "",
    assume_role: str = "",
    tags: dict = {},
    job_name: str = "",
    image: str = "",
    algorithm_name: str = "",
    metric_definitions: dict = {},
    training_input_mode: str = "File",
    hyperparameters: dict = {},
    instance_type: str = "ml.m4.xlarge",
    instance_count: int = 1,
    volume_size: int = 30,
    resource_encryption_key: str = "",
    output_encryption_key: str = "",
    vpc_security_group_ids: str = "",
    vpc_subnets: str = "",
    network_isolation: bool = True,
    traffic_encryption: bool = False,
    debug_hook_config: dict = {},
    debug_rule_config: list = [],
) -> NamedTuple("Outputs", [("model_artifact_url", str), ("job_name", str), ("training_image", str)]):
    """A training job."""
    inputs = dict(locals())
    from sagelab.kubeflow import jobs

    return jobs.train(inputs)


@dsl.component(base_image="python:3.11", packages_to_install=[], install_kfp_package=False)
def tuning_job(
    region: str,
    role: str,
    metric_name: str,
    metric_type: str,
    channels: list,
    output_location: str,
    max_num_jobs: int,
    max_parallel_jobs: int,
    spot_instance: bool = False,
    max_wait_time: int = 86400,
    max_run_time: int = 86400,
    checkpoint_config: dict = {},
    endpoint_url: str = "",
    assume_role: str = "",
    tags: dict = {},
    job_name: str = "",
    image: str = "",
    algorithm_name: str = "",
    training_input_mode: str = "File",
    metric_definitions: dict = {},
    strategy: str = "Bayesian",
    early_stopping_type: str = "Off",
    static_parameters: dict = {},
    integer_parameters: list = [],
    continuous_parameters: list = [],
    categorical_parameters: list = [],
    output_encryption_key: str = "",
    instance_type: str = "ml.m4.xlarge",
    instance_count: int = 1,
    volume_size: int = 30,
    resource_encryption_key: str = "",
    vpc_security_group_ids: str = "",
    vpc_subnets: str = "",
    network_isolation: bool = True,
    traffic_encryption: bool = False,
    warm_start_type: str = "",
    parent_hpo_jobs: str = "",
) -> NamedTuple(
    "Outputs",
    [
        ("hpo_job_name", str),
        ("model_artifact_url", str),
        ("best_job_name", str),
        ("best_hyperparameters", dict),
        ("training_image", str),
    ],
):
    """A search for hyperparameters."""
    inputs = dict(locals())
    from sagelab.kubeflow import jobs

    return jobs.tune(inputs)


@dsl.component(base_image="python:3.11", packages_to_install=[], install_kfp_package=False)
def create_model(
    region: str,
    model_name: str,
    role: str,
    endpoint_url: str = "",
    assume_role: str = "",
    tags: dict = {},
    container_host_name: str = "",
    image: str = "",
    model_artifact_url: str = "",
    environment: dict = {},
    model_package: str = "",
    secondary_containers: list = [],
    vpc_security_group_ids: str = "",
    vpc_subnets: str = "",
    network_isolation: bool = True,
) -> NamedTuple("Outputs", [("model_name", str)]):
    """A model of an artifact, or of a model package."""
    inputs = dict(locals())
    from sagelab.kubeflow import jobs

    return jobs.create_model(inputs)


@dsl.component(base_image="python:3.11", packages_to_install=[], install_kfp_package=False)
def deploy_model(
    region: str,
    model_name_1: str,
    endpoint_url: str = "",
    assume_role: str = "",
    tags: dict = {},
    endpoint_name: str = "",
    endpoint_config_name: str = "",
    endpoint_config_tags: dict = {},
    resource_encryption_key: str = "",
    update_endpoint: bool = False,
    variant_name_1: str = "variant-name-1",
    initial_instance_count_1: int = 1,
    instance_type_1: str = "ml.m4.xlarge",
    initial_variant_weight_1: str = "1.0",
    accelerator_type_1: str = "",
    variant_name_2: str = "variant-name-2",
    model_name_2: str = "",
    initial_instance_count_2: int = 1,
    instance_type_2: str = "ml.m4.xlarge",
    initial_variant_weight_2: str = "1.0",
    accelerator_type_2: str = "",
    variant_name_3: str = "variant-name-3",
    model_name_3: str = "",
    initial_instance_count_3: int = 1,
    instance_type_3: str = "ml.m4.xlarge",
    initial_variant_weight_3: str = "1.0",
    accelerator_type_3: str = "",
) -> NamedTuple("Outputs", [("endpoint_name", str)]):
    """An endpoint of up to three models, made or, with update_endpoint, updated."""
    inputs = dict(locals())
    from sagelab.kubeflow import jobs

    return jobs.deploy(inputs)


@dsl.component(base_image="python:3.11", packages_to_install=[], install_kfp_package=False)
def batch_transform(
    region: str,
    model_name: str,
    input_location: str,
    output_location: str,
    endpoint_url: str = "",
    assume_role: str = "",
    tags: dict = {},
    job_name: str = "",
    max_concurrent: int = 0,
    max_payload: int = 6,
    batch_strategy: str = "",
    environment: dict = {},
    data_type: str = "S3Prefix",
    content_type: str = "",
    split_type: str = "None",
    compression_type: str = "None",
    accept: str = "",
    assemble_with: str = "",
    output_encryption_key: str = "",
    input_filter: str = "",
    output_filter: str = "",
    join_source: str = "None",
    instance_type: str = "ml.m4.xlarge",
    instance_count: int = 1,
    resource_encryption_key: str = "",
) -> NamedTuple("Outputs", [("output_location", str)]):
    """A batch transform job."""
    inputs = dict(locals())
    from sagelab.kubeflow import jobs

    return jobs.transform(inputs)
