"""Endpoints: fleets of model servers that really serve."""
