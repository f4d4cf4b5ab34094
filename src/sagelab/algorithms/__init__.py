"""SageMaker's built-in algorithms: programs that know a container's folders, and nothing of the local cloud."""
