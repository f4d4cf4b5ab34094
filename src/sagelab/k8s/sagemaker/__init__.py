"""AWS's controller for SageMaker (ACK) on the Kubernetes API: its kinds, its fields, its conditions."""
