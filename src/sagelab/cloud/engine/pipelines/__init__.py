"""Pipelines that run: a definition read, its expressions evaluated, its steps' jobs started and followed."""
