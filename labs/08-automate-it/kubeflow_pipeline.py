"""The training of lab 8 as a pipeline of Kubeflow: one step, whose job runs at SageMaker. Exercise 6 runs it:

    $ sagelab kfp run kubeflow_pipeline.py region=... role=... image=... output=... channels=... ...

The step has the inputs and outputs of AWS's component for training jobs.
"""

from kfp import dsl

from sagelab.kubeflow.components import training_job


@dsl.pipeline(name="digits", description="Train a digit classifier at SageMaker.")
def digits(region: str, role: str, image: str, output: str, channels: list, hyperparameters: dict) -> str:
    """One training job; gives the S3 URI of its model."""
    trained = training_job(
        region=region,
        role=role,
        image=image,
        channels=channels,
        hyperparameters=hyperparameters,
        model_artifact_path=output,
        instance_type="ml.m5.large",
        network_isolation=False,
    )
    return trained.outputs["model_artifact_url"]
