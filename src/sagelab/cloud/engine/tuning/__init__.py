"""Automatic model tuning: a search over hyperparameters whose trials are training jobs."""
