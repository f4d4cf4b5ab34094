"""A Kubernetes API for custom resources, and AWS's controller for SageMaker on it: no nodes, no pods."""
