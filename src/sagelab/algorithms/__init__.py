"""SageMaker's built-in algorithms: each a program that knows a container's folders, and nothing of the local cloud."""
