"""SageMaker Projects: the built-in template, and the code that its repositories begin with (seed/)."""
