"""AWS's protocols: from bytes to the parameters of an operation and back, by botocore's models."""
