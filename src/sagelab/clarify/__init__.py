"""SageMaker Clarify's container: bias of data and of a model, and what a model's answers come from."""
