"""SageMaker's steps for Kubeflow Pipelines, with the inputs and outputs of AWS's components, run by kfp.local."""
