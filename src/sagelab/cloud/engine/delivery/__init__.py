"""Delivery: CodePipeline's executions, stage by stage."""
