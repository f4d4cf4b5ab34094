"""Kinesis streams as sources of Structured Streaming: "aws-kinesis", as EMR has it, and "kinesis", Glue's."""
